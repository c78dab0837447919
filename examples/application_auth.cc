// Authentication by the program: a worker looks each token up, which takes 50 ms, while the gateway goes on. The
// account has the device's id and detect_within. Devices say {"hello":{"id":"door-1","token":"..."}} first.
//   application_auth 127.0.0.1:7000
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include <holdfast/server.h>

/// A slow user database. Answers on its own thread.
class Accounts {
public:
    ~Accounts() {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        news_.notify_one();
        thread_.join();
    }
    void check(const std::string& token, const holdfast::HelloDecision& decision) {
        const std::lock_guard lock(mutex_);
        questions_.emplace_back(token, decision);
        news_.notify_one();
    }

private:
    void run() {
        std::unique_lock lock(mutex_);
        while (true) {
            news_.wait(lock, [this] { return stop_ || !questions_.empty(); });
            if (stop_) return;  // the decisions that wait are dropped, and so rejected
            const auto [token, decision] = std::move(questions_.front());
            questions_.pop_front();
            lock.unlock();
            std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the database
            const auto account = accounts_.find(token);
            if (account == accounts_.end()) {
                decision.reject(
                    {.reason = holdfast::CloseReason::application, .code = 401, .detail = "no account", .flush = true},
                    "{\"error\":\"unknown token\"}\n");
            } else {
                decision.accept(account->second.first, {.detect_within = account->second.second});
            }
            lock.lock();
        }
    }

    const std::map<std::string, std::pair<std::string, std::chrono::seconds>> accounts_{
        {"red-fox", {"north/door-1", std::chrono::seconds(10)}},
        {"grey-owl", {"south/door-9", std::chrono::minutes(5)}}};
    std::mutex mutex_;
    std::condition_variable news_;
    std::deque<std::pair<std::string, holdfast::HelloDecision>> questions_;  // guarded by mutex_, as is stop_
    bool stop_ = false;
    std::thread thread_{[this] { run(); }};
};

class Handler final : public holdfast::EventHandler {
public:
    explicit Handler(Accounts& accounts) : accounts_(accounts) {}
    void on_hello(const holdfast::HelloEvent& event, const holdfast::HelloDecision& decision) override {
        accounts_.check(std::string(event.token), decision);
    }
    void on_connected(const holdfast::ConnectedEvent& event) override {
        if (event.authenticated) std::printf("%s is here\n", std::string(event.device.id).c_str());
    }
    void on_item(const holdfast::ItemEvent&) override {}
    void on_closed(const holdfast::ClosedEvent& event) override {
        std::printf("closed: %s %u\n", std::string(to_string(event.reason)).c_str(), event.code);
    }

private:
    Accounts& accounts_;
};

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, nullptr);
    Accounts accounts;  // outlives the server
    holdfast::ServerConfig config;
    config.listeners[0].address = argc > 1 ? argv[1] : "127.0.0.1:7000";
    config.listeners[0].authenticate_by_program = true;
    const auto server = holdfast::Server::start(config, [&](unsigned) { return std::make_unique<Handler>(accounts); });
    if (!server) return std::fprintf(stderr, "%s\n", server.error().message.c_str()), 1;
    std::printf("listening on %s\n", to_string(server.value()->status().listeners[0].bound).c_str());
    int signal = 0;
    sigwait(&stop, &signal);
    server.value()->drain();
    server.value()->wait();
}
