#include "spool/open_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

namespace holdfast {

namespace {

constexpr std::array<const char*, 3> tails{"", "-wal", "-shm"};

}  // namespace

bool OpenFiles::is_intact(const std::string& database, Descriptors& files) {
    for (std::size_t i = 0; i < files.size(); ++i) {
        const std::string path = database + tails[i];
        if (!files[i].valid()) {
            files[i] = UniqueFd(::open(path.c_str(), O_PATH | O_CLOEXEC | O_NOFOLLOW));
            continue;
        }
        struct stat held {};
        struct stat named {};
        if (::fstat(files[i].get(), &held) != 0) continue;
        if (::lstat(path.c_str(), &named) != 0) {
            if (errno == ENOENT || errno == ENOTDIR) return false;
            continue;
        }
        if (held.st_nlink == 0 || held.st_dev != named.st_dev || held.st_ino != named.st_ino) return false;
    }
    return true;
}

void OpenFiles::watch(const std::string& database) {
    const std::lock_guard lock(mutex_);
    Descriptors& files = databases_[database] = {};
    static_cast<void>(is_intact(database, files));
}

void OpenFiles::forget(const std::string& database) {
    const std::lock_guard lock(mutex_);
    databases_.erase(database);
}

bool OpenFiles::is_intact(const std::string& database) {
    const std::lock_guard lock(mutex_);
    const auto found = databases_.find(database);
    return found == databases_.end() || is_intact(database, found->second);
}

std::vector<std::string> OpenFiles::missing() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> missing;
    for (auto& [database, files] : databases_) {
        if (!is_intact(database, files)) missing.push_back(database);
    }
    return missing;
}

}  // namespace holdfast
