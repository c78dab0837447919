#include "base/system.h"

#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

namespace holdfast {

std::uint64_t random_bits() noexcept {
    std::uint64_t bits = 0;
    while (bits == 0) {
        const ssize_t drawn = ::getrandom(&bits, sizeof bits, 0);
        if (drawn < 0 && errno != EINTR) return 0;
    }
    return bits;
}

std::string boot_id() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string id;
    file >> id;
    return id;
}

bool write_all(int fd, std::string_view bytes) noexcept {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

}  // namespace holdfast
