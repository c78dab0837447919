#include "daemon/daemon.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <holdfast/server.h>

#include "api/control_plane.h"
#include "api/dashboard/assets.h"
#include "base/clock.h"
#include "base/memory_reserve.h"
#include "base/start_thread.h"
#include "config/checks.h"
#include "daemon/admin_endpoints.h"
#include "daemon/event_tap.h"
#include "daemon/exit.h"
#include "daemon/fleet_part.h"
#include "daemon/inherited_sockets.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "daemon/population_watch.h"
#include "daemon/privileges.h"
#include "daemon/reload.h"
#include "daemon/signals.h"
#include "daemon/sinks.h"
#include "daemon/space_wait.h"
#include "daemon/state_keeper.h"
#include "daemon/supervision.h"
#include "text/units.h"

namespace holdfast {
namespace {

/// Memory that remains for the gateway while it sheds connections.
constexpr std::size_t memory_reserve = std::size_t{16} << 20;

/// The parts of the gateway in the order of their start. They stop in the reverse order.
class Daemon {
public:
    Daemon(const LoadedConfig& loaded, const ConfigSource& options, const WorkerSeat* seat)
        : config_(loaded.config),
          warnings_(loaded.warnings),
          options_(options),
          seat_(seat),
          signals_(signals_from()),
          log_(config_.log) {}
    ~Daemon() {
        server_short_of_memory_ = nullptr;
        fleet_.stop(std::chrono::milliseconds(0));  // after an incomplete start
    }

    int run();

private:
    [[nodiscard]] std::optional<Error> start();
    [[nodiscard]] std::optional<Error> restrict_itself();
    void open_manager();
    [[nodiscard]] std::optional<Error> start_sink();
    [[nodiscard]] std::optional<Error> start_server();
    void relieve_memory();
    void start_fleet();
    [[nodiscard]] QueryElsewhere elsewhere();
    [[nodiscard]] std::function<std::optional<ConnectionId>(const std::string&)> find_here();
    [[nodiscard]] std::optional<Error> start_admin();
    void start_reloader();
    [[nodiscard]] ServerConfig server_config(const DaemonConfig& config);
    void log_warnings();
    void report_addresses();
    void start_supervision();
    [[nodiscard]] std::string status_line() const { return status_text(server_->status()); }
    [[nodiscard]] std::string hanging() const;
    static void guarded(const std::function<void()>& work) noexcept;
    void watch_over();
    void wait_for_end();
    [[nodiscard]] int stop();
    [[nodiscard]] std::uint64_t finish(std::chrono::steady_clock::time_point deadline);
    void memory_ran_out() noexcept;
    void lose_sink(const std::string& error);
    [[nodiscard]] std::optional<std::chrono::milliseconds> lost_after() const {
        return config_.fleet.enabled ? std::optional(config_.fleet.lost_after) : std::nullopt;
    }
    [[nodiscard]] SignalsFrom signals_from() const {
        return seat_ != nullptr ? SignalsFrom::keeper : SignalsFrom::anyone;
    }
    [[nodiscard]] bool in_fleet() const { return sink_.nats() != nullptr && config_.fleet.enabled; }
    [[nodiscard]] std::unique_ptr<EventHandler> make_handler() {
        auto handler = tap_events(sink_.make_handler(), hub_);
        return in_fleet() ? fleet_.note(std::move(handler)) : std::move(handler);
    }

