#include "cli/consumer.h"

#include <deque>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/api.h"
#include "daemon/exit.h"
#include "testing/fake_control_plane.h"
#include "testing/fake_spool.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A consumer of the real API over a spool in memory.
class ConsumerTest : public testing::Test {
protected:
    int consume(ConsumeOptions options) {
        Consumer consumer(std::move(options),
                          {.request = [this](const AdminQuestion& question) { return request(question); },
                           .write = [this](std::string_view lines) { return write(lines); },
                           .tell = [this](std::string_view line) { reported_.emplace_back(line); },
                           .sleep = [this](std::chrono::milliseconds) { ++slept_; }});
        return consumer.run();
    }

    Result<AdminAnswer> request(const AdminQuestion& question) {
        if (before_) before_(question);
        if (away_ > 0) {
            --away_;
            return Error{"no gateway answers"};
        }
        const ApiAnswer answer = api_.answer({question.method, question.target, question.body});
        return AdminAnswer{answer.status, answer.body};
    }
    bool write(std::string_view lines) {
        if (broken_) return false;
        out_ += lines;
        return true;
    }
    void fill(int from, int to) {
        for (int n = from; n <= to; ++n) spool_.add("{\"n\":" + std::to_string(n) + "}");
    }
    std::uint64_t position() {
        const auto groups = spool_.groups();
        return groups.empty() ? 0 : groups.front().position;
    }

    FakeControlPlane gateway_;
    FakeSpool spool_;
    Api api_{gateway_, {.spool = &spool_}};
    std::function<void(const AdminQuestion&)> before_;
    std::string out_;
    std::vector<std::string> reported_;
    int slept_ = 0;
    int away_ = 0;
    bool broken_ = false;
};

TEST_F(ConsumerTest, PrintsWhatIsThereAndEnds) {
    fill(1, 3);
    EXPECT_EQ(consume({}), exit_good);
    EXPECT_EQ(out_, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
    EXPECT_THAT(spool_.groups(), IsEmpty());
    EXPECT_THAT(reported_, IsEmpty());
}

TEST_F(ConsumerTest, BytesStayAsTheyWere) {
    const std::string line = R"({"event":"item","item":{ "ip":"\u00e4" , "x":[1.50,-0.0e1,"}\"]"]}})";
    spool_.add(line);
    EXPECT_EQ(consume({}), exit_good);
    EXPECT_EQ(out_, line + "\n");
}

