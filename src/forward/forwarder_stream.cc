#include <algorithm>

#include "forward/forwarder.h"
#include "forward/stream_setup.h"
#include "text/printable.h"

#include <nats/nats.h>

namespace holdfast {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds save_interval{100};
constexpr std::uint64_t save_messages = 1'000;
constexpr std::size_t max_bytes_in_a_batch = std::size_t{512} << 10;
constexpr std::size_t room_for_headers = 1'024;
constexpr milliseconds unsettled_wait{500};

std::string unreadable_text(const std::string& stream, const std::string& why) {
    return "messages of the stream " + in_quotes(stream) + " cannot be read (" + why +
           "), and losses are detected by sequences alone; permit "
           "$JS.API.STREAM.MSG.GET." +
           stream;
}

}  // namespace

void Forwarder::set_up(NatsLink::Lease lease) {
    if (!find_start()) return;
    if (link_.facts().version.empty()) {  // a new stream's replicas depend on whether the server is in a cluster
        note_oldest();
        const std::string why = link_.trouble();
        if (!why.empty() && Steady::now() - connected_at_ > away_before_trouble) report_.trouble(why);
        return pause(idle_wait);
    }
    auto finding = check_.set_up(lease, spool_.now());
    auto inbox = AckInbox::open(lease, options_.stream);
    if (!finding || !inbox) {
        note_oldest();
        return fail(!finding ? finding.error().message : inbox.error().message);
    }
    if (!take_finding(finding.value())) return pause(unsettled_wait);
    inbox_ = std::move(inbox).value();
    begin(std::move(lease), finding.value().facts);
}

/// Publishes over this connection from now on.
void Forwarder::begin(NatsLink::Lease lease, const StreamFacts& stream) {
    lease_ = std::move(lease);
    target_ = {lease_.connection, spool_id_, options_.stream, stream.max_msg_size};
    const auto max_bytes = static_cast<std::size_t>(natsConnection_GetMaxPayload(lease_.connection));
    maker_.emplace(options_.prefix, spool_id_, options_.batch,
                   std::min(max_bytes_in_a_batch, max_bytes - std::min(max_bytes, room_for_headers)),
                   options_.bad_items);
    const std::string guarantee = guarantee_text(stream, link_.facts());
    report_.guarantee(guarantee);
    const bool is_new = std::exchange(reported_ready_, lease_.number) != lease_.number;
    const bool is_small = is_new && options_.largest_event > max_bytes;
    if (is_small && options_.on_small_payload) options_.on_small_payload(max_bytes);
    if (options_.on_ready && is_new) options_.on_ready(link_.url_in_use(), guarantee);
    go_back("");
}

/// Compares a stream that works, every few seconds. Returns false if the stream must be set up again.
bool Forwarder::check_stream() {
    const auto finding = check_.check_again(lease_, spool_.now());
    if (!finding) return true;
    if (!finding->ok()) fail(finding->error().message);
    if (!finding->ok() || finding->value().loss) {  // handled at set-up, before more is published
        lease_ = {};
        return false;
    }
    static_cast<void>(take_finding(finding->value()));
    target_.max_msg_size = finding->value().facts.max_msg_size;
    return true;
}

/// Returns false if the stream must be checked again before more is published.
bool Forwarder::take_finding(const StreamCheck::Finding& finding) {
    if (!finding.is_settled) return false;
    auto warnings = stream_warnings(finding.facts);
    if (!finding.cannot_read.empty()) warnings.push_back(unreadable_text(options_.stream, finding.cannot_read));
    report_.warn(warnings);
    if (finding.loss) take_loss(finding);
    if (finding.newest) detect_rival(*finding.newest);
    return true;
}

/// Publishes again what the stream has lost after its acknowledgement, as far as the spool has it.
void Forwarder::take_loss(const StreamCheck::Finding& finding) {
    const SpoolStatus spool = spool_.status();
    const Position oldest = std::max<Position>(spool.first, 1);
    const Position before = published_;
    published_ = std::min(published_, std::max(finding.loss->behind, oldest - 1));
    check_.memo().forget_behind(finding.loss->behind);
    check_.memo().send_again(published_ + 1, spool.last, draw_salt());
    check_.accept(finding.facts);
    std::string what = finding.loss->what + ": ";
    what += published_ < before ? "events " + std::to_string(published_ + 1) + " to " + std::to_string(before) +
                                      " are published again from the spool"
                                : "the spool has none of the lost events";
    if (finding.loss->behind < oldest - 1) {
        what += "; events up to " + std::to_string(oldest - 1) + " were removed from the spool";
    }
    report_.loss(what);
    note_published();
    save_position(true);
}

/// Detects a rival. An event of this spool that this spool does not have was published by another process: of a copy,
/// or before a snapshot was restored.
void Forwarder::detect_rival(const StreamCheck::Found& found) {
    if (check_.memo().is_own_epoch(found.epoch)) return;
    std::string why = "this spool ends at position " + std::to_string(spool_.status().last);
    if (found.position <= spool_.status().last) {
        const auto page = spool_.read(found.position - 1, 1, 1);
        if (!page || page.value().events.empty() || page.value().events[0].position != found.position) return;
        if (page.value().events[0].epoch == found.epoch) return;
        why = "this spool has another event at this position";
    }
    report_.rival("the stream " + in_quotes(options_.stream) + " holds event " + std::to_string(found.position) +
                  " of spool " + spool_id_ + " (epoch " + epoch_text(found.epoch) + "), and " + why +
                  ": nothing is lost, but the spool was restored from a snapshot or is used twice; "
                  "give each gateway its own spool");
}

/// Finds the group's position, once it can be read.
bool Forwarder::find_start() {
    if (reader_.started()) return true;
    for (const SpoolGroup& group : spool_.groups()) {
        if (group.name != options_.group) continue;
        published_ = group.position;
        check_.memo() = StreamMemo::parse(saved_memo_ = group.memo);
    }
    const SpoolStatus spool = spool_.status();
    check_.memo().restarted(spool.inherited);
    saved_ = published_;
    sent_ = std::max(published_, spool.inherited);
    reader_.restart(published_);
    report_.published(published_, std::nullopt);
    return true;
}

void Forwarder::save_position(bool now) {
    const bool due = unsaved_messages_ >= save_messages || Steady::now() - saved_at_ >= save_interval;
    if (!due && !now) return;
    check_.memo().forget_up_to(published_);
    std::string memo = check_.memo().text();
    if (published_ == saved_ && memo == saved_memo_) return;
    saved_at_ = Steady::now();
    unsaved_messages_ = 0;
    if (auto error = spool_.set_position(options_.group, published_, memo)) {
        report_.trouble("the position of group " + in_quotes(options_.group) + " cannot be saved: " + error->message);
        return;
    }
    saved_ = published_;
    saved_memo_ = std::move(memo);
}

}  // namespace holdfast
