#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "api/api_endpoint.h"
#include "base/unique_fd.h"
#include "cli/client_request.h"
#include "cli/client_text.h"
#include "cli/demo_gateway.h"
#include "cli/doctor_text.h"
#include "cli/serve_options.h"
#include "cli/verbs.h"
#include "config/load.h"
#include "daemon/daemon.h"
#include "daemon/signals.h"
#include "doctor/prove_device.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using DemoTime = std::chrono::steady_clock::time_point;

constexpr std::size_t devices_per_network = 60;
constexpr std::size_t all_devices = 2 * devices_per_network;
constexpr std::string_view healthy_network = "127.1.0.0/16";
constexpr std::string_view cut_network = "127.2.0.0/16";

/// The kernel chooses the ports. The alarms look back 10 s, so that the connects of the demo itself are not part of
/// what they see.
constexpr std::string_view demo_settings = R"(
drain_time = "1s"
[[listener]]
address = "127.0.0.1:0"
detect_within = "20s"
[sink]
type = "none"
[admin]
address = "127.0.0.1:0"
[alarm]
window = "10s"
)";

constexpr std::string_view demo_needs =
    "; the demo needs 127.0.0.0/8 (ip link set lo up) and 200 descriptors (ulimit -n 200)";
/// Time in which the gateway learns how its devices answer.
constexpr auto learning_time = 5s;
constexpr auto progress_interval = 5s;
/// A busy host needs longer than the promises say.
constexpr auto demo_timeout = 120s;
/// An alarm is printed once it counts all devices, or after this time.
constexpr auto alarm_settles_within = 2s;
constexpr std::string_view nothing_left = "No process, port or file is left.";

/// The story that the verb shows, with the devices in it: sockets of this process. Each step returns an Error if the
/// demo cannot go on. One thread.
class Demo {
public:
    explicit Demo(DemoGateway& gateway) : gateway_(gateway) {}

    [[nodiscard]] std::optional<Error> start();
    [[nodiscard]] std::optional<Error> show();
    /// Waits for SIGINT or SIGTERM.
    [[nodiscard]] std::optional<Error> keep();
    [[nodiscard]] bool interrupted() const { return interrupted_; }
    /// Resets all devices. No socket of a device stays in the kernel, not even one that is cut off.
    void disconnect();
    /// Prints `text` behind the time since the start. Later lines are indented.
    void say(const std::string& text) const;

private:
    /// Returns true if the awaited state is reached.
    using Reached = std::function<bool(const AnswerView& status, const AnswerView& alarms)>;

    [[nodiscard]] std::optional<Error> short_outage();
    [[nodiscard]] std::optional<Error> long_outage();
    [[nodiscard]] std::optional<Error> come_back();

    [[nodiscard]] std::optional<Error> connect(std::string_view network, std::vector<ProveDevice>& devices) const;
    [[nodiscard]] std::optional<Error> cut_off();
    [[nodiscard]] std::optional<Error> request(std::string_view target, std::optional<AdminReply>& reply);
    [[nodiscard]] std::optional<Error> wait_until(const std::string& what, const Reached& reached);
    [[nodiscard]] std::optional<Error> wait_for_alarm(const std::string& kind, std::string& text);
    [[nodiscard]] std::optional<Error> wait_for_all();
    [[nodiscard]] std::optional<Error> wait_for_clear();
    [[nodiscard]] std::optional<Error> pause(std::chrono::milliseconds time);
    [[nodiscard]] Error gateway_ended() const;

    DemoGateway& gateway_;
    const DemoTime begin_ = std::chrono::steady_clock::now();
    DemoTime cut_at_;
    bool interrupted_ = false;
    AdminAccess admin_;
    std::optional<AdminClient> client_;
    Endpoint listener_;
    std::vector<ProveDevice> healthy_;
    std::vector<ProveDevice> cut_;
};

/// Returns e.g. "3.5 s".
std::string seconds_since(DemoTime time) {
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - time;
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.1f s", elapsed.count());
    return text.data();
}

/// Returns the columns for the story: those of the terminal, between 80 and 120; 120 without a terminal.
std::size_t story_columns() {
    winsize window{};
    const bool terminal = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0;
    return terminal ? std::clamp<std::size_t>(window.ws_col, 80, 120) : 120;
}

