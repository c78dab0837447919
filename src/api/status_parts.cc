#include "api/status_parts.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace holdfast {
namespace {

/// Returns the fields of /proc/self/stat after the command's name, which stands in brackets and may contain any
/// characters.
std::istringstream after_command() {
    std::ifstream file("/proc/self/stat");
    const std::string all{std::istreambuf_iterator<char>(file), {}};
    const std::size_t bracket = all.rfind(')');
    return std::istringstream(bracket == std::string::npos ? std::string() : all.substr(bracket + 1));
}

double boot_time_s() {
    std::ifstream file("/proc/stat");
    for (std::string word; file >> word;) {
        double seconds = 0;
        if (word == "btime" && file >> seconds) return seconds;
    }
    return 0;
}

double start_time_s() {
    auto fields = after_command();
    std::string field;
    for (int number = 3; number <= 22 && fields >> field; ++number) {
    }
    const double ticks = fields ? std::strtod(field.c_str(), nullptr) : 0;
    return boot_time_s() + ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

/// Returns the number of descriptors. Since Linux 6.2 it is the directory's size. Earlier kernels report 0, and the
/// entries are counted.
std::uint64_t open_fds() {
    struct stat directory {};
    if (::stat("/proc/self/fd", &directory) == 0 && directory.st_size > 0) {
        return static_cast<std::uint64_t>(directory.st_size);
    }
    std::error_code error;
    const std::filesystem::directory_iterator all("/proc/self/fd", error);
    return error ? 0 : static_cast<std::uint64_t>(std::distance(begin(all), end(all)));
}

std::uint64_t resident_bytes() {
    std::ifstream file("/proc/self/statm");
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    if (!(file >> total >> resident)) return 0;
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

double seconds_of(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

ProcessStatus read_process_status() {
    static const double started = start_time_s();
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    rlimit descriptors{};
    ::getrlimit(RLIMIT_NOFILE, &descriptors);
    return {.start_time_s = started,
            .cpu_s = seconds_of(used.ru_utime) + seconds_of(used.ru_stime),
            .open_fds = open_fds(),
            .max_fds = descriptors.rlim_cur,
            .resident_bytes = resident_bytes()};
}

}  // namespace holdfast
