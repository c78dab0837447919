#include "spool/open_files.h"

#include <sys/stat.h>

#include <cerrno>

namespace holdfast {

namespace {

constexpr std::array<const char*, 3> tails{"", "-wal", "-shm"};

}  // namespace

bool OpenFiles::is_intact(const std::string& database, Watched& watched) {
    if (watched.condemned) return false;
    for (std::size_t i = 0; i < watched.files.size(); ++i) {
        std::optional<Identity>& seen = watched.files[i];
        struct stat named {};
        if (::lstat((database + tails[i]).c_str(), &named) == 0) {
            const Identity now{named.st_dev, named.st_ino};
            if (!seen) seen = now;
            if (*seen != now) return false;
        } else if (errno == ENOENT || errno == ENOTDIR) {
            if (seen || i == 0) return false;  // the database itself exists before watch()
        }
    }
    return true;
}

void OpenFiles::watch(const std::string& database) {
    const std::lock_guard lock(mutex_);
    Watched& watched = databases_[database] = {};
    // Kept, because a name that is reused before the next check would lead to another file.
    if (!is_intact(database, watched)) watched.condemned = true;
}

void OpenFiles::forget(const std::string& database) {
    const std::lock_guard lock(mutex_);
    databases_.erase(database);
}

void OpenFiles::condemn(const std::string& database) {
    const std::lock_guard lock(mutex_);
    databases_[database].condemned = true;
}

bool OpenFiles::is_intact(const std::string& database) {
    const std::lock_guard lock(mutex_);
    const auto found = databases_.find(database);
    return found == databases_.end() || is_intact(database, found->second);
}

std::vector<std::string> OpenFiles::missing() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> missing;
    for (auto& [database, watched] : databases_) {
        if (!is_intact(database, watched)) missing.push_back(database);
    }
    return missing;
}

}  // namespace holdfast
