#include "server/reconfiguration.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "options/option.h"
#include "server/kept_listeners.h"
#include "server/listeners.h"
#include "server/validate.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {

namespace {

// Keeps a removed listener in the list long enough for monitoring that polls once a minute.
constexpr std::chrono::minutes listed_after_removal{2};

/// Changes for one reactor. Shared, since work for a mailbox is copied.
struct ReactorPart {
    template <typename What>
    struct Part {
        What listener;
        PipelineListener pipeline;
        PlanChange::Done in_force;
    };
    std::vector<Part<NewListener>> opened;
    std::vector<Part<ListenerChange>> changed;
    std::vector<std::uint8_t> closed;
    SteadyTime drain_deadline;
    bool canaries = false;
};

/// Emits one notice after every reactor has given the new plan to all connections of a listener.
class PlanReport {
public:
    PlanReport(std::size_t reactors, const ListenerConfig& listener, NoticeLimiter& notices)
        : left_(reactors), listener_(listener.name), detect_within_(listener.detect_within), notices_(notices) {}

    void add(const PlanTally& tally) {
        const std::lock_guard lock(mutex_);
        sum_.changed += tally.changed;
        sum_.refused += tally.refused;
        sum_.probed += tally.probed;
        sum_.gone += tally.gone;
        if (--left_ == 0) notices_.tell({Notice::Kind::plan_in_force, listener_, message()});
    }

private:
    std::string message() const {
        std::string text = "detect_within " + format_duration(detect_within_) +
                           " applies to every connection: options set and read back on " +
                           std::to_string(sum_.changed + sum_.refused);
        if (sum_.refused > 0) text += ", " + std::to_string(sum_.refused) + " mismatched";
        if (sum_.probed > 0) text += "; " + std::to_string(sum_.probed) + " were silent and probed first";
        if (sum_.gone > 0) text += ", " + std::to_string(sum_.gone) + " of them ended";
        return text;
    }

    std::mutex mutex_;
    std::size_t left_;  // guarded by mutex_
    PlanTally sum_;     // guarded by mutex_
    const std::string listener_;
    const std::chrono::milliseconds detect_within_;
    NoticeLimiter& notices_;
};

/// Changes the running configuration to the wanted one. prepare() may fail; commit() does not.
class Reconfiguration {
public:
    Reconfiguration(const ApplyParts& parts, ServerConfig wanted)
        : parts_(parts), wanted_(std::move(wanted)), now_(parts.clock.steady()), before_(parts.running.get()) {}

    [[nodiscard]] std::optional<Error> prepare();
    [[nodiscard]] ApplyReport commit();

private:
    [[nodiscard]] const RunningListener* find(std::string_view name) const;
    [[nodiscard]] std::optional<std::uint8_t> free_number() const;
    [[nodiscard]] std::optional<Error> prepare(const ListenerConfig& config);
    [[nodiscard]] std::optional<Error> prepare_new(const ListenerConfig& config);
    [[nodiscard]] std::optional<Error> prepare_back(const RunningListener& before, const ListenerConfig& config);
    [[nodiscard]] std::optional<Error> open(RunningListener next);
    [[nodiscard]] std::optional<Error> prepare_changed(const RunningListener& before, const ListenerConfig& config);
    [[nodiscard]] std::optional<Error> prepare_plan(const ListenerConfig& before, const ListenerConfig& config,
                                                    RunningListener& next) const;
    void report_fixed(const ListenerConfig& before, const ListenerConfig& config);
    void report_tokens(const RunningListener& before, const RunningListener& next);
    [[nodiscard]] std::optional<Error> renew_certificates(const RunningListener& before, RunningListener& next);
    void change(RunningListener next, std::vector<UniqueFd> sockets);
    [[nodiscard]] PlanChange::Done report_plan(const ListenerConfig& config) const;
    void prepare_removed();
    [[nodiscard]] std::optional<Error> bind(const ListenerConfig& config, RunningListener& next,
                                            std::vector<UniqueFd>& sockets) const;
    [[nodiscard]] bool in_our_own_way(const ListenerConfig& config) const;

