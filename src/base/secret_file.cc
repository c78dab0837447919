#include "base/secret_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/printable.h"
#include "base/unique_fd.h"

namespace holdfast {
namespace {

constexpr std::size_t largest = std::size_t{64} << 10;
constexpr std::size_t shortest_token = 16;
constexpr std::size_t longest_token = 256;
constexpr std::string_view token_characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=";

std::string octal(mode_t mode) {
    std::array<char, 8> text{};
    std::snprintf(text.data(), text.size(), "%04o", static_cast<unsigned>(mode & 07777U));
    return text.data();
}

bool is_credential(const std::string& path) {
    const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
    return directory != nullptr && *directory != '\0' && path.starts_with(std::string(directory) + "/");
}

Result<std::string> read_all(int fd, const std::string& named) {
    std::string text;
    std::array<char, 4096> piece;
    for (;;) {
        const ssize_t got = ::read(fd, piece.data(), piece.size());
        if (got == 0) return text;
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return Error{named + " cannot be read (" + std::strerror(errno) + "): name another file"};
        text.append(piece.data(), static_cast<std::size_t>(got));
        if (text.size() > largest) return Error{named + " is larger than 64KiB: name another file"};
    }
}

Error bad_token(const std::string& named, std::size_t line) {
    return Error{named + ", line " + std::to_string(line) +
                 ": a token is 16 to 256 of A-Z a-z 0-9 - . _ ~ + / =, one a line: write one, e.g. by "
                 "`openssl rand -hex 32`"};
}

}  // namespace

Result<std::string> read_secret_file(std::string_view what, const std::string& path) {
    const std::string named = std::string(what) + " " + path_in_quotes(path);
    if (path.find('\0') != std::string::npos) return Error{named + " holds a NUL byte: name another file"};
    // Not waiting for the writer of a FIFO.
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat info {};
    if (!fd.valid() || ::fstat(fd.get(), &info) != 0)
        return Error{named + " cannot be read (" + std::strerror(errno) + "): change its rights or name another file"};
    if (!S_ISREG(info.st_mode)) return Error{named + " is not a regular file: name another one"};
    const mode_t forbidden = is_credential(path) ? S_IRWXO | S_IWGRP : S_IRWXO | S_IRWXG;
    if ((info.st_mode & forbidden) != 0) {
        return Error{named + " can be read or written by others (mode " + octal(info.st_mode) + "): chmod 0600 it"};
    }
    return read_all(fd.get(), named);
}

Result<std::vector<std::string>> read_bearer_tokens(const std::string& path) {
    const auto text = read_secret_file("the token file", path);
    if (!text) return text.error();
    const std::string named = "the token file " + path_in_quotes(path);
    std::vector<std::string> tokens;
    std::string_view rest = text.value();
    for (std::size_t number = 1; !rest.empty(); ++number) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        std::string_view line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t'))
            line.remove_suffix(1);
        if (line.empty() || line.front() == '#') continue;
        const bool fits = line.size() >= shortest_token && line.size() <= longest_token;
        if (!fits || line.find_first_not_of(token_characters) != std::string_view::npos)
            return bad_token(named, number);
        tokens.emplace_back(line);
    }
    if (tokens.empty()) return Error{named + " holds no token: write one, e.g. by `openssl rand -hex 32`"};
    return tokens;
}

}  // namespace holdfast
