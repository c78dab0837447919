#include "spool/directory.h"

#include <fcntl.h>
#include <sqlite3.h>
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
#include <vector>

#include "base/unique_fd.h"

namespace holdfast {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view segment_head = "events-";
constexpr std::string_view segment_tail = ".db";
constexpr std::string_view manifest_name = "spool.db";
constexpr std::string_view making_head = "making";
constexpr const char* successor_tail = ".new";
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

/// Returns true for companions of spool.db or of a file of events: a log, a complete successor, a damaged predecessor.
bool is_companion(std::string_view name) {
    for (const std::string_view tail : {"-wal", "-shm", "-journal", ".new", ".damaged-"}) {
        const std::size_t end = name.find(tail);
        if (end == name.npos) continue;
        if (name.substr(0, end) == manifest_name || segment_of(name.substr(0, end))) return true;
    }
    return false;
}

bool is_making(std::string_view name) { return name.starts_with(making_head) && name.find(".db") != name.npos; }

/// Returns the database to which a log or an index belongs, or an empty text for any other file.
std::string database_of(const std::string& path) {
    for (const std::string_view tail : {"-wal", "-shm", "-journal"}) {
        if (path.ends_with(tail)) return path.substr(0, path.size() - tail.size());
    }
    return {};
}

/// Returns true for the files of the gateway's state (docs/reference/options.md, process.state_file).
bool is_state_file(std::string_view name) { return name == "state" || name.starts_with("state."); }

/// Returns the name of a foreign file in the directory, e.g. if it is a home directory.
std::optional<std::string> foreign_file_in(const std::string& path) {
    std::error_code error;
    std::optional<std::string> foreign;
    // Not a range-for: its increment throws if the disk cannot be read.
    for (fs::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
        const std::string name = entry->path().filename();
        if (name == manifest_name || segment_of(name)) return std::nullopt;
        if (name != "lock" && name != "lost+found" && !is_state_file(name) && !is_making(name) && !is_companion(name))
            foreign = name;
    }
    return foreign;
}

/// Syncs the parent at each start, because an earlier start may have been interrupted after its mkdir(2). A parent that
/// this user may not read belongs to the user that created the directory.
bool sync_parent(const std::string& path) {
    const UniqueFd directory(::open(parent_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid()) return errno == EACCES;
    return ::fsync(directory.get()) == 0 || errno == EINVAL || errno == EROFS;
}

/// Copies a file on a file system without hard links.
bool copy_file(const std::string& from, const std::string& to) {
    std::error_code error;
    fs::copy_file(from, to, error);
    errno = error.value();
    return !error;
}

}  // namespace

DbError system_error(const std::string& what) {
    const bool full = errno == ENOSPC || errno == EDQUOT;
    return {full ? DbFault::full : DbFault::io, SQLITE_CANTOPEN, what + ": " + std::strerror(errno), errno};
}

Result<SpoolDirectory> SpoolDirectory::take(const std::string& path) {
    if (path.empty()) return Error{"the spool has no directory; name one with --sink spool:DIR or path in [sink]"};
    const bool made = ::mkdir(path.c_str(), 0700) == 0;
    if (!made && errno != EEXIST) return cannot("create", path, "make the directory above it, writable for this user");
    UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid()) {
        return cannot("open", path, "name a directory that belongs to this user with --sink spool:DIR");
    }
    if (const auto foreign = foreign_file_in(path)) {
        return Error{path + " is not a spool: the directory contains " + *foreign +
                     " and no spool.db; choose an empty or a new directory"};
    }
    if (!is_missing(path + "/" + incomplete)) {
        return Error{path +
                     " is not a spool: a backup or a restore into it did not finish; run that again, or remove " +
                     path + "/" + incomplete};
    }
    struct stat status {};
    const bool private_already = ::fstat(directory.get(), &status) == 0 && (status.st_mode & 0777) == 0700;
    if (!private_already && ::fchmod(directory.get(), 0700) != 0) {
        return cannot("make private (mode 0700)", path, "name a directory of the gateway's user");
    }
    auto hold = DirectoryHold::take(path, std::move(directory));
    if (!hold) return hold.error();
    if (!sync_parent(path)) return cannot("sync the name of", path, "see the kernel's log for the disk");
    return SpoolDirectory(path, std::move(hold).value());
}

std::string SpoolDirectory::segment_path(Position first) const { return segment_path_in(path_, first); }

std::string SpoolDirectory::segment_path_in(const std::string& directory, Position first) {
    std::array<char, 32> digits{};
    std::snprintf(digits.data(), digits.size(), "%0*llu", position_digits, static_cast<unsigned long long>(first));
    return directory + "/" + std::string(segment_head) + digits.data() + std::string(segment_tail);
}

std::optional<DbError> SpoolDirectory::list_in(const std::string& directory, Contents& contents) {
    contents = {};
    std::error_code error;
    // Not a range-for: its increment throws if the disk cannot be read.
    fs::directory_iterator entry(directory, error);
    for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
        const std::string name = entry->path().filename();
        if (name == manifest_name) contents.manifest = true;
        if (const auto first = segment_of(name)) contents.segments.push_back(*first);
    }
    std::sort(contents.segments.begin(), contents.segments.end());
    if (!error) return std::nullopt;
    return DbError{DbFault::io, SQLITE_IOERR, "cannot list " + directory + ": " + error.message(), error.value()};
}