/// Wraps a long line. A line of an alarm continues below its content.
std::string fitted(const std::string& line, std::size_t margin) {
    const std::size_t longest = story_columns() - margin;
    if (line.size() <= longest) return line;
    const std::size_t start = line.starts_with("  ") ? alarm_column : 0;
    return line.substr(0, start) + wrapped(line.substr(start), longest - start, margin + start);
}

void Demo::say(const std::string& text) const {
    std::string stamp = seconds_since(begin_);
    stamp.insert(0, stamp.size() < 7 ? 7 - stamp.size() : 0, ' ');
    stamp += "  ";
    const std::size_t margin = stamp.size();
    std::istringstream lines(printable_lines(text));
    for (std::string line; std::getline(lines, line); stamp.assign(margin, ' ')) {
        std::cout << (line.empty() ? "" : stamp + fitted(line, margin)) << '\n';
    }
    std::cout << std::flush;
}

Error Demo::gateway_ended() const { return Error{"the gateway of the demo ended: " + gateway_.last_line()}; }

std::optional<Error> Demo::pause(std::chrono::milliseconds time) {
    interrupted_ = interrupted_ || Signals::take_stop(time);
    if (interrupted_) return Error{"interrupted"};
    if (gateway_.ended()) return gateway_ended();
    return std::nullopt;
}

std::optional<Error> Demo::request(std::string_view target, std::optional<AdminReply>& reply) {
    auto answered = read_reply(admin_, client_->request({.target = std::string(target)}));
    if (const auto* const failure = std::get_if<AdminFailure>(&answered))
        return gateway_.ended() ? gateway_ended() : Error{failure->text()};
    reply = std::get<AdminReply>(std::move(answered));
    return std::nullopt;
}

std::optional<Error> Demo::wait_until(const std::string& what, const Reached& reached) {
    const DemoTime since = std::chrono::steady_clock::now();
    for (DemoTime reported = since;;) {
        if (auto error = pause(100ms)) return error;
        std::optional<AdminReply> status, alarms;
        if (auto error = request(api_path::status, status)) return error;
        if (auto error = request(api_path::alarms, alarms)) return error;
        if (reached(status->view(), alarms->view())) return std::nullopt;
        const DemoTime now = std::chrono::steady_clock::now();
        if (now - since > demo_timeout)
            return Error{"the demo waited 2 minutes for " + what + "; run it again when this host is less busy"};
        if (now - reported < progress_interval) continue;
        reported = now;
        const std::uint64_t silent = status->view().count("/suspects");
        say("... waiting for " + what + ": " + human_count(status->view().count("/connections")) +
            " connections are open, " + (silent > 0 ? human_count(silent) : "none") + " known to be silent.");
    }
}

/// Waits for an active alarm of `kind`. Sets `text` to what `holdfast alarms` prints of it.
std::optional<Error> Demo::wait_for_alarm(const std::string& kind, std::string& text) {
    std::optional<DemoTime> seen;
    return wait_until("the alarm " + kind, [&](const AnswerView&, const AnswerView& alarms) {
        for (const AnswerView& alarm : alarms.list("/active")) {
            if (alarm.text("/alarm") != kind) continue;
            const DemoTime now = std::chrono::steady_clock::now();
            if (!seen) seen = now;
            text = alarm_text(alarm);
            return alarm.count("/count") >= devices_per_network || now - *seen > alarm_settles_within;
        }
        return false;
    });
}

std::optional<Error> Demo::wait_for_all() {
    return wait_until("the connections of all devices", [](const AnswerView& status, const AnswerView&) {
        return status.count("/connections") == all_devices && status.count("/items") >= all_devices;
    });
}

/// Waits until no alarm is active, and says how the latest ended.
std::optional<Error> Demo::wait_for_clear() {
    std::uint64_t connections = 0;
    std::string summary;
    const auto cleared = [&](const AnswerView& status, const AnswerView& alarms) {
        connections = status.count("/connections");
        const auto recent = alarms.list("/recent");
        if (!recent.empty()) summary = printable(recent.front().text("/summary"));
        return alarms.list("/active").empty() && !recent.empty();
    };
    if (auto error = wait_until("the alarm to clear", cleared)) return error;
    if (connections != all_devices)
        return Error{"this host paused for so long that the outage closed connections; run the demo again"};
    say("The alarm is cleared: " + summary + ".\nAll " + human_count(connections) +
        " connections are open: the outage closed none.\n\n");
    return std::nullopt;
}

