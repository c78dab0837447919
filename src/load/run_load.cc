#include "load/run_load.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/system_failure.h"
#include "base/unique_fd.h"
#include "load/downlink_book.h"
#include "load/downlink_requester.h"
#include "load/fleet.h"

namespace holdfast {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds arrival_timeout{2'000};  // for downlinks that are under way at the end
constexpr milliseconds ack_timeout{3'000};      // without a further ack at the end
constexpr milliseconds ack_check{10};
constexpr std::uint64_t spare_descriptors = 32;  // epoll, eventfd, standard streams, libraries

Result<std::uint64_t> raise_descriptor_limit(std::uint64_t connections) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) throw_errno("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max >= connections + spare_descriptors) return static_cast<std::uint64_t>(limit.rlim_max);
    return Error{std::to_string(connections) + " connections need as many descriptors, but this process may have " +
                 std::to_string(limit.rlim_max) +
                 "; raise the hard limit (ulimit -Hn) or run several processes with --first-device"};
}

/// Receives SIGINT and SIGTERM through a descriptor. Blocks them for threads that start later.
class SignalWatch {
public:
    SignalWatch() {
        sigemptyset(&signals_);
        sigaddset(&signals_, SIGINT);
        sigaddset(&signals_, SIGTERM);
        ::pthread_sigmask(SIG_BLOCK, &signals_, &before_);
        fd_.reset(::signalfd(-1, &signals_, SFD_NONBLOCK | SFD_CLOEXEC));
        if (!fd_.valid()) throw_errno("signalfd");
    }
    SignalWatch(const SignalWatch&) = delete;
    SignalWatch& operator=(const SignalWatch&) = delete;
    ~SignalWatch() {
        signalfd_siginfo taken{};
        while (::read(fd_.get(), &taken, sizeof taken) > 0) {
        }
        ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    [[nodiscard]] int fd() const { return fd_.get(); }

private:
    sigset_t signals_{};
    sigset_t before_{};
    UniqueFd fd_;
};

/// Returns standard input if it can control the run: a pipe, a socket or a terminal, not a file or /dev/null.
int steering_input(bool wanted) {
    struct stat about {};
    if (!wanted || ::fstat(STDIN_FILENO, &about) != 0) return -1;
    return S_ISFIFO(about.st_mode) || S_ISSOCK(about.st_mode) || ::isatty(STDIN_FILENO) == 1 ? STDIN_FILENO : -1;
}

/// One run with its fleets and their threads. Owned by run_load, on whose thread it lives.
class LoadRunner {
public:
    LoadRunner(const LoadOptions& options, const LoadWatch& watch, DownlinkGateway* gateway);
    [[nodiscard]] LoadReport run();

private:
    [[nodiscard]] bool over();
    void wait();
    void receive_news();
    void receive_input();
    void keep_time();
    void end_fleets(LoadReport& report, std::vector<std::thread>& threads);
    [[nodiscard]] LoadCounts counts();
    void wait_for_acks();
    [[nodiscard]] unsigned heard(LoadFleet::News news) const { return heard_[static_cast<std::size_t>(news)].load(); }
    [[nodiscard]] milliseconds elapsed() const {
        return std::chrono::duration_cast<milliseconds>(clock_.steady() - start_);
    }

