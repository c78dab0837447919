#include "spool/row.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "text/json_writer.h"

namespace holdfast {

namespace {

class Checksum {
public:
    void add(std::uint64_t number) {
        std::array<unsigned char, 8> bytes;
        for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<unsigned char>(number >> (8 * i));
        value_ = ::crc32_z(value_, bytes.data(), bytes.size());
    }
    void add(std::string_view text) {
        add(text.size());
        value_ = ::crc32_z(value_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
    }
    [[nodiscard]] std::uint32_t value() const { return static_cast<std::uint32_t>(value_); }

private:
    uLong value_ = ::crc32_z(0, nullptr, 0);
};

/// Reads the subset of JSON that this file writes.
class Scanner {
public:
    explicit Scanner(std::string_view text) : left_(text) {}

    [[nodiscard]] bool take(char byte) {
        if (left_.empty() || left_.front() != byte) return false;
        left_.remove_prefix(1);
        return true;
    }
    [[nodiscard]] bool number(std::uint64_t& out) {
        const auto [end, error] = std::from_chars(left_.data(), left_.data() + left_.size(), out);
        if (error != std::errc()) return false;
        left_.remove_prefix(static_cast<std::size_t>(end - left_.data()));
        return true;
    }
    [[nodiscard]] bool flag(bool& out) {
        for (const bool value : {true, false}) {
            const std::string_view word = value ? "true" : "false";
            if (!left_.starts_with(word)) continue;
            left_.remove_prefix(word.size());
            out = value;
            return true;
        }
        return false;
    }
    [[nodiscard]] bool text(std::string& out) {
        out.clear();
        if (!take('"')) return false;
        while (!left_.empty() && left_.front() != '"') {
            const char byte = left_.front();
            left_.remove_prefix(1);
            if (byte != '\\') {
                out += byte;
            } else if (!escape(out)) {
                return false;
            }
        }
        return take('"');
    }
    [[nodiscard]] bool at_end() const { return left_.empty(); }

private:
    bool escape(std::string& out) {
        if (left_.empty()) return false;
        const char what = left_.front();
        left_.remove_prefix(1);
        constexpr std::string_view words = "\"\\/bfnrt";
        constexpr std::string_view bytes = "\"\\/\b\f\n\r\t";
        if (const std::size_t at = words.find(what); at != std::string_view::npos) {
            out += bytes[at];
            return true;
        }
        unsigned code = 0;
        if (what != 'u' || left_.size() < 4) return false;
        const auto [end, error] = std::from_chars(left_.data(), left_.data() + 4, code, 16);
        if (error != std::errc() || end != left_.data() + 4 || code > 0x7f) return false;  // only controls are escaped
        out += static_cast<char>(code);
        left_.remove_prefix(4);
        return true;
    }

    std::string_view left_;
};

/// Reads [[...],[...]]. `one` reads the content of an inner pair of brackets.
template <typename One>
bool scan_rows(std::string_view text, One one) {
    Scanner scanner(text);
    if (!scanner.take('[')) return false;
    if (scanner.take(']')) return scanner.at_end();
    do {
        if (!scanner.take('[') || !one(scanner) || !scanner.take(']')) return false;
    } while (scanner.take(','));
    return scanner.take(']') && scanner.at_end();
}

void append_number(std::string& out, std::uint64_t number) {
    std::array<char, 20> text;
    out.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), number).ptr);
}

std::uint64_t lines_in(std::string_view text) {
    return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

std::uint32_t checksum(const StoredRow& row) {
    return checksum({row.listeners, row.sessions, row.lines},
                    {row.first, row.events, static_cast<std::uint64_t>(row.at_ms)});
}

std::uint32_t checksum(std::initializer_list<std::string_view> texts, std::initializer_list<std::uint64_t> numbers) {
    Checksum sum;
    for (const std::uint64_t number : numbers) sum.add(number);
    for (const std::string_view text : texts) sum.add(text);
    return sum.value();
}

std::string listeners_text(const ListenerRuns& runs) {
    std::string out = "[";
    for (const auto& [name, events] : runs) {
        out += out.size() == 1 ? "[" : ",[";
        append_json_text(out, name);
        out += ',';
        append_number(out, events);
        out += ']';
    }
    return out += ']';
}

std::optional<ListenerRuns> parse_listeners(std::string_view text) {
    ListenerRuns runs;
    const bool good = scan_rows(text, [&runs](Scanner& scanner) {
        auto& [name, events] = runs.emplace_back();
        return scanner.text(name) && scanner.take(',') && scanner.number(events);
    });
    if (!good) return std::nullopt;
    return runs;
}

std::string sessions_text(const std::vector<Watermark>& marks) {
    std::string out = "[";
    for (const Watermark& mark : marks) {
        out += out.size() == 1 ? "[" : ",[";
        append_json_text(out, mark.name.id);
        out += ',';
        append_json_text(out, mark.name.session);
        out += ',';
        append_number(out, mark.seq);
        out += mark.name.authenticated ? ",true]" : ",false]";
    }
    return out += ']';
}

std::optional<std::vector<Watermark>> parse_sessions(std::string_view text) {
    std::vector<Watermark> marks;
    const bool good = scan_rows(text, [&marks](Scanner& scanner) {
        Watermark mark;
        const bool read = scanner.text(mark.name.id) && scanner.take(',') && scanner.text(mark.name.session) &&
                          scanner.take(',') && scanner.number(mark.seq);
        if (!read) return false;
        const bool tells_kind = scanner.take(',');
        if (tells_kind && !scanner.flag(mark.name.authenticated)) return false;
        marks.push_back(mark);
        if (tells_kind) return true;
        marks.back().name.authenticated = true;
        marks.push_back(std::move(mark));
        return true;
    });
    if (!good) return std::nullopt;
    return marks;
}

std::optional<GoodRow> verify(const StoredRow& row, std::uint32_t stored_checksum, std::string& why) {
    if (checksum(row) != stored_checksum) {
        why = "the checksum of the row is wrong";
        return std::nullopt;
    }
    auto listeners = parse_listeners(row.listeners);
    std::uint64_t events = 0;
    if (listeners) {
        for (const auto& run : *listeners) events += run.second;
    }
    const bool whole = row.events > 0 && !row.lines.empty() && row.lines.back() == '\n';
    if (!listeners || events != row.events || lines_in(row.lines) != row.events || !whole) {
        why = "the numbers of the row contradict each other";
        return std::nullopt;
    }
    return GoodRow{.first = row.first,
                   .events = row.events,
                   .at = WallTime{std::chrono::milliseconds(row.at_ms)},
                   .listeners = std::move(*listeners),
                   .sessions = std::string(row.sessions),
                   .lines = std::string(row.lines)};
}

std::uint64_t likely_events(const StoredRow& row, std::uint32_t stored_checksum) {
    StoredRow counted = row;
    counted.events = lines_in(row.lines);
    return checksum(counted) == stored_checksum ? counted.events : row.events;
}

}  // namespace holdfast
