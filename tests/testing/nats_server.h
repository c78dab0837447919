#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "testing/comes_true.h"
#include "testing/temporary_directory.h"

namespace holdfast {

/// Runs a nats-server with JetStream for tests, on a free port of loopback, with its own data directory. Owns the
/// process, which it ends by its pid, and the directory.
class RealServer {
public:
    /// Takes further flags, or the text of a configuration file.
    explicit RealServer(std::vector<std::string> flags = {}, const std::string& config = "");
    ~RealServer();
    RealServer(const RealServer&) = delete;
    RealServer& operator=(const RealServer&) = delete;

    void kill();   ///< SIGKILL, and waits for the end
    void start();  ///< again, with the same port and data
    void pause();
    void resume();

    [[nodiscard]] std::string url() const { return "nats://127.0.0.1:" + std::to_string(port_); }
    [[nodiscard]] unsigned port() const { return port_; }
    [[nodiscard]] const std::string& directory() const { return directory_.path(); }

private:
    void read_port();

    std::vector<std::string> flags_;
    TemporaryDirectory directory_;
    unsigned port_ = 0;
    pid_t pid_ = -1;
};

inline RealServer::RealServer(std::vector<std::string> flags, const std::string& config) : flags_(std::move(flags)) {
    if (!config.empty()) flags_.insert(flags_.end(), {"-c", directory_.write("server.conf", config)});
    start();
}

inline RealServer::~RealServer() { kill(); }

inline void RealServer::start() {
    std::vector<std::string> words{"nats-server",
                                   "-a",
                                   "127.0.0.1",
                                   "-p",
                                   port_ == 0 ? "-1" : std::to_string(port_),
                                   "-js",
                                   "-sd",
                                   directory_.in("data"),
                                   "--ports_file_dir",
                                   directory_.path()};
    words.insert(words.end(), flags_.begin(), flags_.end());
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    const std::string log = directory_.in("log");
    pid_ = ::fork();
    if (pid_ == 0) {
        const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        ::dup2(out, 1);
        ::dup2(out, 2);
        ::execvp("nats-server", pointers.data());
        ::_exit(127);
    }
    read_port();
}

inline void RealServer::read_port() {
    const std::string file = directory_.in("nats-server_" + std::to_string(pid_) + ".ports");
    const bool there = comes_true([&] {
        std::stringstream text;
        text << std::ifstream(file).rdbuf();
        const std::size_t at = text.str().find("127.0.0.1:");
        if (at == std::string::npos) return false;
        port_ = static_cast<unsigned>(std::stoul(text.str().substr(at + 10)));
        return true;
    });
    ASSERT_TRUE(there) << "nats-server has not started: is it installed?";
}

inline void RealServer::kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

inline void RealServer::pause() { ::kill(pid_, SIGSTOP); }
inline void RealServer::resume() { ::kill(pid_, SIGCONT); }

}  // namespace holdfast
