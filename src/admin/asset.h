#pragma once

#include <functional>
#include <optional>
#include <string_view>

namespace holdfast {

/// A file of the dashboard; lives as long as the process.
struct Asset {
    std::string_view body;
    std::string_view type;  ///< "text/html; charset=utf-8"
    std::string_view etag;  ///< with its quotes: "\"3f2a\""
};

/// The file at a path ("/", "/dashboard/app.js"), or nothing. Called on admin threads, several at once.
using AssetSource = std::function<std::optional<Asset>(std::string_view path)>;

}  // namespace holdfast
