#pragma once

#include <span>

#include "config/option.h"

namespace holdfast {

// Parts of the option table, which option_table.cc puts together.

[[nodiscard]] std::span<const Option> tls_rows();  ///< of a listener
[[nodiscard]] std::span<const Option> sink_rows();
[[nodiscard]] std::span<const Option> fleet_rows();
[[nodiscard]] std::span<const Option> admin_rows();

}  // namespace holdfast
