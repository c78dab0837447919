// A differential test. An independent recursive-descent reader of RFC 8259 must agree with the decoder on whether a
// text is an item, and on its key.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "codec/item.h"
#include "text/printable.h"

namespace {

using namespace holdfast;

constexpr unsigned max_depth = 8;
constexpr std::size_t max_bytes = 4096;

void append_utf8(std::string& out, unsigned point) {
    if (point < 0x80) {
        out += static_cast<char>(point);
    } else if (point < 0x800) {
        out += static_cast<char>(0xc0 | point >> 6);
        out += static_cast<char>(0x80 | (point & 0x3f));
    } else if (point < 0x10000) {
        out += static_cast<char>(0xe0 | point >> 12);
        out += static_cast<char>(0x80 | (point >> 6 & 0x3f));
        out += static_cast<char>(0x80 | (point & 0x3f));
    } else {
        out += static_cast<char>(0xf0 | point >> 18);
        out += static_cast<char>(0x80 | (point >> 12 & 0x3f));
        out += static_cast<char>(0x80 | (point >> 6 & 0x3f));
        out += static_cast<char>(0x80 | (point & 0x3f));
    }
}

/// Reads one JSON text. Each function consumes the element of its name, or returns false.
class Reader {
public:
    explicit Reader(std::string_view text) : rest_(text) {}

    std::optional<std::string> key;  // value of the first field named ip; empty if it is not a string
    unsigned deepest = 0;
    bool is_object = false;

    bool document() {
        space();
        is_object = !rest_.empty() && rest_[0] == '{';
        return value(0) && rest_.empty();
    }

private:
    bool take(char byte) {
        if (rest_.empty() || rest_[0] != byte) return false;
        rest_.remove_prefix(1);
        return true;
    }

    bool word(std::string_view expected) {
        if (!rest_.starts_with(expected)) return false;
        rest_.remove_prefix(expected.size());
        return true;
    }

    void space() {
        while (take(' ') || take('\t') || take('\n') || take('\r')) {
        }
    }

    bool value(unsigned depth, std::string* text = nullptr) {
        space();
        if (rest_.empty()) return false;
        bool good = false;
        std::string ignored;
        switch (rest_[0]) {
            case '{':
                good = object(depth + 1);
                break;
            case '[':
                good = list(depth + 1);
                break;
            case '"':
                good = string(text != nullptr ? *text : ignored);
                break;
            case 't':
                good = word("true");
                break;
            case 'f':
                good = word("false");
                break;
            case 'n':
                good = word("null");
                break;
            default:
                good = number();
        }
        space();
        return good;
    }

    bool object(unsigned depth) {
        deepest = std::max(deepest, depth);
        if (depth > max_bytes / 8 || !take('{')) return false;
        space();
        if (take('}')) return true;
        do {
            if (!field(depth)) return false;
        } while (take(','));
        return take('}');
    }

    bool field(unsigned depth) {
        std::string name;
        std::string text;
        space();
        if (!string(name)) return false;
        space();
        if (!take(':') || !value(depth, &text)) return false;
        const bool named = name == "ip" || name == "IP" || name == "Ip" || name == "iP";
        if (depth == 1 && named && !key) key = text;
        return true;
    }

    bool list(unsigned depth) {
        deepest = std::max(deepest, depth);
        if (depth > max_bytes / 8 || !take('[')) return false;
        space();
        if (take(']')) return true;
        do {
            if (!value(depth)) return false;
        } while (take(','));
        return take(']');
    }

    bool string(std::string& out) {
        if (!take('"')) return false;
        while (!rest_.empty() && rest_[0] != '"') {
            if (static_cast<unsigned char>(rest_[0]) < 0x20) return false;
            if (take('\\')) {
                if (!escape(out)) return false;
                continue;
            }
            out += rest_[0];
            rest_.remove_prefix(1);
        }
        return take('"');
    }

    bool escape(std::string& out) {
        constexpr std::string_view from = "\"\\/bfnrt";
        constexpr std::string_view to = "\"\\/\b\f\n\r\t";
        if (rest_.empty()) return false;
        if (const std::size_t at = from.find(rest_[0]); at != std::string_view::npos) {
            out += to[at];
            rest_.remove_prefix(1);
            return true;
        }
        unsigned point = 0;
        if (!take('u') || !hex4(point)) return false;
        if (point >= 0xd800 && point < 0xdc00) {
            const std::string_view behind = rest_;
            unsigned low = 0;
            if (take('\\') && take('u') && hex4(low) && low >= 0xdc00 && low <= 0xdfff) {
                point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
            } else {
                rest_ = behind;  // half of a pair
            }
        }
        if (point >= 0xd800 && point < 0xe000) point = 0xfffd;
        append_utf8(out, point);
        return true;
    }

    bool hex4(unsigned& point) {
        for (int i = 0; i < 4; ++i) {
            constexpr std::string_view digits = "0123456789abcdefABCDEF";
            const std::size_t at = rest_.empty() ? std::string_view::npos : digits.find(rest_[0]);
            if (at == std::string_view::npos) return false;
            point = point * 16 + static_cast<unsigned>(at < 16 ? at : at - 6);
            rest_.remove_prefix(1);
        }
        return true;
    }

    bool digits() {
        const std::size_t count = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
        rest_.remove_prefix(count);
        return count > 0;
    }

    bool number() {
        take('-');
        if (!take('0') && !digits()) return false;
        if (take('.') && !digits()) return false;
        if (!take('e') && !take('E')) return true;
        if (!take('+')) take('-');
        return digits();
    }

    std::string_view rest_;
};

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const std::size_t size = next_code_point(text).size;
        if (size == 0) return false;
        text.remove_prefix(size);
    }
    return true;
}

// Returns the valid results for `text`. The second is valid too, because a text can have both faults.
std::vector<std::optional<BadItem>> expected(std::string_view text, std::string& key) {
    Reader reader(text);
    const bool json = reader.document();
    if (!is_utf8(text)) return {BadItem::bad_utf8};
    if (!json) return {BadItem::not_json, BadItem::too_deep};
    if (reader.deepest > max_depth) return {BadItem::too_deep};
    if (!reader.is_object) return {BadItem::not_object};
    if (!reader.key || reader.key->empty()) return {BadItem::no_key};
    key = *reader.key;
    return {std::nullopt};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static ItemDecoder decoder(
        {.key = "iP", .max_bytes = max_bytes, .max_depth = max_depth, .lone_surrogates = LoneSurrogates::replace});
    if (size == 0) return 0;
    // The first byte fills the padding after the item, which must not influence the result.
    std::vector<char> buffer(data + 1, data + size);
    buffer.resize(size - 1 + item_padding, static_cast<char>(data[0]));
    const std::string_view text(buffer.data(), size - 1);

    const auto decoded = decoder.decode(text);
    if (text.size() > max_bytes) {
        HOLDFAST_CHECK(decoded.bad == BadItem::too_large);
        return 0;
    }
    std::string key;
    const auto verdicts = expected(text, key);
    HOLDFAST_CHECK(std::find(verdicts.begin(), verdicts.end(), decoded.bad) != verdicts.end());
    HOLDFAST_CHECK(decoded.bad || decoded.key == key);
    return 0;
}
