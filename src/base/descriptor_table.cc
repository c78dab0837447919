#include "base/descriptor_table.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace holdfast {

void grow_descriptor_table(int any, std::size_t count) noexcept {
    rlimit limit{};
    if (count == 0 || ::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == 0) return;
    const auto highest = static_cast<int>(std::min<rlim_t>(count, limit.rlim_cur) - 1);
    const int high = ::fcntl(any, F_DUPFD_CLOEXEC, highest);
    if (high >= 0) ::close(high);  // the table keeps its size
}

std::size_t descriptor_table_size() {
    std::ifstream status("/proc/self/status");
    std::string word;
    std::size_t size = 0;
    while (status >> word) {
        if (word == "FDSize:" && status >> size) return size;
    }
    rlimit limit{};  // /proc is not mounted
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

}  // namespace holdfast
