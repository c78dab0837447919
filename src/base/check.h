#pragma once

#include <cstdio>
#include <cstdlib>

namespace holdfast::detail {

[[noreturn]] inline void check_failed(const char* condition, const char* file, int line) {
    std::fprintf(stderr,
                 "holdfast: defect: %s does not hold at %s:%d; please report it with the lines before this one\n",
                 condition, file, line);
    std::abort();
}

}  // namespace holdfast::detail

/// Ends the process on a violated invariant of our own code, in release builds, too: a gateway with a corrupt registry
/// must not continue.
#define HOLDFAST_CHECK(condition) \
    ((condition) ? static_cast<void>(0) : ::holdfast::detail::check_failed(#condition, __FILE__, __LINE__))
