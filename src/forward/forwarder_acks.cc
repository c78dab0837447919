#include <algorithm>

#include "forward/forwarder.h"
#include "forward/stream_setup.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {

/// Moves past the messages that the stream has stored.
void Forwarder::take_acknowledged() {
    std::uint64_t sequence = 0;
    const std::uint64_t taken = window_.take_acknowledged(published_, sequence);
    unsaved_messages_ += taken;
    if (taken == 0) return;
    const auto seconds = [](WallTime time) {
        return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
    };
    check_.memo().note({sequence, published_, seconds(spool_.now()), seconds(SystemClock().wall())});
    note_published();
    failures_ = 0;
    if (refusal_.empty()) report_.well();
}

void Forwarder::check_acks() {
    refusal_.clear();
    goes_back_ = false;
    for (const PublishAck& ack : inbox_->take(round_)) take_ack(ack);
    take_acknowledged();
    if (refusal_.empty() && !window_.empty()) {
        const std::string right = link_.take_refused_right();
        if (!right.empty()) refusal_ = right_complaint(right);
    }
    if (!refusal_.empty()) {
        go_back(refusal_);
        lease_ = {};  // compare the stream again
    } else if (goes_back_) {
        go_back("");  // later messages must not wait
    } else if (!window_.empty() && Steady::now() - window_.oldest().sent > options_.ack_timeout) {
        const std::string answers = foreign_.empty() ? "" : "; answers came from " + foreign_;
        go_back("no acknowledgement within " + format_duration(options_.ack_timeout) + answers);
        lease_ = {};
    }
}

void Forwarder::take_stored(const PublishAck& ack) {
    const auto& marks = check_.memo().marks();
    // The stream is another one, or has gone back.
    if (!marks.empty() && ack.sequence <= marks.back().sequence) check_.hurry();
    window_.acknowledge(ack.number, ack.sequence);
}

void Forwarder::take_ack(const PublishAck& ack) {
    switch (ack.kind) {
        case PublishAck::Kind::stored:
            return take_stored(ack);
        case PublishAck::Kind::duplicate:
            return take_duplicate(ack);
        case PublishAck::Kind::staged:
            return window_.note_staged(ack.number);
        case PublishAck::Kind::foreign:
            foreign_ = ack.error;
            return report_.count(&ForwarderStatus::foreign_acks, 1);
        case PublishAck::Kind::unfit:
            if (const auto* message = window_.find(ack.number)) {
                take_unfit(message->first, message->last, message->bytes, ack.error);
                goes_back_ = true;
            }
            return;
        case PublishAck::Kind::no_responders:
            if (refusal_.empty()) {
                refusal_ =
                    "no stream receives it: the stream " + in_quotes(options_.stream) + " or its leader is unavailable";
            }
            return;
        case PublishAck::Kind::refused:
            if (refusal_.empty()) refusal_ = ack.error;
            return;
    }
}

/// Handles a message id that JetStream already has. If neither this process nor its predecessors sent it, another
/// process did.
void Forwarder::take_duplicate(const PublishAck& ack) {
    report_.count(&ForwarderStatus::duplicates, 1);
    const auto* message = window_.find(ack.number);
    if (message == nullptr || message->is_repetition) return window_.acknowledge(ack.number, ack.sequence);
    report_.count(&ForwarderStatus::false_duplicates, 1);
    if (goes_back_) return;
    check_.memo().leave_epoch(message->first, draw_salt());
    save_position(true);  // after a crash the former ids would count as repetitions
    report_.rival("JetStream has a message with the id of event " + std::to_string(message->first) +
                  ", which was never sent: another process uses a copy of spool " + spool_id_ +
                  " and of this process; give each gateway its own spool (nothing is lost)");
    goes_back_ = true;
}

void Forwarder::note_published() {
    report_.published(published_, window_.empty() ? std::nullopt : std::optional(window_.oldest().committed_at));
}

/// Publishes everything again that has not been acknowledged. An empty `why`: over a new connection, without a fault.
void Forwarder::go_back(const std::string& why) {
    const bool resends = !window_.empty();
    for (const Position first : window_.staged()) ++staged_[first];
    std::deque<Position> bounds = window_.go_back();
    bounds.insert(bounds.end(), bounds_.begin(), bounds_.end());  // bounds that were still to be repeated
    bounds_ = std::move(bounds);
    ++round_;
    reader_.restart(published_);
    foreign_.clear();
    report_.count(&ForwarderStatus::retries, resends ? 1 : 0);
    if (why.empty()) return;
    fail("JetStream refuses event " + std::to_string(published_ + 1) + ": " + why + ", and the publish is retried");
}

/// Makes a rejected batch smaller, turns a rejected event into a dead letter, and leaves out a rejected dead letter.
void Forwarder::take_unfit(Position first, Position last, std::size_t bytes, const std::string& why) {
    if (first != last) return maker_->limit_bytes(bytes / 2);
    const UnfitEvents::Refusal refusal = unfit_.refuse(first, why);
    report_.dead_letter(refusal.what, refusal.first);
}

/// Renames a message whose id a former leader may have kept. Under its old id, the message would be dropped as a
/// duplicate until duplicate_window is over. The message may then be stored twice, but is never lost.
void Forwarder::name_anew_if_staged(NatsMessage& message) {
    staged_.erase(staged_.begin(), staged_.upper_bound(published_));
    const auto found = staged_.find(message.first);
    if (found != staged_.end() && found->second > 1) message.id += "~" + std::to_string(found->second - 1);
}

}  // namespace holdfast
