#include "codec/framing.h"

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "codec/block_masks.h"
#include "codec/json_scan.h"
#include "testing/framing_oracle.h"

namespace holdfast {
namespace {

using Kind = Frame::Kind;

constexpr std::size_t no_limit = 1 << 20;

std::vector<Cut> cut_whole(Framing framing, std::string_view stream, std::size_t max_bytes = no_limit) {
    return cut_stream(framing, {std::string(stream)}, max_bytes);
}

Cut item(std::string text) { return {Kind::item, std::move(text)}; }
Cut malformed() { return {Kind::malformed, ""}; }
Cut too_large() { return {Kind::too_large, ""}; }

TEST(Ndjson, LinesEndInEitherWayAndBlankOnesAreSkipped) {
    EXPECT_EQ(cut_whole(Framing::ndjson, "{\"a\":1}\n\n \t\r\n\r\n{\"b\":2}\r\n  {\"c\":3} \t\nrest"),
              (std::vector<Cut>{item("{\"a\":1}"), item("{\"b\":2}"), item("{\"c\":3}")}));
}

TEST(Ndjson, InvalidJsonIsStillALine) {
    EXPECT_EQ(cut_whole(Framing::ndjson, "}{\n\x01\xff\n{\"a\":\"x\n"),
              (std::vector<Cut>{item("}{"), item("\x01\xff"), item("{\"a\":\"x")}));
}

TEST(Ndjson, MaxBytesCountsTheLineWithoutItsEnd) {
    for (const std::string end : {"\n", "\r\n"}) {
        EXPECT_EQ(cut_whole(Framing::ndjson, "12345678" + end, 8), (std::vector<Cut>{item("12345678")}));
        EXPECT_EQ(cut_whole(Framing::ndjson, "123456789" + end, 8), (std::vector<Cut>{too_large()}));
        EXPECT_EQ(cut_whole(Framing::ndjson, "   12345678" + end, 8), (std::vector<Cut>{item("12345678")}));
        EXPECT_EQ(cut_whole(Framing::ndjson, "12345678 " + end, 8), (std::vector<Cut>{too_large()}));
    }
}

TEST(Ndjson, AnUnfinishedLineIsTooLargeAsSoonAsItCannotFit) {
    EXPECT_EQ(cut_whole(Framing::ndjson, "12345678", 8), std::vector<Cut>{});
    EXPECT_EQ(cut_whole(Framing::ndjson, "12345678\r", 8), std::vector<Cut>{});
    EXPECT_EQ(cut_whole(Framing::ndjson, "123456789", 8), (std::vector<Cut>{too_large()}));
    EXPECT_EQ(cut_whole(Framing::ndjson, "12345678\rx", 8), (std::vector<Cut>{too_large()}));
}

TEST(Ndjson, WhiteSpaceBeforeAnItemIsNeverKept) {
    FrameScan scan;
    const std::string blank(100'000, ' ');
    const Frame frame = next_frame(Framing::ndjson, blank, scan, 8);
    EXPECT_EQ(frame.kind, Kind::partial);
    EXPECT_EQ(frame.next, blank.size());
    EXPECT_EQ(scan.scanned, 0U);
}

TEST(Json, ObjectsFollowOneAnotherWithOrWithoutWhiteSpace) {
    EXPECT_EQ(cut_whole(Framing::json, "{\"a\":1}{\"b\":[{}]}\r\n\t {\n\"c\" : \"}{\\\"\"\n} {\"d"),
              (std::vector<Cut>{item("{\"a\":1}"), item("{\"b\":[{}]}"), item("{\n\"c\" : \"}{\\\"\"\n}")}));
}

TEST(Json, WhatCannotStartAnObjectIsDroppedToTheLineEnd) {
    for (const char* garbage :
         {"[", "]", "}", "1", "true", "\"x\"", ",", ":", "\xef\xbb\xbf{\"a\":1}", "\\", "x{\"a\":1}"}) {
        const std::string stream = std::string(" ") + garbage + " {\"lost\":1}\n{\"b\":2}";
        EXPECT_EQ(cut_whole(Framing::json, stream), (std::vector<Cut>{malformed(), item("{\"b\":2}")})) << stream;
    }
}

TEST(Json, WithoutALineEndTheWindowIsDroppedAndTheNextBytesStartClean) {
    EXPECT_EQ(cut_stream(Framing::json, {"x{\"lost\":1}", "{\"b\":2}"}, no_limit),
              (std::vector<Cut>{malformed(), item("{\"b\":2}")}));
}

TEST(Json, AnUnclosedQuoteEndsWithItsLine) {
    EXPECT_EQ(cut_whole(Framing::json, "{\"a\":\"x}\n{\"b\":2}"), (std::vector<Cut>{malformed(), item("{\"b\":2}")}));
    EXPECT_EQ(cut_whole(Framing::json, "{\"a\":\"x\\\n{\"b\":2}"), (std::vector<Cut>{malformed(), item("{\"b\":2}")}));
    EXPECT_EQ(cut_whole(Framing::json, "{\"a\":\"\t\"}{\"lost\":1}\n{\"b\":2}"),
              (std::vector<Cut>{malformed(), item("{\"b\":2}")}));
}

TEST(Json, AnUnclosedObjectGivesWayToTheOneOnTheNextLine) {
    for (const char* start : {"{\"a\":1", "{\"a\":\"x\"", "{\"a\":{\"b\":1}", "{\"a\":[1]", "{\"a\":true ", "{\"a\""}) {
        for (const char* gap : {"\n", "\r\n", "\n \t"}) {
            const std::string stream = std::string(start) + gap + "{\"b\":2}";
            EXPECT_EQ(cut_whole(Framing::json, stream), (std::vector<Cut>{malformed(), item("{\"b\":2}")})) << stream;
        }
    }
    EXPECT_EQ(cut_whole(Framing::json, "{\"a\":1 {\"lost\":1}}\n{\"b\":2}"),
              (std::vector<Cut>{malformed(), item("{\"b\":2}")}));
}

TEST(Json, WhereAValueMayBeginNothingIsRefused) {
    const std::string nested = "{\"a\":\n{\"b\":[\n{\"c\":1}\n,\n{\"d\":\n\"e\"}]}}";
    EXPECT_EQ(cut_whole(Framing::json, nested), (std::vector<Cut>{item(nested)}));
}

TEST(Json, MismatchedBracketsAreLeftToTheDecoder) {
    EXPECT_EQ(cut_whole(Framing::json, "{]"), (std::vector<Cut>{item("{]")}));
    EXPECT_EQ(cut_whole(Framing::json, "{\"a\":[}]"), (std::vector<Cut>{item("{\"a\":[}]")}));
}

TEST(Json, MaxBytesIsOfTheObjectFinishedOrNot) {
    const std::string ten = "{\"a\":1234}";
    EXPECT_EQ(cut_whole(Framing::json, "  " + ten, 10), (std::vector<Cut>{item(ten)}));
    EXPECT_EQ(cut_whole(Framing::json, "  " + ten, 9), (std::vector<Cut>{too_large()}));
    EXPECT_EQ(cut_whole(Framing::json, "{\"a\":123", 8), std::vector<Cut>{});
    EXPECT_EQ(cut_whole(Framing::json, "{\"a\":1234", 8), (std::vector<Cut>{too_large()}));
}

TEST(Json, NestingAsDeepAsTheItemIsLarge) {
    const std::string deep = "{\"a\":" + std::string(400'000, '[') + std::string(400'000, ']') + "}";
    EXPECT_EQ(cut_whole(Framing::json, deep), (std::vector<Cut>{item(deep)}));
}

TEST(Length, CutsWhatTheHeaderSays) {
    EXPECT_EQ(cut_whole(Framing::length, std::string("\0\0\0\2{}\0\0\0\0\0\0\0\4 {} \0\0\0\3{}", 24)),
              (std::vector<Cut>{item("{}"), item("{}")}))
        << "a length of zero is no item";
}

TEST(Length, TooLargeIsKnownFromTheHeader) {
    EXPECT_EQ(cut_whole(Framing::length, std::string("\0\0\0\x8", 4) + "12345678", 8),
              (std::vector<Cut>{item("12345678")}));
    EXPECT_EQ(cut_whole(Framing::length, std::string("\0\0\0\x9", 4), 8), (std::vector<Cut>{too_large()}));
    EXPECT_EQ(cut_whole(Framing::length, std::string("\0\0\1\0", 4), 8), (std::vector<Cut>{too_large()}));
    EXPECT_EQ(cut_whole(Framing::length, "\xff\xff\xff\xff{}", 8), (std::vector<Cut>{too_large()}));
    EXPECT_EQ(cut_whole(Framing::length, std::string("\0\0\xff", 3), 8), std::vector<Cut>{});
}

class EverySplit : public testing::TestWithParam<Framing> {};

TEST_P(EverySplit, GivesTheSameItems) {
    std::string stream;
    const std::vector<std::string> items{R"({"ip":"10.0.0.1"})", R"({"ip":"\\\"}{","n":[{"a":[]},{}]})",
                                         R"({"k\\":"\\"})", R"({"ü":"€😀","long":")" + std::string(150, '\\') + R"("})"};
    for (const std::string& text : items) {
        append_framed(stream, GetParam(), text);
        if (GetParam() != Framing::length) stream += "\r\n \r\n";
    }
    std::vector<Cut> expected;
    for (const std::string& text : items) expected.push_back(item(text));
    for (std::size_t one = 0; one <= stream.size(); ++one) {
        for (std::size_t two = one; two <= stream.size(); ++two) {
            const std::vector<std::string> chunks{stream.substr(0, one), stream.substr(one, two - one),
                                                  stream.substr(two)};
            ASSERT_EQ(cut_stream(GetParam(), chunks, no_limit), expected) << one << " " << two;
        }
    }
    std::vector<std::string> bytes;
    for (const char byte : stream) bytes.emplace_back(1, byte);
    EXPECT_EQ(cut_stream(GetParam(), bytes, no_limit), expected);
}

TEST_P(EverySplit, OfRandomStreamsAgreesWithASimpleOracle) {
    Random random(test_seed());
    for (int round = 0; round < 4000; ++round) {
        const std::size_t max_bytes = random.below(4) == 0 ? 1 + random.below(40) : 400;
        const std::vector<std::string> chunks = random.chunks(random.stream({.framing = GetParam()}));
        ASSERT_EQ(cut_stream(GetParam(), chunks, max_bytes), oracle_cuts({.framing = GetParam()}, chunks, max_bytes))
            << "round " << round << ", HOLDFAST_SEED=" << test_seed() << ", " << testing::PrintToString(chunks);
    }
}

INSTANTIATE_TEST_SUITE_P(Framings, EverySplit, testing::Values(Framing::ndjson, Framing::json, Framing::length),
                         [](const auto& each) { return std::string(to_string(each.param)); });

/// Rules of a listener beside the framing: delimiters, arrays and the drop of large items.
std::vector<FrameRules> odd_rules() {
    std::vector<FrameRules> all;
    for (const bool drops : {false, true}) {
        for (const std::string_view delimiter : odd_delimiters) all.push_back({.delimiter = delimiter, .drops = drops});
        for (const Framing framing : {Framing::ndjson, Framing::json, Framing::length}) {
            for (const bool arrays : {false, true})
                all.push_back({.framing = framing, .arrays = arrays, .drops = drops});
        }
    }
    return all;
}

class OddRules : public testing::TestWithParam<FrameRules> {};

TEST_P(OddRules, AgreeWithASimpleOracleForRandomStreams) {
    Random random(test_seed());
    for (int round = 0; round < 2'000; ++round) {
        const std::size_t max_bytes = random.below(2) == 0 ? 1 + random.below(40) : 1 + random.below(200);
        const std::vector<std::string> chunks = random.chunks(random.stream(GetParam()));
        ASSERT_EQ(cut_stream(GetParam(), chunks, max_bytes), oracle_cuts(GetParam(), chunks, max_bytes))
            << "round " << round << ", max " << max_bytes << ", HOLDFAST_SEED=" << test_seed() << ", "
            << testing::PrintToString(chunks);
    }
}

INSTANTIATE_TEST_SUITE_P(All, OddRules, testing::ValuesIn(odd_rules()));

std::vector<Cut> cut_bytewise(const FrameRules& rules, std::string_view stream, std::size_t max_bytes) {
    std::vector<std::string> bytes;
    for (const char byte : stream) bytes.emplace_back(1, byte);
    return cut_stream(rules, bytes, max_bytes);
}

TEST(Delimiter, EndsAnItemInPlaceOfALineEnd) {
    const std::string_view nul("\0", 1);
    const std::string stream =
        std::string("{\n\"a\":1}") + '\0' + '\0' + " \r\n" + '\0' + "{\"b\":2}\r\n" + '\0' + "rest";
    for (const auto& cuts :
         {cut_stream({.delimiter = nul}, {stream}, no_limit), cut_bytewise({.delimiter = nul}, stream, no_limit)})
        EXPECT_EQ(cuts, (std::vector<Cut>{item("{\n\"a\":1}"), item("{\"b\":2}")}));
    EXPECT_EQ(cut_bytewise({.delimiter = "aab"}, "{}aaab{}aab", no_limit), (std::vector<Cut>{item("{}a"), item("{}")}));
}

TEST(Delimiter, WhiteSpaceBetweenItemsIsNotKept) {
    FrameScan scan;
    for (const std::string_view delimiter : {"\r\n", ";", "\n\n"}) {
        const std::string_view blank = "\r\n \n";
        EXPECT_EQ(next_frame({.delimiter = delimiter}, blank, scan, 8).next, blank.size()) << "no deadline runs on it";
    }
}

TEST(Oversize, TheNextItemStartsCleanAfterADroppedOne) {
    const std::string large = "{\"a\":\"" + std::string(1'000, '{') + "\"}";
    std::string counted;
    for (const std::string& text : {std::string("{}"), large, std::string("{ }")})
        append_framed(counted, Framing::length, text);
    const std::vector<Cut> expected{item("{}"), too_large(), item("{ }")};
    for (const auto& [rules, stream] :
         {std::pair(FrameRules{.drops = true}, "{}\n" + large + "\n{ }\n"),
          std::pair(FrameRules{.delimiter = ";;", .drops = true}, "{};;" + large + ";;{ };;"),
          std::pair(FrameRules{.framing = Framing::json, .drops = true}, "{}" + large + "{ }"),
          std::pair(FrameRules{.framing = Framing::length, .drops = true}, counted)}) {
        EXPECT_EQ(cut_stream(rules, {stream}, 100), expected);
        EXPECT_EQ(cut_bytewise(rules, stream, 100), expected);
    }
}

TEST(Oversize, ALengthOfFourGibibytesIsDroppedToItsEnd) {
    const FrameRules rules{.framing = Framing::length, .drops = true};
    FrameScan scan;
    const std::string window = "\xff\xff\xff\xff" + std::string(1 << 20, 'x');
    std::size_t left = (std::size_t{1} << 32) - 1 + 4;
    Frame frame = next_frame(rules, window, scan, 100);
    EXPECT_EQ(frame.kind, Kind::too_large);
    for (left -= frame.next; left > window.size(); left -= frame.next) {
        frame = next_frame(rules, window, scan, 100);
        ASSERT_EQ(frame.kind, Kind::partial);
    }
    frame = next_frame(rules, window, scan, 100);
    EXPECT_EQ(frame.kind, Kind::skipped);
    EXPECT_EQ(frame.next, left);
}

TEST(ByteOrderMark, IsSkippedWhenItIsWhole) {
    EXPECT_EQ(skip_byte_order_mark(std::string_view("\xef\xbb\xbf{}")), 3U);
    EXPECT_EQ(skip_byte_order_mark(std::string_view("\xef\xbb{}")), 0U);
    EXPECT_EQ(skip_byte_order_mark(std::string_view("{}")), 0U);
    EXPECT_EQ(skip_byte_order_mark(std::string_view("\xef\xbb")), std::nullopt);
}

TEST(NextElement, CutsAValidArray) {
    std::string_view rest = " [ {\"a\":[{}]} ,1.5,\"x,]\" , [1,[2]],null]";
    std::vector<std::string> found;
    while (const auto element = next_element(rest)) found.emplace_back(*element);
    EXPECT_EQ(found, (std::vector<std::string>{"{\"a\":[{}]}", "1.5", "\"x,]\"", "[1,[2]]", "null"}));
    for (std::string_view empty : {"[]", "[ \n]"}) EXPECT_EQ(next_element(empty), std::nullopt);
}

TEST(LoneSurrogates, AreReplacedInPlace) {
    const auto replaced = [](std::string text) {
        const bool found = replace_lone_surrogates(text);
        return (found ? "" : "none: ") + text;
    };
    EXPECT_EQ(replaced(R"("\ud800")"), R"("\ufffd")");
    EXPECT_EQ(replaced(R"("\uDC00\ud83d\ude00\ud83dx")"), R"("\ufffd\ud83d\ude00\ufffdx")");
    EXPECT_EQ(replaced(R"("\ud800\ud800\udc00")"), R"("\ufffd\ud800\udc00")");
    EXPECT_EQ(replaced(R"("\\ud800 \u00e9 \ud80")"), R"(none: "\\ud800 \u00e9 \ud80")");
}

// A scan that stops at every byte must not read back: after the test overwrites the scanned bytes, the result is the
// same.
TEST(Scan, LooksAtEachByteOnce) {
    for (const Framing framing : {Framing::ndjson, Framing::json}) {
        std::string framed = R"({"a":[1,"\"}",{"b":"c"}],"d":")" + std::string(1000, 'x') + "\"}";
        if (framing == Framing::ndjson) framed += '\n';
        std::string window;
        FrameScan scan;
        for (std::size_t i = 0; i + 1 < framed.size(); ++i) {
            window += framed[i];
            ASSERT_EQ(next_frame(framing, window, scan, no_limit).kind, Kind::partial) << i;
            ASSERT_EQ(scan.scanned, window.size());
            window.back() = '\n';
        }
        window += framed.back();
        EXPECT_EQ(next_frame(framing, window, scan, no_limit).kind, Kind::item);
    }
}

TEST(Scan, IsZeroAtABoundary) {
    for (const Framing framing : {Framing::ndjson, Framing::json}) {
        FrameScan scan;
        const std::string start = "{\"a\":\"\\";
        ASSERT_EQ(next_frame(framing, start, scan, no_limit).kind, Kind::partial);
        ASSERT_EQ(scan.scanned, start.size());
        const std::string whole = start + "\"\"}\n";
        ASSERT_EQ(next_frame(framing, whole, scan, no_limit).kind, Kind::item);
        EXPECT_EQ(scan.scanned, 0U);
        EXPECT_EQ(scan.depth, 0U);
        EXPECT_EQ(scan.in_string, 0U);
        EXPECT_EQ(scan.escaped, 0U);
        EXPECT_EQ(scan.after_value, 0U);
    }
}

TEST(Resync, IsBehindTheNextLineBreak) {
    const std::string window = "ab\ncd\n";
    EXPECT_EQ(resync_after(window, 0), 3U);
    EXPECT_EQ(resync_after(window, 2), 3U);
    EXPECT_EQ(resync_after(window, 3), 6U);
    EXPECT_EQ(resync_after(window, 6), 6U);
    EXPECT_EQ(resync_after(std::string("abc"), 1), 3U);
}

TEST(CompleteObject, IsWhatAJsonClientLeavesWaiting) {
    for (const char* yes : {"{}", " {\"a\":\"}\"} ", "{\"a\":1}{\"b\":2}", "{\"a\":1}\r", "{\"a\":1}{\"b"}) {
        EXPECT_TRUE(is_complete_object(yes)) << yes;
    }
    for (const char* no : {"", " ", "{", "{\"a\":1", "{\"a\":\"}", "[]", "{}]", "1", "{} x", "x{}"}) {
        EXPECT_FALSE(is_complete_object(no)) << no;
    }
}

std::string left_of(Framing framing, std::string_view window, Kind kind) {
    const Frame frame = last_frame(framing, window);
    EXPECT_EQ(frame.kind, kind) << window;
    return std::string(window.substr(frame.begin, frame.end - frame.begin));
}

TEST(LastFrame, OfLinesIsAnItemIfItIsOneWholeObject) {
    for (const char* window : {"{\"a\":1}", " {\"a\":1}\t", "{\"a\":1}\r", "\r\n{\"a\":1} \r\n"})
        EXPECT_EQ(left_of(Framing::ndjson, window, Kind::item), "{\"a\":1}");
    EXPECT_EQ(left_of(Framing::ndjson, "{]", Kind::item), "{]") << "the decoder says what it is";
    for (const char* window :
         {"{", "{\"a\":1", "{\"a\":\"}", "{\"a\":\"\\\"}", "[1]", "17", "\"x\"", "hello", "{}{}", "{} x", "x{}"}) {
        EXPECT_EQ(left_of(Framing::ndjson, window, Kind::partial), window);
    }
    EXPECT_EQ(left_of(Framing::ndjson, " \r{\"a\" ", Kind::partial), "{\"a\"");
}

TEST(LastFrame, IsTheItemThatALineEndWouldMake) {
    Random random(test_seed());
    int items = 0;
    for (int round = 0; round < 2'000; ++round) {
        std::string window = random.stream({});
        window.resize(std::min(window.size(), window.find('\n')));
        const Frame last = last_frame(Framing::ndjson, window);
        if (last.kind != Kind::item) continue;
        ++items;
        const std::string line = window + "\n";
        FrameScan scan;
        const Frame frame = next_frame(Framing::ndjson, line, scan, no_limit);
        EXPECT_EQ(frame.kind, Kind::item) << window;
        EXPECT_EQ(frame.begin, last.begin) << window;
        EXPECT_EQ(frame.end, last.end) << window;
    }
    EXPECT_GT(items, 100);
}

TEST(LastFrame, OfOtherFramingsIsNoItem) {
    EXPECT_EQ(left_of(Framing::json, " {\"a\" ", Kind::partial), "{\"a\"");
    EXPECT_EQ(left_of(Framing::length, "\n ", Kind::partial), "\n ") << "bytes of a length";
}

TEST(LastFrame, OfWhiteSpaceIsEmpty) {
    for (const char* window : {"", "\r", " \t\r\n"}) {
        EXPECT_EQ(left_of(Framing::ndjson, window, Kind::partial), "");
        EXPECT_EQ(left_of(Framing::json, window, Kind::partial), "");
    }
    EXPECT_EQ(left_of(Framing::length, "", Kind::partial), "");
}

TEST(AppendFramed, WritesWhatItsFramingReads) {
    std::string out;
    append_framed(out, Framing::ndjson, "{\"a\":\r\n1}");
    append_framed(out, Framing::json, "{\n}");
    append_framed(out, Framing::length, std::string(258, 'x'));
    EXPECT_EQ(out, "{\"a\":  1}\n{\n}" + std::string("\0\0\1\2", 4) + std::string(258, 'x'));
}

TEST(BlockMasks, NameEveryByteInEveryPlace) {
    for (std::size_t at = 0; at < block_size; ++at) {
        for (int byte = 0; byte < 256; ++byte) {
            std::array<char, block_size> block;
            block.fill('x');
            block[at] = static_cast<char>(byte);
            const auto bit = [at](bool hit) { return static_cast<std::uint64_t>(hit) << at; };
            const BlockMasks expected{bit(byte == '"'),
                                      bit(byte == '\\'),
                                      bit(byte == '{' || byte == '['),
                                      bit(byte == '}' || byte == ']'),
                                      bit(byte == ',' || byte == ':'),
                                      bit(byte < 0x20),
                                      bit(byte <= 0x20)};
            ASSERT_EQ(masks_of(block.data()), expected) << at << " " << byte;
            ASSERT_EQ(masks_of_portable(block.data()), expected) << at << " " << byte;
        }
    }
}

TEST(BlockMasks, AreTheSameWithoutVectorInstructions) {
    std::mt19937_64 random(test_seed());
    for (int round = 0; round < 10'000; ++round) {
        std::array<char, block_size> block;
        for (char& byte : block) byte = static_cast<char>(random() % (round % 2 == 0 ? 256 : 128));
        ASSERT_EQ(masks_of(block.data()), masks_of_portable(block.data())) << "HOLDFAST_SEED=" << test_seed();
    }
}

}  // namespace

}  // namespace holdfast
