#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
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

struct EmbeddedFile {
    std::string_view path;  ///< at which it is served
    std::string_view etag;
    const unsigned char* bytes;
    std::size_t size;
};

/// Returns the files that the build embeds in the program (cmake/embed.cmake).
[[nodiscard]] std::span<const EmbeddedFile> embedded_files();

/// Returns the dashboard's page ("/") or one of its files ("/dashboard/app.js"), else nullopt. An AssetSource; any
/// thread.
[[nodiscard]] std::optional<Asset> dashboard_asset(std::string_view path);

}  // namespace holdfast
