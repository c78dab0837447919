#include "testing/framing_oracle.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "codec/json_scan.h"

namespace holdfast {

namespace {

using Kind = Frame::Kind;

constexpr std::string_view white = " \t\r\n";

std::string trimmed(const std::string& text) {
    const std::size_t from = text.find_first_not_of(white);
    return from == std::string::npos ? "" : text.substr(from, text.find_last_not_of(white) - from + 1);
}

void check_contract(const Frame& frame, std::size_t size, const FrameScan& scan) {
    HOLDFAST_CHECK(frame.next <= size);
    HOLDFAST_CHECK(frame.begin <= frame.end && frame.end <= size);
    if (scan.drops) {  // at least a byte stays, or the scan would be lost
        HOLDFAST_CHECK(frame.kind == Kind::partial || frame.kind == Kind::too_large);
        HOLDFAST_CHECK(frame.next < size && (frame.kind == Kind::too_large || size - frame.next <= 64));
        return;
    }
    if (frame.kind == Kind::partial) {
        HOLDFAST_CHECK(scan.scanned == size - frame.next);
        return;
    }
    HOLDFAST_CHECK(frame.end <= frame.next && frame.next > 0);
    HOLDFAST_CHECK(scan == FrameScan{});
}

/// Cuts the json framing byte by byte, and reads the whole text so far again for each byte.
class JsonOracle {
public:
    JsonOracle(const FrameRules& rules, std::size_t max_bytes) : rules_(rules), max_bytes_(max_bytes) {}

    void chunk(const std::string& bytes) {
        dropping_ = false;
        for (const char byte : bytes) {
            if (ended_) return;
            if (dropping_) {
                dropping_ = byte != '\n';
            } else if (text_.empty()) {
                start(byte);
            } else {
                take(byte);
            }
        }
    }

    std::vector<Cut> cuts;

private:
    void start(char byte) {
        if (white.find(byte) != std::string_view::npos) return;
        if (byte == '{' || (byte == '[' && rules_.arrays)) {
            text_ = byte;
        } else {
            give_up(byte);
        }
    }

    void give_up(char byte) {
        if (!std::exchange(is_large_, false)) cuts.push_back({Kind::malformed, ""});
        text_.clear();
        dropping_ = byte != '\n';
    }

    void take(char byte) {
        if (text_.size() == max_bytes_) {
            cuts.push_back({Kind::too_large, ""});
            ended_ = !rules_.drops;
            is_large_ = rules_.drops;
        }
        if (ended_) return;
        const std::string before = text_;
        text_ += byte;
        int depth = 0;
        bool in_string = false;
        char last = ',';  // last significant byte
        for (std::size_t i = 0; i < before.size(); ++i) {
            const char c = before[i];
            if (in_string && c == '\\') {
                ++i;
                continue;
            }
            if (c == '"') in_string = !in_string;
            if (!in_string && (c == '{' || c == '[')) ++depth;
            if (!in_string && (c == '}' || c == ']')) --depth;
            if (!in_string && static_cast<unsigned char>(c) > ' ') last = c;
        }
        classify(byte, before, depth, in_string, last);
    }

    void classify(char byte, const std::string& before, int depth, bool in_string, char last) {
        if (in_string) {
            if (static_cast<unsigned char>(byte) < 0x20) give_up(byte);
            return;
        }
        const bool may_begin = std::string_view("{[,:").find(last) != std::string_view::npos;
        if (byte == '\\') {
            give_up(byte);
        } else if ((byte == '{' || byte == '[' || byte == '"') && !may_begin) {
            std::size_t blank = before.find_last_not_of(white) + 1;
            if (is_large_ && before.size() > 64) blank = std::max(blank, before.size() - 64);
            const bool own_line = byte == '{' && before.find('\n', blank) != std::string::npos;
            give_up(own_line ? '\n' : byte);
            if (own_line) text_ = "{";
        } else if ((byte == '}' || byte == ']') && depth == 1) {
            if (!std::exchange(is_large_, false)) cuts.push_back({Kind::item, text_});
            text_.clear();
        }
    }

