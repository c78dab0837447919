#pragma once

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

#include "base/check.h"

namespace holdfast {

/// Owns a new directory with mode 0700 and removes it with its content at the end. For tests.
class TemporaryDirectory {
public:
    TemporaryDirectory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "holdfast-XXXXXX").string();
        HOLDFAST_CHECK(::mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string in(std::string_view name) const { return path_ + "/" + std::string(name); }
    /// Writes a file in it, replacing an older one. Returns its path.
    std::string write(std::string_view name, std::string_view text, mode_t mode = 0600) const {
        std::string file = in(name);
        std::filesystem::remove(file);
        HOLDFAST_CHECK(std::ofstream(file, std::ios::binary) << text);
        HOLDFAST_CHECK(::chmod(file.c_str(), mode) == 0);
        return file;
    }

private:
    std::string path_;
};

/// Changes the process's working directory to it, so that messages contain the bare names of files. For tests; one
/// thread.
class WorkingDirectory : public TemporaryDirectory {
public:
    WorkingDirectory() : before_(std::filesystem::current_path()) { std::filesystem::current_path(path()); }
    ~WorkingDirectory() { std::filesystem::current_path(before_); }

private:
    std::filesystem::path before_;
};

}  // namespace holdfast
