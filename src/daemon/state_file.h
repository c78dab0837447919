#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <holdfast/result.h>

namespace holdfast {

/// The file that keeps what people look at over a restart. One thread at a time.
class StateFile {
public:
    static constexpr unsigned version = 1;
    static constexpr std::size_t max_bytes = std::size_t{64} << 20;

    explicit StateFile(std::string path) : path_(std::move(path)) {}

    struct Found {
        std::string body;     ///< empty: there is none of use
        std::string warning;  ///< why; empty: there was no file
    };
    /// Reads the file. A damaged file, or one of another version, is renamed, so that it stays for an examination.
    [[nodiscard]] Found read() const;

    /// Replaces the file as a whole: after a crash, either the former or the new content is there. A path that is no
    /// regular file, such as a FIFO, stays.
    [[nodiscard]] std::optional<Error> write(std::string_view body) const;

    [[nodiscard]] const std::string& path() const { return path_; }

private:
    [[nodiscard]] Found put_aside(const std::string& why, const std::string& ending) const;

    std::string path_;
};

}  // namespace holdfast