std::optional<Error> Demo::connect(std::string_view network, std::vector<ProveDevice>& devices) const {
    const std::string first_bytes(network.substr(0, network.find(".0")));
    devices.clear();
    for (std::size_t i = 0; i < devices_per_network; ++i) {
        const std::string address = first_bytes + "." + std::to_string(i % 6 + 1) + "." + std::to_string(i / 6 + 1);
        auto device = ProveDevice::connect({.to = listener_, .from = parse_ip_address(address).value()});
        if (!device) return Error{device.error().message + std::string(demo_needs)};
        if (!device.value().speak()) return Error{"a simulated device cannot send an item; run the demo again"};
        devices.push_back(std::move(device).value());
    }
    return std::nullopt;
}

std::optional<Error> Demo::start() {
    while (gateway_.url().empty()) {
        if (auto error = pause(20ms)) return Error{error->message + std::string(demo_needs)};
    }
    const std::string url = gateway_.url();
    constexpr std::string_view scheme = "http://";
    admin_ = {
        .address = url.substr(scheme.size(), url.size() - scheme.size() - 1), .ca = {}, .token_file = {}, .keep = true};
    auto client = AdminClient::open(admin_);
    if (!client) return client.error();
    client_ = std::move(client).value();
    std::optional<AdminReply> status;
    if (auto error = request(api_path::status, status)) return error;
    const auto listener = parse_endpoint(status->view().text("/listeners/0/address"));
    if (!listener) return listener.error();
    listener_ = listener.value();
    say("The gateway listens on " + to_string(listener_) + ", and must detect a silent device within " +
        printable(status->view().text("/detect_within")) + " (detect_within).\nDashboard: " + url +
        "\nTerminal:  export HOLDFAST_ADMIN=" + admin_.address + "   # then: holdfast top, list or alarms" + "\n\n");
    if (auto error = connect(healthy_network, healthy_)) return error;
    return connect(cut_network, cut_);
}

std::optional<Error> Demo::show() {
    if (auto error = wait_for_all()) return error;
    const std::string each = human_count(devices_per_network);
    say(human_count(all_devices) + " devices are connected: " + each + " from " + std::string(healthy_network) + ", " +
        each + " from " + std::string(cut_network) +
        ".\nEach device has sent one item and is quiet now. No device sends heartbeats.\n"
        "For 5 s, the gateway probes some connections and learns how fast they answer.\n\n");
    if (auto error = pause(learning_time)) return error;
    if (auto error = short_outage()) return error;
    if (auto error = long_outage()) return error;
    return come_back();
}

/// Silences the devices of one network. To the gateway, their hosts have vanished.
std::optional<Error> Demo::cut_off() {
    cut_at_ = std::chrono::steady_clock::now();
    for (const ProveDevice& device : cut_) {
        if (!device.vanish())
            return Error{
                "cannot cut off a simulated device; check that net.ipv4.ip_default_ttl is below 255, and run the demo "
                "again"};
    }
    return std::nullopt;
}

std::optional<Error> Demo::short_outage() {
    const std::string network(cut_network);
    if (auto error = cut_off()) return error;
    say("The demo cuts off " + network + ": its devices receive no segment any more, and answer none.\n" +
        "The gateway gets no FIN and no RST: the cut connections still look open.");
    std::string alarm;
    if (auto error = wait_for_alarm("peers_silent", alarm)) return error;
    say("The gateway raises an alarm, " + seconds_since(cut_at_) + " after the cut. `holdfast alarms` prints it:\n" +
        alarm + "\n");
    say("The gateway closes no connection yet, because the network can return.");
    for (const ProveDevice& device : cut_) {
        if (!device.reappear()) return Error{"cannot connect a network again; run the demo again"};
    }
    say("The network " + network + " is back, " + seconds_since(cut_at_) + " after the cut.");
    return wait_for_clear();
}

std::optional<Error> Demo::long_outage() {
    if (auto error = cut_off()) return error;
    say("The demo cuts off " + std::string(cut_network) + " again, this time for longer than detect_within.");
    std::string reasons;
    const auto closed = [&reasons](const AnswerView& status, const AnswerView&) {
        reasons = counts_text(status.counts("/closed"));
        return status.count("/connections") == devices_per_network;
    };
    if (auto error = wait_until("the gateway's verdict", closed)) return error;
    say("The gateway has closed the silent connections, " + seconds_since(cut_at_) + " after the cut: " + reasons +
        ".");
    std::string alarm;
    if (auto error = wait_for_alarm("population_drop", alarm)) return error;
    say("The gateway raises an alarm:\n" + alarm + "\n");
    return std::nullopt;
}

