#include "capi/open_questions.h"

#include <utility>

namespace holdfast {

void OpenQuestions::add(ConnectionId conn, const HelloDecision& decision) {
    const std::lock_guard lock(mutex_);
    hellos_.insert_or_assign(conn, decision);
}

std::optional<HelloDecision> OpenQuestions::take_hello(ConnectionId conn) {
    const std::lock_guard lock(mutex_);
    const auto found = hellos_.find(conn);
    if (found == hellos_.end()) return std::nullopt;
    std::optional<HelloDecision> decision = found->second;
    hellos_.erase(found);
    return decision;
}

std::uint64_t OpenQuestions::add(Answer answer) {
    const std::lock_guard lock(mutex_);
    look_ups_.emplace(++last_, std::move(answer));
    return last_;
}

OpenQuestions::Answer OpenQuestions::take_look_up(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    auto found = look_ups_.extract(number);
    return found ? std::move(found.mapped()) : Answer();
}

}  // namespace holdfast
