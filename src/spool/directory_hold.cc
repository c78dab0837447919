#include "spool/directory_hold.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/fork_guard.h"

namespace holdfast {

namespace {

std::string lock_path(const std::string& path) { return path + "/lock"; }

Error cannot_hold(const std::string& what, const std::string& path, const std::string& remedy) {
    return Error{"cannot " + what + " the spool's directory " + path + ": " + std::strerror(errno) + "; " + remedy};
}

bool is_same_file(int descriptor, const std::string& path) {
    struct stat held {};
    struct stat named {};
    if (::fstat(descriptor, &held) != 0 || held.st_nlink == 0) return false;
    if (::stat(path.c_str(), &named) != 0) return errno != ENOENT && errno != ENOTDIR;
    return held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

UniqueFd open_directory(const std::string& path) {
    return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

std::string holder_of(const std::string& path) {
    const UniqueFd lock(::open(lock_path(path).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    std::array<char, 32> text{};
    const ssize_t read = lock.valid() ? ::pread(lock.get(), text.data(), text.size(), 0) : 0;
    std::string pid(text.data(), read > 0 ? static_cast<std::size_t>(read) : 0);
    pid.erase(std::find_if(pid.begin(), pid.end(), [](char byte) { return byte < '0' || byte > '9'; }), pid.end());
    return pid.empty() ? "another process" : "process " + pid;
}

std::optional<Error> lock_descriptor(int descriptor, const std::string& path) {
    close_in_child(descriptor);  // a lock belongs to all that have the descriptor
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return std::nullopt;
    if (errno != EWOULDBLOCK) return cannot_hold("lock", path, "put it on a local file system");
    return Error{holder_of(path) + " uses the spool in " + path +
                 "; stop it first, or give this gateway its own directory"};
}

Result<UniqueFd> lock_file(const std::string& path) {
    UniqueFd file(::open(lock_path(path).c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.valid() || ::fchmod(file.get(), 0600) != 0) {
        return cannot_hold("write in", path, "make it writable for this user, or choose another with --sink spool:DIR");
    }
    if (auto error = lock_descriptor(file.get(), path)) return *error;
    // Names the process for operators and for the message above. The kernel holds the lock, which needs no space on a
    // full disk.
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(file.get(), 0) == 0 && ::pwrite(file.get(), pid.data(), pid.size(), 0) < 0) errno = 0;
    return file;
}

/// Recreates the directory if it is missing, and locks it.
Result<UniqueFd> lock_again(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
        return cannot_hold("create", path, "make the directory above it, writable for this user");
    }
    UniqueFd directory = open_directory(path);
    if (!directory.valid() || ::fchmod(directory.get(), 0700) != 0) {
        return cannot_hold("open", path, "name a directory of the gateway's user");
    }
    if (auto error = lock_descriptor(directory.get(), path)) return *error;
    const UniqueFd above = open_directory(parent_of(path));
    if (above.valid() && ::fsync(above.get()) != 0 && errno != EINVAL && errno != EROFS) {
        return cannot_hold("sync the name of", path, "see the kernel's log for the disk");
    }
    return directory;
}

}  // namespace

std::string parent_of(const std::string& path) {
    std::filesystem::path named = std::filesystem::path(path).lexically_normal();
    if (!named.has_filename()) named = named.parent_path();
    const std::string parent = named.parent_path();
    return parent.empty() ? "." : parent;
}

Result<std::unique_ptr<DirectoryHold>> DirectoryHold::take(const std::string& path, UniqueFd directory) {
    if (auto error = lock_descriptor(directory.get(), path)) return *error;
    auto lock = lock_file(path);
    if (!lock) return lock.error();
    return std::unique_ptr<DirectoryHold>(new DirectoryHold(path, std::move(directory), std::move(lock).value()));
}

bool DirectoryHold::sync() const {
    const std::lock_guard lock(mutex_);
    return ::fsync(directory_.get()) == 0;
}

bool DirectoryHold::is_in_place() const {
    const std::lock_guard lock(mutex_);
    return is_same_file(directory_.get(), path_) && is_same_file(lock_.get(), lock_path(path_));
}

Result<std::string> DirectoryHold::reclaim() {
    const std::lock_guard lock(mutex_);
    std::string replaced;
    if (!is_same_file(directory_.get(), path_)) {
        auto directory = lock_again(path_);
        if (!directory) return directory.error();
        directory_ = std::move(directory).value();
        replaced = "the directory";
    }
    if (is_same_file(lock_.get(), lock_path(path_))) return replaced;
    auto file = lock_file(path_);
    if (!file) return file.error();
    lock_ = std::move(file).value();
    return replaced.empty() ? "lock" : replaced;
}

}  // namespace holdfast
