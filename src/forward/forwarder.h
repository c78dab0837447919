#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "forward/ack_inbox.h"
#include "forward/forwarder_options.h"
#include "forward/forwarder_report.h"
#include "forward/message.h"
#include "forward/publish.h"
#include "forward/spool_cursor.h"
#include "forward/stream_check.h"
#include "forward/unfit_events.h"
#include "forward/window.h"

namespace holdfast {

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
          check_(link, {options_.stream, event_subjects(options_.prefix), options_.replicas}, spool_id_),
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
    [[nodiscard]] bool look_at_stream();
    [[nodiscard]] bool take_finding(const StreamCheck::Finding& finding);
    void take_loss(const StreamCheck::Finding& finding);
    void look_for_rival(const StreamCheck::Found& found);
    void look_at_acks();
    void take_ack(const PublishAck& ack);
    void take_duplicate(const PublishAck& ack);
    void note_published();
    [[nodiscard]] bool publish_some();
    [[nodiscard]] bool publish_next();
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
