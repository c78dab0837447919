#include "cli/doctor_gateway.h"

#include <string>

#include <gtest/gtest.h>

#include "cli/doctor_text.h"

namespace holdfast {
namespace {

template <typename Read>
auto parsed(const std::string& json, const Read& read) {
    simdjson::dom::parser parser;
    return read(AnswerView(parser.parse(json).value()));
}

TEST(DoctorGateway, ReadsAStatus) {
    const GatewayAnswer gateway = parsed(
        R"({"pid":4711,"uptime_s":12.5,"reactors":2,"max_connections":19872,"connections":7,
            "refused":{"max_connections":3,"descriptors":0},"sink":{"type":"file","error":"disk full"},
            "listeners":[{"name":"devices","address":"127.0.0.1:7000","accept_paused":true,"detect_within_ms":30000,
              "plan":{"idle_s":10,"interval_s":2,"count":5,"user_timeout_ms":19000}}]})",
        read_status);
    EXPECT_EQ(gateway.pid, 4711);
    EXPECT_EQ(gateway.uptime_s, 12.5);
    EXPECT_EQ(gateway.max_connections, 19'872U);
    EXPECT_EQ(gateway.facts.connections, 7U);
    EXPECT_EQ(gateway.facts.refused, 3U);
    EXPECT_EQ(gateway.facts.sink_error, "disk full");
    ASSERT_EQ(gateway.facts.listeners.size(), 1U);
    const DemandedListener& listener = gateway.facts.listeners.front();
    EXPECT_EQ(to_string(listener.address), "127.0.0.1:7000");
    EXPECT_EQ(listener.plan.idle, std::chrono::seconds(10));
    // The gateway's own value counts, even if another version would plan another one.
    EXPECT_EQ(listener.plan.user_timeout, std::chrono::milliseconds(19'000));
    EXPECT_EQ(gateway.facts.accept_paused, std::vector<std::string>{"devices"});
}

TEST(DoctorGateway, AHostileStatusIsSurvived) {
    for (const char* const json :
         {"{}", R"({"pid":-1,"listeners":{}})", R"({"pid":1e30,"uptime_s":"x"})",
          R"({"pid":18446744073709551615,"max_connections":18446744073709551615,"listeners":[1,null,
              {"name":7,"address":"?","detect_within_ms":18446744073709551615,
               "plan":{"idle_s":18446744073709551615,"count":18446744073709551615}}]})"}) {
        const GatewayAnswer gateway = parsed(json, read_status);
        EXPECT_GE(gateway.pid, 0) << json;
        EXPECT_LE(gateway.max_connections, std::uint64_t{1} << 40) << json;
    }
}

TEST(DoctorGateway, ReadsAReconciliation) {
    const ReconciliationSeen seen = parsed(
        R"({"at":"2026-11-22T08:00:00.000Z","took_ms":212,"registry":10,"kernel":11,"drift":2,"ghosts":0,"orphans":1,
            "stuck_close_wait":1,"examples":[{"kind":"orphan","listener":"devices","peer":"10.2.0.9:51514","conn":null,
            "descriptor":17}],"error":null})",
        read_reconciliation);
    EXPECT_EQ(seen.registry, 10U);
    EXPECT_EQ(seen.kernel, 11U);
    EXPECT_EQ(seen.orphans, 1U);
    EXPECT_EQ(seen.stuck_close_wait, 1U);
    EXPECT_EQ(seen.examples, std::vector<std::string>{"orphan 10.2.0.9:51514"});
    EXPECT_EQ(seen.error, "");
}

TEST(DoctorText, ALineForEachAndDetailsOfWhatIsNotWell) {
    const std::string text =
        findings_text({{"kernel", Verdict::ok, "6.1", "fine", "uname -r"},
                       {"somaxconn", Verdict::wrong, "16", "it drops", "sysctl -w net.core.somaxconn=4096"}});
    EXPECT_EQ(text,
              "CHECK      VERDICT  FOUND\n"
              "kernel     ok       6.1\n"
              "somaxconn  wrong    16\n"
              "\n"
              "somaxconn: wrong\n"
              "  found   16\n"
              "  why     it drops\n"
              "  command sysctl -w net.core.somaxconn=4096\n"
              "\n"
              "1 wrong, 0 warnings, 1 ok\n"
              "sysctl -w lasts until the next boot; permanently: the name and value in "
              "/etc/sysctl.d/90-holdfast.conf\n");
}

TEST(DoctorText, Wraps) {
    EXPECT_EQ(wrapped("one two three", 7, 2), "one two\n  three");
    EXPECT_EQ(wrapped("incomprehensible", 7, 2), "incomprehensible");
    EXPECT_EQ(wrapped("", 7, 2), "");
}

}  // namespace
}  // namespace holdfast
