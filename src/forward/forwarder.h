#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include <holdfast/result.h>

#include "base/clock.h"
#include "forward/ack_inbox.h"
#include "forward/forwarder_options.h"
#include "forward/forwarder_report.h"
#include "forward/message.h"
#include "forward/publish.h"
#include "forward/stream_check.h"
#include "forward/window.h"
#include "spool/spool.h"

namespace holdfast {

/// Events that NATS rejected for good, until the forwarder is past them. An event is first replaced by a dead letter,
/// and left out if that is rejected, too. One thread.
class UnfitEvents {
public:
    enum class Instead : std::uint8_t { dead_letter, nothing };
    struct Unfit {
        std::string why;
        Instead instead = Instead::dead_letter;
    };

    /// A rejection of an event or of its dead letter. `first` is the event's position; `what` is a sentence.
    struct Refusal {
        bool first = false;
        std::string what;
    };
    Refusal refuse(Position position, const std::string& why) {
        const auto [found, first] = events_.try_emplace(position, Unfit{why, Instead::dead_letter});
        if (!first) found->second.instead = Instead::nothing;
        return {first, "event " + std::to_string(position) + " cannot be published to NATS" +
                           (first ? " as it is: " : ", not even its dead letter: ") + why};
    }
    void forget_up_to(Position published) { events_.erase(events_.begin(), events_.upper_bound(published)); }

    /// Returns nullptr if NATS may accept the event.
    [[nodiscard]] const Unfit* find(Position position) const {
        const auto found = events_.find(position);
        return found == events_.end() ? nullptr : &found->second;
    }
    /// Returns the latest end of a batch that begins at `first`; `bound` is another bound, 0: none.
    [[nodiscard]] Position bound_of(Position first, Position bound) const {
        const auto next = events_.upper_bound(first);
        return next != events_.end() && (bound == 0 || next->first <= bound) ? next->first - 1 : bound;
    }

private:
    std::map<Position, Unfit> events_;
};

/// Walks a spool's events page by page, with bounded memory. One thread.
class SpoolCursor {
public:
    /// Reads from `spool`. `on_skipped` is called once for each missing range; it may be empty.
    SpoolCursor(Spool& spool, std::function<void(const MissingRange&)> on_skipped)
        : spool_(spool), on_skipped_(std::move(on_skipped)) {}

    /// Continues from the event after `after`.
    void restart(Position after);
    [[nodiscard]] bool started() const { return started_; }

    /// Returns the next events, at least one unless the spool has none left at present. Valid until the next call.
    [[nodiscard]] Result<std::span<const SpooledEvent>> peek();
    /// Moves past `last`: the events up to it are done.
    void advance(Position last);

    [[nodiscard]] Position next_after() const { return after_; }
    [[nodiscard]] bool at_end() const { return next_ >= page_.events.size(); }

private:
    void tell(const SpoolPage& page);

    Spool& spool_;
    const std::function<void(const MissingRange&)> on_skipped_;
    SpoolPage page_;
    std::size_t next_ = 0;  // index into page_
    Position after_ = 0;
    Position reported_ = 0;  // ranges up to here were reported
    bool started_ = false;
};

/// Publishes a spool's events to JetStream in order, with a window of outstanding acknowledgements. After a failure,
/// publishing resumes at the first event without acknowledgement. Owns a thread. Ends by stop(), which the destructor
/// calls too. Unpublished events stay in the spool.
class Forwarder {
public:
    /// Starts over `link`, which is the forwarder's own and `fresh`. Over a link that resumes, older messages could
    /// overtake repeated ones.
    Forwarder(Spool& spool, NatsLink& link, ForwarderOptions options)
        : spool_(spool),
          link_(link),
          options_(std::move(options)),
          spool_id_(spool.status().id),
          report_(options_),
          check_(link, {options_.stream, event_subjects(options_.prefix, options_.bad_items), options_.replicas},
                 spool_id_),
          reader_(spool, options_.on_skipped),
          thread_([this] { run(); }) {}
    Forwarder(const Forwarder&) = delete;
    Forwarder& operator=(const Forwarder&) = delete;
    ~Forwarder() { stop(std::chrono::milliseconds(0)); }

    [[nodiscard]] ForwarderStatus status() const;
    /// Publishes the spool's events for at most `timeout` and while there is a connection, then ends.
    void stop(std::chrono::milliseconds timeout);
    /// Ends the wait of a stop(), under way or later. Any thread.
    void give_up() { stop_within(std::chrono::milliseconds(0)); }

private:
    using Steady = std::chrono::steady_clock;
    using milliseconds = std::chrono::milliseconds;

    static constexpr milliseconds away_before_trouble{1'000};
    static constexpr milliseconds idle_wait{50};

    void stop_within(milliseconds timeout);
    void run();
    [[nodiscard]] bool ended();
    [[nodiscard]] bool find_start();
    [[nodiscard]] bool is_ready();
    void set_up(NatsLink::Lease lease);
    void begin(NatsLink::Lease lease, const StreamFacts& stream);
    [[nodiscard]] bool check_stream();
    [[nodiscard]] bool take_finding(const StreamCheck::Finding& finding);
    void take_loss(const StreamCheck::Finding& finding);
    void detect_rival(const StreamCheck::Found& found);
    void check_acks();
    void take_acknowledged();
    void take_ack(const PublishAck& ack);
    void take_stored(const PublishAck& ack);
    void take_duplicate(const PublishAck& ack);
    void note_published();
    [[nodiscard]] bool publish_some();
    [[nodiscard]] bool publish_next();
    [[nodiscard]] bool send(const NatsMessage& message);
    [[nodiscard]] bool take_failure(const NatsMessage& message, const PublishFailure& failed);
    void take_unfit(Position first, Position last, std::size_t bytes, const std::string& why);
    void name_anew_if_staged(NatsMessage& message);
    void cannot_go_on(const std::string& why);
    void wait_for_spool(const std::string& why);
    void go_back(const std::string& why);
    void save_position(bool now);
    void wait_for_news();
    void pause(milliseconds timeout);
    void fail(const std::string& why);
    void note_oldest();

    Spool& spool_;
    NatsLink& link_;
    const ForwarderOptions options_;
    const std::string spool_id_;
    ForwarderReport report_;

    // Members of thread_.
    StreamCheck check_;
    PublishTarget target_;
    SpoolCursor reader_;
    PublishWindow window_;
    std::optional<MessageMaker> maker_;
    NatsLink::Lease lease_;
    std::unique_ptr<AckInbox> inbox_;      // after lease_: its connection
    std::deque<Position> bounds_;          // of messages that may have been sent before
    std::map<Position, unsigned> staged_;  // number of such answers, by first event
    UnfitEvents unfit_;
    std::uint64_t round_ = 0;
    Position published_ = 0;
    Position saved_ = 0;
    std::string saved_memo_;
    Position sent_ = 0;       // the newest event that this process or a predecessor may have sent
    std::string refusal_;     // of the latest acknowledgements, like the members below
    bool goes_back_ = false;  // at once: no fault
    std::string foreign_;     // source of the latest foreign answer
    std::uint64_t unsaved_messages_ = 0;
    Steady::time_point saved_at_ = Steady::now();
    Steady::time_point connected_at_ = Steady::now();
    unsigned failures_ = 0;  // in a row
    std::uint64_t reported_ready_ = 0;

    mutable std::mutex mutex_;
    std::condition_variable stopping_;
    std::optional<Steady::time_point> stop_at_;  // guarded by mutex_

    std::thread thread_;  // last: it uses the others
};

}  // namespace holdfast