    const LoadOptions& options_;
    const LoadWatch& watch_;
    DownlinkGateway* const gateway_;  // null: no downlinks
    DownlinkBook downlinks_;
    SystemClock clock_;
    SteadyTime start_;
    SteadyTime next_progress_;
    SteadyTime next_storm_;
    SignalWatch signals_;
    UniqueFd news_;  // signalled by the fleets
    int input_;
    std::array<std::atomic<unsigned>, LoadFleet::news_count> heard_{};  // from all fleets, by News
    unsigned sent_wanted_ = 0;  // number of `sent` that completes the current round
    bool ready_told_ = false;
    bool round_open_ = false;  // items were requested and are not all sent
    bool interrupted_ = false;
    bool input_ended_ = false;
    std::vector<std::unique_ptr<LoadFleet>> fleets_;
};

LoadRunner::LoadRunner(const LoadOptions& options, const LoadWatch& watch, DownlinkGateway* gateway)
    : options_(options),
      watch_(watch),
      gateway_(options.downlinks_per_second > 0 ? gateway : nullptr),
      start_(clock_.steady()),
      next_progress_(start_ + std::chrono::seconds(1)),
      next_storm_(start_ + options.storm.value_or(options.duration)),
      news_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      input_(steering_input(options.hold)) {
    if (!news_.valid()) throw_errno("eventfd");
    for (unsigned i = 0; i < options.threads; ++i) {
        const std::uint32_t count = (options.connections + options.threads - 1 - i) / options.threads;
        const LoadFleet::Part part{
            .first = options.first_device + std::uint64_t{i}, .step = options.threads, .count = count};
        const auto on_news = [this](LoadFleet::News news) {
            heard_[static_cast<std::size_t>(news)].fetch_add(1);
            const std::uint64_t one = 1;
            [[maybe_unused]] const ssize_t told = ::write(news_.get(), &one, sizeof one);  // EAGAIN: already signalled
        };
        fleets_.push_back(
            std::make_unique<LoadFleet>(clock_, options, part, on_news, gateway_ != nullptr ? &downlinks_ : nullptr));
    }
    sent_wanted_ = options.threads;
}

LoadCounts LoadRunner::counts() {
    std::vector<std::future<LoadCounts>> answers;
    for (const auto& fleet : fleets_) {
        const auto reply = std::make_shared<std::promise<LoadCounts>>();
        answers.push_back(reply->get_future());
        if (!fleet->query_counts([reply](const LoadCounts& part) { reply->set_value(part); })) reply->set_value({});
    }
    LoadCounts sum;
    for (auto& answer : answers) sum += answer.get();
    sum.downlinks += downlinks_.counts();
    return sum;
}

bool LoadRunner::over() {
    if (interrupted_ || input_ended_ || elapsed() >= options_.duration) return true;
    if (heard(LoadFleet::News::deserted) == options_.threads) return true;
    const bool only_items = gateway_ == nullptr && options_.items > 0 && options_.items_per_second == 0 &&
                            !options_.hold && !options_.storm && !options_.has_faults();
    return only_items && heard(LoadFleet::News::sent) >= options_.threads;
}

void LoadRunner::wait() {
    const SteadyTime until = std::min({next_progress_, next_storm_, start_ + options_.duration});
    const auto timeout = std::chrono::ceil<milliseconds>(until - clock_.steady());
    std::array<pollfd, 3> watched{pollfd{.fd = news_.get(), .events = POLLIN, .revents = 0},
                                  pollfd{.fd = signals_.fd(), .events = POLLIN, .revents = 0},
                                  pollfd{.fd = input_, .events = POLLIN, .revents = 0}};
    ::poll(watched.data(), watched.size(), static_cast<int>(std::max<std::int64_t>(timeout.count(), 0)));
    if (watched[1].revents != 0) interrupted_ = true;
    if (watched[0].revents != 0) receive_news();
    if (watched[2].revents != 0) receive_input();
}

void LoadRunner::receive_news() {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto ignored = ::read(news_.get(), &count, sizeof count);
    if (!options_.hold) return;
    if (!ready_told_ && heard(LoadFleet::News::settled) == options_.threads) {
        ready_told_ = true;
        if (watch_.ready) watch_.ready(counts());
    }
    if (round_open_ && heard(LoadFleet::News::sent) >= sent_wanted_) {
        round_open_ = false;
        if (watch_.sent) watch_.sent(counts());
    }
}

void LoadRunner::receive_input() {
    std::array<char, 512> text{};
    const ssize_t got = ::read(input_, text.data(), text.size());
    if (got <= 0) {
        input_ended_ = true;
        return;
    }
    const bool line = std::find(text.begin(), text.begin() + got, '\n') != text.begin() + got;
    if (!line || round_open_ || !ready_told_) return;
    round_open_ = true;
    sent_wanted_ = heard(LoadFleet::News::sent) + options_.threads;
    for (const auto& fleet : fleets_) fleet->send_items();
}

void LoadRunner::keep_time() {
    const SteadyTime now = clock_.steady();
    if (now >= next_progress_) {
        next_progress_ = now + std::chrono::seconds(1);
        if (watch_.progress) watch_.progress(counts(), elapsed());
    }
    if (options_.storm && now >= next_storm_) {
        next_storm_ = now + *options_.storm;
        for (const auto& fleet : fleets_) fleet->storm();
    }
}

LoadReport LoadRunner::run() {
    std::vector<std::thread> threads;
    for (const auto& fleet : fleets_) threads.emplace_back([&fleet] { fleet->run(); });
    std::optional<DownlinkRequester> asker;
    if (gateway_ != nullptr) asker.emplace(clock_, options_, downlinks_, *gateway_);
    while (!over()) {
        wait();
        keep_time();
    }
    LoadReport report;
    report.elapsed = elapsed();
    report.interrupted = interrupted_;
    if (asker) {
        for (const auto& fleet : fleets_) fleet->quieten();
        asker->stop();
        report.downlink_trouble = asker->trouble();
        downlinks_.wait_for_arrivals(arrival_timeout);
    }
    if (!options_.session.empty()) wait_for_acks();
    end_fleets(report, threads);
    return report;
}

/// Waits for the acks of items under way.
void LoadRunner::wait_for_acks() {
    for (const auto& fleet : fleets_) fleet->quieten();
    std::uint64_t acked = 0;
    SteadyTime progress = clock_.steady();
    while (clock_.steady() - progress < ack_timeout) {
        const UplinkCounts now = counts().uplinks;
        if (now.acked == now.numbered) return;
        if (std::exchange(acked, now.acked) != now.acked) progress = clock_.steady();
        std::this_thread::sleep_for(ack_check);
    }
}

void LoadRunner::end_fleets(LoadReport& report, std::vector<std::thread>& threads) {
    const std::uint64_t connected_at_end = counts().connected;
    for (const auto& fleet : fleets_) fleet->finish();
    for (std::thread& thread : threads) thread.join();
    for (const auto& fleet : fleets_) report.counts += fleet->counts();
    report.counts.downlinks += downlinks_.counts();
    report.complete = report.counts.never_connected == 0 && report.counts.items_missing == 0 &&
                      report.counts.connects - report.counts.reconnects == options_.connections &&
                      report.counts.downlinks.lost == 0 && report.downlink_trouble.empty() &&
                      report.counts.uplinks.acked == report.counts.uplinks.numbered &&
                      report.counts.uplinks.forgotten == 0;
    report.counts.connected = connected_at_end;
}

}  // namespace

Result<LoadReport> run_load(const LoadOptions& options, const LoadWatch& watch, DownlinkGateway* gateway) {
    const auto limit = raise_descriptor_limit(std::uint64_t{options.connections});
    if (!limit) return limit.error();
    return LoadRunner(options, watch, gateway).run();
}

}  // namespace holdfast