    const DaemonConfig& config_;                // at the start; reloader_ has the current configuration
    const std::vector<std::string>& warnings_;  // warnings of config_
    const ConfigSource& options_;
    const WorkerSeat* const seat_;                                       // null: no keeper
    const InheritedSockets inherited_ = InheritedSockets::of_process();  // before a part opens a descriptor
    Signals signals_;                                                    // before any thread
    Log log_;
    std::atomic<bool> sink_lost_{false};
    bool ended_early_ = false;                              // by a signal, before server_ exists
    std::atomic<Server*> server_short_of_memory_{nullptr};  // receives memory_exhausted() while it runs
    MemoryReserve reserve_{memory_reserve, [this] { memory_ran_out(); }};
    std::uint64_t reported_exhausted_ = 0;
    EventHub hub_;  // outlives its publishers and subscribers
    Sinks sink_{log_, [this](const std::string& error) { lose_sink(error); },
                [this](std::chrono::milliseconds time) {
                    ended_early_ = ended_early_ || Signals::take_stop(time, signals_from());
                    return !ended_early_;
                }};
    FleetPart fleet_{log_};  // outlives the handlers that report devices to it
    std::unique_ptr<Server> server_;
    std::unique_ptr<ServerControl> control_;
    StateKeeper state_{state_file_of(config_), log_};  // after its start, it reads server_ and watch_ until its stop
    std::unique_ptr<PopulationWatch> watch_;
    std::map<std::string, Endpoint> reported_;  // logged address by listener
    std::optional<Reloader> reloader_;          // before admin_, whose threads call it
    AdminEndpoints admin_{log_};
    const SystemClock clock_;
    Notifier manager_;  // the service manager: systemd
    std::optional<Supervision> supervision_;
};

void Daemon::lose_sink(const std::string& error) {
    log_.error(error);
    sink_lost_ = true;
    signals_.wake();
}

/// Returns the server's part of the configuration, with the callbacks of the daemon.
ServerConfig Daemon::server_config(const DaemonConfig& from) {
    ServerConfig config = from.server;
    if (seat_ != nullptr) config.kept_state = seat_->state;
    config.observed = true;
    config.canaries = from.alarm.suspicion;
    config.on_notice = [this](const Notice& notice) {
        if (notice.kind == Notice::Kind::certificate) return;  // logged as a warning of the configuration
        if (notice.kind == Notice::Kind::accept_paused) {
            log_.warn(notice.message, {{"listener", notice.listener}});
        } else {
            log_.info(notice.message, {{"listener", notice.listener}});
        }
    };
    return config;
}

std::optional<Error> Daemon::start_server() {
    ServerConfig config = server_config(config_);
    if (auto error = inherited_.resolve(config)) return error;
    auto server = Server::start(std::move(config), [this](unsigned) { return make_handler(); });
    if (!server) return in_command_words(server.error());
    server_ = std::move(server).value();
    server_short_of_memory_ = server_.get();
    control_ = std::make_unique<ServerControl>(*server_);
    SavedState former = state_.restore(sink_.spool());
    std::reverse(former.closed.begin(), former.closed.end());
    server_->restore_closed(std::move(former.closed));
    watch_ = std::make_unique<PopulationWatch>(
        *server_, config_.alarm,
        PopulationWatch::Sources{.sink = [this] { return sink_.status(); },
                                 .fleet = [this] { return fleet_.status(); },
                                 .online_elsewhere = [this](const std::string& id) { return fleet_.is_online(id); },
                                 .former_trend = std::move(former.trend),
                                 .former_alarms = std::move(former.alarms),
                                 .on_alarm = [this] { state_.save_soon(); }},
        log_, hub_);
    watch_->set_origin({fleet_name(config_.fleet), ""});
    return std::nullopt;
}

void Daemon::start_fleet() {
    if (in_fleet())
        fleet_.start(config_.fleet, config_.sink, *server_, sink_.nats()->link(), *sink_.spool(),
                     sink_.take_inheritance());
}

QueryElsewhere Daemon::elsewhere() {
    if (!in_fleet()) return {};
    return [this](const DeviceQuestion& question) { return fleet_.elsewhere(question); };
}

std::function<std::optional<ConnectionId>(const std::string&)> Daemon::find_here() {
    if (!in_fleet()) return {};
    return [this](const std::string& id) { return fleet_.find_here(id); };
}

std::optional<Error> Daemon::start_admin() {
    return admin_.open(config_.admin, *control_,
                       {.max_message_bytes = config_.server.item.max_bytes,
                        .sink = [this] { return sink_.status(); },
                        .hangs = [this] { return hanging(); },
                        .watch = &watch_->view(),
                        .hub = &hub_,
                        .fleet = fleet_.view(),
                        .spool = sink_.spool(),
                        .reload = [this] { return reloader_->run(); },
                        .reloads = &reloader_->meter(),
                        .assets = dashboard_asset,
                        .first_item = first_item_command(config_.server, server_->status()),
                        .elsewhere = elsewhere(),
                        .lives_elsewhere = fleet_.lives_elsewhere(),
                        .find_here = find_here()});
}

/// Drops rights before anything is opened, because a reload opens files and sockets with the same rights.
std::optional<Error> Daemon::restrict_itself() {
    keep_to_itself();
    const std::string& user = config_.process.user;
    if (!user.empty()) {
        if (auto error = become(user, binds_low_ports(config_))) return error;
        if (seat_ != nullptr) end_with(seat_->keeper);
        if (options_.file && ::access(options_.file->c_str(), R_OK) != 0) {
            log_.warn("a reload cannot read the configuration; make it readable for the user",
                      {{"user", user}, {"file", *options_.file}});
        }
    }
    if (holds_secrets(config_)) keep_memory_secret();
    return std::nullopt;
}

/// Starts the sink. While the disk is full, the gateway serves the admin API, opens no listener and retries.
std::optional<Error> Daemon::start_sink() {
    KeptConnections kept(seat_, config_);
    if (seat_ != nullptr && seat_->follows_crash) sink_.follow_crash();
    const auto lack = [this] { return ended_early_ ? std::nullopt : sink_.lack_of_space(config_.sink); };
    const auto start = [this, &kept] {
        const auto is_kept = [&kept](const std::string& conn, bool has_id) { return kept.holds(conn, has_id); };
        return sink_.start(config_.sink, config_.server.item.max_bytes, lost_after(), is_kept);
    };
    const auto started = SpaceWait(config_, log_, manager_).run(signals_, {.lack = lack, .start = start});
    if (is_durable(config_.sink.type)) kept.report_missing();
    if (!started && !ended_early_) return started.error();
    if (!started) log_.error(started.error().message);
    ended_early_ = ended_early_ || !started.value();
    return std::nullopt;
}

std::optional<Error> Daemon::start() {
    raise_descriptor_limit();
    if (auto error = restrict_itself()) return error;
    if (auto error = start_sink()) return error;
    if (ended_early_) return std::nullopt;
    if (auto error = find_admin_fault(seat_, config_.admin, log_)) return error;
    if (auto error = start_server()) return error;
    start_fleet();
    start_reloader();
    if (auto error = start_admin()) return error;
    watch_->set_origin({fleet_name(config_.fleet), admin_.dashboard()});
    log_warnings();
    report_addresses();
    if (seat_ != nullptr) report_takeover(*seat_, *server_, log_);
    admin_.report_addresses();
    state_.start([this] {
        return state_to_save(*server_, *watch_, sink_.spool());
    });  // a gateway that cannot start writes nothing
    return std::nullopt;
}

void Daemon::start_reloader() {
    Reloader::Parts parts;
    parts.server = [this](const DaemonConfig& config) {
        if (holds_secrets(config)) keep_memory_secret();
        ServerConfig wanted = server_config(config);
        if (auto error = inherited_.resolve(wanted)) return Result<ApplyReport>(*error);
        auto applied = server_->apply(std::move(wanted));
        return applied ? applied : in_command_words(applied.error());
    };
    parts.sink = [this](const SinkConfig& sink) { return sink_.prepare_change(sink); };
    parts.reopen_sink = [this] { sink_.reopen(); };
    parts.alarms = [this](const AlarmConfig& alarms) { watch_->change(alarms); };
    parts.admin = [this] { return admin_.read_anew(); };
    parts.done = [this] { report_addresses(); };
    reloader_.emplace(config_, options_.file, options_.overrides, log_, std::move(parts));
}

/// Logs warnings only of a running gateway. After a failed start, only the error is logged.
void Daemon::log_warnings() {
    for (const std::string& warning : warnings_) log_.warn("configuration: " + warning);
    if (config_.process.user.empty() && ::geteuid() == 0) {
        log_.warn("the gateway runs as root, which only ports below 1024 need; name another user with --user");
    }
}

/// Logs the addresses of listeners that are new or have moved.
void Daemon::report_addresses() {
    for (const ListenerStatus& listener : server_->status().listeners) {
        const auto [told, fresh] = reported_.emplace(listener.name, listener.bound);
        if (!fresh && std::exchange(told->second, listener.bound) == listener.bound) continue;
        log_.info("listening", {{"listener", listener.name},
                                {"address", to_string(listener.bound)},
                                {"detect_within", format_duration(listener.plan.detect_within)}});
    }
}

/// Describes a reactor that does not turn. A process that was stopped gets time for its first turn.
std::string Daemon::hanging() const {
    constexpr std::chrono::milliseconds first_turn{500}, between_checks{10};
    auto silence = server_->silence();
    for (auto left = first_turn; silence >= Supervision::long_silence && left.count() > 0; left -= between_checks) {
        std::this_thread::sleep_for(between_checks);
        silence = server_->silence();
    }
    if (silence < Supervision::long_silence) return "";
    return "a reactor has not turned for " + format_duration(std::chrono::floor<std::chrono::seconds>(silence));
}

void Daemon::open_manager() {
    const char* socket = std::getenv("NOTIFY_SOCKET");
    auto manager =
        seat_ != nullptr ? Notifier::over(seat_->notifications) : Notifier::to(socket != nullptr ? socket : "");
    if (!manager) return log_.warn(manager.error().message);
    manager_ = std::move(manager).value();
}

void Daemon::start_supervision() {
    supervision_.emplace(
        manager_, log_,
        Supervision::Options{.watchdog = watchdog_timeout(std::getenv("WATCHDOG_USEC"), std::getenv("WATCHDOG_PID")),
                             .silence = [this] { return server_->silence(); },
                             .status = [this] { return status_line(); }},
        clock_);
    if (!manager_.ready(status_line())) log_.error("could not notify the service manager that the gateway is ready");
}

/// Runs on the thread whose allocation failed.
void Daemon::memory_ran_out() noexcept {
    if (Server* server = server_short_of_memory_) server->memory_exhausted();
    signals_.wake();
}

void Daemon::relieve_memory() {
    static_cast<void>(reserve_.refill());
    const std::uint64_t exhausted = reserve_.times_used();
    if (std::exchange(reported_exhausted_, exhausted) == exhausted) return;
    log_.error(
        "the system refused memory: buffers stop growing until a reload; raise the limits of the process "
        "(LimitDATA=, LimitAS=, vm.overcommit_memory), or lower limits.buffer_budget and max_connections",
        {{"buffer_budget", human_bytes(server_->status().buffer_budget)}});
}

/// Runs work that connections do not depend on. Without memory it fails, and the next turn repeats it.
void Daemon::guarded(const std::function<void()>& work) noexcept {
    try {
        work();
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "holdfast: the main thread failed and retries: %s\n", failure.what());
    }
}

/// Does the periodic work of the main thread at each wake-up.
void Daemon::watch_over() {
    log_.tick();
    supervision_->check();
    relieve_memory();
}

void Daemon::wait_for_end() {
    while (!sink_lost_) {
        guarded([this] { watch_over(); });
        const auto event = signals_.wait(supervision_->timeout());
        if (event == Signals::Event::terminate) return;
        if (event == Signals::Event::hangup) {
            guarded([this] {
                manager_.reloading(clock_.steady());
                static_cast<void>(reloader_->run());  // run() logs its result
                manager_.ready(status_line());
            });
        }
    }
}

/// Stops all parts on a thread of its own, so that the main thread can still take a second signal.
std::uint64_t Daemon::finish(std::chrono::steady_clock::time_point deadline) {
    server_->wait();
    watch_->stop();
    admin_.close();
    const auto timeout = [deadline] {
        const auto left = std::chrono::floor<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        return std::max(left, std::chrono::milliseconds(0));
    };
    fleet_.stop(timeout() / 2);
    state_.stop();
    return sink_.stop(timeout());
}

int Daemon::stop() {
    const auto drain_time = reloader_->drain_time();
    log_.info("stopping", {{"drain_time", format_duration(drain_time)}});
    const auto deadline = std::chrono::steady_clock::now() + drain_time;
    constexpr std::chrono::seconds slack{10};
    manager_.stopping(drain_time + slack, "stopping");
    sink_lost_ ? server_->stop_now() : server_->drain();
    std::atomic<bool> ended{false};
    std::uint64_t lost = 0;
    std::thread finishing = thread_or_here([this, deadline, &ended, &lost] {
        lost = finish(deadline);
        ended = true;
        signals_.wake();
    });
    while (!ended) {
        guarded([this] { watch_over(); });
        if (signals_.wait(supervision_->timeout()) != Signals::Event::terminate) continue;
        server_->stop_now();
        sink_.give_up();
    }
    if (finishing.joinable()) finishing.join();
    if (lost > 0)
        log_.error("stopped before the sink had written every event", {{"events_not_written", std::to_string(lost)}});
    log_.info("stopped");
    return lost > 0 || sink_lost_ ? exit_answer_is_no : exit_good;
}

int Daemon::run() {
    open_manager();
    const auto error = seat_ != nullptr ? start_or_leave_seat([this] { return start(); }) : start();
    if (error) {
        print_error(error->message);
        return exit_wrong_usage;
    }
    if (ended_early_) {
        log_.info("stopped");
        return exit_good;
    }
    start_supervision();
    wait_for_end();
    return stop();
}

}  // namespace

int serve(const LoadedConfig& loaded, const ConfigSource& options, const WorkerSeat* seat) {
    return Daemon(loaded, options, seat).run();
}

}  // namespace holdfast
