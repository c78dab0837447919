#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include <holdfast/reactor_context.h>

#include "base/fork_guard.h"
#include "conn/shard.h"
#include "pipeline/hello_decision.h"
#include "pipeline/pipeline.h"

namespace holdfast {

/// Throws Misuse if a blocking function is called on a reactor's thread of this run.
void refuse_on_reactor(std::uint32_t run);
/// Throws Misuse for a function without a target, which would end the process on the reactor's thread.
void refuse_empty(bool is_empty, const char* call);
/// Returns the time within what a timer can express: from zero to ten years.
[[nodiscard]] std::chrono::milliseconds as_timer(std::chrono::milliseconds time) noexcept;
/// Marks the calling thread as a reactor's of this run.
void mark_reactor_thread(std::uint32_t run) noexcept;

/// Parts that a context acts on, and functions of the server for any thread. They outlive its reactor's thread.
struct ContextParts {
    Shard& shard;
    Pipeline& pipeline;
    std::uint32_t run = 0;
    std::function<bool(ConnectionId id, ReactorContext::Work work)> post;
    std::function<void(std::span<const ConnectionId> ids, std::string_view bytes)> send_many;
    std::function<std::optional<ConnectionId>(std::string_view device)> find;
    Server* server = nullptr;  ///< null: there is none, as in a simulation
};

/// State of a context: its timers, the program's words by connection, and releases of this turn. The reactor's thread,
/// except parts() and refuse_in_child().
class HOLDFAST_INTERNAL ReactorContext::Impl {
public:
    explicit Impl(ContextParts parts) : parts_(std::move(parts)) {}

    /// Binds the context to the calling thread.
    void start() {
        thread_ = std::this_thread::get_id();
        mark_reactor_thread(parts_.run);
    }
    /// Ends the bond: a later thread may have the same id.
    void end() { thread_ = {}; }
    [[nodiscard]] Shard& shard() const { return parts_.shard; }
    [[nodiscard]] const ContextParts& parts() const { return parts_; }
    /// Throws Misuse in a child of fork(). Any thread.
    void refuse_in_child() const;
    /// Returns nullptr if the connection does not exist here or, unless `may_end`, its end has been ordered. Throws
    /// Misuse on another thread than the reactor's, as all further functions do.
    [[nodiscard]] Connection* find(ConnectionId id, bool may_end = false) const;
    [[nodiscard]] SendOutcome send(ConnectionId id, std::string_view json_object);
    [[nodiscard]] TimerId run_after(std::chrono::milliseconds delay, std::function<void()> work);
    [[nodiscard]] bool cancel(TimerId timer);
    void set_data(const Connection& connection, Token number, void* data);
    [[nodiscard]] void* data(ConnectionId id) const;
    void hold(Connection& connection, Token number);
    void release(Token number);
    [[nodiscard]] bool close_later(Token number, const CloseInfo& info, std::string detail);

private:
    struct Word {
        Token number = 0;  ///< of its connection: the word of an ended one is not the next one's
        void* data = nullptr;
    };
    struct Timer {
        std::function<void()> work;
        TimerQueue::Key place;  ///< in the reactor's queue
    };

    void check_thread() const;

    const unsigned generation_ = fork_generation();
    const ContextParts parts_;
    std::thread::id thread_;
    std::unordered_map<std::uint64_t, Timer> timers_;
    std::uint64_t last_timer_ = 0;
    std::vector<Word> words_;  // by slot; empty until the first set_data()
    std::set<Token> releases_;
};

/// Sends the bytes to those of the connections that exist. The shard's thread.
void send_to(Shard& shard, const std::vector<Token>& numbers, std::string_view bytes);

}  // namespace holdfast
