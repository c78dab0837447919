#include "server/reactor_context.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/fork_guard.h"
#include "codec/framing.h"

namespace holdfast {
namespace {

thread_local std::optional<std::uint32_t> run_of_thread;

}  // namespace

void mark_reactor_thread(std::uint32_t run) noexcept { run_of_thread = run; }

void refuse_on_reactor(std::uint32_t run) {
    if (run_of_thread != run) return;
    throw Misuse(
        "cannot wait for the reactors on a reactor's thread; use its ReactorContext, or call Server on a thread of "
        "your own");
}

void refuse_empty(bool is_empty, const char* call) {
    if (is_empty) throw Misuse(std::string(call) + " got an empty function; pass one that can be called");
}

std::chrono::milliseconds as_timer(std::chrono::milliseconds time) noexcept {
    constexpr std::chrono::milliseconds longest = std::chrono::hours(24 * 3'650);
    return std::clamp(time, std::chrono::milliseconds(0), longest);
}

void send_to(Shard& shard, const std::vector<Token>& numbers, std::string_view bytes) {
    for (const Token number : numbers) {
        Connection* const connection = shard.registry().find(number);
        if (connection == nullptr || connection->is_opening() || shard.is_ending(*connection)) continue;
        if (!shard.is_unauthenticated(*connection)) static_cast<void>(shard.send(*connection, bytes));
    }
}

void ReactorContext::Impl::refuse_in_child() const {
    if (generation_ == fork_generation()) return;
    throw Misuse("a ReactorContext was used in a child of fork(), where its connections are closed; call exec()");
}

void ReactorContext::Impl::check_thread() const {
    refuse_in_child();
    if (thread_ == std::this_thread::get_id()) return;
    throw Misuse("a ReactorContext was used on another thread than its reactor's; use post()");
}

Connection* ReactorContext::Impl::find(ConnectionId id, bool may_end) const {
    check_thread();
    if (id.run != parts_.run) return nullptr;
    Connection* const connection = parts_.shard.registry().find(id.number);
    if (connection == nullptr || connection->is_opening()) return nullptr;
    return may_end || !parts_.shard.is_ending(*connection) ? connection : nullptr;
}

SendOutcome ReactorContext::Impl::send(ConnectionId id, std::string_view json_object) {
    Connection* const connection = find(id);
    if (connection == nullptr || parts_.shard.is_unauthenticated(*connection)) return SendOutcome::no_such_connection;
    return parts_.pipeline.send(*connection, json_object);
}

TimerId ReactorContext::Impl::run_after(std::chrono::milliseconds delay, std::function<void()> work) {
    check_thread();
    refuse_empty(!work, "run_after()");
    const std::uint64_t id = ++last_timer_;
    const TimerQueue::Key place =
        parts_.shard.reactor().run_at(parts_.shard.time().steady + as_timer(delay), [this, id] {
            if (auto timer = timers_.extract(id)) timer.mapped().work();
        });
    timers_.emplace(id, Timer{std::move(work), place});
    return TimerId{id};
}

bool ReactorContext::Impl::cancel(TimerId timer) {
    check_thread();
    const auto found = timers_.find(static_cast<std::uint64_t>(timer));
    if (found == timers_.end()) return false;
    parts_.shard.reactor().cancel(found->second.place);
    timers_.erase(found);
    return true;
}

void ReactorContext::Impl::set_data(const Connection& connection, Token number, void* data) {
    const std::uint32_t slot = parts_.shard.registry().slot_of(connection);
    if (words_.size() <= slot) words_.resize(std::max<std::size_t>(slot + 1, 2 * words_.size()));
    words_[slot] = {number, data};
}

void* ReactorContext::Impl::data(ConnectionId id) const {
    check_thread();
    const std::size_t slot = id.number & Registry::slot_mask;
    const bool is_known = id.run == parts_.run && slot < words_.size() && words_[slot].number == id.number;
    return is_known ? words_[slot].data : nullptr;
}

void ReactorContext::Impl::hold(Connection& connection, Token number) {
    parts_.shard.hold(connection);
    releases_.erase(number);
}

/// Releases at the end of the turn: within on_item(), the receive buffer is in use.
void ReactorContext::Impl::release(Token number) {
    if (!releases_.insert(number).second) return;
    parts_.shard.after_turn([this, number] {
        Connection* const connection = parts_.shard.registry().find(number);
        if (releases_.erase(number) > 0 && connection != nullptr) parts_.shard.release_held(*connection);
    });
}

/// Closes with a flush at the end of the turn: the held bytes are delivered before, and within on_item() they are in
/// use.
bool ReactorContext::Impl::close_later(Token number, const CloseInfo& info, std::string detail) {
    parts_.shard.after_turn([this, number, info, detail = std::move(detail)] {
        Connection* const connection = parts_.shard.registry().find(number);
        if (connection != nullptr) static_cast<void>(parts_.shard.close(*connection, info, detail, true));
    });
    return true;
}

ReactorContext::ReactorContext(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
ReactorContext::~ReactorContext() = default;

Server& ReactorContext::server() const {
    if (impl_->parts().server != nullptr) return *impl_->parts().server;
    throw Misuse("a SimulatedGateway has no Server; use the context and the gateway");
}

unsigned ReactorContext::reactor() const noexcept { return impl_->shard().registry().reactor(); }

SendOutcome ReactorContext::send(ConnectionId id, std::string_view json_object) { return impl_->send(id, json_object); }

SendOutcome ReactorContext::send_bytes(ConnectionId id, std::string_view bytes) {
    Connection* const connection = impl_->find(id);
    const bool may = connection != nullptr && !impl_->shard().is_unauthenticated(*connection);
    return may ? impl_->shard().send(*connection, bytes) : SendOutcome::no_such_connection;
}

bool ReactorContext::close(ConnectionId id, const CloseOrder& order) {
    const CloseInfo info = close_info(order);
    Connection* const connection = impl_->find(id, true);
    if (connection == nullptr) return false;
    if (order.flush && connection->held) return impl_->close_later(id.number, info, kept_detail(order.detail));
    return impl_->shard().close(*connection, info, kept_detail(order.detail), order.flush);
}

bool ReactorContext::probe(ConnectionId id, std::chrono::milliseconds timeout,
                           std::function<void(const ProbeAnswer&)> done) {
    Connection* const connection = impl_->find(id);
    refuse_empty(!done, "probe()");
    if (connection == nullptr) return false;
    impl_->shard().probe(*connection, as_timer(timeout), [id, done = std::move(done)](ProbeFindings findings) {
        findings.last.conn = id;
        done(findings.last);
    });
    return true;
}

bool ReactorContext::set_detect_within(ConnectionId id, std::optional<std::chrono::milliseconds> detect_within) {
    static_assert(max_own_plans == PolicyTable::max_own);
    std::optional<LivenessPlan> plan;
    if (detect_within) {
        auto made = plan_liveness(*detect_within);
        if (!made) throw Misuse(made.error().message);
        plan = std::move(made).value();
    }
    Connection* const connection = impl_->find(id);
    return connection != nullptr && impl_->shard().set_plan(*connection, plan);
}

TimerId ReactorContext::run_after(std::chrono::milliseconds delay, std::function<void()> work) {
    return impl_->run_after(delay, std::move(work));
}
bool ReactorContext::cancel(TimerId timer) { return impl_->cancel(timer); }

bool ReactorContext::set_data(ConnectionId id, void* data) {
    const Connection* const connection = impl_->find(id);
    if (connection != nullptr) impl_->set_data(*connection, id.number, data);
    return connection != nullptr;
}
void* ReactorContext::data(ConnectionId id) const { return impl_->data(id); }

bool ReactorContext::hold(ConnectionId id) {
    Connection* const connection = impl_->find(id);
    if (connection != nullptr) impl_->hold(*connection, id.number);
    return connection != nullptr;
}

bool ReactorContext::release(ConnectionId id) {
    const bool is_there = impl_->find(id) != nullptr;
    if (is_there) impl_->release(id.number);
    return is_there;
}

std::optional<ConnectionId> ReactorContext::find(std::string_view device) const {
    impl_->refuse_in_child();
    return impl_->parts().find(device);
}

bool ReactorContext::post(ConnectionId id, Work work) const {
    impl_->refuse_in_child();
    return impl_->parts().post(id, std::move(work));
}

void ReactorContext::send_many(std::span<const ConnectionId> ids, std::string_view bytes) const {
    impl_->refuse_in_child();
    impl_->parts().send_many(ids, bytes);
}

}  // namespace holdfast
