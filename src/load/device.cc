#include "load/device.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "codec/framing.h"
#include "load/pace.h"

namespace holdfast {
namespace {

constexpr std::size_t max_bytes = 1024 * 1024;

// Samples of each kind that a gateway distinguishes, except too_deep and too_large, which depend on its configuration.
constexpr std::array<std::string_view, 4> bad_items{R"({"ip":)", "[1,2,3]", R"({"no":"key"})", "{\"ip\":\"\xff\xfe\"}"};

void append_number(std::string& out, std::uint64_t number) {
    char text[24];
    out.append(text, std::to_chars(text, text + sizeof text, number).ptr);
}

/// Appends 10.0.0.1 for device 0; the first 16 million are distinct.
void append_ip(std::string& out, std::uint64_t device) {
    const std::uint64_t host = device + 1;
    out += "10.";
    append_number(out, host >> 16 & 0xff);
    out += '.';
    append_number(out, host >> 8 & 0xff);
    out += '.';
    append_number(out, host & 0xff);
}

bool is_plain(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
}

}  // namespace

Result<ItemStyle> check_style(const ItemStyle& style) {
    if (style.key_field.empty() || !is_plain(style.key_field)) {
        return Error{"the name of the key field is invalid; write printable ASCII without quotes and backslashes"};
    }
    if (style.key_template.empty() || !is_plain(style.key_template)) {
        return Error{
            "the key template is invalid; write printable ASCII without quotes and backslashes, and {n}, {ip}, {seq}"};
    }
    if (style.bytes > max_bytes)
        return Error{"an item of more than 1MiB exceeds the limit of every gateway; make it smaller"};
    if (!(style.bad >= 0 && style.bad <= 1)) return Error{"bad is out of range; give a number from 0 to 1"};
    return style;
}

bool ItemMaker::append(std::string& out, std::uint64_t device, std::uint64_t seq) const {
    const std::size_t start = out.size();
    if (style_.framing == Framing::length) out.append(4, '\0');
    const bool good = style_.bad == 0 || draw_share(style_.seed, DrawFor::bad_item, device, seq) >= style_.bad;
    if (good) {
        append_good(out, device, seq);
    } else {
        out += bad_items[draw_bits(style_.seed, DrawFor::bad_kind, device, seq) % bad_items.size()];
    }
    if (style_.framing == Framing::length) {
        const std::size_t size = out.size() - start - 4;
        for (std::size_t i = 0; i < 4; ++i) out[start + i] = static_cast<char>(size >> (24 - 8 * i) & 0xff);
    } else if (style_.framing == Framing::ndjson || !good) {
        out += '\n';  // json framing: the gateway resynchronises at a line break after a bad item
    }
    return good;
}

void ItemMaker::append_ack(std::string& out, std::uint64_t device, std::uint64_t number) const {
    std::string item = "{\"" + style_.key_field + "\":\"";
    append_key(item, device, number);
    item += "\",\"load_ack\":" + std::to_string(number) + "}";
    append_framed(out, style_.framing, item);
}

void ItemMaker::append_good(std::string& out, std::uint64_t device, std::uint64_t seq) const {
    const std::size_t start = out.size();
    out += "{\"";
    out += style_.key_field;
    out += "\":\"";
    append_key(out, device, seq);
    out += "\",\"status\":\"online\",\"seq\":";
    append_number(out, seq);
    constexpr std::string_view pad = ",\"pad\":\"";
    const std::size_t bare = out.size() - start + 1;
    if (style_.bytes > bare + pad.size()) {
        out += pad;
        out.append(style_.bytes - bare - pad.size() - 1, 'x');
        out += '"';
    }
    out += '}';
}

void ItemMaker::append_key(std::string& out, std::uint64_t device, std::uint64_t seq) const {
    for (std::string_view rest = style_.key_template; !rest.empty();) {
        if (rest.starts_with("{ip}")) {
            append_ip(out, device);
            rest.remove_prefix(4);
        } else if (rest.starts_with("{n}")) {
            append_number(out, device);
            rest.remove_prefix(3);
        } else if (rest.starts_with("{seq}")) {
            append_number(out, seq);
            rest.remove_prefix(5);
        } else {
            out += rest.front();
            rest.remove_prefix(1);
        }
    }
}

void Unacked::made(std::uint64_t seq, SteadyTime at) {
    if (seq <= highest_) return;
    highest_ = seq;
    batches_.push_back({seq, at});
}

std::uint64_t Unacked::acknowledge(std::uint64_t seq, SteadyTime now, LatencyHistogram& latency) {
    const std::uint64_t before = acked_;
    const std::uint64_t until = std::min(seq, highest_);
    while (acked_ < until) {
        const Batch& batch = batches_[head_];
        const std::uint64_t covered = std::min(batch.last, until);
        const auto took = std::chrono::duration_cast<std::chrono::microseconds>(now - batch.at);
        latency.observe(took, covered - acked_);
        acked_ = covered;
        if (covered == batch.last) ++head_;
    }
    if (head_ == batches_.size()) {
        std::vector<Batch>().swap(batches_);  // releases the memory of an idle device
        head_ = 0;
    } else if (head_ > batches_.size() / 2) {
        batches_.erase(batches_.begin(), batches_.begin() + static_cast<std::ptrdiff_t>(head_));
        head_ = 0;
    }
    return acked_ - before;
}

}  // namespace holdfast
