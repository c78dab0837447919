#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <holdfast/server.h>

#include "base/unique_fd.h"
#include "tcp/sockaddr.h"
#include "tcp/socket_options.h"
#include "testing/comes_true.h"

namespace holdfast {

// Timeout of waits for events, which suffices on a busy machine under a sanitizer.
inline constexpr std::chrono::seconds test_timeout{60};

/// Records the events of handlers, for the test's thread.
class TestEvents {
public:
    void item(std::string key, std::string listener) {
        const std::lock_guard lock(mutex_);
        listeners_by_key_[std::move(key)] = std::move(listener);
        news_.notify_all();
    }
    void close(const Endpoint& peer, CloseReason reason) {
        const std::lock_guard lock(mutex_);
        reasons_by_peer_[peer] = reason;
        news_.notify_all();
    }
    void notice(const Notice& notice) {
        const std::lock_guard lock(mutex_);
        notices_.emplace_back(notice.kind, notice.message);
        news_.notify_all();
    }

    /// Returns the result once the event has arrived.
    [[nodiscard]] std::string listener_of(const std::string& key) {
        return wait([&]() -> std::optional<std::string> {
            const auto found = listeners_by_key_.find(key);
            return found == listeners_by_key_.end() ? std::nullopt : std::optional(found->second);
        });
    }
    [[nodiscard]] CloseReason reason_of(const Endpoint& peer) {
        return wait([&]() -> std::optional<CloseReason> {
            const auto found = reasons_by_peer_.find(peer);
            return found == reasons_by_peer_.end() ? std::nullopt : std::optional(found->second);
        });
    }
    /// Returns the next notice of this kind, in order, each once.
    [[nodiscard]] std::string next_notice(Notice::Kind kind) {
        return wait([&]() -> std::optional<std::string> {
            for (; next_notice_ < notices_.size(); ++next_notice_) {
                if (notices_[next_notice_].first == kind) return notices_[next_notice_++].second;
            }
            return std::nullopt;
        });
    }
    /// Blocks reactors in their next item or end until the lock is destroyed.
    [[nodiscard]] std::unique_lock<std::mutex> pause() { return std::unique_lock(mutex_); }
    [[nodiscard]] bool has_ended(const Endpoint& peer) {
        const std::lock_guard lock(mutex_);
        return reasons_by_peer_.contains(peer);
    }

private:
    template <typename Find>
    auto wait(Find find) -> typename decltype(find())::value_type {
        std::unique_lock lock(mutex_);
        auto found = find();
        const bool came = news_.wait_for(lock, test_timeout, [&] { return found || (found = find()); });
        EXPECT_TRUE(came) << "waited in vain";
        return found ? *found : typename decltype(find())::value_type{};
    }

