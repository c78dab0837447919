#include <gtest/gtest.h>

#include "api/api.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

const ApiEndpoint& endpoint(std::string_view method, std::string_view path) {
    for (const ApiEndpoint& row : Api::endpoints()) {
        if (row.method == method && row.path == path) return row;
    }
    ADD_FAILURE() << method << " " << path;
    return Api::endpoints().front();
}

Result<ApiArguments> read(const ApiEndpoint& row, std::string_view query) {
    return ApiArguments::read(row.parameters, parse_request_target("/?" + std::string(query)).value());
}

std::string complaint(const ApiEndpoint& row, std::string_view query) {
    const auto arguments = read(row, query);
    return arguments ? "" : arguments.error().message;
}

const ApiEndpoint& connections() { return endpoint("GET", api_path::connections); }

TEST(ApiArguments, HaveTheTypesOfTheirRows) {
    const ApiArguments given =
        read(connections(), "peer=10.2.0.0/16&key=k&listener=l&suspect=true&sort=items&limit=5&offset=10").value();
    EXPECT_EQ(given.get<Prefix>("peer"), parse_prefix("10.2.0.0/16").value());
    EXPECT_EQ(given.get<std::string>("key"), "k");
    EXPECT_EQ(given.get<std::string>("sort"), "items");
    EXPECT_EQ(given.get<bool>("suspect"), true);
    EXPECT_EQ(given.get<std::uint64_t>("limit"), 5U);
    EXPECT_EQ(given.get<std::uint64_t>("offset"), 10U);
    EXPECT_EQ(given.get<std::string>("id"), std::nullopt);
    EXPECT_EQ(given.get<std::string>("peer"), std::nullopt) << "it is a prefix";
}

TEST(ApiArguments, HaveTheDefaultsOfTheirRows) {
    const ApiArguments given = read(connections(), "").value();
    EXPECT_EQ(given.get<std::uint64_t>("limit"), 100U);
    EXPECT_EQ(given.get<std::string>("sort"), "age");
    EXPECT_EQ(given.get<std::uint64_t>("offset"), std::nullopt);
    EXPECT_EQ(given.value<std::uint64_t>("offset"), 0U);
    const ApiArguments window = read(endpoint("GET", api_path::trend), "").value();
    EXPECT_EQ(window.value<milliseconds>("window"), 1h);
    EXPECT_EQ(window.value<milliseconds>("step"), 0s);
}

TEST(ApiArguments, AnErrorNamesTheValueAndWhatIsAllowed) {
    const std::pair<const char*, const char*> wrong[] = {
        {"limit=-1", "limit=\"-1\" is not a whole number from 0 to 10000"},
        {"limit=10001", "limit=\"10001\" is not a whole number from 0 to 10000"},
        {"sort=colour",
         "sort=\"colour\" is not a sort; allowed are age, idle, items, bad_items, bytes_in, bytes_out, peer, key"},
        {"order=up", "order=\"up\" is not an order; allowed are asc, desc"},
        {"suspect=1", "suspect=\"1\" is neither true nor false"},
        {"colour=red",
         "unknown query parameter \"colour\"; allowed are peer, key, id, listener, since, until, suspect, sort, order, "
         "limit, "
         "offset"},
        {"key=a&key=b", "key=\"b\" is given twice; give it once"},
    };
    for (const auto& [query, message] : wrong) EXPECT_EQ(complaint(connections(), query), message);
    EXPECT_TRUE(complaint(connections(), "peer=10.2.0.1/16").starts_with("peer=\"10.2.0.1/16\" is not a prefix ("));
    EXPECT_EQ(complaint(endpoint("GET", api_path::status), "x=1"),
              "unknown query parameter \"x\"; remove it, as this path has none");
    const std::string reason = complaint(endpoint("GET", api_path::closed), "reason=timeout");
    EXPECT_TRUE(reason.starts_with("reason=\"timeout\" is not a reason; allowed are peer_closed, peer_reset,"))
        << reason;
}

TEST(ApiArguments, ARequiredOneIsMissedAfterTheOthersAreRead) {
    const ApiEndpoint& closing = endpoint("DELETE", api_path::connections);
    EXPECT_EQ(complaint(closing, ""), "peer is missing; give it: prefix of the peers, e.g. 10.2.0.0/16");
    EXPECT_TRUE(complaint(closing, "all=true").starts_with("unknown query parameter \"all\""));
}

