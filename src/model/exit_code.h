#pragma once

namespace holdfast {

/// Exit codes of every verb.
enum ExitCode : int {
    exit_good = 0,
    exit_answer_is_no = 1,
    exit_wrong_usage = 2,
    exit_unreachable = 3,  ///< the daemon did not answer
};

}  // namespace holdfast