    std::mutex mutex_;
    std::condition_variable news_;
    std::map<std::string, std::string> listeners_by_key_;
    std::map<Endpoint, CloseReason> reasons_by_peer_;
    std::vector<std::pair<Notice::Kind, std::string>> notices_;
    std::size_t next_notice_ = 0;
};

class TestHandler final : public EventHandler {
public:
    explicit TestHandler(TestEvents& events) : events_(events) {}
    void on_connected(const ConnectedEvent&) override {}
    void on_item(const ItemEvent& event) override { events_.item(std::string(event.key), std::string(event.listener)); }
    void on_closed(const ClosedEvent& event) override { events_.close(event.peer, event.reason); }

private:
    TestEvents& events_;
};

/// The device's end of a connection.
class TestDevice {
public:
    explicit TestDevice(const Endpoint& gateway)
        : remote_(gateway), socket_(::socket(family(gateway), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        const SocketAddress name = to_socket_address(gateway);
        error_ = ::connect(socket_.get(), name.get(), name.length) == 0 ? 0 : errno;
        if (error_ == 0) local_ = local_endpoint(socket_.get()).value();
    }
    [[nodiscard]] static bool can_connect(const Endpoint& gateway) { return TestDevice(gateway).error_ == 0; }
    [[nodiscard]] int error() const { return error_; }  ///< errno of connect(2), or 0

    [[nodiscard]] Endpoint local() const { return local_; }
    [[nodiscard]] Endpoint remote() const { return remote_; }
    void send(const std::string& key) { send_raw("{\"ip\":\"" + key + "\"}\n"); }
    void send_raw(const std::string& text) {
        EXPECT_EQ(::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    }
    /// Returns the next line from the gateway without its line end, or an empty text if the gateway ends the
    /// connection.
    [[nodiscard]] std::string line() {
        for (;;) {
            if (const auto end = received_.find('\n'); end != std::string::npos) {
                const std::string line = received_.substr(0, end);
                received_.erase(0, end + 1);
                return line;
            }
            pollfd waiting{socket_.get(), POLLIN, 0};
            std::array<char, 4096> bytes;
            const auto timeout = static_cast<int>(std::chrono::milliseconds(test_timeout).count());
            if (::poll(&waiting, 1, timeout) != 1) return "nothing came";
            const ssize_t got = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
            if (got <= 0) return "";
            received_.append(bytes.data(), static_cast<std::size_t>(got));
        }
    }
    /// Returns the next `size` bytes from the gateway, fewer if it ends the connection.
    [[nodiscard]] std::string text(std::size_t size) {
        while (received_.size() < size) {
            const std::string more = receive();
            if (more.empty()) break;
            received_ += more;
        }
        const std::string bytes = received_.substr(0, size);
        received_.erase(0, bytes.size());
        return bytes;
    }
    /// Returns true if bytes from the gateway have arrived.
    [[nodiscard]] bool has_answer() const {
        pollfd waiting{socket_.get(), POLLIN, 0};
        return !received_.empty() || ::poll(&waiting, 1, 0) == 1;
    }
    /// Returns the next bytes from the gateway, empty at the end.
    [[nodiscard]] std::string receive() {
        std::string bytes(std::size_t{64} << 10, '\0');
        pollfd waiting{socket_.get(), POLLIN, 0};
        const auto timeout = static_cast<int>(std::chrono::milliseconds(test_timeout).count());
        if (::poll(&waiting, 1, timeout) != 1) return "";
        bytes.resize(
            static_cast<std::size_t>(std::max<ssize_t>(::recv(socket_.get(), bytes.data(), bytes.size(), 0), 0)));
        return bytes;
    }
    /// Waits until the gateway ends the connection. Returns false after the timeout.
    [[nodiscard]] bool ended() const {
        pollfd waiting{socket_.get(), POLLIN, 0};
        char byte = 0;
        const auto timeout = static_cast<int>(std::chrono::milliseconds(test_timeout).count());
        return ::poll(&waiting, 1, timeout) == 1 && ::recv(socket_.get(), &byte, 1, 0) <= 0;
    }
    void close() { socket_.reset(); }
    void end_sending() { EXPECT_EQ(::shutdown(socket_.get(), SHUT_WR), 0); }

    /// An address in use by a program without SO_REUSEPORT.
    class OccupiedAddress {
    public:
        OccupiedAddress() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
            const SocketAddress name = to_socket_address(parse_endpoint("127.0.0.1:0").value());
            EXPECT_EQ(::bind(socket_.get(), name.get(), name.length), 0);
            EXPECT_EQ(::listen(socket_.get(), 1), 0);
        }
        [[nodiscard]] Endpoint address() const { return local_endpoint(socket_.get()).value(); }

    private:
        UniqueFd socket_;
    };

private:
    static int family(const Endpoint& endpoint) { return endpoint.address.is_v4() ? AF_INET : AF_INET6; }

    Endpoint remote_;
    UniqueFd socket_;
    std::string received_;
    int error_ = 0;
    Endpoint local_;
};

/// Runs a Server for its own lifetime.
class TestGateway {
public:
    explicit TestGateway(ServerConfig config) {
        config.on_notice = [this](const Notice& notice) { events_.notice(notice); };
        auto started =
            Server::start(std::move(config), [this](unsigned) { return std::make_unique<TestHandler>(events_); });
        if (!started) throw std::runtime_error(started.error().message);
        server_ = std::move(started).value();
    }

    [[nodiscard]] Server& server() { return *server_; }
    [[nodiscard]] TestEvents& events() { return events_; }
    [[nodiscard]] std::string next_notice(Notice::Kind kind) { return events_.next_notice(kind); }
    [[nodiscard]] ApplyReport apply(const ServerConfig& config) {
        auto report = server_->apply(config);
        if (!report) throw std::runtime_error(report.error().message);
        return std::move(report).value();
    }
    [[nodiscard]] ListenerStatus status(const std::string& name) const {
        for (const ListenerStatus& listener : server_->status().listeners) {
            if (listener.name == name) return listener;
        }
        throw std::runtime_error("no listener " + name);
    }
    [[nodiscard]] Endpoint bound(const std::string& name) const { return status(name).bound; }
    void send_and_see(TestDevice& device, const std::string& key) {
        device.send(key);
        EXPECT_NE(events_.listener_of(key), "") << key;
    }
    /// Waits until every reactor has finished its present turn. A connection whose event or count is seen may not have
    /// given back its place yet.
    void finish_turns() const { static_cast<void>(server_->list({})); }
    template <typename Condition>
    [[nodiscard]] bool until(Condition condition) const {
        return comes_true(condition, test_timeout);
    }

private:
    TestEvents events_;
    std::unique_ptr<Server> server_;
};

}  // namespace holdfast