TEST(ApiArguments, NumbersAreDecimalAndWhole) {
    for (const char* number : {"", "1x", "%2B1", "0x10", "1e3", "99999999999999999999999", "-0", "1.0", "%201"}) {
        EXPECT_NE(complaint(connections(), "offset=" + std::string(number)), "") << number;
    }
    EXPECT_EQ(read(connections(), "offset=18446744073709551615").value().value<std::uint64_t>("offset"),
              18446744073709551615U);
    EXPECT_EQ(complaint(connections(), "limit=0"), "");
    EXPECT_EQ(complaint(endpoint("GET", api_path::spool), "limit=0"),
              "limit=\"0\" is not a whole number from 1 to 10000");
}

TEST(ApiArguments, TimesHaveTheBoundsOfTheirRows) {
    const ApiEndpoint& probe = endpoint("POST", api_path::probe);
    EXPECT_EQ(read(probe, "timeout=500ms").value().value<milliseconds>("timeout"), 500ms);
    EXPECT_EQ(read(probe, "timeout=30s").value().value<milliseconds>("timeout"), 30s);
    for (const char* wrong : {"31s", "0s", "3", "-1s", "", "1h"}) {
        EXPECT_EQ(
            complaint(probe, "timeout=" + std::string(wrong)),
            "timeout=\"" + std::string(wrong) + "\" is not a time to wait; write e.g. 500ms or 3s, from 1ms to 30s");
    }
    EXPECT_EQ(complaint(endpoint("GET", api_path::spool), "wait=31s"),
              "wait=\"31s\" is not a time to wait; write e.g. 500ms or 3s, at most 30s");
    EXPECT_EQ(complaint(endpoint("GET", api_path::trend), "step=1500ms"),
              "step=\"1500ms\" is not a duration of whole seconds from 1s to 48h");
}

TEST(ApiArguments, ListsHaveOnlyKnownWords) {
    const ApiEndpoint& feed = endpoint("GET", api_path::events);
    EXPECT_EQ(read(feed, "kinds=item,sample").value().value<std::vector<std::string>>("kinds"),
              (std::vector<std::string>{"item", "sample"}));
    for (const char* wrong : {"", "skipped", "item,", "item,,sample", "Item"}) {
        EXPECT_TRUE(complaint(feed, "kinds=" + std::string(wrong)).starts_with("kinds has the unknown word \""))
            << wrong;
    }
}

TEST(ApiArguments, EveryDefaultIsAValueOfItsRow) {
    for (const ApiEndpoint& row : Api::endpoints()) {
        for (const auto parameters : {row.parameters, row.fields}) {
            for (const Parameter& parameter : parameters) {
                if (parameter.default_value.empty()) continue;
                RequestTarget target;
                target.query.emplace_back(parameter.name, parameter.default_value);
                const auto read_back = ApiArguments::read({&parameter, 1}, target);
                EXPECT_TRUE(read_back) << row.path << " " << read_back.error().message;
            }
        }
    }
}

Result<ApiArguments> body(std::string_view text) {
    return ApiArguments::read_body(endpoint("POST", api_path::drain).fields, text);
}

TEST(ApiArguments, AnErrorNamesTheFieldOfABody) {
    const std::pair<const char*, const char*> wrong[] = {
        {"[]", "the body is not a JSON object"},
        {"{\"over\":", "the body is not a JSON object"},
        {R"({"over":120})", "over=\"120\" is not a text"},
        {R"({"over":"soon"})", "over=\"soon\" is not a time; write e.g. 500ms or 3s"},
        {R"({"peer":"10.2.0.0/99"})", "peer=\"10.2.0.0/99\" is not a prefix"},
        {R"({"peer":7})", "peer=\"7\" is not a text"},
        {R"({"listener":["a"]})", "listener=\"[\\\"a\\\"]\" is not a text"},
        {R"({"goodbye":"yes"})", "goodbye=\"yes\" is a text; write it without quotes"},
        {R"({"goodbye":"true"})", "goodbye=\"true\" is a text"},
        {R"({"come_back":"never"})", "come_back=\"never\" is not a come_back; allowed are later, at_once"},
        {R"({"within":"2m"})", "unknown key \"within\"; allowed are over, peer, listener, come_back, goodbye"},
    };
    for (const auto& [text, message] : wrong) {
        const auto fields = body(text);
        ASSERT_FALSE(fields) << text;
        EXPECT_TRUE(fields.error().message.starts_with(message)) << fields.error().message;
    }
}

}  // namespace
}  // namespace holdfast
