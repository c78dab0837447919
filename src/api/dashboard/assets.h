#pragma once

#include <optional>
#include <string_view>

#include "api/asset.h"

namespace holdfast {

/// Returns the dashboard's page ("/") or one of its files ("/dashboard/app.js"), else nullopt. An AssetSource; any
/// thread.
[[nodiscard]] std::optional<Asset> dashboard_asset(std::string_view path);

}  // namespace holdfast
