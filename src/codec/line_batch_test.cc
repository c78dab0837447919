#include "codec/line_batch.h"

#include <random>
#include <string>

#include <gtest/gtest.h>

#include "testing/framing_oracle.h"
#include "testing/line_verdicts.h"

namespace holdfast {
namespace {

constexpr std::size_t max_item = 20'000;
constexpr unsigned batch_depth = 5;

std::vector<LineVerdict> verdicts(const std::vector<std::string>& chunks, bool ahead, char padding = ' ') {
    static ItemDecoder decoder("ip", batch_depth, max_item);
    return line_verdicts(decoder, chunks, max_item, padding, ahead);
}

void expect_same(const std::vector<std::string>& chunks, char padding = ' ') {
    EXPECT_EQ(verdicts(chunks, true, padding), verdicts(chunks, false, padding));
}

/// Generates lines of every kind. One thread.
class Lines {
public:
    explicit Lines(std::uint64_t seed) : random_(seed) {}

    std::size_t below(std::size_t bound) { return random_.below(bound); }

    std::string stream() {
        const std::size_t bad_ones = below(3) == 0 ? 0 : 1 + below(40);
        std::string text;
        for (std::size_t i = below(40); i > 0; --i) {
            static const std::vector<std::string> ends{"\n", "\n", "\n", "\r\n", "\n\n", " \t\r\n", "\n \n"};
            text += (bad_ones != 0 && below(bad_ones) == 0 ? odd() : good()) + ends[below(ends.size())];
        }
        return text + (below(2) == 0 ? good().substr(0, below(30)) : "");
    }

    std::vector<std::string> chunks(const std::string& stream) {
        return below(2) == 0 ? std::vector<std::string>{stream} : random_.chunks(stream);
    }

private:
    std::string good() {
        const std::string key = R"({"ip":"10.0.0.)" + std::to_string(below(256)) + '"';
        static const std::vector<std::string> rests{"}", R"(,"s":"on"})", R"( , "v" : [1, -2.5e3, {}, []] })",
                                                    R"(,"t":"a\"b\\","u":"\u00e9€😀"})"};
        if (below(200) == 0) return key + R"(,"pad":")" + std::string(below(max_item), 'x') + "\"}";
        return key + rests[below(rests.size())];
    }

    std::string odd() {
        static const std::vector<std::string> lines{"{}",
                                                    "[]",
                                                    "1",
                                                    "\"x\"",
                                                    "null",
                                                    "x",
                                                    "{",
                                                    "}",
                                                    "\"",
                                                    "\\",
                                                    "\\\"",
                                                    "{\"ip\":\"a\"",
                                                    R"({"ip":"a"}{"ip":"b"})",
                                                    R"({"ip":"a"} {"ip":"b"})",
                                                    R"({"ip":"a"},)",
                                                    R"(,{"ip":"a"})",
                                                    "{\"ip\":\n\"a\"}",
                                                    "{\"ip\":\"a\nb\"}",
                                                    "[\n{\"ip\":\"a\"}\n]",
                                                    "{\"a\":\n{\"ip\":\"a\"}\n}",
                                                    "{\"ip\":\"\xff\"}",
                                                    "{\"ip\":\"a\"}\xe2",
                                                    "\xef\xbb\xbf{\"ip\":\"a\"}",
                                                    "{\"ip\":\"\x01\"}",
                                                    R"({"ip":"a","n":1e999})",
                                                    R"({"ip":"a","n":123456789012345678901234567890})",
                                                    R"({"ip":"a","n":01})",
                                                    R"({"ip":"a","n":[[[[1]]]]})",
                                                    R"({"ip":"a","n":[[[[[1]]]]]})",
                                                    R"({"ip":"a","n":[[[[[]]]]]})",
                                                    R"({"ip":"\ud800"})",
                                                    R"({"ip":"\x"})",
                                                    R"({"ip":1})",
                                                    R"({"ip":""})",
                                                    R"({"IP":"a","ip":2})",
                                                    R"({"no":"key"})",
                                                    R"({"ip":"a",})",
                                                    R"({"ip" "a"})",
                                                    "{\"ip\":\"a\"}\\",
                                                    "\\{\"ip\":\"a\"}",
                                                    "{\"ip\":tru}"};
        return below(6) == 0 ? random_.stream({}) : lines[below(lines.size())];
    }

    Random random_;
};

