#include "pipeline/waiting_answers.h"

#include <string>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

/// Devices that read only while their number is in `reading`.
struct Devices {
    std::unordered_set<Token> reading;
    std::string sent;

    bool operator()(Token number, const std::string& bytes, bool is_last) {
        if (!reading.contains(number)) return false;
        sent += std::to_string(number) + bytes + (is_last ? "!" : " ");
        return true;
    }
};

TEST(WaitingAnswers, ComeInOrderWhenTheirItemsAreDurable) {
    WaitingAnswers answers;
    Devices devices{.reading = {1, 2}, .sent = {}};
    answers.add(1, 5, "a");
    answers.add(2, 6, "b");
    answers.add(1, 7, "c");
    answers.release(4, std::ref(devices));
    EXPECT_EQ(devices.sent, "");
    answers.release(6, std::ref(devices));
    EXPECT_EQ(devices.sent, "1a 2b!");
    EXPECT_TRUE(answers.contains(1));
    EXPECT_FALSE(answers.contains(2));
    answers.release(7, std::ref(devices));
    EXPECT_EQ(devices.sent, "1a 2b!1c!");
    EXPECT_FALSE(answers.contains(1));
}

TEST(WaitingAnswers, OfADeviceThatDoesNotReadAreKept) {
    WaitingAnswers answers;
    Devices devices{.reading = {2}, .sent = {}};
    answers.add(1, 1, "a");
    answers.add(1, 2, "b");
    answers.add(2, 2, "c");
    answers.release(2, std::ref(devices));
    EXPECT_EQ(devices.sent, "2c!");
    EXPECT_TRUE(answers.has_blocked());
    answers.add(1, 3, "d");
    devices.reading.insert(1);
    answers.release(0, std::ref(devices));
    EXPECT_EQ(devices.sent, "2c!1a 1b ");
    answers.release(3, std::ref(devices));
    EXPECT_EQ(devices.sent, "2c!1a 1b 1d!");
    EXPECT_FALSE(answers.has_blocked());
    answers.block(1, "e");
    EXPECT_TRUE(answers.contains(1));
    answers.release(0, std::ref(devices));
    EXPECT_EQ(devices.sent, "2c!1a 1b 1d!1e!");
}

TEST(WaitingAnswers, OfOneConnectionAreLimited) {
    WaitingAnswers answers;
    const std::string half(WaitingAnswers::max_bytes / 2 + 1, 'x');
    answers.add(1, 1, half);
    EXPECT_FALSE(answers.is_full(1));
    answers.add(1, 1, half);
    EXPECT_TRUE(answers.is_full(1));
    EXPECT_FALSE(answers.is_full(2));
    answers.release(1, [](Token, const std::string&, bool) { return true; });
    EXPECT_FALSE(answers.is_full(1));
}

}  // namespace
}  // namespace holdfast
