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

/// Our own bugs end the process, in release too: a gateway that has lost its books must not go on.
#define HOLDFAST_CHECK(condition) \
    ((condition) ? static_cast<void>(0) : ::holdfast::detail::check_failed(#condition, __FILE__, __LINE__))