TEST(LineBatch, ManyLinesAreJudgedAsOneByOne) {
    Lines lines(test_seed());
    constexpr std::string_view paddings = " [{\"}]\n,1\\";
    for (int round = 0; round < 1000; ++round) {
        const std::vector<std::string> chunks = lines.chunks(lines.stream());
        expect_same(chunks, paddings[lines.below(paddings.size())]);
        if (HasFailure()) FAIL() << "round " << round;
    }
}

TEST(LineBatch, WhatNeverClosesStopsAtTheLastLineBreak) {
    for (const char padding : {'[', '{', ']', '}', ',', ':', '"', '1'}) {
        for (const char* open : {"{\"a\":", "{\"a\":[", "{", "{\"a\"", "{\"a\":1,", "{\"a\":1", "{\"a\":[1,", "[["}) {
            expect_same({"{\"ip\":\"a\"}\n" + std::string(open) + "\n"}, padding);
            expect_same({std::string(open) + "\n" + open + "\n"}, padding);
        }
    }
}

/// Passes windows directly to a LineBatch, so that the test can check that it is used.
class Window {
public:
    explicit Window(std::string lines) : size_(lines.size()), memory_(std::move(lines)) {
        memory_.append(item_padding, ' ');
        batch_.expect({memory_.data(), size_});
    }

    /// Returns one letter per line: '+' if the batch returned a document, '-' if not.
    std::string given() {
        std::string result;
        FrameScan scan;
        std::span<const char> rest(memory_.data(), size_);
        for (;;) {
            const Frame frame = next_frame(Framing::ndjson, rest, scan, max_item);
            if (frame.kind != Frame::Kind::item) return result;
            result += batch_.document({rest.data() + frame.begin, frame.end - frame.begin}) ? '+' : '-';
            rest = rest.subspan(frame.next);
        }
    }

private:
    std::size_t size_;
    std::string memory_;
    LineBatch batch_{batch_depth};
};

TEST(LineBatch, GivesEachLineOfTwoOrMore) {
    EXPECT_EQ(Window("{}\n{\"a\":1}\n").given(), "++");
    EXPECT_EQ(Window("{} \r\n\n  {\"a\":[{}]}\r\n{}\n{\"half").given(), "+++");
}

TEST(LineBatch, LeavesOneLineAlone) {
    EXPECT_EQ(Window("{}\n").given(), "-");
    EXPECT_EQ(Window("{}\r\n \n\n{\"half").given(), "-");
}

TEST(LineBatch, GivesNothingBehindADoubt) {
    EXPECT_EQ(Window("{}\n{}{}\n{}\n").given(), "+--");
    EXPECT_EQ(Window("{}\n[]\n{}\n").given(), "+--");
    EXPECT_EQ(Window("{}\n{\"a\":\n{}\n}\n{}\n").given(), "+----");
    EXPECT_EQ(Window("{}\n{\"a\":1e999}\n{}\n").given(), "+--");
    EXPECT_EQ(Window("{}\n{\"a\":\"\xff\"}\n{}\n").given(), "---");
    EXPECT_EQ(Window("{}\n{\"a\n{}\n").given(), "---");
}

TEST(LineBatch, TakesLongWindowsInParts) {
    const std::string line = "{\"ip\":\"10.20.30.40\",\"status\":\"online\"}\n";
    const std::size_t lines_a_part = LineBatch::max_bytes / line.size();
    std::string lines;
    for (std::size_t i = 0; i < 3 * lines_a_part; ++i) lines += line;
    EXPECT_EQ(Window(lines).given(), std::string(3 * lines_a_part, '+'));
    lines[0] = 'x';
    EXPECT_EQ(Window(lines).given(), std::string(lines_a_part, '-') + std::string(2 * lines_a_part, '+'));
    EXPECT_EQ(Window("{}\n{\"a\":\"" + std::string(LineBatch::max_bytes, 'x') + "\"}\n{}\n{}\n").given(), "--++");
}

TEST(LineBatch, ForgetsAWindow) {
    std::string first = "{\"ip\":\"a\"}\n{\"ip\":\"b\"}\n";
    const std::size_t size = first.size();
    first.append(item_padding, ' ');
    ItemDecoder decoder("ip", batch_depth, max_item);
    decoder.expect_lines({first.data(), size});
    EXPECT_EQ(decoder.decode({first.data(), 10}).key, "a");
    first.replace(11, 10, "{\"ip\":0  }");
    decoder.expect_lines({first.data(), size});
    EXPECT_EQ(decoder.decode({first.data() + 11, 10}).bad, BadItem::no_key);
}

}  // namespace
}  // namespace holdfast
