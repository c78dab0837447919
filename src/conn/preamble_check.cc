#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "base/kernel.h"
#include "conn/preamble.h"
#include "conn/receiver.h"
#include "tcp/proxy_header.h"

// Health checks: connections that a proxy opens for itself. HAProxy sends PROXY v1 with its own address, or LOCAL, and
// then RST, a TLS handshake, or blank bytes. The first byte of an item turns a check into a device's connection. With
// TLS, so does a first byte that begins no handshake: the device behind the proxy lacks TLS.

namespace holdfast {

namespace {

constexpr int max_peeks = 4;  // per turn

/// Returns the time until a check without an item's byte ends, or nullopt if the operator configured none.
std::optional<std::chrono::milliseconds> time_of_check(const ListenerPolicy& policy) {
    if (!policy.authenticates) return policy.read_idle;
    const std::chrono::milliseconds limit = ListenerPolicy::name_deadline;
    return std::min(policy.read_idle.value_or(limit), limit);
}

/// Returns true if no item begins with `bytes`. With the framing `length`, a blank byte would begin a length beyond
/// every limit, and a length of zero is no item.
bool are_blank(std::string_view bytes, Blanks blanks) {
    constexpr std::string_view empty_frame("\0\0\0\0", 4);
    if (blanks == Blanks::none) return bytes.empty();
    while (blanks == Blanks::space_and_empty_frames && bytes.starts_with(empty_frame))
        bytes.remove_prefix(empty_frame.size());
    return bytes.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

/// Returns true if the received bytes may begin a handshake record (RFC 8446, 5.1). Consumes nothing.
bool begins_handshake(int fd) {
    constexpr std::string_view record = "\x16\x03";
    std::array<char, record.size()> bytes{};
    const ssize_t arrived = kernel::recv(fd, bytes.data(), bytes.size(), MSG_PEEK);
    return arrived > 0 && record.starts_with({bytes.data(), static_cast<std::size_t>(arrived)});
}

}  // namespace

bool Preamble::is_health_check(const Connection& connection) {
    const ProxyProtocol version = core_.policy_of(connection).proxy_protocol;
    if (version == ProxyProtocol::off) return false;
    const std::span<char> room = core_.buffer.landing().first(max_proxy_header);
    const ssize_t arrived = kernel::recv(connection.fd, room.data(), room.size(), MSG_PEEK);
    if (arrived <= 0) return false;
    return is_proxys_own(parse_proxy_header(version, room.first(static_cast<std::size_t>(arrived))), connection.peer);
}

/// Takes the connection out of the population. Limits per peer do not apply: the proxy's address is no device's.
void Preamble::begin_check(Connection& connection, PreambleState& state) {
    ListenerCounters& counters = core_.counters_of(connection);
    counters.connections.decrement();
    counters.opening.decrement();
    counters.health_checks_open.increment();
    state.own = true;
    state.step = PreambleState::Step::first_byte;
    if (core_.policy_of(connection).tls == nullptr) await_item(connection, state);
}

void Preamble::end_check(const Connection& connection, PreambleState& state) {
    ListenerCounters& counters = core_.counters_of(connection);
    counters.health_checks_open.decrement();
    counters.connections.increment();
    counters.opening.increment();
    state.own = false;
}

/// Sets the end of the wait for an item's first byte. The peer may be a device whose address the proxy does not know,
/// so only limits that the operator configured end the wait. check_deadline() reads it.
void Preamble::await_item(Connection& connection, PreambleState& state) {
    const auto limit = time_of_check(core_.policy_of(connection));
    state.step = PreambleState::Step::item_byte;
    state.due = limit ? core_.reactor.attended() + *limit : SteadyTime::max();
}

void Preamble::step_check(Connection& connection, PreambleState& state) {
    if (state.step == PreambleState::Step::item_byte) {
        if (!(connection.encrypted ? has_decrypted_item_byte(connection) : has_item_byte(connection))) return;
        end_check(connection, state);
        const auto objection = connection.encrypted ? objection_to(connection) : std::string_view();
        if (!objection.empty()) return core_.close(connection, CloseReason::tls_failed, objection);
        return connection.encrypted ? open_certified(connection, core_.tls.of(connection.fd)) : open(connection);
    }
    if (state.step == PreambleState::Step::first_byte) {
        if (!has_item_byte(connection)) return;
        if (!begins_handshake(connection.fd)) end_check(connection, state);
    }
    enter_handshake(connection, state);
}

/// Returns true if the socket has a byte of an item, and leaves it there. Consumes blank bytes, which no item begins
/// with.
bool Preamble::has_item_byte(Connection& connection) {
    for (int peeks = 0; peeks < max_peeks; ++peeks) {
        const std::span<char> landing = core_.buffer.landing();
        const ssize_t arrived = kernel::recv(connection.fd, landing.data(), landing.size(), MSG_PEEK);
        if (arrived < 0 && errno == EAGAIN) return false;
        if (arrived <= 0) {
            core_.close_by_kernel(connection, arrived == 0 ? 0 : errno, IoPhase::read);
            return false;
        }
        const std::string_view bytes(landing.data(), static_cast<std::size_t>(arrived));
        if (!are_blank(bytes, core_.policy_of(connection).blanks)) return true;
        static_cast<void>(kernel::recv(connection.fd, landing.data(), static_cast<std::size_t>(arrived), 0));
    }
    receiver_.read_later(connection);
    return false;
}

/// Returns true if the TLS session has a byte of an item, and leaves it there.
bool Preamble::has_decrypted_item_byte(Connection& connection) {
    TlsSession& session = core_.tls.of(connection.fd);
    session.begin_turn();
    for (int peeks = 0; peeks < max_peeks; ++peeks) {
        const std::span<char> landing = core_.buffer.landing();
        const TlsOutcome outcome = session.peek(landing);
        if (outcome.step != TlsStep::done) {
            receiver_.end_by_tls(connection, outcome);
            if (!outcome.ran_out) return false;
            break;
        }
        const auto arrived = landing.first(outcome.bytes);
        if (!are_blank({arrived.data(), arrived.size()}, core_.policy_of(connection).blanks)) return true;
        static_cast<void>(session.read(arrived));
    }
    receiver_.read_later(connection);
    return false;
}

}  // namespace holdfast