TEST_F(ConsumerTest, AGroupContinuesWhereItStopped) {
    fill(1, 3);
    EXPECT_EQ(consume({.group = "g", .limit = 2}), exit_good);
    EXPECT_EQ(position(), 2U);
    EXPECT_EQ(consume({.group = "g"}), exit_good);
    EXPECT_EQ(position(), 3U);
    EXPECT_EQ(consume({.group = "g"}), exit_good);
    EXPECT_EQ(out_, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
    EXPECT_EQ(consume({.group = "g", .from = 3}), exit_good);
    EXPECT_THAT(out_, HasSubstr("{\"n\":3}\n{\"n\":3}\n"));
}

/// Checks the order of the requests and the writes, and the stored position after the output fails.
TEST_F(ConsumerTest, ThePositionIsKeptAfterTheOutputWasWritten) {
    fill(1, 3);
    before_ = [this](const AdminQuestion& question) {
        if (question.method == "GET") return;
        EXPECT_THAT(out_, HasSubstr("{\"n\":3}\n"));
    };
    EXPECT_EQ(consume({.group = "g"}), exit_good);
    fill(4, 5);
    broken_ = true;
    EXPECT_EQ(consume({.group = "g"}), exit_answer_is_no);
    EXPECT_EQ(position(), 3U);
    EXPECT_THAT(reported_, ElementsAre("standard output cannot be written; the position of group g stays"));
}

TEST_F(ConsumerTest, TwoConsumersOfOneGroupAreReported) {
    fill(1, 4);
    bool is_first = true;
    before_ = [this, &is_first](const AdminQuestion& question) {
        if (question.method != "POST" || !std::exchange(is_first, false)) return;
        EXPECT_EQ(consume({.group = "g", .limit = 3, .name = "other"}), exit_good);
    };
    EXPECT_EQ(consume({.group = "g", .limit = 2, .name = "this"}), exit_answer_is_no);
    ASSERT_EQ(reported_.size(), 1U);
    EXPECT_THAT(reported_.front(), HasSubstr("another consumer moves it"));
    EXPECT_EQ(position(), 3U);
    EXPECT_EQ(consume({.group = "g", .name = "next"}), exit_good);
    EXPECT_EQ(position(), 4U);
}

TEST_F(ConsumerTest, FromAPositionItTakesTheGroupOver) {
    fill(1, 4);
    EXPECT_EQ(consume({.group = "g", .name = "one"}), exit_good);
    EXPECT_EQ(consume({.group = "g", .from = 2, .limit = 1, .name = "two"}), exit_good);
    EXPECT_EQ(position(), 2U);
    EXPECT_EQ(consume({.group = "g", .name = "three"}), exit_good);
    EXPECT_EQ(position(), 4U);
    EXPECT_THAT(reported_, IsEmpty());
}

TEST_F(ConsumerTest, FollowsOverARestart) {
    fill(1, 2);
    int asked = 0;
    before_ = [&](const AdminQuestion& question) {
        if (question.method == "GET" && ++asked == 3) away_ = 5;
        if (away_ == 1) fill(3, 4);
    };
    EXPECT_EQ(consume({.group = "g", .limit = 4, .follow = true}), exit_good);
    EXPECT_EQ(out_, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n\":4}\n");
    EXPECT_EQ(position(), 4U);
    EXPECT_EQ(slept_, 5);
    EXPECT_THAT(reported_, ElementsAre(HasSubstr("no gateway answers; retrying")));
}

TEST_F(ConsumerTest, WithoutFollowAMissingGatewayIsTheEnd) {
    away_ = 1;
    EXPECT_EQ(consume({}), exit_unreachable);
    EXPECT_THAT(reported_, ElementsAre("no gateway answers"));
}

TEST_F(ConsumerTest, MissingEventsAreReported) {
    fill(1, 3);
    spool_.lose(1, 2, "a damaged row");
    EXPECT_EQ(consume({.group = "g"}), exit_good);
    EXPECT_EQ(out_, "{\"n\":3}\n");
    EXPECT_THAT(reported_, ElementsAre("events 1 to 2 are missing: a damaged row"));
    EXPECT_EQ(position(), 3U);
}

TEST_F(ConsumerTest, APositionOfAnotherSpoolIsAFault) {
    fill(1, 3);
    EXPECT_EQ(consume({.from = 9, .follow = true}), exit_answer_is_no);
    EXPECT_THAT(reported_, ElementsAre(HasSubstr("position 8 is beyond the newest event, 3")));
}

TEST_F(ConsumerTest, AGatewayWithoutASpoolSaysWhatToDo) {
    Api bare(gateway_, {});
    Consumer consumer({.group = {}, .from = {}, .limit = {}, .follow = true},
                      {.request = [&](const AdminQuestion& question) -> Result<AdminAnswer> {
                           const ApiAnswer answer = bare.answer({question.method, question.target});
                           return AdminAnswer{answer.status, answer.body};
                       },
                       .write = [](std::string_view) { return true; },
                       .tell = [this](std::string_view line) { reported_.emplace_back(line); },
                       .sleep = [](std::chrono::milliseconds) {}});
    EXPECT_EQ(consumer.run(), exit_answer_is_no);
    EXPECT_THAT(reported_, ElementsAre(HasSubstr("--sink spool:DIRECTORY")));
}

TEST(SpoolPage, RefusesWhatIsNone) {
    for (const char* body : {"", "{}", "[]", R"({"next_after":1,"newest":1,"missing":[],"events":[1]})",
                             R"({"next_after":1,"newest":1,"missing":[{"first":1}],"events":[]})"}) {
        EXPECT_FALSE(read_spool_page(body)) << body;
    }
    EXPECT_FALSE(read_group_position("{}", "g"));
}

}  // namespace
}  // namespace holdfast