    const ApplyParts& parts_;
    ServerConfig wanted_;
    const SteadyTime now_;
    const ActiveConfig::Snapshot before_;
    Running next_;
    ApplyReport report_;
    std::vector<std::shared_ptr<ReactorPart>> to_reactors_;
};

std::string day_text(EventTime time) {
    const std::chrono::year_month_day day{std::chrono::floor<std::chrono::days>(time)};
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%d-%02u-%02u", static_cast<int>(day.year()),
                  static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()));
    return text.data();
}

const RunningListener* Reconfiguration::find(std::string_view name) const {
    for (const RunningListener& listener : before_->listeners) {
        if (listener.config.name == name && listener.listed(now_)) return &listener;
    }
    return nullptr;
}

/// Returns an unused number, else the number of a removed listener that is only listed, else nullopt.
std::optional<std::uint8_t> Reconfiguration::free_number() const {
    std::array<bool, max_listeners> held{};
    for (const RunningListener& listener : next_.listeners) held[listener.number] = true;
    for (const RunningListener& listener : before_->listeners) {
        held[listener.number] = held[listener.number] || !listener.gone();
    }
    auto taken = held;
    for (const RunningListener& listener : before_->listeners) {
        taken[listener.number] = taken[listener.number] || listener.listed(now_);
    }
    for (const auto& numbers : {taken, held}) {
        const auto free = std::find(numbers.begin(), numbers.end(), false);
        if (free != numbers.end()) return static_cast<std::uint8_t>(free - numbers.begin());
    }
    return std::nullopt;
}

/// Returns true if a listener of this gateway holds the address, so that another program does not. Such a listener may
/// be about to move or to be removed.
bool Reconfiguration::in_our_own_way(const ListenerConfig& config) const {
    const auto address = parse_endpoint(config.address);
    return std::any_of(before_->listeners.begin(), before_->listeners.end(), [&](const RunningListener& listener) {
        return address && !listener.leaving && overlap(listener.bound, address.value());
    });
}

std::optional<Error> Reconfiguration::bind(const ListenerConfig& config, RunningListener& next,
                                           std::vector<UniqueFd>& sockets) const {
    if (parts_.is_simulated)
        return of_listener(config, Error{"a simulated gateway cannot bind another address; keep those of its start",
                                         ErrorCode::invalid_config});
    auto bound = bind_listener(config, static_cast<unsigned>(parts_.threads.size()),
                               in_our_own_way(config) ? AddressUse::may_be_ours : AddressUse::must_be_free);
    if (!bound) return bound.error();
    next.plan = bound.value().plan;
    next.bound = bound.value().address;
    next.tokens = bound.value().tokens;
    sockets = std::move(bound.value().sockets);
    return std::nullopt;
}

std::optional<Error> Reconfiguration::prepare(const ListenerConfig& config) {
    const RunningListener* before = find(config.name);
    if (before == nullptr) return prepare_new(config);
    return before->leaving ? prepare_back(*before, config) : prepare_changed(*before, config);
}

std::optional<Error> Reconfiguration::prepare_new(const ListenerConfig& config) {
    const auto number = free_number();
    if (!number) {
        return Error{"listener " + in_quotes(config.name) +
                         " cannot be added: connections of removed listeners hold all numbers; reload again when they "
                         "have ended",
                     ErrorCode::try_later};
    }
    auto tls = load_tls(config);
    if (!tls) return tls.error();
    RunningListener next;
    next.number = *number;
    next.config = config;
    next.tls = std::move(tls).value();
    auto codecs = make_codecs(config, to_reactors_.size());
    if (!codecs) return codecs.error();
    next.codecs = std::move(codecs).value();
    for (std::size_t i = 0; i < to_reactors_.size(); ++i) {
        next.counters.push_back(parts_.kept != nullptr
                                    ? parts_.kept->new_counters(next.number, static_cast<std::uint32_t>(i))
                                    : std::make_shared<ListenerCounters>());
    }
    return open(std::move(next));
}

