#pragma once

#include <functional>
#include <optional>
#include <string_view>

namespace holdfast {

/// A file of the dashboard. Lives as long as the process.
struct Asset {
    std::string_view body;
    std::string_view type;  ///< "text/html; charset=utf-8"
    std::string_view etag;  ///< with its quotes: "\"3f2a\""
};

/// Returns the file at a path ("/", "/dashboard/app.js"), or nullopt. Called by several admin threads at once.
using AssetSource = std::function<std::optional<Asset>(std::string_view path)>;

}  // namespace holdfast
