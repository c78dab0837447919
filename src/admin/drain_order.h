#pragma once

#include <string>
#include <string_view>

#include <holdfast/drain.h>
#include <holdfast/result.h>

#include "base/json_writer.h"

namespace holdfast {

/// {"over":"2m","peer":"10.2.0.0/16","listener":"devices","goodbye":true,"come_back":"later"}; what is absent has its
/// default, and an empty body has all of them. An error says what is wrong with it. Pure.
[[nodiscard]] Result<DrainOrder> read_drain_order(std::string_view body);

/// {"state":"running",...}: the value of an object's field or a document.
void write_drain(JsonWriter& json, const DrainStatus& drain);

}  // namespace holdfast
