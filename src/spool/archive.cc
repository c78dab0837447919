#include "spool/archive.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/unique_fd.h"
#include "spool/database.h"
#include "spool/directory.h"

namespace holdfast {

namespace {

namespace fs = std::filesystem;

constexpr int timeout_ms = 10'000;  // until a gateway has sealed the file

Error cannot_use(const std::string& what, const std::string& path, const std::string& remedy) {
    return Error{"cannot " + what + " " + path + ": " + std::strerror(errno) + "; " + remedy};
}

std::string manifest_in(const std::string& directory) { return directory + "/spool.db"; }

bool is_spools(const std::string& name) {
    return name.starts_with("spool.db") || name.starts_with("events-") || name == "lock" ||
           name == SpoolDirectory::incomplete;
}

/// Target directory of a copy. Owns a lock on it, so that no gateway starts there during the copy.
class Target {
public:
    [[nodiscard]] static Result<Target> open(const std::string& path);
    [[nodiscard]] const std::string& path() const { return path_; }
    /// Gives the file to the owner of the directory, which may be a user other than root.
    [[nodiscard]] std::optional<Error> own(const std::string& file) const;
    [[nodiscard]] std::optional<Error> finish() const;

private:
    Target(std::string path, UniqueFd directory) : path_(std::move(path)), directory_(std::move(directory)) {}
    [[nodiscard]] std::optional<Error> begin() const;
    [[nodiscard]] std::string marker() const { return path_ + "/" + SpoolDirectory::incomplete; }

    std::string path_;
    UniqueFd directory_;
};

Result<Target> Target::open(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
        return cannot_use("create", path, "make the directory above it, writable for this user");
    }
    UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid()) return cannot_use("open", path, "name an empty or a new directory");
    if (::flock(directory.get(), LOCK_EX | LOCK_NB) != 0) {
        return Error{"another process uses " + path + "; stop the gateway there, or name another directory"};
    }
    if (::fchmod(directory.get(), 0700) != 0) return cannot_use("make private", path, "name a directory of this user");
    Target target(path, std::move(directory));
    if (auto error = target.begin()) return *error;
    return target;
}

/// Removes the remains of an interrupted copy, and nothing else.
std::optional<Error> Target::begin() const {
    const bool again = !SpoolDirectory::is_missing(marker());
    std::vector<std::string> leftovers;
    std::error_code error;
    fs::directory_iterator entry(path_, error);
    for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
        const std::string name = entry->path().filename();
        if (name == "lost+found") continue;
        if (!again || !is_spools(name))
            return Error{path_ + " contains " + name + "; name an empty or a new directory"};
        if (name != SpoolDirectory::incomplete) leftovers.push_back(entry->path());
    }
    for (const std::string& file : leftovers) ::unlink(file.c_str());
    if (!again && !SpoolDirectory::make_file(marker())) {
        return cannot_use("write in", path_, "make it writable for this user, with space on its file system");
    }
    if (::fsync(directory_.get()) != 0) return cannot_use("sync", path_, "see the kernel's log for the disk");
    return own(marker());
}

std::optional<Error> Target::own(const std::string& file) const {
    struct stat status {};
    if (::geteuid() != 0 || ::fstat(directory_.get(), &status) != 0 || status.st_uid == 0) return std::nullopt;
    if (::chown(file.c_str(), status.st_uid, status.st_gid) == 0) return std::nullopt;
    return cannot_use("give to its user", file, "run this as the user of the gateway");
}

