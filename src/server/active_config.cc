#include "server/active_config.h"

#include <sys/resource.h>

#include <algorithm>
#include <set>

#include "conn/registry.h"
#include "model/counter_rows.h"
#include "pipeline/pipeline.h"
#include "server/factories.h"
#include "server/validate.h"
#include "text/printable.h"

namespace holdfast {

namespace {

// Descriptors other than connections: listeners, epoll, eventfds, the sink, the admin API and its clients.
constexpr std::size_t reserved_descriptors = 128;

std::vector<Prefix> prefixes_of(const std::vector<std::string>& texts) {
    std::vector<Prefix> prefixes;
    for (const std::string& text : texts)
        prefixes.push_back(parse_prefix(text).value());  // validate() has checked them
    return prefixes;
}

Blanks blanks_of(const ListenerConfig& config) {
    if (config.codec || config.payload != Payload::json || config.framing == Framing::length_field) return Blanks::none;
    return config.framing == Framing::length ? Blanks::space_and_empty_frames : Blanks::space;
}

}  // namespace

std::uint64_t RunningListener::connections() const {
    std::uint64_t sum = 0;
    for (const auto& each : counters) sum += each->held();
    return sum;
}

ListenerPolicy RunningListener::policy(const LimitsConfig& limits) const {
    return {.plan = plan,
            .read_idle = config.read_idle,
            .write_stall = config.write_stall,
            .item_deadline = config.item_deadline,
            .half_close = config.half_close,
            .downlink_queue = limits.downlink_queue,
            .proxy_protocol = config.proxy_protocol,
            .blanks = blanks_of(config),
            .authenticates = tokens != nullptr || config.authenticate_by_program,
            .trusted_proxies = prefixes_of(config.trusted_proxies),
            .tls = tls,
            .plan_since = {},
            .deadlines_since = {}};
}

Result<std::shared_ptr<const TlsContext>> load_tls(const ListenerConfig& config) {
    if (!config.tls.enabled()) return std::shared_ptr<const TlsContext>();
    auto loaded = TlsContext::load(config.tls);
    if (const auto* fault = std::get_if<TlsFault>(&loaded)) {
        const std::string member = member_of(fault->option);
        return Error{"listener " + in_quotes(config.name) + ": " + member + fault->message.substr(fault->option.size()),
                     ErrorCode::invalid_file, member};
    }
    return std::get<std::shared_ptr<const TlsContext>>(std::move(loaded));
}

Result<std::vector<std::shared_ptr<Codec>>> make_codecs(const ListenerConfig& config, std::size_t reactors) {
    std::vector<std::shared_ptr<Codec>> codecs;
    for (std::size_t reactor = 0; config.codec && reactor < reactors; ++reactor) {
        const std::string whose =
            "the codec of listener " + in_quotes(config.name) + " for reactor " + std::to_string(reactor);
        auto made = made_by_program<Codec>(whose, config.codec);
        if (!made) return made.error();
        codecs.push_back(std::move(made).value());
    }
    return codecs;
}

Result<Running> first_running(ServerConfig config, const std::vector<BoundListener>& bound, unsigned reactors) {
    Running running{.config = std::move(config), .listeners = {}};
    for (std::size_t i = 0; i < bound.size(); ++i) {
        RunningListener& listener = running.listeners.emplace_back();
        listener.number = static_cast<std::uint8_t>(i);
        listener.config = running.config.listeners[i];
        listener.plan = bound[i].plan;
        listener.tokens = bound[i].tokens;
        listener.bound = bound[i].address;
        auto tls = load_tls(listener.config);
        if (!tls) return at_listener(tls.error(), i);
        listener.tls = std::move(tls).value();
        auto codecs = make_codecs(listener.config, reactors);
        if (!codecs) return codecs.error();
        listener.codecs = std::move(codecs).value();
    }
    return running;
}

bool have_same_frames(const ListenerConfig& a, const ListenerConfig& b) {
    return a.framing == b.framing && a.delimiter == b.delimiter && a.length_field == b.length_field &&
           a.payload == b.payload && !a.codec == !b.codec;
}

std::vector<ListenerStatus> status_of(const Running& running, SteadyTime now) {
    std::vector<ListenerStatus> all;
    for (const RunningListener& listener : running.listeners) {
        if (!listener.listed(now)) continue;
        ListenerStatus& status = all.emplace_back();
        status.name = listener.config.name;
        status.number = listener.number;
        status.removed = listener.leaving;
        status.bound = listener.bound;
        status.plan = listener.plan;
        status.read_idle = listener.config.read_idle;
        if (listener.tls != nullptr) status.tls_good_until = listener.tls->good_until();
        for (const auto& each : listener.counters) add_figures(status, *each);
    }
    return all;
}

std::vector<std::uint16_t> ports_of(const Running& running) {
    std::set<std::uint16_t> ports;
    for (const RunningListener& listener : running.listeners) {
        ports.insert(listener.bound.port);
        for (const Endpoint& before : listener.before) ports.insert(before.port);
    }
    return {ports.begin(), ports.end()};
}

std::string listener_at(const Running& running, const Endpoint& local) {
    for (const RunningListener& listener : running.listeners) {
        if (listener.bound.port == local.port) return listener.config.name;
    }
    const auto was_there = [&local](const Endpoint& before) { return before.port == local.port; };
    for (const RunningListener& listener : running.listeners) {
        if (std::any_of(listener.before.begin(), listener.before.end(), was_there)) return listener.config.name;
    }
    return {};
}

std::optional<Error> refuse_if_kept(const Running& running, const ServerConfig& wanted, const ListenerConfig& config) {
    for (const RunningListener& other : running.listeners) {
        const bool stays = std::any_of(wanted.listeners.begin(), wanted.listeners.end(),
                                       [&](const ListenerConfig& each) { return each.name == other.config.name; });
        if (!config.descriptor || other.config.descriptor != config.descriptor || other.leaving || !stays) continue;
        return of_listener(config, {"listener " + in_quotes(other.config.name) +
                                        " has this socket until a restart; restart, or remove that listener first",
                                    ErrorCode::try_later, "descriptor"});
    }
    return std::nullopt;
}

std::size_t effective_max_connections(const LimitsConfig& limits) {
    if (limits.max_connections != 0) return limits.max_connections;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return Registry::max_connections;
    const auto descriptors = static_cast<std::size_t>(limit.rlim_cur);
    return descriptors > 2 * reserved_descriptors ? descriptors - reserved_descriptors
                                                  : std::max<std::size_t>(descriptors / 2, 1);
}

ShardOptions shard_options(unsigned reactor, const ServerConfig& config, const std::vector<ListenerPolicy>& policies) {
    return {.reactor = reactor,
            .max_connections = table_capacity(config.limits),
            .max_unfinished = max_unfinished_bytes(config.item),
            .policies = policies,
            .observed = config.observed,
            .canaries = config.canaries,
            .rates = {config.limits.items_per_second, config.limits.bytes_per_second}};
}

}  // namespace holdfast
