#pragma once

#include <string_view>

namespace holdfast {

/// The exit codes of every verb.
enum ExitCode : int {
    exit_good = 0,
    exit_answer_is_no = 1,
    exit_wrong_usage = 2,
    exit_unreachable = 3,  ///< the daemon
};

/// "holdfast: MESSAGE" as one line on standard error; control characters become spaces.
void print_error(std::string_view message);

}  // namespace holdfast
