#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/framing.h"
#include "testing/seed.h"

namespace holdfast {
namespace {

using testing::ElementsAre;

/// Cuts a stream as a device does. "?" stands for bytes that are no item.
std::vector<std::string> received(const FrameRules& rules, std::string stream) {
    std::vector<std::string> items;
    FrameScan scan;
    while (!stream.empty()) {
        const Frame frame = next_frame(rules, stream, scan, 100'000);
        if (frame.kind == Frame::Kind::item) {
            items.push_back(stream.substr(frame.begin, frame.end - frame.begin));
        } else if (frame.kind != Frame::Kind::partial || frame.end > frame.begin) {
            items.emplace_back("?");
        }
        if (frame.kind == Frame::Kind::partial) break;
        stream.erase(0, frame.next);
    }
    return items;
}

std::string describe(const FrameRules& rules, const std::string& item) {
    const LengthField& field = rules.length_field;
    return std::string(to_string(rules.framing)) + " delimiter '" + std::string(rules.delimiter) + "' offset " +
           std::to_string(field.offset) + " width " + std::to_string(field.width) + " adjustment " +
           std::to_string(field.adjustment) + " strip " + std::to_string(field.strip) + " item of " +
           std::to_string(item.size()) + " bytes '" + item.substr(0, 20) + "'";
}

/// Expects that an item is either refused and nothing is appended, or received as the one item of its frame.
bool refuses(const FrameRules& rules, const std::string& item) {
    const std::string before = "before";
    std::string out = before;
    const bool taken = append_framed(out, rules, item);
    EXPECT_TRUE(out.starts_with(before));
    const std::string frame = out.substr(before.size());
    if (taken) {
        EXPECT_THAT(received(rules, frame), ElementsAre(item)) << describe(rules, item);
    } else {
        EXPECT_EQ(frame, "") << describe(rules, item);
    }
    return !taken;
}

TEST(AppendFramed, ALengthThatItsFieldCannotStateIsRefused) {
    const auto length_field = [](LengthField field) {
        return FrameRules{.framing = Framing::length_field, .trims = false, .length_field = field};
    };
    const FrameRules one = length_field({.width = 1, .strip = 1});
    EXPECT_FALSE(refuses(one, std::string(255, 'x')));
    EXPECT_TRUE(refuses(one, std::string(256, 'x')));
    const FrameRules two = length_field({.width = 2, .strip = 2});
    EXPECT_FALSE(refuses(two, std::string(65'535, 'x')));
    EXPECT_TRUE(refuses(two, std::string(65'536, 'x')));
    const FrameRules counts_itself = length_field({.width = 1, .adjustment = -1, .strip = 1});
    EXPECT_FALSE(refuses(counts_itself, std::string(254, 'x')));
    EXPECT_TRUE(refuses(counts_itself, std::string(255, 'x')));
    const FrameRules trailer = length_field({.width = 8, .adjustment = 2, .strip = 8});
    EXPECT_TRUE(refuses(trailer, "x"));  // its length would be below zero
    EXPECT_FALSE(refuses(trailer, "xyz"));
    const FrameRules own_header = length_field({.offset = 1, .width = 1});
    EXPECT_FALSE(refuses(own_header, "a\x01z"));
    EXPECT_TRUE(refuses(own_header, "a\x02z"));
    EXPECT_TRUE(refuses(own_header, "a"));
    EXPECT_FALSE(refuses({.framing = Framing::length, .trims = false}, std::string(70'000, 'x')));
}

TEST(AppendFramed, AnItemWithItsDelimiterIsRefused) {
    const FrameRules lines{.framing = Framing::ndjson, .trims = false};
    EXPECT_FALSE(refuses(lines, "one line"));
    EXPECT_FALSE(refuses(lines, "a\rb"));
    EXPECT_TRUE(refuses(lines, "two\nlines"));
    EXPECT_TRUE(refuses(lines, "its last byte would belong to the line end\r"));
    const FrameRules delimited{.framing = Framing::ndjson, .delimiter = "aa", .trims = false};
    EXPECT_FALSE(refuses(delimited, "ab"));
    EXPECT_TRUE(refuses(delimited, "baac"));
    EXPECT_TRUE(refuses(delimited, "ba"));  // "baaa" ends one byte early
    const FrameRules json{.framing = Framing::ndjson, .delimiter = ";"};
    EXPECT_FALSE(refuses(json, R"({"a":"b"})"));
    EXPECT_TRUE(refuses(json, R"({"a":"b;c"})"));
    std::string out;
    EXPECT_TRUE(append_framed(out, FrameRules{.framing = Framing::ndjson}, "{\n}"));
    EXPECT_EQ(out, "{ }\n");
}

TEST(AppendFramed, WhatIsNotRefusedIsReceived) {
    std::mt19937_64 random(test_seed());
    const auto one_of = [&random](std::uint64_t count) { return random() % count; };
    const auto text = [&](std::size_t size, std::string_view letters) {
        std::string made;
        while (made.size() < size) made += letters[one_of(letters.size())];
        return made;
    };
    int refused = 0;
    for (int round = 0; round < 20'000; ++round) {
        FrameRules rules{.framing = Framing::ndjson, .trims = false};
        const std::string delimiter = text(one_of(4), "ab");
        rules.delimiter = delimiter;
        refused += refuses(rules, text(1 + one_of(6), "ab\r\n")) ? 1 : 0;
        rules = {.framing = Framing::length_field, .trims = false};
        rules.length_field = {.offset = static_cast<unsigned>(one_of(3)),
                              .width = static_cast<unsigned>(1 + one_of(4)),
                              .order = one_of(2) == 0 ? ByteOrder::big : ByteOrder::little,
                              .adjustment = static_cast<int>(one_of(9)) - 4,
                              .strip = static_cast<unsigned>(one_of(7))};
        const std::string zeros_and_ones("\0\1\2", 3);
        refused += refuses(rules, text(1 + (one_of(2) == 0 ? one_of(6) : 245 + one_of(20)), zeros_and_ones)) ? 1 : 0;
    }
    EXPECT_GT(refused, 1'000);
    EXPECT_LT(refused, 39'000);
}

}  // namespace
}  // namespace holdfast
