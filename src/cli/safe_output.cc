#include "cli/safe_output.h"

#include <string_view>
#include <utility>

#include "text/printable.h"
#include "text/table.h"

namespace holdfast {
namespace {

constexpr std::size_t max_pending = 64 * 1024;

/// Returns the first bold mark of a table and its place, or an empty mark at the end.
std::pair<std::size_t, std::string_view> next_mark(std::string_view text) {
    std::pair<std::size_t, std::string_view> first{text.size(), {}};
    for (const std::string_view mark : {bold_on, bold_off}) {
        if (const std::size_t at = text.find(mark); at < first.first) first = {at, mark};
    }
    return first;
}

}  // namespace

SafeOutput::~SafeOutput() {
    stream_.flush();  // does not throw
    const auto state = stream_.rdstate();
    stream_.rdbuf(to_);  // clears the state
    stream_.setstate(state);
}

SafeOutput::int_type SafeOutput::overflow(int_type next) {
    if (traits_type::eq_int_type(next, traits_type::eof())) return traits_type::not_eof(next);
    const char byte = traits_type::to_char_type(next);
    return xsputn(&byte, 1) == 1 ? next : traits_type::eof();
}

std::streamsize SafeOutput::xsputn(const char* text, std::streamsize size) {
    pending_.append(text, static_cast<std::size_t>(size));
    if (pending_.size() < max_pending) return size;
    // A line end is no part of a longer sequence.
    const std::size_t end = pending_.find_last_of('\n');
    if (end == std::string::npos) return write_pending() ? size : 0;
    const std::string rest = pending_.substr(end + 1);
    pending_.resize(end + 1);
    const bool is_written = write_pending();
    pending_ = rest;
    return is_written ? size : 0;
}

int SafeOutput::sync() { return write_pending() && to_->pubsync() == 0 ? 0 : -1; }

bool SafeOutput::write_pending() {
    const std::string pending = std::exchange(pending_, {});
    for (std::string_view left = pending; !left.empty();) {
        const auto [at, mark] = next_mark(left);
        if (!write(printable_lines(left.substr(0, at))) || !write(mark)) return false;
        left.remove_prefix(at + mark.size());
    }
    return true;
}

bool SafeOutput::write(std::string_view text) {
    const auto size = static_cast<std::streamsize>(text.size());
    return to_->sputn(text.data(), size) == size;
}

}  // namespace holdfast
