#pragma once

#include <string_view>

namespace holdfast {

/// Exit codes of every verb.
enum ExitCode : int {
    exit_good = 0,
    exit_answer_is_no = 1,
    exit_wrong_usage = 2,
    exit_unreachable = 3,  ///< the daemon did not answer
};

/// Prints "holdfast: MESSAGE" as one line on standard error. Control characters become spaces.
void print_error(std::string_view message);

}  // namespace holdfast
