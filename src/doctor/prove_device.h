#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <holdfast/endpoint.h>
#include <holdfast/events.h>
#include <holdfast/result.h>

#include "base/clock.h"
#include "base/unique_fd.h"

namespace holdfast {

/// Events of one connection that a server reported.
struct RecordedLife {
    ConnectionId conn;
    std::uint64_t items = 0;
    std::optional<SteadyTime> closed_at;
    CloseReason reason{};
};

/// Recorded connections by the peer's address.
using RecordedLives = std::map<Endpoint, RecordedLife>;

/// Records when and why each connection begins and ends. Any thread; outlives the handlers that it makes.
class LifeRecorder {
public:
    [[nodiscard]] std::unique_ptr<EventHandler> make_handler();

    [[nodiscard]] RecordedLives lives() const;
    /// Waits until `enough` holds or `deadline` passes. Returns whether it held. `enough` is called under the lock
    /// after each event.
    bool wait_until(SteadyTime deadline, const std::function<bool(const RecordedLives&)>& enough) const;

private:
    class Handler;
    template <typename Note>
    void note(const Endpoint& peer, const Note& change);

    mutable std::mutex mutex_;
    mutable std::condition_variable news_;
    RecordedLives lives_;
};

/// Passes events on to another handler and, on request, blocks its reactor for a while, as if the gateway's process
/// were stopped. Owns the other handler; called on the reactor's thread.
class PausingHandler final : public EventHandler {
public:
    using Pause = std::atomic<std::chrono::milliseconds::rep>;  ///< milliseconds to block in the next call; 0: none

    PausingHandler(std::unique_ptr<EventHandler> inner, Pause& pause) : inner_(std::move(inner)), pause_(pause) {}

    void on_connected(const ConnectedEvent& event) override { inner_->on_connected(event); }
    void on_closed(const ClosedEvent& event) override { inner_->on_closed(event); }
    void on_item(const ItemEvent& event) override {
        inner_->on_item(event);
        if (const auto pause = pause_.exchange(0); pause > 0) {
            std::this_thread::sleep_for(std::chrono::milliseconds(pause));
        }
    }

private:
    std::unique_ptr<EventHandler> inner_;
    Pause& pause_;
};

/// A device as a plain socket, with the fates that a socket of this process can have. Owns the socket; one thread.
class ProveDevice {
public:
    struct Options {
        Endpoint to;
        IpAddress from;
        bool small_window = false;  ///< smallest receive buffer, so that its window closes soon
    };

    /// Connects in the calling thread's network.
    [[nodiscard]] static Result<ProveDevice> connect(const Options& options);

    [[nodiscard]] const Endpoint& name() const noexcept { return name_; }

    /// Sends an item. Returns false if the socket does not accept it.
    bool speak() const noexcept;
    void close() noexcept { fd_.reset(); }
    void reset() noexcept;
    /// Sends a last item and, once it is acknowledged, drops all segments before TCP. Not even the kernel answers: for
    /// the gateway the device has vanished.
    [[nodiscard]] bool vanish() const noexcept;
    /// Ends vanish(): TCP receives segments again. Returns false if the kernel refuses.
    [[nodiscard]] bool reappear() const noexcept;

private:
    ProveDevice(UniqueFd fd, const Endpoint& name)
        : fd_(std::move(fd)), name_(name), item_("{\"ip\":\"" + to_string(name.address) + "\"}\n") {}

    UniqueFd fd_;
    Endpoint name_;
    std::string item_;  ///< with the device's address as its key
};

}  // namespace holdfast