/// Prepares a listener that was removed shortly before. The listener keeps its number, its counters and its remaining
/// connections.
std::optional<Error> Reconfiguration::prepare_back(const RunningListener& before, const ListenerConfig& config) {
    const bool other_bytes =
        !have_same_frames(before.config, config) || before.config.proxy_protocol != config.proxy_protocol;
    if (!before.gone() && other_bytes) {
        return Error{
            "listener " + in_quotes(config.name) + " cannot be added again: " + std::to_string(before.connections()) +
                " of its connections have another framing or proxy_protocol; reload again when they have ended",
            ErrorCode::try_later};
    }
    if (!before.gone() && before.config.tls.enabled() != config.tls.enabled()) {
        return Error{
            "listener " + in_quotes(config.name) + " cannot be added again: " + std::to_string(before.connections()) +
                (before.config.tls.enabled() ? " of its connections use TLS" : " of its connections use no TLS") +
                "; reload again when they have ended",
            ErrorCode::try_later};
    }
    auto tls = load_tls(config);
    if (!tls) return tls.error();
    RunningListener next = before;
    next.config = config;
    next.tls = std::move(tls).value();
    next.leaving = false;
    if (before.gone()) {
        auto codecs = make_codecs(config, to_reactors_.size());
        if (!codecs) return codecs.error();
        next.codecs = std::move(codecs).value();
    }
    return open(std::move(next));
}

std::optional<Error> Reconfiguration::open(RunningListener next) {
    if (auto error = refuse_if_kept(*before_, wanted_, next.config)) return error;
    std::vector<UniqueFd> sockets;
    if (auto error = bind(next.config, next, sockets)) return error;
    const auto in_force = report_plan(next.config);
    for (std::size_t i = 0; i < to_reactors_.size(); ++i) {
        to_reactors_[i]->opened.push_back({{.number = next.number,
                                            .policy = next.policy(next_.config.limits),
                                            .socket = std::move(sockets[i]),
                                            .counters = next.counters[i],
                                            .inherited = next.config.descriptor.has_value()},
                                           next.pipeline(i),
                                           in_force});
    }
    report_.applied.push_back("listener " + in_quotes(next.config.name) + " added at " + to_string(next.bound));
    next_.listeners.push_back(std::move(next));
    return std::nullopt;
}

std::optional<Error> Reconfiguration::prepare_changed(const RunningListener& before, const ListenerConfig& config) {
    RunningListener next = before;
    const std::size_t lines = report_.applied.size();
    next.config = reconfigured(before.config, config, report_);
    report_fixed(before.config, config);
    auto tokens = load_tokens(config);
    if (!tokens) return tokens.error();
    next.tokens = std::move(tokens).value();
    report_tokens(before, next);
    if (auto error = renew_certificates(before, next)) return error;
    if (report_.applied.size() == lines &&
        before_->config.limits.downlink_queue == next_.config.limits.downlink_queue) {  // no change for the reactors
        next_.listeners.push_back(std::move(next));
        return std::nullopt;
    }
    std::vector<UniqueFd> sockets(to_reactors_.size());
    if (before.config.address != next.config.address && !next.config.descriptor) {
        next.before.push_back(before.bound);
        if (auto error = bind(next.config, next, sockets)) return error;
    } else if (auto error = prepare_plan(before.config, config, next)) {
        return error;
    }
    change(std::move(next), std::move(sockets));
    return std::nullopt;
}

