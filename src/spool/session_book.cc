#include "spool/session_book.h"

#include <algorithm>

namespace holdfast {

void SessionBook::note(const std::vector<Watermark>& marks) {
    const std::lock_guard lock(mutex_);
    for (const Watermark& mark : marks) keep(mark.name, mark.seq);
}

void SessionBook::keep(const SessionName& name, std::uint64_t seq) {
    std::uint64_t& kept = fresh_[name];
    kept = std::max(kept, seq);
    if (fresh_.size() > most_) fresh_.erase(fresh_.begin());
}

void SessionBook::limit(std::uint64_t max) {
    const std::lock_guard lock(mutex_);
    most_ = std::max<std::uint64_t>(max, 1);
}

std::optional<std::uint64_t> SessionBook::seq_of(const SessionName& name) const {
    const std::lock_guard lock(mutex_);
    std::optional<std::uint64_t> seq;
    for (const Numbers* numbers : {&fresh_, &saving_}) {
        const auto found = numbers->find(name);
        if (found != numbers->end()) seq = std::max(seq.value_or(0), found->second);
    }
    return seq;
}

const SessionBook::Numbers& SessionBook::begin_saving() {
    const std::lock_guard lock(mutex_);
    saving_.swap(fresh_);
    return saving_;
}

void SessionBook::end_saving(bool saved) {
    const std::lock_guard lock(mutex_);
    if (!saved) {
        for (const auto& [name, seq] : saving_) keep(name, seq);
    }
    saving_.clear();
}

}  // namespace holdfast