std::optional<Error> Demo::come_back() {
    for (ProveDevice& device : cut_) device.reset();
    if (auto error = connect(cut_network, cut_)) return error;
    if (auto error = wait_for_all()) return error;
    say("The network " + std::string(cut_network) +
        " is back, and its devices have reconnected: " + human_count(all_devices) + " connections.\n\n");
    return std::nullopt;
}

void Demo::disconnect() {
    for (ProveDevice& device : healthy_) device.reset();
    for (ProveDevice& device : cut_) device.reset();
}

std::optional<Error> Demo::keep() {
    say("The gateway and the devices keep running until Ctrl-C.");
    for (;;) {
        if (auto error = pause(500ms)) return interrupted_ ? std::nullopt : error;
    }
}

/// Runs the gateway in this process, the child. Its log goes to `log`.
int serve_demo(const LoadedConfig& loaded, const UniqueFd& log, pid_t parent) {
    end_with(parent);
    ::setpgid(0, 0);  // Ctrl-C reaches the parent alone, which ends the demo in order
    ::unsetenv("NOTIFY_SOCKET");
    ::dup2(log.get(), STDOUT_FILENO);
    ::dup2(log.get(), STDERR_FILENO);
    return serve(loaded, {});
}

/// Lets SIGHUP end this process: a closed terminal ends the demo.
void accept_hangup() {
    sigset_t hangup;
    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP);
    ::pthread_sigmask(SIG_UNBLOCK, &hangup, nullptr);
}

/// Shows the story, then ends devices and gateway whatever happened. Returns the exit code.
int show_demo(pid_t child, UniqueFd log, bool keep) {
    DemoGateway gateway(child, std::move(log));
    Demo demo(gateway);
    int code = exit_wrong_usage;
    auto error = demo.start();
    if (!error) {
        code = exit_answer_is_no;
        error = demo.show();
    }
    if (!error && keep) error = demo.keep();
    demo.disconnect();
    if (!gateway.stop() && !error) error = Error{"the gateway of the demo failed: " + gateway.last_line()};
    if (demo.interrupted() && error) {
        demo.say("Interrupted. The gateway and the devices have ended. " + std::string(nothing_left));
        return exit_answer_is_no;
    }
    if (error) {
        print_error(error->message);
        return code;
    }
    demo.say("The gateway and the devices have ended. " + std::string(nothing_left) +
             "\nNext: `holdfast serve` starts a gateway of your own and logs a command that sends an item.");
    return exit_good;
}

int demo_verb(bool keep) {
    const LoadOutcome outcome = load_config_text("demo", demo_settings, {});
    UniqueFd log(::memfd_create("holdfast-demo-log", MFD_CLOEXEC));
    if (!outcome.loaded || !log.valid()) {
        print_config_errors(outcome.errors);
        if (!log.valid()) print_error(std::string("cannot create a log in memory: ") + std::strerror(errno));
        return exit_wrong_usage;
    }
    std::cout << "This demo starts a gateway and " << all_devices
              << " simulated devices on this host.\nHalf of the devices are cut off twice. The demo takes about 40 s.\n"
                 "Ctrl-C ends it at any time and leaves nothing behind.\n\n"
              << std::flush;
    block_stop_signals();
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) {
        print_error(std::string("cannot fork: ") + std::strerror(errno) + "; raise the limit of processes (ulimit -u)");
        return exit_wrong_usage;
    }
    if (child == 0) return serve_demo(*outcome.loaded, log, parent);
    accept_hangup();
    return show_demo(child, std::move(log), keep);
}

}  // namespace

Verb make_demo_verb() {
    const auto keep = std::make_shared<bool>(false);
    return {.name = "demo",
            .help = "show a fleet, a partition and its alarms on this host; takes about 40 s",
            .arguments = {{"--keep", keep.get(), "", "gateway and devices keep running at the end, until Ctrl-C"}},
            .run = [keep] { return demo_verb(*keep); },
            .footer =
                "The demo uses loopback addresses and free ports, and needs no rights, no file and no network.\n"
                "Exit codes: 0 the story was shown to its end; 1 interrupted, or the demo failed; 2 this "
                "host cannot run it."};
}

}  // namespace holdfast
