#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <utility>

#include "base/unique_fd.h"

namespace holdfast {

/// Returns the first URL of a gateway's log whose line is complete, or an empty text. Pure.
[[nodiscard]] std::string url_in_log(std::string_view log);
/// Returns the last complete or begun line of a log without the command's name in front. Pure.
[[nodiscard]] std::string last_line_of(std::string_view log);

/// The gateway of the demo: a child process with its log in memory. Ends the process on destruction. One thread.
class DemoGateway {
public:
    DemoGateway(pid_t pid, UniqueFd log) : pid_(pid), log_(std::move(log)) {}
    DemoGateway(const DemoGateway&) = delete;
    DemoGateway& operator=(const DemoGateway&) = delete;
    ~DemoGateway() { static_cast<void>(stop()); }

    /// Returns the URL of the dashboard, or an empty text while the gateway starts.
    [[nodiscard]] std::string url() const { return url_in_log(log()); }
    /// Returns true if the process has ended, and collects it.
    [[nodiscard]] bool ended();
    /// Ends the process: in an orderly way, or by SIGKILL after 10 s. Returns true if it ended with exit code 0.
    bool stop();
    /// Returns the last line of the log.
    [[nodiscard]] std::string last_line() const { return last_line_of(log()); }

private:
    [[nodiscard]] std::string log() const;

    pid_t pid_;  // 0 once it was collected
    UniqueFd log_;
    int status_ = 0;  // of waitpid(2)
};

}  // namespace holdfast
