#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <holdfast/events.h>

#include "codec/item.h"
#include "conn/shard.h"
#include "device/device_index.h"
#include "device/sequence_tracker.h"
#include "device/token_set.h"

namespace holdfast {

/// A device that has sent its hello, or a certificate.
struct Device {
    /// Relation of the connection to the device's id.
    enum class Standing : std::uint8_t {
        holder,     ///< holds the id
        delayed,    ///< repeats its claim later; not read until then
        contested,  ///< likewise, while the gateway checks whether the holder, which connected later, still lives
        weaker,     ///< likewise, where the holder is authenticated and this connection is not
        bystander,  ///< another connection holds the id, and this one has ended or will end
    };
    std::string id;
    std::string session;       ///< empty: its items have no numbers
    SequenceTracker numbers;   ///< if its items have numbers
    std::uint64_t from = 0;    ///< from its hello
    bool due = false;          ///< an ack is due
    bool former_ends = false;  ///< an older connection of the device is ending
    TokenMark token = 0;       ///< the token that authenticated it; 0: none
    Standing standing = Standing::holder;
    bool given = false;    ///< an event has named the connection's device
    bool resyncs = false;  ///< bytes of a numbered session were lost: what has no number until the next one is no item

    [[nodiscard]] bool is_pending() const { return standing != Standing::holder && standing != Standing::bystander; }

    /// Returns true if numbered items are dropped, as a bystander's are: they are not acknowledged, so the device sends
    /// them again.
    [[nodiscard]] bool drops() const { return counts() && standing == Standing::bystander; }
    [[nodiscard]] bool counts() const { return !session.empty(); }
};

/// Returns the name for events of `connection`, whose device is `device`; empty if that is null.
[[nodiscard]] inline DeviceName name_of(const Connection& connection, const Device* device) {
    if (device == nullptr) return {};
    return {device->id, device->session, connection.identity == Identity::authenticated};
}

/// Environment of one reactor's devices. `post` runs work on this reactor's thread, from any thread, and may be kept
/// beyond the reactor's end. `supersede` ends another connection on any reactor and then calls back, on any thread.
/// `confirm` checks whether another connection's peer has not shut it down.
struct DeviceContext {
    DeviceIndex* directory = nullptr;
    Shard* shard = nullptr;
    Durable* durable = nullptr;  ///< null: items are not acknowledged
    std::function<void(std::function<void()>)> post;
    std::function<void(Token former, std::function<void()> done)> supersede;
    std::function<void(Token holder, std::function<void(bool lives)> done)> confirm;
};

/// Tracks one reactor's devices that have sent a hello: identity, safe items and acks. Owns their state and the queue
/// of items that are not durable yet; the shard's thread. Devices without hello cost nothing.
class DeviceSessions {
public:
    using Send = std::function<SendOutcome(Connection&, std::string_view json)>;
    using OnSettled = std::function<void(Connection&, Token number)>;
    using OnSafe = std::function<void(std::uint64_t count)>;

    /// Sets the environment. `send` sends a JSON object in the connection's framing. `on_settled` is called when a
    /// claim that waited is decided, and `on_safe` when the handler's first calls are durable.
    void start(DeviceContext around, std::vector<ListenerCounters*>& counters, Send send, OnSettled on_settled,
               OnSafe on_safe);

    enum class Greeted : std::uint8_t {
        open,
        held,     ///< until its previous numbers are known
        delayed,  ///< paused, and does not hold its id yet
        denied,   ///< unauthenticated, while the holder of the id is authenticated
    };
    /// Identifies the connection by its certificate, before it is open.
    void certify(Connection& connection, Token number, std::string_view id);
    /// Takes the connection's hello. `token` is the mark of its valid token, or 0.
    [[nodiscard]] Greeted greet(Connection& connection, Token number, const Hello& hello, bool acks, TokenMark token);
    /// Identifies a connection of an earlier process. With `ends`, for its `closed` event only. Returns false if the
    /// connection must end: its claim is denied, or nothing acknowledges its items now.
    [[nodiscard]] bool adopt(Connection& connection, Token number, const KeptDevice& left, bool ends);
    /// Goes on with an adopted device: one that numbers its items gets the number to go on from, and is not read until
    /// then. `lost`: bytes of its stream were lost.
    void go_on(Connection& connection, Token number, bool lost);
    /// Records that an event has named the device.
    void note_given(Token number, Device& device);
    [[nodiscard]] Device* find(Token number);
    /// Decides a waiting claim, since the connection ends, or its peer has sent FIN or RST.
    void end_wait(Connection& connection, Token number, EndedBy by);
    /// Returns true if an ack to the connection's items is due or will be due.
    [[nodiscard]] bool owes_acks(Token number) {
        const Device* device = find(number);
        return device != nullptr && device->counts() && !device->numbers.is_settled();
    }
    /// Forgets an ended connection.
    void part(const Connection& connection, Token number);

