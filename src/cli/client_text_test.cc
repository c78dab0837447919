#include "cli/client_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

/// An answer and a view of it.
struct Answer {
    explicit Answer(const std::string& json) : view(parser.parse(json).value()) {}
    simdjson::dom::parser parser;
    AnswerView view;
};

std::string meaning(const std::string& evidence) {
    return evidence_meaning(Answer(R"({"detect_within_ms":30000,"evidence":{)" + evidence + "}}").view);
}

TEST(AnswerView, ReadsWhatIsThereAndNothingElse) {
    const Answer answer(
        R"({"a":"x","n":5,"r":1.5,"f":true,"z":null,"l":[1,2],"o":{"p":1,"q":3,"r":0,"s":"no"},"neg":-1})");
    EXPECT_EQ(answer.view.text("/a"), "x");
    EXPECT_EQ(answer.view.text("/n"), "5");
    EXPECT_EQ(answer.view.text("/z"), "");
    EXPECT_EQ(answer.view.text("/nowhere/at/all"), "");
    EXPECT_EQ(answer.view.count("/n"), 5U);
    EXPECT_EQ(answer.view.count("/a"), 0U);
    EXPECT_EQ(answer.view.count("/neg"), 0U);
    EXPECT_EQ(answer.view.real("/n"), 5.0);
    EXPECT_EQ(answer.view.real("/r"), 1.5);
    EXPECT_TRUE(answer.view.flag("/f"));
    EXPECT_FALSE(answer.view.flag("/n"));
    EXPECT_EQ(answer.view.list("/l").size(), 2U);
    EXPECT_TRUE(answer.view.list("/o").empty());
    using Counts = std::vector<std::pair<std::string, std::uint64_t>>;
    EXPECT_EQ(answer.view.counts("/o"), (Counts{{"q", 3}, {"p", 1}}));
}

TEST(ClientText, RowsOfAnyAnswerAreATable) {
    const Answer list(R"({"step_s":10,"points":[{"at":"08:00","bad_items":12,"closed":{"peer_reset":2,"kicked":0}},)"
                      R"({"at":"a\u001b[31m","bad_items":7,"closed":{}}]})");
    EXPECT_EQ(rows_text(list.view),
              "AT         BAD ITEMS  CLOSED\n"
              "08:00             12  2 peer_reset\n"
              "a\\x1b[31m          7  -\n");
    EXPECT_EQ(rows_text(Answer(R"({"out_of_service":true,"left":7,"why":null})").view),
              "OUT OF SERVICE  LEFT  WHY\n"
              "yes                7  -\n");
}

TEST(ClientText, EvidenceIsExplained) {
    EXPECT_THAT(meaning(R"("last_heard_ms":1200)"),
                StartsWith("The last sign of life of the peer's kernel was 1.2s ago"));
    EXPECT_THAT(meaning(R"("unacked_bytes":10)"), StartsWith("Data is in flight"));
    EXPECT_THAT(meaning(R"("probes":3)"), testing::AllOf(StartsWith("3 keep-alive probes"), HasSubstr("within 30s")));
    EXPECT_THAT(
        meaning(R"("unacked_bytes":2048,"retransmits":4,"peer_window":100)"),
        testing::AllOf(StartsWith("2.0 KiB unacknowledged after 4 retransmissions"), HasSubstr("retransmit_expired")));
    EXPECT_THAT(meaning(R"("unacked_bytes":2048,"unsent_bytes":2048,"peer_window":0,"probes":2)"),
                testing::AllOf(StartsWith("The peer answers but does not read"), HasSubstr("window_stalled")));
}

TEST(ClientText, StatusWarnsOfWhatIsWrong) {
    const std::string text = status_text(
        Answer(R"({"draining":true,"reading_paused":true,"sink":{"type":"file","error":"no\u001b[31m space"},
        "listeners":[{"name":"devices","accept_paused":true}]})")
            .view);
    EXPECT_THAT(text, HasSubstr("! stopping"));
    EXPECT_THAT(text, HasSubstr("! reading is paused"));
    EXPECT_THAT(text, HasSubstr("! the sink cannot write: no\\x1b[31m space\n"));
    EXPECT_THAT(text, HasSubstr(R"(! listener "devices" has paused accepting)"));
    EXPECT_EQ(status_text(Answer("{}").view).find('!'), std::string::npos);
}

TEST(ClientText, StatusNamesTheSpoolItsGroupsAndWhatIsLost) {
    const std::string text =
        status_text(Answer(R"({"sink":{"type":"spool","spool":{"first_position":1,"last_position":1234,"commits":17,
                   "file_bytes":1048576,"quarantined_events":3,
                   "groups":[{"name":"billing","lag_events":34,"required":true}]}}})")
                        .view);
    EXPECT_THAT(text, HasSubstr("positions 1 to 1,234, 17 commits"));
    EXPECT_THAT(text, HasSubstr("group billing: 34 events behind, required\n"));
    EXPECT_THAT(text, HasSubstr("! 3 events are damaged in the spool"));
}

TEST(ClientText, NothingThatADeviceSaysReachesTheTerminalAsItIs) {
    const std::string hostile =
        R"({"conn":"\u001b]0;x\u0007","listener":"\u009b1m","peer":"a\nb","key":"\u001b[2J","connected_at":"\r"})";
    const std::string text = connection_text(Answer(hostile).view);
    for (const unsigned char c : text) EXPECT_TRUE(c == '\n' || c >= 0x20) << text;
    EXPECT_EQ(text.find("\xc2\x9b"), std::string::npos);
    EXPECT_THAT(text, HasSubstr("a\\nb"));
}

}  // namespace
}  // namespace holdfast
