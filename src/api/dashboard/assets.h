#pragma once

#include <optional>
#include <string_view>

#include "api/asset.h"

namespace holdfast {

/// The dashboard's page ("/") and its files ("/dashboard/app.js"), or nothing. An AssetSource; any thread.
[[nodiscard]] std::optional<Asset> dashboard_asset(std::string_view path);

}  // namespace holdfast
