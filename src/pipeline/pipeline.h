#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <holdfast/config.h>
#include <holdfast/events.h>
#include <holdfast/result.h>
#include <holdfast/status.h>

#include "codec/framing.h"
#include "codec/item.h"
#include "conn/connection.h"
#include "conn/counters.h"
#include "conn/stream_handler.h"
#include "device/device_sessions.h"
#include "pipeline/bad_item_book.h"
#include "pipeline/notice_limiter.h"
#include "pipeline/pipeline_listener.h"
#include "pipeline/waiting_answers.h"

namespace holdfast {

/// Stores the latest closed connections of all reactors; queries return the newest first. Bounded; any thread.
class ClosedHistory {
public:
    explicit ClosedHistory(std::size_t capacity) : capacity_(capacity) {}

    void add(ClosedLife life);
    /// Adds older connections, the oldest first. The oldest ones that do not fit are left out.
    void restore(std::vector<ClosedLife> lives);
    [[nodiscard]] ClosedPage find(const ClosedQuery& query) const;

private:
    const std::size_t capacity_;
    mutable std::mutex mutex_;
    std::vector<ClosedLife> ring_;  // guarded by mutex_; grows to capacity_, then overwrites the oldest
    std::size_t next_ = 0;          // guarded by mutex_
};

struct HelloAnswer;

/// Bytes of an unfinished item beside the item: its header or its end.
inline constexpr std::size_t unfinished_margin = 64;

/// Bytes that may arrive before a connection has authenticated, where that is required.
inline constexpr std::size_t max_unauthenticated_bytes = 1'024;

/// Turns one reactor's bytes into events: framing, item, EventHandler; and an end into its `closed` event. Owns the
/// handler and the decoder; the shard's thread.
class Pipeline final : public StreamHandler {
public:
    struct Options {
        std::uint32_t run = 0;
        std::vector<PipelineListener> listeners;
        ItemConfig item;
        const Clock* clock = nullptr;  ///< measures turns; null: a turn takes no time
    };

    /// Parts that the pipelines of all reactors share, and that outlive them.
    struct Shared {
        ClosedHistory& closed;
        BadItemHistory& bad_items;
        NoticeLimiter& notices;
    };

    Pipeline(Options options, std::unique_ptr<EventHandler> events, const Shared& shared);

    /// Sets the counters by listener; once before the reactor runs.
    void count_in(std::vector<ListenerCounters*> counters) { counters_ = std::move(counters); }
    [[nodiscard]] const Counter& events_given() const { return events_given_; }
    /// Enables hellos; once before the reactor runs. `around.durable` is filled in.
    void know_devices(DeviceContext around);
    [[nodiscard]] bool acknowledges() const { return events_->durable() != nullptr; }
    /// Returns the device of an identified connection, or nullptr. The shard's thread.
    [[nodiscard]] const Device* device_of(Token number) { return devices_.find(number); }

    /// Returns the bad items of a connection, or nullptr if it had none. The shard's thread.
    [[nodiscard]] const BadItems* bad_items_of(Token number) const { return bad_items_.find(number); }

    /// Returns whether a connection may stay after its listener got another set of tokens. Listener numbers are
    /// assigned in order and reused. The shard's thread.
    [[nodiscard]] bool may_stay(const Connection& connection, Token number);
    void open_listener(std::uint8_t number, PipelineListener listener, ListenerCounters& counters);
    void change_listener(std::uint8_t number, PipelineListener listener) {
        listeners_[number] = with_codec(std::move(listener));
    }
    [[nodiscard]] const PipelineListener& listener(std::uint8_t number) const { return listeners_[number]; }

    /// Appends a message for a device in its listener's framing. Returns false, and counts that, if the framing has no
    /// form for it. The shard's thread.
    [[nodiscard]] bool frame(const Connection& connection, std::string_view message, std::string& out);
    /// Sends a message to a device in its listener's framing. The shard's thread.
    [[nodiscard]] SendOutcome send(Connection& connection, std::string_view message);

