#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace holdfast {

struct EmbeddedFile {
    std::string_view path;  ///< at which it is served
    std::string_view etag;
    const unsigned char* bytes;
    std::size_t size;
};

/// Returns the files that the build embeds in the program (cmake/embed.cmake).
[[nodiscard]] std::span<const EmbeddedFile> embedded_files();

}  // namespace holdfast
