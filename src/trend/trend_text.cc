// The trend as text, for the state that outlives a process.

#include <algorithm>

#include <holdfast/reason.h>

#include "trend/trend.h"
#include "trend/trend_history.h"

namespace holdfast {
namespace {

void write_slot(TokenWriter& out, const TrendSlot& slot, std::size_t times) {
    out.number(times).number(slot.connections).number(slot.fewest).number(slot.max).number(slot.accepted);
    out.number(slot.refused).number(slot.items).number(slot.bad_items);
    for (const CloseReason reason : all_close_reasons) {
        const std::uint32_t count = slot.closed[static_cast<std::size_t>(reason)];
        if (count > 0) out.word(to_string(reason)).number(count);
    }
    out.end_line();
}

TrendSlot read_slot(TokenReader& in, std::size_t& times) {
    times = in.number<std::size_t>();
    TrendSlot slot;
    for (std::uint32_t* const count :
         {&slot.connections, &slot.fewest, &slot.max, &slot.accepted, &slot.refused, &slot.items, &slot.bad_items}) {
        *count = in.number<std::uint32_t>();
    }
    while (in.ok && !in.at_line_end()) {
        const auto reason = parse_close_reason(in.word());  // one of a newer version is left out
        const auto count = in.number<std::uint32_t>();
        if (reason) slot.closed[static_cast<std::size_t>(*reason)] = count;
    }
    return slot;
}

}  // namespace

void TrendRing::write(TokenWriter& out) const {
    out.word("ring").number(unit_.count()).number(newest_unit_).number(latest_.time_since_epoch().count());
    out.number(used_).end_line();
    for (std::size_t distance = used_; distance > 0;) {
        const TrendSlot& slot = back(--distance);
        std::size_t times = 1;
        for (; distance > 0 && back(distance - 1) == slot; --distance) ++times;
        write_slot(out, slot, times);
    }
}

bool TrendRing::read(TokenReader& in) {
    // Bounds of the times keep their sums representable.
    constexpr std::int64_t max_seconds = 253'402'300'799;
    if (!in.next_line() || in.word() != "ring" || in.number<std::int64_t>() != unit_.count()) return false;
    const auto newest_unit = in.number<std::int64_t>();
    const auto latest = in.number<std::int64_t>();
    const auto used = in.number<std::size_t>();
    const bool fits =
        used <= slots_.size() && std::max(newest_unit, latest) <= max_seconds && std::min(newest_unit, latest) >= 0;
    if (!in.ok || !fits) return false;
    for (std::size_t taken = 0; taken < used;) {
        std::size_t times = 0;
        if (!in.next_line()) return false;
        const TrendSlot slot = read_slot(in, times);
        if (!in.ok || times == 0 || times > used - taken) return false;
        taken += times;
        for (; times > 0; --times) push(0) = slot;
    }
    newest_unit_ = newest_unit;
    latest_ = std::chrono::sys_seconds(std::chrono::seconds(latest));
    return true;
}

void TrendHistory::write(TokenWriter& out) const {
    fine_.write(out);
    coarse_.write(out);
}

bool TrendHistory::read(TokenReader& in) {
    if (!fine_.read(in) || !coarse_.read(in)) return false;
    add_absent(fine_.latest() + std::chrono::seconds(1));
    return true;
}

std::string Trend::saved() const {
    TokenWriter out;
    const std::lock_guard lock(mutex_);
    out.word("all").number(stepped_.count()).end_line();
    all_->write(out);
    for (const auto& [name, history] : by_name_) {
        out.word("listener").text(name);
        out.number(history->gone_since ? history->gone_since->time_since_epoch().count() : 0).end_line();
        history->write(out);
    }
    return out.take();
}

bool Trend::restore(std::string_view text) {
    TokenReader in(text);
    auto all = std::make_unique<TrendHistory>();
    if (!in.next_line() || in.word() != "all") return false;
    const std::chrono::milliseconds stepped(in.number<std::int64_t>());
    if (!in.ok || stepped > max_stepped || stepped < -max_stepped || !all->read(in)) return false;
    std::map<std::string, std::unique_ptr<TrendHistory>> by_name;
    while (in.next_line()) {
        if (in.word() != "listener" || by_name.size() >= max_restored) return false;
        auto& history = by_name[in.text()];
        const auto gone = in.number<std::int64_t>();
        history = std::make_unique<TrendHistory>();
        if (!in.ok || !history->read(in)) return false;
        if (gone > 0) history->gone_since = EventTime(std::chrono::milliseconds(gone));
    }
    const std::lock_guard lock(mutex_);
    stepped_ = stepped;
    all_ = std::move(all);
    by_name_ = std::move(by_name);
    return true;
}

}  // namespace holdfast