void SpoolDirectory::remove_leftovers() const {
    std::vector<std::string> leftovers;
    std::error_code error;
    fs::directory_iterator entry(path_, error);
    for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
        const std::string path = entry->path();
        const fs::path database = database_of(path);
        const std::string name = database.filename();
        struct stat none {};
        const bool orphan =
            (name == manifest_name || segment_of(name)) && ::lstat(database.c_str(), &none) != 0 && errno == ENOENT;
        if (is_making(entry->path().filename().native()) || orphan) leftovers.push_back(path);
    }
    for (const std::string& path : leftovers) ::unlink(path.c_str());
}

bool SpoolDirectory::make_file(const std::string& path) {
    const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    return file.valid() && ::fchmod(file.get(), 0600) == 0;
}

bool SpoolDirectory::sync() const { return hold_->sync(); }

std::optional<DbError> SpoolDirectory::put_in_place(const std::string& making, const std::string& path) const {
    if (::rename(making.c_str(), path.c_str()) != 0) return system_error("cannot rename " + making);
    if (!sync()) return system_error("cannot sync " + path_);
    return std::nullopt;
}

std::optional<DbError> SpoolDirectory::replace(const std::string& making, const std::string& path) const {
    if (auto failed = put_in_place(making, path + successor_tail)) return failed;
    return finish_replacement(path);
}

/// Finishes a replacement. Each step is durable before the next: the successor exists until the last one, so any start
/// can finish the replacement.
std::optional<DbError> SpoolDirectory::finish_replacement(const std::string& path) const {
    for (const char* tail : {"-wal", "-shm", "-journal"}) {  // a log of the former file would be read into the new one
        if (::unlink((path + tail).c_str()) != 0 && errno != ENOENT)
            return system_error("cannot remove " + path + tail);
    }
    if (!sync()) return system_error("cannot sync " + path_);
    return put_in_place(path + successor_tail, path);
}

std::optional<DbError> SpoolDirectory::finish_replacements() const {
    std::vector<std::string> replaced;
    std::error_code error;
    fs::directory_iterator entry(path_, error);
    for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
        std::string path = entry->path();
        if (!path.ends_with(successor_tail)) continue;
        path.resize(path.size() - std::strlen(successor_tail));
        const std::string name = path.substr(path.rfind('/') + 1);
        if (name == manifest_name || segment_of(name)) replaced.push_back(path);
    }
    if (error) return DbError{DbFault::io, SQLITE_IOERR, "cannot list " + path_ + ": " + error.message()};
    for (const std::string& path : replaced) {
        if (auto failed = finish_replacement(path)) return failed;
    }
    return std::nullopt;
}

std::optional<DbError> SpoolDirectory::write_log_again(const std::string& database) {
    const std::string path = database + "-wal";
    const UniqueFd log(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (!log.valid()) return errno == ENOENT ? std::nullopt : std::optional(system_error("cannot open " + path));
    std::vector<char> piece(std::size_t{1} << 20);
    for (off_t at = 0;;) {
        const ssize_t read = ::pread(log.get(), piece.data(), piece.size(), at);
        if (read < 0 && errno == EINTR) continue;
        if (read < 0) {
            DbError failed = system_error("cannot read " + path);
            failed.code = SQLITE_IOERR_READ;
            return failed;
        }
        if (read == 0) break;
        const ssize_t written = ::pwrite(log.get(), piece.data(), static_cast<std::size_t>(read), at);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return system_error("cannot write " + path);
        at += written;
    }
    if (::fdatasync(log.get()) != 0) return system_error("cannot sync " + path);
    return std::nullopt;
}

std::optional<DbError> SpoolDirectory::write_logs_again() const {
    Contents contents;
    if (auto failed = list(contents)) return failed;
    // A checkpoint cannot copy what cannot be read of a log. The reader of the file handles such a log.
    const auto is_unwritten = [](const auto& failed) { return failed && failed->code != SQLITE_IOERR_READ; };
    if (auto failed = write_log_again(manifest_path()); is_unwritten(failed)) return failed;
    for (const Position first : contents.segments) {
        if (auto failed = write_log_again(segment_path(first)); is_unwritten(failed)) return failed;
    }
    return std::nullopt;
}

void SpoolDirectory::remove(const std::string& database) {
    for (const char* tail : {"", "-wal", "-shm", "-journal"}) ::unlink((database + tail).c_str());
}

bool SpoolDirectory::is_missing(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

bool SpoolDirectory::has_log(const std::string& database) {
    const auto may_exist = [](const std::string& path) { return ::access(path.c_str(), F_OK) == 0 || errno != ENOENT; };
    return may_exist(database + "-wal") || may_exist(database + "-journal");
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

std::optional<DbError> SpoolDirectory::keep_aside(const std::string& database, std::string& aside) const {
    for (int i = 1;; ++i) {
        aside = database + ".damaged-" + std::to_string(i);
        if (::link(database.c_str(), aside.c_str()) == 0) break;
        if (errno == EEXIST) continue;
        if (!copy_file(database, aside)) return system_error("cannot copy " + database);
        break;
    }
    const std::string log = database + "-wal";
    const bool kept = ::link(log.c_str(), (aside + "-wal").c_str()) == 0 || errno == ENOENT || errno == EEXIST;
    if (!kept && !copy_file(log, aside + "-wal")) return system_error("cannot copy " + log);
    if (!sync()) return system_error("cannot sync " + path_);
    return std::nullopt;
}

}  // namespace holdfast
