#include "conn/adopter.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <utility>

#include "base/fork_guard.h"
#include "base/kernel.h"
#include "conn/admission.h"
#include "conn/listeners.h"
#include "conn/memory_pressure.h"
#include "conn/suspects.h"
#include "conn/sweeper.h"
#include "tcp/socket_options.h"
#include "tcp/tcp_info.h"

namespace holdfast {

namespace {

/// Drops what the slot owned in the memory of the earlier process.
void drop_heap(Connection& connection) {
    static_cast<void>(connection.unfinished.release());
    static_cast<void>(connection.downlink.release());
    connection.key.disown();
}

/// Returns what a connection lost whose process ended while it sent. The kernel knows how much it has taken.
LostOutput lost_while_sending(const Connection& connection, std::uint64_t size, LostOutput noted) {
    const auto written = read_bytes_written(connection.fd);
    if (!written) return LostOutput::cut;
    const std::uint64_t uncounted = (*written - connection.bytes_out) & Connection::max_bytes;
    if (uncounted == 0) return noted;
    return uncounted == size ? LostOutput::none : LostOutput::cut;
}

void add_slot(SlotFacts& facts, const Connection& connection) {
    facts.stage = connection.stage;
    facts.has_unfinished = connection.unfinished != nullptr;
    facts.had_downlink = connection.downlink != nullptr;
    facts.encrypted = connection.encrypted;
    facts.identified = connection.is_identified();
    facts.parting = connection.parting;
    facts.bytes_in = connection.bytes_in;
    facts.peer = connection.peer;
}

void add_socket(SlotFacts& facts, const InheritedSocket& socket) {
    facts.is_socket = !socket.listens;
    facts.ended = socket.ended;
    facts.kernel_peer = socket.peer;
    facts.bytes_read = socket.bytes_read;
}

/// Adds what an earlier adoption, which ended early, had taken out of the slot.
void add_mark(SlotFacts& facts, std::uint8_t mark) {
    facts.has_unfinished |= (mark & AdoptionMark::lost_input) != 0;
    facts.encrypted |= (mark & AdoptionMark::encrypted) != 0;
    facts.parting |= (mark & AdoptionMark::parting) != 0;
    facts.had_downlink |= (mark & (AdoptionMark::lost_output | AdoptionMark::cut_output)) != 0;
    if ((mark & AdoptionMark::lost_output) != 0) facts.lost_output = LostOutput::whole;
    if ((mark & AdoptionMark::cut_output) != 0) facts.lost_output = LostOutput::cut;
}

std::uint8_t to_mark(const SlotFacts& facts) {
    unsigned mark = 0;
    if (facts.has_unfinished || facts.reading) mark |= AdoptionMark::lost_input;
    if (facts.encrypted) mark |= AdoptionMark::encrypted;
    if (facts.parting) mark |= AdoptionMark::parting;
    if (facts.lost_output == LostOutput::whole) mark |= AdoptionMark::lost_output;
    if (facts.lost_output == LostOutput::cut) mark |= AdoptionMark::cut_output;
    return static_cast<std::uint8_t>(mark);
}

/// Clears what described the earlier process's work on the connection.
void clear_work(Connection& connection) {
    connection.read_again = connection.throttled = connection.paused = connection.held = false;
    connection.quiet = connection.probed_in_round = connection.suspect = false;
    connection.parting = connection.peer_ended = connection.encrypted = false;
    connection.unidentify();
    connection.identity = Identity::none;
    connection.stage = Stage::unidentified;
}

}  // namespace

AdoptionCounts Adopter::adopt(const Heritage& heritage) {
    core_.reactor.run_at(core_.reactor.now(), [] {});  // the first turn finalizes what does not fit
    if (heritage.died_at < core_.reactor.now()) core_.miss(core_.reactor.now(), core_.reactor.now() - heritage.died_at);
    learn_ports();
    core_.registry.adopt([this, &heritage](Connection& connection) { return judge(connection, heritage); });
    core_.kept.owed = {};
    for (const Found& found : found_) take(found);
    core_.kept.handing_on = {};
    core_.kept.reading = core_.kept.sending = 0;
    for (const int fd : heritage.strays) readmit(fd);
    for (const int fd : readmitted_) readmit(fd);
    return counts_;
}

void Adopter::learn_ports() {
    for (std::size_t number = 0; number < listeners_.size(); ++number) {
        const auto local = local_endpoint(listeners_[number].fd());
        if (!local) continue;
        const auto [known, is_new] = listener_at_.emplace(local.value().port, static_cast<std::uint8_t>(number));
        if (!is_new) known->second.reset();
    }
}

/// Returns the listener of the socket's local port, which only it has, or the one that the slot names. The numbers of
/// listeners may have changed. nullopt: the name is gone, and its connections end, as by a reload.
std::optional<std::uint8_t> Adopter::find_listener(const Connection& connection,
                                                   const std::optional<InheritedSocket>& socket,
                                                   const Heritage& heritage) const {
    if (heritage.listener_of[connection.listener] == Heritage::unknown) return std::nullopt;
    const auto by_port = socket ? listener_at_.find(socket->local.port) : listener_at_.end();
    if (by_port != listener_at_.end() && by_port->second) return by_port->second;
    return static_cast<std::uint8_t>(heritage.listener_of[connection.listener]);
}

/// Returns the facts about one slot, and takes what the earlier process owned out of it.
SlotFacts Adopter::take_facts(Connection& connection) {
    SlotFacts facts;
    add_slot(facts, connection);
    const Token number = core_.number_of(connection);
    if (facts.had_downlink) facts.lost_output = core_.kept.owed.of(number);
    if (core_.kept.sending == number)
        facts.lost_output = lost_while_sending(connection, core_.kept.sending_size, facts.lost_output);
    facts.handing_on = core_.kept.handing_on_of(number) != 0;
    facts.has_device = core_.kept_devices.find(core_.registry.slot_of(connection), number) != nullptr;
    facts.reading = core_.kept.reading == number;
    std::uint8_t& mark = mark_of(connection);
    add_mark(facts, mark);
    mark = to_mark(facts);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    drop_heap(connection);
    return facts;
}

/// Decides about one slot. Returns whether it stays in use.
bool Adopter::judge(Connection& connection, const Heritage& heritage) {
    SlotFacts facts = take_facts(connection);
    const auto socket = read_inherited_socket(connection.fd);
    const auto listener = find_listener(connection, socket, heritage);
    facts.listener_known = listener.has_value();
    if (listener) {
        connection.listener = *listener;
        facts.has_preamble = core_.policies.of_listener(*listener).has_preamble();
    }
    if (socket) add_socket(facts, *socket);
    const AdoptionVerdict verdict = classify_slot(facts);
    if (verdict.adoption == Adoption::readmit) readmitted_.push_back(connection.fd);
    // The descriptor of a closing one may be closed already, and be another's.
    const bool drops_socket = verdict.adoption == Adoption::drop && facts.stage != Stage::closing;
    if (drops_socket && facts.is_socket) kernel::close(connection.fd);
    const bool stays = verdict.adoption != Adoption::readmit && verdict.adoption != Adoption::drop;
    if (stays) found_.push_back({&connection, verdict, facts.had_downlink, facts.lost_output, facts.counted()});
    if (!stays) mark_of(connection) = 0;
    return stays;
}

void Adopter::take(const Found& found) {
    Connection& connection = *found.connection;
    if (found.verdict.adoption == Adoption::detach) kernel::close(std::exchange(connection.fd, -1));
    close_in_child(connection.fd);
    set_up(connection);
    if (found.verdict.adoption == Adoption::end || found.verdict.adoption == Adoption::detach) {
        static_cast<void>(hand_on(found, true));
        core_.close(connection, CloseReason::gateway_crashed, found.verdict.detail);
    } else {
        keep(found);
    }
    std::atomic_signal_fence(std::memory_order_seq_cst);
    mark_of(connection) = 0;
    ++(connection.is_closing() ? counts_.closed : counts_.kept);
}

void Adopter::keep(const Found& found) {
    Connection& connection = *found.connection;
    restore_options(connection, found.had_downlink);
    resume_stream(found);
    if (connection.is_closing()) return;
    if (found.bytes_read)
        connection.bytes_in = *found.bytes_read & Connection::max_bytes;  // otherwise they would be lost again
    const Token number = core_.number_of(connection);
    if (const int error = core_.reactor.poller().add(connection.fd, awaited_events, number); error != 0)
        return core_.close_by_kernel(connection, error, IoPhase::register_);
    core_.counters_of(connection).kept.increment();
    if (found.lost_output == LostOutput::whole) core_.counters_of(connection).lost_output.increment();
    if (found.verdict.adoption != Adoption::resync) return;
    core_.counters_of(connection).resynchronized.increment();
    ++counts_.resynchronized;
    if (counts_.cut.size() < AdoptionCounts::max_cut) counts_.cut.push_back(number);
}

void Adopter::set_up(Connection& connection) {
    const Tick now = core_.time().tick;
    clear_work(connection);
    connection.opened = std::clamp(connection.opened, Tick{1}, now);
    connection.last_item = std::clamp(connection.last_item, connection.opened, now);
    const AdmissionGuard guard = core_.admission.adopt(connection.peer.address, connection.accept_order);
    connection.counts_for_peer = guard.peer;
    connection.counts_for_prefix = guard.prefix;
    core_.counters_of(connection).connections.increment();
    sweeper_.add(connection);
}

/// Returns the socket's options to the plan, where the earlier process had moved them, or had not completed a change.
/// While bytes are outstanding, the sweep keeps their limits: the kernel would count the time before, too.
void Adopter::restore_options(Connection& connection, bool had_downlink) {
    const LivenessPlan& plan = core_.policy_of(connection).plan;
    const bool is_as_planned = !had_downlink && has_user_timeout(connection.fd, plan.user_timeout);
    if (!is_as_planned) {
        PlanExceptions exceptions{.keep_idle = true, .user_timeout = {}, .rto_uncapped = false};
        const auto facts = read_tcp_facts(connection.fd);
        if (facts && facts->evidence.unacked_bytes + facts->evidence.unsent_bytes > 0) {
            connection.downlink = std::make_unique<Downlink>();
            connection.downlink->user_timeout_raised = true;
            exceptions.user_timeout = ListenerPolicy::raised_user_timeout;
        }
        static_cast<void>(change_plan(connection.fd, plan, exceptions));
    }
    if (!has_keepidle(connection.fd, plan.idle)) {
        const auto facts = read_tcp_facts(connection.fd);
        if (facts) end_forced_probe(connection, plan, facts->evidence.last_heard);
    }
    connection.probe_forced = false;
    connection.under_watch = true;  // data may be unacknowledged
}

void Adopter::resume_stream(const Found& found) {
    Connection& connection = *found.connection;
    const MemoryPressure::Note note(memory_, connection);
    if (!hand_on(found, false)) {
        core_.close(connection, CloseReason::gateway_crashed,
                    found.verdict.adoption == Adoption::resync
                        ? "the gateway restarted, and lost bytes without which the stream cannot go on"
                        : "the gateway restarted, and its new configuration has no place for the device");
    }
}

/// Gives the connection to the handler. Returns whether it can go on.
bool Adopter::hand_on(const Found& found, bool ends) {
    const Token number = core_.number_of(*found.connection);
    const std::uint64_t mark = core_.kept.handing_on_of(number);
    const LeftStream left{.lost = found.verdict.adoption == Adoption::resync,
                          .at_line_end = (mark & KeptReactor::at_line_end) != 0,
                          .ends = ends,
                          .device = core_.kept_devices.find(core_.registry.slot_of(*found.connection), number)};
    return core_.handler.on_adopt(*found.connection, number, left);
}

/// Admits a socket that was accepted, and of which nothing was read.
void Adopter::readmit(int fd) {
    const auto socket = read_inherited_socket(fd);
    close_in_child(fd);
    if (!socket || socket->listens || socket->ended || !listeners_.admit_stray(fd, *socket)) kernel::close(fd);
}

}  // namespace holdfast