    void on_open(Connection& connection, Token number, const TurnTime& time) override;
    [[nodiscard]] bool on_adopt(Connection& connection, Token number, const LeftStream& left) override;
    void on_certified(Connection& connection, Token number, std::string_view id) override;
    [[nodiscard]] ReadResult on_bytes(Connection& connection, Token number, std::span<const char> window,
                                      std::uint64_t scan, const TurnTime& time) override;
    [[nodiscard]] ReadResult on_last_bytes(Connection& connection, Token number, std::span<const char> window,
                                           const TurnTime& time) override;
    void on_end_while_held(Connection& connection, Token number, EndedBy by) override;
    [[nodiscard]] bool owes_answers(const Connection& connection, Token number) override {
        return answers_.contains(number) || (connection.is_identified() && devices_.owes_acks(number));
    }
    void on_connected_pending(Connection& connection, Token number, const TurnTime& time) override;
    void on_left_over(Connection& connection, Token number) override {
        left_over_[number] = about_unfinished(connection, number, {});
    }
    void on_close(Connection& connection, Token number, const CloseInfo& info, const TurnTime& time) override;
    /// Passes the means to act on connections to the handler, before the reactor's first turn.
    void start(ReactorContext& context) { events_->on_start(context); }
    void on_turn_end() override {
        events_->on_turn_end();
        devices_.on_turn_end(given_);
        if (answers_.has_blocked()) [[unlikely]]
            send_safe_answers(0);
    }
    [[nodiscard]] bool ready() override { return events_->ready(); }
    [[nodiscard]] std::string_view why_unfinished(const Connection& connection) override;
    void on_accept_paused(std::uint8_t listener, int error) override;
    void on_accept_resumed(std::uint8_t listener) override;

private:
    /// A codec's end of a connection.
    struct LastWords {
        CloseInfo close;
        std::string detail;
        std::string bytes;
        bool flush = false;
    };
    /// Result of one frame.
    enum class Next : std::uint8_t {
        go_on,
        bad,     ///< likewise, but it was a bad item
        hold,    ///< later bytes wait for Shard::release
        end,     ///< the connection ends with the arrival's reason
        held,    ///< the embedding program holds it
        closed,  ///< the embedding program has closed it
    };
    /// One window of a connection's bytes on its way through the steps.
    struct Arrival {
        Connection& connection;
        Token number;
        const TurnTime& time;
        const PipelineListener& listener;
        Device* device = nullptr;  ///< the identified device, or null
        bool first = false;        ///< first frame of its connection
        bool in_batch = false;     ///< the item is an element of an array
        bool is_last = false;      ///< no byte follows, and none waits
        CloseReason end{};         ///< for Next::end
        std::string_view detail = {};
        std::string_view mistake = {};    ///< what is wrong with a bad item, if that is known; static text
        std::span<const char> rest = {};  ///< the window from the current frame on
        std::string_view text = {};       ///< the current frame's item, within `rest`
        /// Behind the element of an array at which the program has held or closed the connection, within `rest`.
        const char* cut_at = nullptr;
        const CodecStream* stream = nullptr;  ///< what the program's codec said of the current frame; null: a framing
    };
    [[nodiscard]] Arrival arrive(Connection& connection, Token number, const TurnTime& time);
    [[nodiscard]] ReadResult cut(Arrival& arrival, std::span<const char> window, std::uint64_t scan);
    [[nodiscard]] static ReadResult waits_at(std::size_t done, const Arrival& arrival, Next next);
    [[nodiscard]] bool drops_item(const Connection& connection) const;
    [[nodiscard]] Next take_frame(Arrival& arrival, std::span<const char> window, Frame& frame);
    [[nodiscard]] Next on_frame(Arrival& arrival, std::span<const char> window, Frame& frame);
    [[nodiscard]] Next on_bad_frame(Arrival& arrival, Frame::Kind kind);
    // codec_frames.cc
    [[nodiscard]] CodecStream stream_of(const Arrival& arrival, std::uint64_t scan) const;
    [[nodiscard]] Frame next_frame(Arrival& arrival, std::span<const char> window, CodecStream& stream);
    [[nodiscard]] Frame checked(Arrival& arrival, const Frame& frame, std::span<const char> window,
                                CodecStream& stream);
    [[nodiscard]] Frame last_frame(Arrival& arrival, std::span<const char> window, CodecStream& stream);
    [[nodiscard]] Next on_whole_item(Arrival& arrival);
    [[nodiscard]] static ItemDecoder::Decoded keyed_by_codec(const Arrival& arrival, ItemDecoder::Decoded decoded);
    void forget_codec(Token number);
    // pipeline_adoption.cc
    [[nodiscard]] bool adopt_device(Connection& connection, Token number, const LeftStream& left);
    [[nodiscard]] bool may_stay_unidentified(const Connection& connection, const LeftStream& left) const;
    [[nodiscard]] bool resynchronize(Connection& connection, const LeftStream& left);
    [[nodiscard]] Next on_codec_frame(Arrival& arrival, Frame::Kind kind);
    [[nodiscard]] Next on_login(Arrival& arrival);
    [[nodiscard]] ReadResult discard(const Arrival& arrival, std::span<const char> window);
    [[nodiscard]] Next end_by_codec(Arrival& arrival);
    void part(Connection& connection, const LastWords& words);
    [[nodiscard]] Next on_payload(Arrival& arrival, std::string_view text);
    [[nodiscard]] ReadResult on_unauthenticated_frames(Arrival& arrival, std::span<const char> window,
                                                       std::uint64_t scan);
    [[nodiscard]] Next on_unauthenticated_frame(Arrival& arrival, const Frame& frame);
    [[nodiscard]] Next let_in_by_frame(Arrival& arrival, Frame::Kind kind);
    [[nodiscard]] std::string_view padded(std::string_view text);
    void answer(const Arrival& arrival, Frame::Kind kind);
    void pass_answer(Connection& connection, Token number, std::string_view bytes, bool is_safe);
    [[nodiscard]] bool send_answer(Token number, const std::string& bytes, bool is_last);
    void prepare(Arrival& arrival, CodecStream& stream);
    void send_login_answer(Connection& connection, Token number);
    void send_safe_answers(std::uint64_t count);
    void release_after_answers(Token number);
    [[nodiscard]] Next on_batch(Arrival& arrival, std::string_view array);
    [[nodiscard]] static bool is_cut(Arrival& arrival, std::string_view rest, bool was_closing);
    [[nodiscard]] ItemDecoder::Decoded decode(const Arrival& arrival, std::string_view text);
    /// Takes the text of one item and emits its event.
    [[nodiscard]] Next on_item(Arrival& arrival, std::string_view text);
    [[nodiscard]] Next on_numbered_item(Arrival& arrival, std::string_view text, const ItemDecoder::Decoded& decoded);
    /// Takes bytes that cannot be decoded. In a numbered session they use up a number.
    [[nodiscard]] Next on_unreadable(Arrival& arrival, BadItem kind);
    [[nodiscard]] Next refuse(Arrival& arrival, BadItem kind);
    [[nodiscard]] Next on_hello(Arrival& arrival, const Hello& hello, TokenMark token);
    [[nodiscard]] ReadResult on_unauthenticated(Arrival& arrival, std::span<const char> window, std::uint64_t scan);
    [[nodiscard]] ReadResult turn_away(Arrival& arrival, const Frame& frame, std::span<const char> left);
    [[nodiscard]] Next let_in(Arrival& arrival, std::string_view text);
    [[nodiscard]] Next authenticate(Arrival& arrival, const Hello& hello);
    // hello_decision.cc
    [[nodiscard]] Next pass_on(Arrival& arrival, const Hello& hello);
    void end_undecided(Token number, SteadyTime deadline);
    void take_answer(Token number, const HelloAnswer& answer);
    [[nodiscard]] static Next deny(Arrival& arrival, std::string_view why);
    [[nodiscard]] Next on_bad_item(Arrival& arrival, BadItem kind);
    /// Keeps the number of bytes behind those that end the connection.
    void leave_over(const Arrival& arrival, std::span<const char> bytes);
    /// Keeps what a bad item was.
    void note_bad_item(const Arrival& arrival, BadItem kind);
    [[nodiscard]] std::string detail_of(const Arrival& arrival, BadItem kind);
    /// Returns the protocol or the mistake that the current frame shows; static text, may be empty.
    [[nodiscard]] std::string_view recognize(const Arrival& arrival);
    [[nodiscard]] static std::string_view recognize_frame(const Arrival& arrival);
    void give_item(const Arrival& arrival, std::string_view text, std::string_view key, std::uint64_t seq);
    [[nodiscard]] std::string detail_of(const Connection& connection, Token number, const CloseInfo& info);
    [[nodiscard]] std::string about_bad_items(const Connection& connection, Token number, CloseReason reason) const;
    [[nodiscard]] std::string about_last_bad_item(const Connection& connection, Token number, CloseReason reason) const;
    [[nodiscard]] std::string about_unfinished(const Connection& connection, Token number, const CloseInfo& info);
    [[nodiscard]] std::string about_unread(const Connection& connection, Token number, const CloseInfo& info);
    void give_connected(Connection& connection, Token number, const TurnTime& time);
    void give_identity(Connection& connection, Token number, const TurnTime& time);
    void give_identified(Connection& connection, Token number, const TurnTime& time);
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
    bool keys_by_device_;  // an item's key is the id of its device
    std::unique_ptr<EventHandler> events_;
    ClosedHistory& history_;
    NoticeLimiter& notices_;
    ItemDecoder decoder_;
    std::vector<ListenerCounters*> counters_;
    Counter events_given_;
    std::uint64_t given_ = 0;  // calls of the handler's on_... functions, as Durable counts them
    DeviceSessions devices_;
    std::function<void(std::function<void()>)> post_;        // as DeviceContext::post
    std::unordered_map<Token, Hello> hellos_;                // about which the program has not decided
    std::unordered_map<Token, std::uint64_t> codec_states_;  // CodecStream::state, where it is not 0
    std::unordered_map<Token, std::string> login_answers_;   // of logins that are not accepted yet
    WaitingAnswers answers_;
    std::string framed_;  // the latest message for a device
    std::string padded_;  // an item of a codec's own buffer, with padding
    // Copies of what a codec says: the handler may call it again, by a send.
    std::string answer_;
    std::string key_;
    std::unordered_set<Token> ended_by_codec_;          // their later bytes are left over
    std::unordered_set<Token> held_for_answers_;        // too many of their answers wait
    std::unordered_map<Token, LastWords> last_words_;   // ends that wait for earlier answers
    std::unordered_map<Token, std::string> left_over_;  // about unfinished items whose bytes are freed
    BadItemHistory& bad_item_history_;
    BadItemBook bad_items_;
};

/// Returns why a listener's `acks` cannot work, or nullopt: the handler's events do not outlive a crash. Any thread.
[[nodiscard]] std::optional<Error> cannot_acknowledge(const ServerConfig& config, const Pipeline& pipeline);

/// Disables acks in `wanted` if the handler is not durable, and reports them as waiting for a restart. Any thread.
void put_off_acks(ServerConfig& wanted, const Pipeline& pipeline, ApplyReport& report);

/// Returns the room that a kept unfinished item may need: the item, its length or line end, and some white space.
[[nodiscard]] inline std::size_t max_unfinished_bytes(const ItemConfig& item) {
    return item.max_bytes + unfinished_margin;
}

}  // namespace holdfast
