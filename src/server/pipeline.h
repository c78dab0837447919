#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <holdfast/config.h>
#include <holdfast/events.h>
#include <holdfast/result.h>
#include <holdfast/server.h>

#include "codec/framing.h"
#include "codec/item.h"
#include "conn/connection.h"
#include "conn/counters.h"
#include "conn/stream_handler.h"
#include "server/closed_history.h"
#include "server/devices.h"
#include "server/notice_gate.h"
#include "tokens/token_set.h"

namespace holdfast {

/// What a pipeline is told about each listener.
struct PipelineListener {
    std::string name;
    Framing framing{};
    std::uint16_t max_bad_items = 0;
    bool acks = false;
    LivenessOf liveness = LivenessOf::device;
    std::shared_ptr<const TokenSet> tokens = nullptr;  ///< only a hello with one of these opens; null: anybody's does
};
[[nodiscard]] PipelineListener pipeline_listener(const ListenerConfig& config, std::shared_ptr<const TokenSet> tokens);

/// One reactor's way from bytes to events: framing, then item, then the EventHandler; and from a death to its `closed`
/// event. Owns the handler and the decoder; the shard's thread.
class Pipeline final : public StreamHandler {
public:
    struct Options {
        std::uint32_t run = 0;
        std::vector<PipelineListener> listeners;
        ItemConfig item;
        const Clock* clock = nullptr;  ///< that turns are measured by; null: a turn takes no time
    };

    Pipeline(Options options, std::unique_ptr<EventHandler> events, ClosedHistory& history, NoticeGate& notices);

    /// Where the shard counts, by listener; set once before the reactor runs.
    void count_in(std::vector<ListenerCounters*> counters) { counters_ = std::move(counters); }
    [[nodiscard]] const Counter& events_given() const { return events_given_; }
    /// Once before the reactor runs: from then on devices may say who they are. `around.durable` is filled in.
    void know_devices(DeviceSurroundings around);
    [[nodiscard]] bool acknowledges() const { return events_->durable() != nullptr; }
    /// Of a connection that is `named`. The shard's thread.
    [[nodiscard]] const Device* device_of(Token number) { return devices_.find(number); }

    /// As Shard has it: numbers come in order, and again. The shard's thread.
    /// Of a connection whose listener has got another set of tokens: whether it may stay.
    [[nodiscard]] bool may_stay(const Connection& connection, Token number);
    void open_listener(std::uint8_t number, PipelineListener listener, ListenerCounters& counters);
    void change_listener(std::uint8_t number, PipelineListener listener) { listeners_[number] = std::move(listener); }
    [[nodiscard]] const PipelineListener& listener(std::uint8_t number) const { return listeners_[number]; }

    void on_open(Connection& connection, Token number, const TurnTime& time) override;
    void on_certified(Connection& connection, Token number, std::string_view id) override;
    [[nodiscard]] Taken on_bytes(Connection& connection, Token number, std::span<const char> window, std::uint64_t scan,
                                 const TurnTime& time) override;
    [[nodiscard]] Taken on_last_bytes(Connection& connection, Token number, std::span<const char> window,
                                      const TurnTime& time) override;
    void on_end_while_held(Connection& connection, Token number, EndedBy by) override {
        devices_.end_wait(connection, number, by);
    }
    void on_still_untold(Connection& connection, Token number, const TurnTime& time) override;
    void on_close(Connection& connection, Token number, const Death& death, const TurnTime& time) override;
    void on_turn_end() override {
        events_->on_turn_end();
        devices_.on_turn_end(given_);
    }
    [[nodiscard]] bool ready() override { return events_->ready(); }
    [[nodiscard]] std::string_view why_unfinished(const Connection& connection) override;
    void on_accept_paused(std::uint8_t listener, int error) override;
    void on_accept_resumed(std::uint8_t listener) override;

private:
    /// What one frame came to.
    enum class Next : std::uint8_t {
        go_on,
        bad,   ///< the same, but it was no item
        hold,  ///< what is behind it must wait for Shard::release
        end,   ///< the connection must end, as the arrival says
    };
    /// One window of a connection's bytes, on its way through the steps.
    struct Arrival {
        Connection& connection;
        Token number;
        const TurnTime& time;
        const PipelineListener& listener;
        Device* device = nullptr;  ///< who has said hello
        bool first = false;        ///< item, or what should be one, of its connection
        CloseReason end{};         ///< for Next::end
        std::string_view detail = {};
    };
    [[nodiscard]] Next on_frame(Arrival& arrival, std::span<const char> window, Frame& frame);
    /// One item's worth of bytes; what must come of it besides the event.
    [[nodiscard]] Next on_item(Arrival& arrival, std::string_view text);
    [[nodiscard]] Next on_numbered_item(Arrival& arrival, std::string_view text, const ItemDecoder::Decoded& decoded);
    /// Of bytes that are no text to decode: of a device that numbers its items they take a number all the same.
    [[nodiscard]] Next on_unreadable(Arrival& arrival, BadItem kind);
    [[nodiscard]] Next refuse(Arrival& arrival, BadItem kind);
    [[nodiscard]] Next on_hello(Arrival& arrival, const Hello& hello, TokenMark token);
    [[nodiscard]] Taken on_stranger(Arrival& arrival, std::span<const char> window, std::uint64_t scan);
    [[nodiscard]] Next let_in(Arrival& arrival, std::string_view text);
    [[nodiscard]] static Next deny(Arrival& arrival, std::string_view why);
    [[nodiscard]] Next on_bad_item(Arrival& arrival, BadItem kind);
    void give_item(const Arrival& arrival, std::string_view text, std::string_view key, std::uint64_t seq);
    [[nodiscard]] std::string detail_of(const Connection& connection, const Death& death);
    void give_connected(Connection& connection, Token number, const TurnTime& time);
    void give_identity(Connection& connection, Token number, const TurnTime& time);
    [[nodiscard]] EventTime established(const Connection& connection, const TurnTime& time) const;
    void note_given() {
        events_given_.increment();
        ++given_;
    }

    std::uint32_t run_;
    const Clock* clock_;
    Shard* shard_ = nullptr;
    std::vector<PipelineListener> listeners_;
    std::size_t max_item_bytes_;
    std::unique_ptr<EventHandler> events_;
    ClosedHistory& history_;
    NoticeGate& notices_;
    ItemDecoder decoder_;
    std::vector<ListenerCounters*> counters_;
    Counter events_given_;
    std::uint64_t given_ = 0;  // calls of the handler's on_... functions
    Devices devices_;
};

/// What stands in the way of a listener's `acks`, if anything: the handler's events do not outlive a crash. Any thread.
[[nodiscard]] std::optional<Error> cannot_acknowledge(const ServerConfig& config, const Pipeline& pipeline);

/// Disables acks in `wanted` if the handler is not durable, and reports them as waiting for a restart. Any thread.
void put_off_acks(ServerConfig& wanted, const Pipeline& pipeline, ApplyReport& report);

/// Room that a kept unfinished item may need: the item, its length or line end, and some white space.
[[nodiscard]] inline std::size_t max_unfinished_bytes(const ItemConfig& item) { return item.max_bytes + 64; }

}  // namespace holdfast
