#include <gtest/gtest.h>

#include <holdfast/reason.h>

namespace holdfast {
namespace {

TEST(Reason, TableIsInTheOrderOfTheEnumeration) {
    for (std::size_t i = 0; i < close_reason_count; ++i) {
        EXPECT_EQ(all_close_reasons[i], static_cast<CloseReason>(i));
    }
}

TEST(Reason, WordsRoundTrip) {
    for (const CloseReason reason : all_close_reasons) {
        EXPECT_EQ(parse_close_reason(to_string(reason)), reason);
    }
    EXPECT_EQ(parse_close_reason("unknown error"), std::nullopt);
    EXPECT_EQ(parse_close_reason(""), std::nullopt);
}

TEST(Reason, KindsAreThoseOfTheContract) {
    EXPECT_EQ(to_string(kind_of(CloseReason::peer_reset)), "peer");
    EXPECT_EQ(to_string(kind_of(CloseReason::window_stalled)), "network");
    EXPECT_EQ(to_string(kind_of(CloseReason::kicked)), "policy");
    EXPECT_EQ(to_string(kind_of(CloseReason::item_too_large)), "protocol");
    EXPECT_EQ(to_string(kind_of(CloseReason::out_of_memory)), "resource");
    EXPECT_EQ(to_string(kind_of(CloseReason::shutdown)), "local");
}

}  // namespace

}  // namespace holdfast
