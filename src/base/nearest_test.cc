#include "base/nearest.h"

#include <array>
#include <string>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

constexpr std::array<std::string_view, 5> words{"detect_within", "read_idle", "write_stall", "name", "key"};

TEST(NearestWord, FindsTheWordThatWasMeant) {
    EXPECT_EQ(nearest_word("detect_witin", words), "detect_within");
    EXPECT_EQ(nearest_word("detect-within", words), "detect_within");
    EXPECT_EQ(nearest_word("DetectWithin", words), "detect_within");
    EXPECT_EQ(nearest_word("raed_idle", words), "read_idle");
    EXPECT_EQ(nearest_word("nmae", words), "name");
    EXPECT_EQ(nearest_word("Key", words), "key");
}

TEST(NearestWord, FindsNothingWhereNothingIsNear) {
    EXPECT_EQ(nearest_word("colour", words), std::nullopt);
    EXPECT_EQ(nearest_word("", words), std::nullopt);
    EXPECT_EQ(nearest_word(std::string(1'000'000, 'k'), words), std::nullopt);
    EXPECT_EQ(nearest_word("key", {}), std::nullopt);
}

TEST(NearestWord, TakesTheNearestAndOfEquallyNearTheFirst) {
    constexpr std::array<std::string_view, 3> near{"list", "last", "lost"};
    EXPECT_EQ(nearest_word("lasst", near), "last");
    EXPECT_EQ(nearest_word("lust", near), "list");
}

}  // namespace
}  // namespace holdfast
