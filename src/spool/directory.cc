#include "spool/directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>

namespace holdfast {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view segment_head = "events-";
constexpr std::string_view segment_tail = ".db";
constexpr int position_digits = 19;

std::string reason() { return std::strerror(errno); }

Error cannot(const std::string& what, const std::string& path, const std::string& remedy) {
    return Error{"cannot " + what + " the spool's directory " + path + ": " + reason() + "; " + remedy};
}

std::optional<Position> segment_of(std::string_view name) {
    if (!name.starts_with(segment_head) || !name.ends_with(segment_tail)) return std::nullopt;
    name.remove_prefix(segment_head.size());
    name.remove_suffix(segment_tail.size());
    Position first = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), first);
    const bool whole = error == std::errc() && end == name.data() + name.size();
    if (!whole || name.size() != position_digits || first == 0) return std::nullopt;
    return first;
}

/// What is in it that no spool has put there, e.g. somebody's home.
std::optional<std::string> stranger_in(const std::string& path) {
    std::error_code error;
    std::optional<std::string> stranger;
    // Not a range-for, whose increment throws where the disk cannot be read.
    for (fs::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
        const std::string name = entry->path().filename();
        if (name == "spool.db" || segment_of(name)) return std::nullopt;
        if (name != "lock" && name != "lost+found") stranger = name;
    }
    return stranger;
}

}  // namespace

Result<SpoolDirectory> SpoolDirectory::take(const std::string& path) {
    if (path.empty()) return Error{"the spool has no directory: name one with --sink spool:DIR or path in [sink]"};
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
        return cannot("make", path, "make the directory above it, writable for this user");
    }
    UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid()) {
        return cannot("open", path, "name a directory that belongs to this user with --sink spool:DIR");
    }
    if (const auto stranger = stranger_in(path)) {
        return Error{path + " is no spool: it holds " + *stranger +
                     " and no spool.db; choose an empty or a new directory"};
    }
    struct stat status {};
    const bool private_already = ::fstat(directory.get(), &status) == 0 && (status.st_mode & 0777) == 0700;
    if (!private_already && ::fchmod(directory.get(), 0700) != 0) {
        return cannot("make private (mode 0700)", path, "it must belong to the user who runs the gateway");
    }
    auto hold = DirectoryHold::take(path, std::move(directory));
    if (!hold) return hold.error();
    return SpoolDirectory(path, std::move(hold).value());
}

std::string SpoolDirectory::segment_path(Position first) const {
    std::array<char, 32> digits{};
    std::snprintf(digits.data(), digits.size(), "%0*llu", position_digits, static_cast<unsigned long long>(first));
    return path_ + "/" + std::string(segment_head) + digits.data() + std::string(segment_tail);
}

std::vector<Position> SpoolDirectory::segments() const {
    std::vector<Position> found;
    std::error_code error;
    // Not a range-for, whose increment throws where the disk cannot be read.
    for (fs::directory_iterator entry(path_, error), end; !error && entry != end; entry.increment(error)) {
        if (const auto first = segment_of(entry->path().filename().native())) found.push_back(*first);
    }
    std::sort(found.begin(), found.end());
    return found;
}

bool SpoolDirectory::has_control() const { return ::access(control_path().c_str(), F_OK) == 0; }

bool SpoolDirectory::make_file(const std::string& path) {
    const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    return file.valid() && ::fchmod(file.get(), 0600) == 0;
}

bool SpoolDirectory::sync() const { return hold_->sync(); }

void SpoolDirectory::remove(const std::string& database) {
    for (const char* tail : {"", "-wal", "-shm", "-journal"}) ::unlink((database + tail).c_str());
}

bool SpoolDirectory::is_missing(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

bool SpoolDirectory::has_log(const std::string& database) {
    return ::access((database + "-wal").c_str(), F_OK) == 0 || ::access((database + "-journal").c_str(), F_OK) == 0;
}

std::uint64_t SpoolDirectory::bytes_of(const std::string& database) {
    std::uint64_t bytes = 0;
    for (const char* tail : {"", "-wal", "-shm"}) {
        struct stat status {};
        if (::stat((database + tail).c_str(), &status) == 0) bytes += static_cast<std::uint64_t>(status.st_size);
    }
    return bytes;
}

std::uint64_t SpoolDirectory::plain_bytes_of(const std::string& database) {
    struct stat status {};
    return ::stat(database.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

std::string SpoolDirectory::set_aside(const std::string& database) {
    for (int i = 1;; ++i) {
        const std::string target = database + ".damaged-" + std::to_string(i);
        if (::access(target.c_str(), F_OK) == 0) continue;
        ::rename(database.c_str(), target.c_str());
        ::rename((database + "-wal").c_str(), (target + "-wal").c_str());
        ::unlink((database + "-shm").c_str());
        return target;
    }
}

}  // namespace holdfast
