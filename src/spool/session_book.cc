#include "spool/session_book.h"

#include <algorithm>

namespace holdfast {

void SessionBook::note(const std::vector<SessionMark>& marks) {
    const std::lock_guard lock(mutex_);
    for (const SessionMark& mark : marks) {
        std::uint64_t& seq = fresh_[{mark.id, mark.session}];
        seq = std::max(seq, mark.seq);
    }
}

std::optional<std::uint64_t> SessionBook::seq_of(const std::string& id, const std::string& session) const {
    const std::lock_guard lock(mutex_);
    std::optional<std::uint64_t> seq;
    for (const Numbers* numbers : {&fresh_, &saving_}) {
        const auto found = numbers->find({id, session});
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
        for (const auto& [name, seq] : saving_) {
            std::uint64_t& kept = fresh_[name];
            kept = std::max(kept, seq);
        }
    }
    saving_.clear();
}

}  // namespace holdfast
