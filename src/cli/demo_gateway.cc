#include "cli/demo_gateway.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string_view>
#include <thread>

namespace holdfast {

using namespace std::chrono_literals;

std::string url_in_log(std::string_view log) {
    const std::size_t begin = log.find("http://");
    if (begin == std::string_view::npos) return {};
    const std::size_t end = log.find_first_of(" \n", begin);
    return end == std::string_view::npos ? "" : std::string(log.substr(begin, end - begin));
}

std::string last_line_of(std::string_view log) {
    constexpr std::string_view own_name = "holdfast: ";
    while (log.ends_with('\n')) log.remove_suffix(1);
    log.remove_prefix(log.rfind('\n') + 1);
    if (log.starts_with(own_name)) log.remove_prefix(own_name.size());
    return std::string(log);
}

std::string DemoGateway::log() const {
    struct stat file {};
    if (::fstat(log_.get(), &file) != 0) return {};
    std::string text(static_cast<std::size_t>(file.st_size), '\0');
    const ssize_t got = ::pread(log_.get(), text.data(), text.size(), 0);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
}

bool DemoGateway::ended() {
    if (pid_ != 0 && ::waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = 0;
    return pid_ == 0;
}

bool DemoGateway::stop() {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    if (!ended()) ::kill(pid_, SIGTERM);
    while (!ended()) {
        if (std::chrono::steady_clock::now() > deadline) ::kill(pid_, SIGKILL);
        std::this_thread::sleep_for(10ms);
    }
    return WIFEXITED(status_) && WEXITSTATUS(status_) == 0;
}

}  // namespace holdfast