    FrameRules rules_;
    std::size_t max_bytes_;
    std::string text_;
    bool is_large_ = false;
    bool dropping_ = false;
    bool ended_ = false;
};

std::string joined(const std::vector<std::string>& chunks) {
    std::string all;
    for (const std::string& chunk : chunks) all += chunk;
    return all;
}

std::vector<Cut> oracle_lines(const std::string& stream, std::size_t max_bytes, bool drops) {
    std::vector<Cut> cuts;
    std::size_t at = stream.find_first_not_of(white);
    while (at < stream.size()) {
        const std::size_t line_break = stream.find('\n', at);
        std::string line = stream.substr(at, line_break - at);
        if (!line.empty() && line.back() == '\r') line.pop_back();
        if (line.size() > max_bytes) {
            cuts.push_back({Kind::too_large, ""});
            if (!drops || line_break == std::string::npos) return cuts;
        } else if (line_break == std::string::npos) {
            return cuts;
        } else {
            cuts.push_back({Kind::item, trimmed(line)});
        }
        at = stream.find_first_not_of(white, line_break);
    }
    return cuts;
}

std::vector<Cut> oracle_delimited(const std::string& stream, const FrameRules& rules, std::size_t max_bytes) {
    std::vector<Cut> cuts;
    const std::string delimiter(rules.delimiter);
    const bool is_mixed = white.find(delimiter[0]) != std::string_view::npos && !trimmed(delimiter).empty();
    for (std::size_t at = 0;;) {
        if (!is_mixed) at = std::min(stream.find_first_not_of(white, at), stream.size());
        const std::size_t end = stream.find(delimiter, at);
        if (end == std::string::npos) {
            if (stream.size() - at >= max_bytes + delimiter.size()) cuts.push_back({Kind::too_large, ""});
            return cuts;
        }
        const std::string text = stream.substr(at, end - at);
        if (text.size() > max_bytes) {
            cuts.push_back({Kind::too_large, ""});
            if (!rules.drops) return cuts;
        } else if (!trimmed(text).empty()) {
            cuts.push_back({Kind::item, trimmed(text)});
        }
        at = end + delimiter.size();
    }
}

std::vector<Cut> oracle_lengths(std::string stream, std::size_t max_bytes, bool drops) {
    std::vector<Cut> cuts;
    while (stream.size() >= 4) {
        std::size_t length = 0;
        for (int i = 0; i < 4; ++i)
            length = length * 256 + static_cast<std::uint8_t>(stream[static_cast<std::size_t>(i)]);
        if (length > max_bytes) {
            cuts.push_back({Kind::too_large, ""});
            if (!drops) return cuts;
        }
        if (stream.size() < 4 + length) return cuts;
        if (length > 0 && length <= max_bytes) cuts.push_back({Kind::item, trimmed(stream.substr(4, length))});
        stream.erase(0, 4 + length);
    }
    return cuts;
}

}  // namespace

std::vector<Cut> cut_stream(const FrameRules& rules, const std::vector<std::string>& chunks, std::size_t max_bytes) {
    std::vector<Cut> cuts;
    std::string kept;
    FrameScan scan;
    for (const std::string& chunk : chunks) {
        // A new vector of exactly this size, so that AddressSanitizer detects a read after its end.
        const std::vector<char> bytes = [&] {
            kept += chunk;
            return std::vector<char>(kept.begin(), kept.end());
        }();
        std::span<const char> window(bytes);
        for (;;) {
            const Frame frame = next_frame(rules, window, scan, max_bytes);
            check_contract(frame, window.size(), scan);
            if (frame.kind != Kind::partial && frame.kind != Kind::skipped) {
                const std::string text(window.data() + frame.begin, frame.end - frame.begin);
                cuts.push_back({frame.kind, frame.kind == Kind::item ? text : ""});
            }
            if (frame.kind == Kind::too_large && !rules.drops) return cuts;
            window = window.subspan(frame.next);
            if (frame.kind == Kind::partial) break;
        }
        kept.assign(window.begin(), window.end());
    }
    return cuts;
}

std::vector<Cut> oracle_cuts(const FrameRules& rules, const std::vector<std::string>& chunks, std::size_t max_bytes) {
    if (!rules.delimiter.empty()) return oracle_delimited(joined(chunks), rules, max_bytes);
    if (rules.framing == Framing::ndjson) return oracle_lines(joined(chunks), max_bytes, rules.drops);
    if (rules.framing == Framing::length) return oracle_lengths(joined(chunks), max_bytes, rules.drops);
    JsonOracle oracle(rules, max_bytes);
    for (const std::string& chunk : chunks) oracle.chunk(chunk);
    return oracle.cuts;
}

std::string Random::value(int depth) {
    static const std::vector<std::string> leaves{"1",           "-0.5e+3", "true",    "null",         R"("")",
                                                 R"("}{][")",   R"("\"")", R"("\\")", R"("\\\"{,:")", R"("€😀")",
                                                 R"("\u00e9")", "1e999"};
    if (depth > 3 || below(3) != 0) return leaves[below(leaves.size())];
    if (below(2) == 0) return object(depth + 1);
    std::string list = "[";
    for (std::size_t i = below(4); i > 0; --i) list += value(depth + 1) + (i > 1 ? ", " : "\n");
    return list + "]";
}

std::string Random::object(int depth) {
    std::string text = "{";
    for (std::size_t i = below(4); i > 0; --i) {
        text += "\"k" + std::to_string(i) + (below(2) == 0 ? "\":" : "\" : ") + value(depth) + (i > 1 ? "," : "");
    }
    return text + "}";
}

std::string Random::piece(const FrameRules& rules) {
    static const std::vector<std::string> noise{"[1]", "}",          "]",    "\\",   "\"", "{",    "x",
                                                "{]",  "{\"a\":[}]", "\x01", "\xff", "\t", " \r\n"};
    std::string text;
    switch (below(8)) {
        case 0:
            text = noise[below(noise.size())];
            break;
        case 1:
            text = object(0).substr(0, below(20));
            break;
        case 2:
            text = std::string(below(6), " \t\r\n"[below(4)]);
            break;
        case 3:
            text = std::string(60 + below(10), "\\\"x{"[below(4)]);
            break;
        default:
            text = object(0);
            break;
    }
    if (rules.framing == Framing::length) {
        std::string framed;
        append_framed(framed, rules, text);
        return framed;
    }
    if (rules.arrays && below(4) == 0) text = "[" + text + (below(2) == 0 ? "," + text : "") + "]";
    if (!rules.delimiter.empty() && below(4) != 0)
        return text + (below(4) == 0 ? " " : "") + std::string(rules.delimiter);
    static const std::vector<std::string> ends{"\n", "\n", "\r\n", "", " ", "\n\n"};
    return text + ends[below(ends.size())];
}

std::string Random::stream(const FrameRules& rules) {
    std::string text;
    for (std::size_t i = below(12); i > 0; --i) text += piece(rules);
    return text;
}

std::vector<std::string> Random::chunks(const std::string& stream) {
    const std::size_t longest = std::size_t{1} << below(9);
    std::vector<std::string> chunks;
    for (std::size_t at = 0; at < stream.size(); at += chunks.back().size()) {
        chunks.push_back(stream.substr(at, 1 + below(longest)));
    }
    return chunks;
}

}  // namespace holdfast
