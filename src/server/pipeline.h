#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <holdfast/config.h>
#include <holdfast/events.h>

#include "codec/framing.h"
#include "codec/item.h"
#include "conn/connection.h"
#include "conn/counters.h"
#include "conn/stream_handler.h"
#include "server/closed_history.h"
#include "server/notice_gate.h"

namespace holdfast {

/// What a pipeline is told about each listener.
struct PipelineListener {
    std::string name;
    Framing framing{};
    std::uint16_t max_bad_items = 0;
};

/// One reactor's way from bytes to events: framing, then item, then the EventHandler; and from a death to its `closed`
/// event. Owns the handler and the decoder; the shard's thread.
class Pipeline final : public StreamHandler {
public:
    struct Options {
        std::uint32_t run = 0;
        std::vector<PipelineListener> listeners;
        ItemConfig item;
    };

    Pipeline(Options options, std::unique_ptr<EventHandler> events, ClosedHistory& history, NoticeGate& notices);

    /// Where the shard counts, by listener; set once before the reactor runs.
    void count_in(std::vector<ListenerCounters*> counters) { counters_ = std::move(counters); }
    [[nodiscard]] const Counter& events_given() const { return events_given_; }

    /// As Shard has it: numbers come in order, and again. The shard's thread.
    void open_listener(std::uint8_t number, PipelineListener listener, ListenerCounters& counters);
    void change_listener(std::uint8_t number, PipelineListener listener) { listeners_[number] = std::move(listener); }
    [[nodiscard]] const PipelineListener& listener(std::uint8_t number) const { return listeners_[number]; }

    void on_open(const Connection& connection, Token number, const TurnTime& time) override;
    [[nodiscard]] Taken on_bytes(Connection& connection, Token number, std::span<const char> window, std::uint64_t scan,
                                 const TurnTime& time) override;
    void on_close(const Connection& connection, Token number, const Death& death, const TurnTime& time) override;
    void on_turn_end() override { events_->on_turn_end(); }
    [[nodiscard]] bool ready() override { return events_->ready(); }
    [[nodiscard]] std::string_view why_unfinished(const Connection& connection) override;
    void on_accept_paused(std::uint8_t listener, int error) override;
    void on_accept_resumed(std::uint8_t listener) override;

private:
    /// What one frame came to: where the next one starts, or why the connection must end.
    struct Step {
        std::size_t next = 0;
        std::optional<CloseReason> end;
        std::string_view detail;
    };
    [[nodiscard]] Step on_frame(Connection& connection, Token number, std::span<const char> window, const Frame& frame,
                                const TurnTime& time);
    /// One item's worth of bytes; what must end the connection, if anything.
    [[nodiscard]] std::optional<CloseReason> on_item(Connection& connection, Token number, std::string_view text,
                                                     const TurnTime& time);
    [[nodiscard]] std::optional<CloseReason> on_bad_item(Connection& connection, BadItem kind);

    std::uint32_t run_;
    std::vector<PipelineListener> listeners_;
    std::size_t max_item_bytes_;
    std::unique_ptr<EventHandler> events_;
    ClosedHistory& history_;
    NoticeGate& notices_;
    ItemDecoder decoder_;
    std::vector<ListenerCounters*> counters_;
    Counter events_given_;
};

/// Room that a kept unfinished item may need: the item, its length or line end, and some white space.
[[nodiscard]] inline std::size_t max_unfinished_bytes(const ItemConfig& item) { return item.max_bytes + 64; }

}  // namespace holdfast