/// Syncs the copy before it removes the mark, so that an unmarked copy is complete after a power cut too.
std::optional<Error> Target::finish() const {
    const UniqueFd above(::open(parent_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (above.valid() && ::fsync(above.get()) != 0 && errno != EINVAL) {
        return cannot_use("sync the name of", path_, "see the kernel's log for the disk");
    }
    const bool done =
        ::fsync(directory_.get()) == 0 && ::unlink(marker().c_str()) == 0 && ::fsync(directory_.get()) == 0;
    if (!done) return cannot_use("finish", path_, "run this again");
    return std::nullopt;
}

/// Copies a database that SQLite cannot read: a later version, or a person, may recover more of it.
std::optional<Error> copy_bytes(const std::string& from, const std::string& to) {
    std::error_code error;
    for (const char* tail : {"", "-wal"}) {
        if (*tail != '\0' && SpoolDirectory::is_missing(from + tail)) continue;
        fs::copy_file(from + tail, to + tail, fs::copy_options::overwrite_existing, error);
        const UniqueFd file(error ? -1 : ::open((to + tail).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
        if (!error && (!file.valid() || ::fchmod(file.get(), 0600) != 0 || ::fsync(file.get()) != 0)) {
            error.assign(errno, std::generic_category());
        }
        if (error) {
            return Error{"cannot copy " + from + tail + ": " + error.message() +
                         "; free some space, or see the kernel's log for the disk"};
        }
    }
    return std::nullopt;
}

enum class Copied : std::uint8_t { whole, damaged, missing };

Result<Copied> copy_one(const std::string& from, const std::string& to) {
    if (SpoolDirectory::is_missing(from)) return Copied::missing;
    DbError error;
    std::optional<DbError> failed;
    auto database = Database::open(from, Database::Use::read, error);
    if (database) {
        database->set_busy_timeout_ms(timeout_ms);
        failed = copy_database(*database, to);
    } else {
        failed = error;
    }
    if (!failed) return Copied::whole;
    if (failed->fault == DbFault::gone && SpoolDirectory::is_missing(from)) return Copied::missing;
    if (failed->fault == DbFault::damaged) {
        database.reset();
        if (auto broken = copy_bytes(from, to)) return *broken;
        return Copied::damaged;
    }
    return Error{"cannot copy " + from + ": " + failed->message +
                 "; free some space, give this user the files, or see the kernel's log for the disk"};
}

/// Copies one database and counts it.
Result<Copied> take(const std::string& from, const std::string& to, const Target& target, SpoolCopy& copy) {
    auto copied = copy_one(from, to);
    if (!copied || copied.value() == Copied::missing) return copied;
    if (auto error = target.own(to)) return *error;
    copy.bytes += SpoolDirectory::bytes_of(to);
    if (copied.value() == Copied::damaged) copy.damaged.push_back(from);
    return copied;
}

/// Removes the copies of files that retention has removed since. Retention removes the oldest file first, so a file
/// that is gone before it was copied means that all earlier ones are gone. Their copies would leave a hole before the
/// next.
void drop_removed(const std::string& from, const std::string& to, std::vector<Position>& files, SpoolCopy& copy) {
    std::erase_if(files, [&](Position first) {
        const std::string source = SpoolDirectory::segment_path_in(from, first);
        if (!SpoolDirectory::is_missing(source)) return false;
        const std::string copied = SpoolDirectory::segment_path_in(to, first);
        copy.bytes -= SpoolDirectory::bytes_of(copied);
        std::erase(copy.damaged, source);
        SpoolDirectory::remove(copied);
        return true;
    });
}

std::optional<Error> check_source(const std::string& from) {
    if (SpoolDirectory::is_missing(manifest_in(from))) {
        return Error{from + " contains no spool: spool.db is missing; name the directory of sink.path"};
    }
    if (!SpoolDirectory::is_missing(from + "/" + SpoolDirectory::incomplete)) {
        return Error{from + " is incomplete: a backup or a restore into it did not finish; run that again"};
    }
    return std::nullopt;
}

/// Copies the files of events and counts them.
std::optional<Error> take_segments(const std::string& from, const std::string& to, const Target& target,
                                   SpoolCopy& copy) {
    SpoolDirectory::Contents contents;
    if (const auto failed = SpoolDirectory::list_in(from, contents)) {
        return Error{failed->message + "; see the kernel's log for the disk"};
    }
    std::vector<Position> files;
    for (const Position first : contents.segments) {
        const auto copied = take(SpoolDirectory::segment_path_in(from, first),
                                 SpoolDirectory::segment_path_in(to, first), target, copy);
        if (!copied) return copied.error();
        if (copied.value() == Copied::missing) {
            drop_removed(from, to, files, copy);
        } else {
            files.push_back(first);
        }
    }
    copy.files = files.size();
    if (!files.empty()) copy.first = files.front();
    return std::nullopt;
}

}  // namespace

/// Copies spool.db first, because a start reads newer content from the files of events. The list of these files
/// follows: all but the last have ended and do not change, and the last is copied as of one moment. Files that the
/// gateway begins later are left out, or a hole could precede them.
Result<SpoolCopy> copy_spool(const std::string& from, const std::string& to) {
    if (auto unfit = check_source(from)) return *unfit;
    auto target = Target::open(to);
    if (!target) return target.error();
    SpoolCopy copy;
    const auto manifest = take(manifest_in(from), manifest_in(to), target.value(), copy);
    if (!manifest) return manifest.error();
    if (auto failed = take_segments(from, to, target.value(), copy)) return *failed;
    DbError error;
    if (auto database = Database::open(manifest_in(to), Database::Use::read, error)) {
        copy.id = database->value_of("SELECT value FROM about WHERE key = 'id'").value_or("");
    }
    if (auto failed = target.value().finish()) return *failed;
    return copy;
}

}  // namespace holdfast
