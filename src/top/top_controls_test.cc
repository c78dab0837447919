#include "top/top_controls.h"

#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

using testing::ElementsAre;

TopControls after(std::string_view keys) {
    TopControls controls;
    for (const char key : keys) press(controls, static_cast<unsigned char>(key));
    return controls;
}

TEST(TopControls, SortByLetterOrInTurn) {
    EXPECT_EQ(after("").sort, ConnectionSort::age);
    EXPECT_EQ(after("i").sort, ConnectionSort::idle);
    EXPECT_EQ(after("n").sort, ConnectionSort::items);
    EXPECT_EQ(after("b").sort, ConnectionSort::bytes_in);
    EXPECT_EQ(after("o").sort, ConnectionSort::bytes_out);
    EXPECT_EQ(after("e").sort, ConnectionSort::peer);
    EXPECT_EQ(after("ka").sort, ConnectionSort::age);
    EXPECT_EQ(after("s").sort, ConnectionSort::idle);
    EXPECT_EQ(after("ssssss").sort, ConnectionSort::key);
    EXPECT_EQ(after("sssssss").sort, ConnectionSort::age);
    EXPECT_TRUE(after("r").reverse);
    EXPECT_FALSE(after("rr").reverse);
}

TEST(TopControls, AFilterIsTypedAndApplied) {
    EXPECT_TRUE(after("/").typing);
    EXPECT_EQ(after("/10.2\n").filter, "10.2");
    EXPECT_FALSE(after("/10.2\n").typing);
    EXPECT_EQ(after("/qsrp").typed, "qsrp");
    EXPECT_EQ(after("/qsrp"), after("/qsrpx\x7f"));
    EXPECT_EQ(after("/\xc3\xa9\x7f").typed, "");
    EXPECT_EQ(after("/\x7f\x7f").typed, "");
    EXPECT_EQ(after("/one\n/\x1b").filter, "one");
    EXPECT_EQ(after("/one\n/").typed, "one");
    EXPECT_EQ(after("/one\n/\x7f\x7f\x7f\n").filter, "");
    EXPECT_EQ(after("/" + std::string(1'000, 'x') + "\n").filter.size(), 256U);
    EXPECT_EQ(after("/a\tb\n").filter, "ab");
}

TEST(TopControls, PauseAndQuit) {
    EXPECT_TRUE(after("p").paused);
    EXPECT_FALSE(after("pp").paused);
    EXPECT_TRUE(after("q").quit);
    EXPECT_TRUE(after("/\x03").quit);
    EXPECT_EQ(after("xyz!\x1b\n"), TopControls());
}

TEST(TopControls, TheTablesQuestions) {
    EXPECT_THAT(connection_targets({}, 50), ElementsAre("/v1/connections?sort=age&order=desc&limit=50"));
    EXPECT_THAT(connection_targets(after("er"), 5), ElementsAre("/v1/connections?sort=peer&order=desc&limit=5"));
    EXPECT_THAT(connection_targets(after("e"), 5), ElementsAre("/v1/connections?sort=peer&order=asc&limit=5"));
    EXPECT_THAT(connection_targets(after("/a b\n"), 5),
                ElementsAre("/v1/connections?sort=age&order=desc&limit=5&key=a%20b",
                            "/v1/connections?sort=age&order=desc&limit=5&id=a%20b"));
    // An address can be the peer's or a key of the device.
    EXPECT_THAT(connection_targets(after("/10.2.0.9\n"), 5),
                ElementsAre("/v1/connections?sort=age&order=desc&limit=5&peer=10.2.0.9",
                            "/v1/connections?sort=age&order=desc&limit=5&key=10.2.0.9",
                            "/v1/connections?sort=age&order=desc&limit=5&id=10.2.0.9"));
}

}  // namespace
}  // namespace holdfast
