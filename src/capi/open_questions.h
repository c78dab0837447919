#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <unordered_map>

#include <holdfast/events.h>
#include <holdfast/hello.h>

namespace holdfast {

/// Questions of the reactors that the program has not answered: hellos by connection, and look-ups by number. Any
/// thread.
class OpenQuestions {
public:
    using Answer = std::function<void(std::uint64_t seq)>;

    void add(ConnectionId conn, const HelloDecision& decision);
    /// Removes and returns the decision about the connection's hello, or nullopt.
    [[nodiscard]] std::optional<HelloDecision> take_hello(ConnectionId conn);

    /// Keeps a look-up and returns its number.
    [[nodiscard]] std::uint64_t add(Answer answer);
    /// Removes and returns the look-up of that number, or an empty function.
    [[nodiscard]] Answer take_look_up(std::uint64_t number);

private:
    std::mutex mutex_;  // guards the members below
    std::unordered_map<ConnectionId, HelloDecision> hellos_;
    std::map<std::uint64_t, Answer> look_ups_;
    std::uint64_t last_ = 0;
};

}  // namespace holdfast
