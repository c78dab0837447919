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

#include "codec/hello.h"
#include "conn/shard.h"
#include "server/device_directory.h"
#include "server/numbering.h"
#include "tokens/token_set.h"

namespace holdfast {

/// A device that has said who it is.
struct Device {
    /// How its connection stands to the device's id.
    enum class Standing : std::uint8_t {
        holder,     ///< it speaks for the device
        delayed,    ///< its claim is made again later; nothing of it is read until then
        contested,  ///< the same: the holder connected later, and whether that one lives is being found out
        unproved,   ///< the same: the holder is authenticated and this one is not
        bystander,  ///< another speaks for the device, and this one has ended or is about to
    };
    std::string id;
    std::string session;       ///< empty: it does not number its items
    Numbering numbers;         ///< if it does
    std::uint64_t from = 0;    ///< what its hello said
    bool due = false;          ///< it has news to be told
    bool former_ends = false;  ///< an older connection of it is ending
    TokenMark token = 0;       ///< by which it has proved who it is; 0: by none
    bool proved = false;       ///< who it is, by a token or a certificate
    Standing standing = Standing::holder;
    bool given = false;  ///< an event has said that the connection is this device's

    [[nodiscard]] bool is_pending() const { return standing != Standing::holder && standing != Standing::bystander; }

    /// Numbered items of a bystander are dropped: they were not acknowledged, so that the device sends them again.
    [[nodiscard]] bool drops() const { return counts() && standing == Standing::bystander; }
    [[nodiscard]] bool counts() const { return !session.empty(); }
    [[nodiscard]] DeviceName name() const { return {id, session, proved}; }
};

/// What the devices of one reactor need of the world around it. `post` runs work on this reactor's thread, from any
/// thread, and may be kept beyond the reactor's end; `supersede` ends another connection, wherever it is, and then
/// calls back, on any thread; `confirm` finds out whether another connection lives: whether its peer has not shut down.
struct DeviceSurroundings {
    DeviceDirectory* directory = nullptr;
    Shard* shard = nullptr;
    Durable* durable = nullptr;  ///< null: nothing is acknowledged
    std::function<void(std::function<void()>)> post;
    std::function<void(Token former, std::function<void()> done)> supersede;
    std::function<void(Token holder, std::function<void(bool lives)> done)> confirm;
};

/// One reactor's devices that have said hello: who they are, which of their items are safe, and telling them. Owns what
/// is known of each and the queue of what is not durable yet; the shard's thread. Nothing of it exists for a plain
/// device.
class Devices {
public:
    using Frame = std::function<std::string(const Connection&, std::string_view json)>;
    using OnSettled = std::function<void(Connection&, Token number)>;

    /// `frame` makes a downlink item of a JSON object, as the connection's listener wants it. `on_settled` is called
    /// for a connection whose claim had to wait and is decided now.
    void start(DeviceSurroundings around, std::vector<ListenerCounters*>& counters, Frame frame, OnSettled on_settled);

    enum class Greeted : std::uint8_t {
        open,
        held,     ///< until its former numbers are known
        delayed,  ///< held, and it does not have its id yet
        denied,   ///< another has proved to be that device, and this one has not
    };
    /// A certificate says whose the connection is, before it is open.
    void certify(Connection& connection, Token number, std::string_view id);
    /// The connection says hello; `token` is the mark of the right one that it has shown, or 0.
    [[nodiscard]] Greeted greet(Connection& connection, Token number, const Hello& hello, bool acks, TokenMark token);
    [[nodiscard]] Device* find(Token number);
    /// The connection ends, or its peer has sent FIN or RST: a claim that waits is decided now.
    void end_wait(Connection& connection, Token number, EndedBy by);
    /// The connection has ended.
    void part(const Connection& connection, Token number);

    /// Its item has been given to the handler, as its `given`th call.
    void take(Token number, Device& device, std::uint64_t given);
    /// It sent what it had sent before.
    void repeat(Connection& connection, Token number, Device& device, std::uint64_t seq);
    /// Drops an item whose number is not the expected one: a gap, or a number that the device's own `from` has skipped.
    void refuse_number(Connection& connection, Device& device, std::uint64_t seq, Numbering::Verdict verdict);
    void tell_bad(Connection& connection, std::uint64_t seq, std::string_view reason);
    /// It sent a numbered item, and another connection speaks for the device.
    void drop(const Connection& connection) { (*counters_)[connection.listener]->repeated_items.increment(); }

    /// Whether items count once they are safe, and not before.
    [[nodiscard]] bool waits_for_safety() const { return around_.durable != nullptr; }
    /// An item has been given, of whatever device: its listener counts it when it is safe.
    void count_when_safe(std::uint8_t listener) {
        if (counted_.size() <= listener) counted_.resize(listener + std::size_t{1});
        ++counted_[listener];
    }

    /// The handler has been told of the turn, in which it was called for the `given`th time.
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

    [[nodiscard]] bool name(Connection& connection, Token number, std::string id, bool proved);
    void refuse(Connection& connection, Token number);
    [[nodiscard]] DeviceDirectory::Claim claim(const Connection& connection, Token number, std::string_view id,
                                               bool proved);
    void settle(const Connection& connection, Token number, Device& device, const DeviceDirectory::Claim& claim);
    void supersede(Token number, Device& device, Token former);
    void contest(Token number, Device& device, Token holder, Device::Standing standing);
    void stand_by(Connection& connection, Token number, Device& device);
    void claim_after(Connection& connection, Token number, Device& device, Token holder);
    void claim_again(Token number);
    void holder_was_looked_at(Token number, Token holder, bool lives);
    void former_has_ended(Token number);
    void ask_former_numbers(Token number);
    void look_up(Token number);
    void resume(Token number, std::uint64_t durable);
    void on_durable(std::uint64_t count);
    void note_news(Token number, Device& device);
    void tell_news();
    [[nodiscard]] SendOutcome send(Connection& connection, const std::string& json);

    DeviceSurroundings around_;
    std::vector<ListenerCounters*>* counters_ = nullptr;
    Frame frame_;
    OnSettled on_settled_;
    std::unordered_map<Token, Device> devices_;
    std::deque<Waiting> waiting_;                        // in the order of the handler's calls
    std::vector<std::uint64_t> counted_;                 // items of this turn, by listener
    std::deque<Uncounted> uncounted_;                    // those of earlier ones, in order
    std::vector<Token> due_;                             // devices with news
    std::vector<std::pair<std::string, Token>> parted_;  // in this turn
};

}  // namespace holdfast