    /// Records that the item was passed to the handler, as its `given`th call.
    void take(Token number, Device& device, std::uint64_t given);
    /// See SequenceTracker::begins_at().
    [[nodiscard]] bool begins_at(Token number, Device& device, Identity identity, std::uint64_t seq);
    /// Answers a repeated item.
    void repeat(Connection& connection, Token number, Device& device, std::uint64_t seq);
    /// Drops an item with an unexpected number: a gap, or a number that the device's own `from` skipped.
    void refuse_number(Connection& connection, Device& device, std::uint64_t seq, SequenceTracker::Verdict verdict);
    void send_nack(Connection& connection, std::uint64_t seq, std::string_view reason);
    /// Drops a numbered item of a bystander.
    void drop(const Connection& connection) { (*counters_)[connection.listener]->repeated_items.increment(); }

    /// Returns whether items count only once they are safe.
    [[nodiscard]] bool waits_for_safety() const { return around_.durable != nullptr; }
    /// Records an item of any device, which its listener counts when it is safe.
    void count_when_safe(std::uint8_t listener) {
        if (counted_.size() <= listener) counted_.resize(listener + std::size_t{1});
        ++counted_[listener];
    }

    /// Ends a turn, in which the handler was called for the `given`th time.
    void on_turn_end(std::uint64_t given);

private:
    struct Waiting {
        std::uint64_t given;  // the handler's call
        Token number;
        std::uint64_t seq;
    };

    /// Items of one turn, by listener.
    struct Uncounted {
        std::uint64_t given;
        std::uint8_t listener;
        std::uint64_t items;
    };

    void keep(Token number, const Device& device, Identity identity);
    void keep_greeted(const Connection& connection, Token number, const Hello& hello, bool counts, TokenMark token);
    [[nodiscard]] bool name(Connection& connection, Token number, std::string id, Identity identity);
    void refuse(Connection& connection, Token number);
    [[nodiscard]] DeviceIndex::Claim claim(const Connection& connection, Token number, std::string_view id,
                                           Identity identity);
    void settle(const Connection& connection, Token number, Device& device, const DeviceIndex::Claim& claim);
    void supersede(Token number, Device& device, Token former);
    void contest(Token number, Device& device, Token holder, Device::Standing standing);
    void stand_by(Connection& connection, Token number, Device& device);
    void claim_after(Connection& connection, Token number, Device& device, Token holder);
    void claim_again(Token number);
    void on_holder_checked(Token number, Token holder, bool lives);
    void on_former_ended(Token number);
    void request_resume(Token number);
    void look_up(Token number);
    void resume(Token number, std::uint64_t durable);
    void on_durable(std::uint64_t count);
    void mark_ack_due(Token number, Device& device);
    void send_acks();

    DeviceContext around_;
    std::vector<ListenerCounters*>* counters_ = nullptr;
    Send send_;
    OnSettled on_settled_;
    OnSafe on_safe_;
    std::unordered_map<Token, Device> devices_;
    std::deque<Waiting> waiting_;                        // in the order of the handler's calls
    std::vector<std::uint64_t> counted_;                 // items of this turn, by listener
    std::deque<Uncounted> uncounted_;                    // items of earlier turns, in order
    std::vector<Token> due_;                             // devices with acks to send
    std::vector<std::pair<std::string, Token>> parted_;  // in this turn
};

}  // namespace holdfast
