#include "forward/stream_check.h"

#include <charconv>
#include <memory>
#include <string_view>
#include <utility>

#include "text/printable.h"

#include <nats/nats.h>

namespace holdfast {
namespace {

constexpr std::int64_t timeout_ms = 1'000;

std::uint64_t number_of(std::string_view text, int base) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    return error == std::errc{} && end == text.data() + text.size() ? number : 0;
}

std::string_view header_of(natsMsg* message, const char* name) {
    const char* value = nullptr;
    return natsMsgHeader_Get(message, name, &value) == NATS_OK && value != nullptr ? value : "";
}

}  // namespace

StoredMessage read_stored(const NatsLink::Lease& lease, const std::string& stream, std::uint64_t sequence) {
    StoredMessage out;
    jsOptions options;
    jsOptions_Init(&options);
    options.Wait = timeout_ms;
    natsMsg* raw = nullptr;
    auto code = static_cast<jsErrCode>(0);
    const natsStatus status = js_GetMsg(&raw, lease.jetstream, stream.c_str(), sequence, &options, &code);
    const std::unique_ptr<natsMsg, decltype(&natsMsg_Destroy)> message(raw, natsMsg_Destroy);
    if (status == NATS_NOT_FOUND) return out;
    if (status != NATS_OK) {
        out.is_unreadable = true;
        out.why = printable(natsStatus_GetText(status));
        return out;
    }
    out.spool = header_of(raw, "Holdfast-Spool");
    out.epoch = number_of(header_of(raw, "Holdfast-Epoch"), 16);
    out.first = number_of(header_of(raw, "Holdfast-Position"), 10);
    const std::uint64_t events = number_of(header_of(raw, "Holdfast-Events"), 10);
    out.last = out.first + (events > 0 ? events - 1 : 0);
    return out;
}

namespace {

using std::chrono::seconds;

/// A replica that has just become leader may briefly lag behind its predecessor's acknowledgements.
constexpr seconds replicas_settle_within{4};
// Messages of other gateways may follow the newest one of this spool.
constexpr std::uint64_t max_behind_at_set_up = 64;
constexpr std::uint64_t max_behind_later = 4;

}  // namespace

Result<StreamCheck::Finding> StreamCheck::set_up(const NatsLink::Lease& lease, WallTime now) {
    looked_at_ = Steady::now();
    auto facts = set_up_stream(lease, link_.facts(), needs_);
    if (!facts) {
        const std::string right = link_.take_refused_right();
        return right.empty() ? facts.error() : Error{right_complaint(right)};
    }
    return compare(lease, std::move(facts).value(), now, max_behind_at_set_up);
}

std::optional<Result<StreamCheck::Finding>> StreamCheck::check_again(const NatsLink::Lease& lease, WallTime now) {
    if (Steady::now() - looked_at_ < interval) return std::nullopt;
    looked_at_ = Steady::now();
    auto facts = check_stream(lease, needs_);
    if (!facts) {
        static_cast<void>(link_.take_refused_right());  // of this query only: publishing may be permitted
        return std::nullopt;
    }
    if (!facts->ok()) return facts->error();
    return compare(lease, std::move(*facts).value(), now, max_behind_later);
}

StreamCheck::Finding StreamCheck::compare(const NatsLink::Lease& lease, StreamFacts facts, WallTime now,
                                          std::uint64_t max_behind) {
    Finding finding;
    finding.loss = find_loss(
        memo_, facts, [&](const StreamMemo::Mark& mark) { return look_up(lease, mark); }, {now, SystemClock().wall()},
        suspects_);
    finding.is_settled = is_settled(facts, finding.loss.has_value());
    if (!finding.loss) {
        finding.newest = find_newest(lease, facts, max_behind);
        accept(facts);
    }
    finding.cannot_read = cannot_read_;
    finding.facts = std::move(facts);
    return finding;
}

void StreamCheck::accept(const StreamFacts& facts) {
    suspected_since_.reset();
    suspects_ = false;
    memo_.is_of(facts.name, facts.created_ns, facts.deleted);
}

bool StreamCheck::is_settled(const StreamFacts& facts, bool has_loss) {
    if (!has_loss || facts.replicas <= 1) return true;
    if (!suspected_since_) suspected_since_ = Steady::now();
    return Steady::now() - *suspected_since_ >= replicas_settle_within;
}

/// Returns true if the message cannot be read. Each read may use its whole timeout: none follows a failure over the
/// same connection.
bool StreamCheck::is_unreadable(const NatsLink::Lease& lease, const StoredMessage& message) {
    if (!message.is_unreadable) return false;
    unreadable_lease_ = lease.number;
    const std::string right = link_.take_refused_right();
    cannot_read_ = right.empty() ? message.why : right;
    return true;
}

Stored StreamCheck::look_up(const NatsLink::Lease& lease, const StreamMemo::Mark& mark) {
    if (unreadable_lease_ == lease.number) return Stored::unknown;
    const StoredMessage message = read_stored(lease, needs_.name, mark.sequence);
    if (is_unreadable(lease, message)) return Stored::unknown;
    const bool is_it = message.spool == spool_id_ && message.first <= mark.position && mark.position <= message.last;
    return is_it ? Stored::yes : Stored::no;
}

std::optional<StreamCheck::Found> StreamCheck::find_newest(const NatsLink::Lease& lease, const StreamFacts& facts,
                                                           std::uint64_t max) {
    const std::uint64_t known = memo_.marks().empty() ? 0 : memo_.marks().back().sequence;
    for (std::uint64_t sequence = facts.last; max > 0 && sequence > known && sequence >= facts.first;
         --sequence, --max) {
        if (unreadable_lease_ == lease.number) return std::nullopt;
        const StoredMessage message = read_stored(lease, needs_.name, sequence);
        if (is_unreadable(lease, message)) return std::nullopt;
        if (message.spool == spool_id_) return Found{message.last, message.epoch};
    }
    return std::nullopt;
}

}  // namespace holdfast