/// Proves the plan of a changed detect_within.
std::optional<Error> Reconfiguration::prepare_plan(const ListenerConfig& before, const ListenerConfig& config,
                                                   RunningListener& next) const {
    if (before.detect_within == config.detect_within) return std::nullopt;
    const auto plan = plan_liveness(config.detect_within);
    if (!plan) return plan.error();
    if (parts_.is_simulated) {
        next.plan = plan.value();
        return std::nullopt;
    }
    const auto proved = prove_inheritance(plan.value());
    if (!proved) return of_listener(config, proved.error());
    next.plan = proved.value();
    return std::nullopt;
}

/// Reports members of the program, which a running listener does not take. The line of the address has that of `fd:`.
void Reconfiguration::report_fixed(const ListenerConfig& before, const ListenerConfig& config) {
    const auto report = [&](const std::string& what) {
        report_.needs_restart.push_back(what + " of listener " + in_quotes(config.name) +
                                        ": differs; restart, or remove the listener and add it again");
    };
    const bool is_reported = before.address != config.address && (before.address.starts_with(inherited_prefix) ||
                                                                  config.address.starts_with(inherited_prefix));
    if (before.descriptor != config.descriptor && !is_reported) report("descriptor");
    if (!before.codec != !config.codec) report("codec");
    if (before.authenticate_by_program != config.authenticate_by_program) report("authenticate_by_program");
}

/// Reports added and revoked tokens if the file's content has changed.
void Reconfiguration::report_tokens(const RunningListener& before, const RunningListener& next) {
    if (before.tokens == nullptr || next.tokens == nullptr || *before.tokens == *next.tokens) return;
    const auto gone_from = [](const TokenSet& from, const TokenSet& to) {
        return std::to_string(std::count_if(from.all().begin(), from.all().end(), [&to](const StoredToken& token) {
            return !to.has(token.id, mark_of(token));
        }));
    };
    report_.applied.push_back("tokens of listener " + in_quotes(next.config.name) + ": " +
                              gone_from(*next.tokens, *before.tokens) + " added, " +
                              gone_from(*before.tokens, *next.tokens) + " revoked");
}

/// Loads the TLS files again, as their content may have changed under the same names. If it has not, the session
/// tickets of devices stay valid.
std::optional<Error> Reconfiguration::renew_certificates(const RunningListener& before, RunningListener& next) {
    auto loaded = load_tls(next.config);
    if (!loaded) return loaded.error();
    const auto fresh = std::move(loaded).value();
    if (fresh == nullptr || fresh->digest() == next.tls->digest()) return std::nullopt;
    const bool same_day = day_text(fresh->good_until()) == day_text(next.tls->good_until());
    next.tls = fresh;
    if (before.config.tls != next.config.tls && same_day)
        return std::nullopt;  // the changed option is reported already
    report_.applied.push_back("TLS files of listener " + in_quotes(next.config.name) +
                              ": reloaded for new handshakes; the certificate is valid until " +
                              day_text(fresh->good_until()));
    return std::nullopt;
}

void Reconfiguration::change(RunningListener next, std::vector<UniqueFd> sockets) {
    const auto in_force = report_plan(next.config);
    for (std::size_t i = 0; i < to_reactors_.size(); ++i) {
        to_reactors_[i]->changed.push_back({{.number = next.number,
                                             .policy = next.policy(next_.config.limits),
                                             .backlog = next.config.backlog,
                                             .socket = std::move(sockets[i])},
                                            next.pipeline(i),
                                            in_force});
    }
    next_.listeners.push_back(std::move(next));
}

PlanChange::Done Reconfiguration::report_plan(const ListenerConfig& config) const {
    return [report = std::make_shared<PlanReport>(to_reactors_.size(), config, parts_.notices)](
               const PlanTally& tally) { report->add(tally); };
}

void Reconfiguration::prepare_removed() {
    for (const RunningListener& listener : before_->listeners) {
        const auto has_its_number = [&listener](const RunningListener& next) { return next.number == listener.number; };
        const bool taken = std::any_of(next_.listeners.begin(), next_.listeners.end(), has_its_number);
        if (taken || !listener.listed(now_)) continue;
        RunningListener& next = next_.listeners.emplace_back(listener);
        if (std::exchange(next.leaving, true)) continue;
        next.listed_until = now_ + next_.config.drain_time + listed_after_removal;
        for (const auto& part : to_reactors_) part->closed.push_back(listener.number);
        report_.applied.push_back("listener " + in_quotes(listener.config.name) + " removed: its " +
                                  std::to_string(listener.connections()) + " connections end as drained");
    }
}

