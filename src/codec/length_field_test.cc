#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/framing.h"
#include "testing/seed.h"

namespace holdfast {
namespace {

using namespace std::string_view_literals;
using testing::ElementsAre;

FrameRules rules_of(LengthField field, bool drops = false) {
    return {.framing = Framing::length_field, .drops = drops, .trims = false, .length_field = field};
}

/// Cuts a stream that arrives in these parts. Returns the items; "!" stands for malformed and "+" for too large.
std::vector<std::string> cut(const FrameRules& rules, const std::vector<std::string_view>& parts,
                             std::size_t max_bytes = 1'000) {
    std::vector<std::string> items;
    std::string kept;
    FrameScan scan;
    for (const std::string_view part : parts) {
        kept += part;
        for (;;) {
            const Frame frame = next_frame(rules, kept, scan, max_bytes);
            if (frame.kind == Frame::Kind::item) items.push_back(kept.substr(frame.begin, frame.end - frame.begin));
            if (frame.kind == Frame::Kind::malformed) items.emplace_back("!");
            if (frame.kind == Frame::Kind::too_large) items.emplace_back("+");
            kept.erase(0, frame.next);
            if (frame.kind == Frame::Kind::partial || kept.empty()) break;
        }
    }
    return items;
}

std::vector<std::string_view> in_bytes(std::string_view stream) {
    std::vector<std::string_view> parts;
    for (std::size_t at = 0; at < stream.size(); ++at) parts.push_back(stream.substr(at, 1));
    return parts;
}

struct Layout {
    const char* name;
    LengthField field;
    std::string_view stream;
    std::vector<std::string> items;
};

// Frames as the protocols publish them.
const std::vector<Layout>& layouts() {
    static const std::vector<Layout> all{
        {"Modbus TCP: transaction, protocol, length of the rest; a read request and its answer",
         {.offset = 4, .width = 2},
         "\x00\x01\x00\x00\x00\x06\x01\x03\x00\x6b\x00\x03\x00\x01\x00\x00\x00\x05\x01\x03\x02\x02\x2b"sv,
         {std::string("\x00\x01\x00\x00\x00\x06\x01\x03\x00\x6b\x00\x03"sv),
          std::string("\x00\x01\x00\x00\x00\x05\x01\x03\x02\x02\x2b"sv)}},
        {"SMPP 3.4: the command's length counts itself; enquire_link",
         {.width = 4, .adjustment = -4},
         "\0\0\0\x10\0\0\0\x15\0\0\0\0\0\0\0\1"sv,
         {std::string("\0\0\0\x10\0\0\0\x15\0\0\0\0\0\0\0\1"sv)}},
        {"DLMS wrapper: version, source, destination, length; only the payload is the item",
         {.offset = 6, .width = 2, .strip = 8},
         "\x00\x01\x00\x01\x00\x10\x00\x03\x0f\x01\x02"sv,
         {"\x0f\x01\x02"}},
        {"a checksum of two bytes that the length leaves out, little-endian",
         {.offset = 1, .width = 2, .order = ByteOrder::little, .adjustment = 2, .strip = 3},
         "\x68\x03\x00"
         "abc\xaa\xbb"
         "\x68\x01\x00"
         "d\xcc\xdd"sv,
         {"abc\xaa\xbb", "d\xcc\xdd"}},
        {"three bytes", {.width = 3, .strip = 3}, "\0\0\2hi\0\0\0\0\0\1!"sv, {"hi", "!"}},
        {"eight bytes", {.width = 8, .strip = 8}, "\0\0\0\0\0\0\0\2hi"sv, {"hi"}},
    };
    return all;
}

TEST(LengthFieldFraming, CutsPublishedLayoutsHoweverTheyArrive) {
    std::mt19937_64 random(test_seed());
    for (const Layout& layout : layouts()) {
        const FrameRules rules = rules_of(layout.field);
        EXPECT_EQ(cut(rules, {layout.stream}), layout.items) << layout.name;
        EXPECT_EQ(cut(rules, in_bytes(layout.stream)), layout.items) << layout.name;
        for (int round = 0; round < 50; ++round) {
            std::vector<std::string_view> parts;
            for (std::string_view rest = layout.stream; !rest.empty();) {
                const std::size_t size = 1 + random() % rest.size();
                parts.push_back(rest.substr(0, size));
                rest.remove_prefix(size);
            }
            EXPECT_EQ(cut(rules, parts), layout.items) << layout.name;
        }
    }
}

TEST(LengthFieldFraming, ALengthThatContradictsTheHeaderIsMalformed) {
    const FrameRules counts_itself = rules_of({.width = 2, .adjustment = -2});
    EXPECT_THAT(cut(counts_itself, {"\0\1\0\3!"sv}), ElementsAre("!", std::string("\0\3!"sv)));
    const FrameRules strips_more = rules_of({.width = 1, .strip = 4});
    EXPECT_THAT(cut(strips_more, {"\2\4abcd"sv}), ElementsAre("!", "d"));
}

TEST(LengthFieldFraming, ALargeFrameIsDroppedToItsEnd) {
    const std::string large(2'000, 'x');
    const std::string stream = "\x07\xd0" + large + std::string("\0\2hi"sv);
    const FrameRules rules = rules_of({.width = 2, .strip = 2}, true);
    EXPECT_THAT(cut(rules, {stream}), ElementsAre("+", "hi"));
    EXPECT_THAT(cut(rules, in_bytes(stream)), ElementsAre("+", "hi"));
    const FrameRules widest = rules_of({.width = 8, .strip = 8}, true);
    EXPECT_THAT(cut(widest, {"\xff\xff\xff\xff\xff\xff\xff\xff"sv, large, large}), ElementsAre("+"));
}

TEST(LengthFieldFraming, ADownlinkIsCutToItsItem) {
    for (const Layout& layout : layouts()) {
        const FrameRules rules = rules_of(layout.field);
        std::string sent;
        for (const std::string& item : layout.items) append_framed(sent, rules, item);
        EXPECT_EQ(cut(rules, {sent}), layout.items) << layout.name;
    }
}

TEST(LengthFieldFraming, TextIsNotTrimmed) {
    const FrameRules lines{.framing = Framing::ndjson, .trims = false};
    EXPECT_THAT(cut(lines, {" a \r\n\r\n\n\tb\r\n  \n"}), ElementsAre(" a ", "\tb", "  "));
    EXPECT_THAT(cut(lines, in_bytes("\r\n\r\na\r\n")), ElementsAre("a"));
    const FrameRules delimited{.framing = Framing::ndjson, .delimiter = "\r\n;", .trims = false};
    EXPECT_THAT(cut(delimited, in_bytes(" a\n\r\n;\r\n;b \r\n;")), ElementsAre(" a\n", "b "));
    EXPECT_THAT(cut({.framing = Framing::length, .trims = false}, {"\0\0\0\3 a \0\0\0\0\0\0\0\1 "sv}),
                ElementsAre(" a ", " "));
    EXPECT_EQ(last_frame(lines, std::string_view("{\"a\":1}")).kind, Frame::Kind::partial);
}

}  // namespace
}  // namespace holdfast
