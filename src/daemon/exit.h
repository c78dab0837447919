#pragma once

#include <string_view>

#include "model/exit_code.h"

namespace holdfast {

/// Prints "holdfast: MESSAGE" as one line on standard error. Control characters become spaces.
void print_error(std::string_view message);

}  // namespace holdfast