std::optional<Error> Reconfiguration::prepare() {
    for (std::size_t i = 0; i < parts_.threads.size(); ++i) to_reactors_.push_back(std::make_shared<ReactorPart>());
    put_off_acks(wanted_, parts_.threads.front()->pipeline(), report_);
    next_.config = reconfigured(before_->config, wanted_, report_);
    for (std::size_t i = 0; i < wanted_.listeners.size(); ++i) {
        if (auto error = prepare(wanted_.listeners[i])) return at_listener(std::move(*error), i);
    }
    prepare_removed();
    for (const auto& part : to_reactors_) {
        part->drain_deadline = now_ + next_.config.drain_time;
        part->canaries = next_.config.canaries;
    }
    return std::nullopt;
}

/// Closes connections whose token was revoked, so that revoking a token disconnects its device.
void end_revoked(ReactorThread& thread, std::uint8_t number) {
    if (thread.pipeline().listener(number).tokens == nullptr) return;
    thread.shard().walk(
        [&thread, number](Connection& connection) {
            if (connection.listener != number ||
                thread.pipeline().may_stay(connection, thread.shard().registry().number_of(connection)))
                return;
            thread.shard().close(connection, CloseReason::kicked, "the device's token was revoked");
        },
        [] {});
}

/// Applies the changes on the reactor's thread. New listeners open before old ones close, so that a renamed listener
/// refuses no connection.
void take_over(ReactorThread& thread, ReactorPart& part) {
    Shard& shard = thread.shard();
    shard.keep_canaries(part.canaries);
    for (auto& changed : part.changed) {
        const std::uint8_t number = changed.listener.number;
        thread.pipeline().change_listener(number, std::move(changed.pipeline));
        shard.change_listener(std::move(changed.listener), std::move(changed.in_force));
        end_revoked(thread, number);
    }
    for (auto& opened : part.opened) {
        thread.pipeline().open_listener(opened.listener.number, std::move(opened.pipeline), *opened.listener.counters);
        shard.open_listener(std::move(opened.listener), std::move(opened.in_force));
    }
    for (const std::uint8_t number : part.closed) shard.close_listener(number, part.drain_deadline);
}

ApplyReport Reconfiguration::commit() {
    if (report_.applied.empty() && before_->config.canaries == wanted_.canaries) return std::move(report_);
    parts_.admission.set(next_.config.limits, effective_max_connections(next_.config.limits));
    if (parts_.kept != nullptr) note_listeners(*parts_.kept, next_);
    parts_.running.set(std::move(next_));
    if (parts_.is_simulated) {
        take_over(*parts_.threads.front(), *to_reactors_.front());
        return std::move(report_);
    }
    std::vector<std::future<bool>> taken;
    for (std::size_t i = 0; i < parts_.threads.size(); ++i) {
        ReactorThread& thread = *parts_.threads[i];
        taken.push_back(query<bool>(
            thread, [&thread, part = to_reactors_[i], kept = parts_.kept](Shard& shard, const Reply<bool>& reply) {
                take_over(thread, *part);
                if (kept != nullptr) note_sockets(*kept, shard);
                reply(true);
            }));
    }
    for (auto& each : taken) each.wait();
    return std::move(report_);
}

}  // namespace

Result<ApplyReport> apply_config(const ApplyParts& parts, const ServerConfig& wanted) {
    if (const auto errors = validate(wanted); !errors.empty()) return errors.front();
    Reconfiguration application(parts, wanted);
    if (auto error = application.prepare()) return *error;
    return application.commit();
}

}  // namespace holdfast
