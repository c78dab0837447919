#include "daemon/state_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/system.h"
#include "base/unique_fd.h"
#include "text/hex.h"
#include "text/printable.h"
#include "text/token_lines.h"

namespace holdfast {
namespace {

constexpr std::string_view magic = "holdfast-state";

/// Returns the FNV-1a sum, which finds damage, not forgery.
std::uint64_t checksum(std::string_view bytes) {
    std::uint64_t sum = 0xcbf29ce484222325;
    for (const char byte : bytes) sum = (sum ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
    return sum;
}

std::string directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

/// Returns false, with errno, if the file cannot be read or is too large.
bool read_state_bytes(const std::string& path, std::string& out) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat facts {};
    if (!file.valid() || ::fstat(file.get(), &facts) != 0) return false;
    errno = S_ISREG(facts.st_mode) ? EFBIG : EINVAL;
    if (!S_ISREG(facts.st_mode) || static_cast<std::uint64_t>(facts.st_size) > StateFile::max_bytes) return false;
    out.resize(static_cast<std::size_t>(facts.st_size));
    std::size_t got = 0;
    while (got < out.size()) {
        const ssize_t piece = ::read(file.get(), out.data() + got, out.size() - got);
        if (piece < 0 && errno == EINTR) continue;
        if (piece < 0) return false;
        if (piece == 0) break;
        got += static_cast<std::size_t>(piece);
    }
    out.resize(got);
    return true;
}

}  // namespace

StateFile::Found StateFile::put_aside(const std::string& why, const std::string& ending) const {
    const std::string aside = path_ + ending;
    const std::string start = "state file " + in_quotes(path_) + " " + why;
    if (::rename(path_.c_str(), aside.c_str()) == 0)
        return {{}, start + "; examine " + in_quotes(aside) + ", or remove it"};
    return {{}, start + ", and cannot be renamed (" + std::strerror(errno) + "); remove it"};
}

StateFile::Found StateFile::read() const {
    std::string bytes;
    if (!read_state_bytes(path_, bytes)) {
        if (errno == ENOENT) return {};
        if (errno == EFBIG) return put_aside("is larger than 64 MiB", ".damaged");
        return {{},
                "state file " + in_quotes(path_) + " cannot be read: " + std::strerror(errno) +
                    "; make it a file that this user can read and write"};
    }
    TokenReader head(bytes);
    const bool is_state = head.next_line() && head.word() == magic;
    const auto found = head.number<unsigned>();
    if (is_state && head.ok && found != version) {
        return put_aside(
            "has version " + std::to_string(found) + ", and this gateway reads version " + std::to_string(version),
            ".version-" + std::to_string(found));
    }
    const auto sum = parse_hex<std::uint64_t>(head.word());
    const std::string_view body = std::string_view(bytes).substr(std::min(bytes.size(), bytes.find('\n') + 1));
    if (!is_state || !head.ok || sum != checksum(body)) return put_aside("is damaged", ".damaged");
    return {std::string(body), {}};
}

std::optional<Error> StateFile::write(std::string_view body) const {
    struct stat there {};
    if (::stat(path_.c_str(), &there) == 0 && !S_ISREG(there.st_mode)) {
        return Error{"state file " + in_quotes(path_) +
                     " cannot be replaced: it is not a regular file; name another file with process.state_file"};
    }
    const std::string making = path_ + ".new";
    const auto failed = [&](const std::string& what) {
        const int error = errno;
        ::unlink(making.c_str());
        return Error{"state file " + in_quotes(path_) + " cannot be " + what + ": " + std::strerror(error) +
                     "; free space, or make the directory writable for this user"};
    };
    UniqueFd file(::open(making.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.valid()) return failed("created");
    TokenWriter head;
    head.word(magic).number(version).word(to_hex(checksum(body))).end_line();
    if (!write_all(file.get(), head.take()) || !write_all(file.get(), body)) return failed("written");
    if (::fsync(file.get()) != 0) return failed("synced");
    file.reset();
    if (::rename(making.c_str(), path_.c_str()) != 0) return failed("replaced");
    const UniqueFd directory(::open(directory_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.valid() && ::fsync(directory.get()) != 0 && errno != EINVAL) return failed("synced");
    return std::nullopt;
}

}  // namespace holdfast
