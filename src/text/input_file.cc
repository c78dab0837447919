#include "text/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/unique_fd.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {
namespace {

std::string octal(mode_t mode) {
    std::array<char, 8> text{};
    std::snprintf(text.data(), text.size(), "%04o", static_cast<unsigned>(mode & 07777U));
    return text.data();
}

bool is_credential(const std::string& path) {
    const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
    return directory != nullptr && *directory != '\0' && path.starts_with(std::string(directory) + "/");
}

mode_t forbidden_to_others(const std::string& path, Readers readers) {
    if (readers == Readers::all) return S_IWOTH;
    if (readers == Readers::group || is_credential(path)) return S_IRWXO | S_IWGRP;
    return S_IRWXO | S_IRWXG;
}

std::string mode_fault(mode_t mode, Readers readers) {
    const std::string told = " (mode " + octal(mode) + "); run chmod ";
    switch (readers) {
        case Readers::all:
            return " is world-writable" + told + "o-w on it";
        case Readers::group:
            return " is accessible to others" + told + "0600 on it, or 0640 for a group that reads";
        case Readers::owner:
            break;
    }
    return " is accessible to others" + told + "0600 on it";
}

Error not_readable(const std::string& named, int error, std::string_view remedy) {
    return Error{named + " cannot be read: " + std::strerror(error) + "; " + std::string(remedy)};
}

Result<std::string> read_all(int fd, const std::string& named, const FileRules& rules) {
    std::string text;
    std::array<char, 16'384> piece;
    for (;;) {
        const ssize_t got = ::read(fd, piece.data(), piece.size());
        if (got == 0) return text;
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return not_readable(named, errno, rules.remedy);
        text.append(piece.data(), static_cast<std::size_t>(got));
        if (text.size() > rules.largest)
            return Error{named + " is larger than " + human_bytes(rules.largest) + "; name another file"};
    }
}

}  // namespace

Result<std::string> read_input_file(std::string_view what, const std::string& path, const FileRules& rules) {
    const std::string named = std::string(what) + (what.empty() ? "" : " ") + path_in_quotes(path);
    if (path.find('\0') != std::string::npos) return Error{named + " contains a NUL byte; name another file"};
    // O_NONBLOCK: opening a FIFO must not wait for its writer.
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat facts {};
    if (!fd.valid() || ::fstat(fd.get(), &facts) != 0) return not_readable(named, errno, rules.remedy);
    if (!S_ISREG(facts.st_mode)) return Error{named + " is not a regular file; name another"};
    if ((facts.st_mode & forbidden_to_others(path, rules.readers)) != 0) {
        return Error{named + mode_fault(facts.st_mode, rules.readers)};
    }
    return read_all(fd.get(), named, rules);
}

std::optional<std::string> why_not_readable(const std::string& path) {
    constexpr off_t largest_of_library = off_t{1} << 20;
    if (path.find('\0') != std::string::npos) return "contains a NUL byte";
    struct stat facts {};
    const bool is_open_to_us =
        ::stat(path.c_str(), &facts) == 0 && ::faccessat(AT_FDCWD, path.c_str(), R_OK, AT_EACCESS) == 0;
    if (!is_open_to_us) return std::string("cannot be read: ") + std::strerror(errno);
    if (!S_ISREG(facts.st_mode)) return "is not a regular file";
    if (facts.st_size > largest_of_library) return "is larger than " + human_bytes(largest_of_library);
    return std::nullopt;
}

namespace {

constexpr std::size_t largest = std::size_t{64} << 10;
constexpr std::size_t shortest_token = 16;
constexpr std::size_t longest_token = 256;
constexpr std::string_view token_characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=";

Error bad_token(const std::string& named, std::size_t line) {
    return Error{named + ", line " + std::to_string(line) +
                 ": malformed token; write 16 to 256 characters of A-Z a-z 0-9 - . _ ~ + / = a line, e.g. by "
                 "`openssl rand -hex 32`"};
}

}  // namespace

Result<std::string> read_secret_file(std::string_view what, const std::string& path) {
    return read_input_file(what, path, {.largest = largest, .readers = Readers::owner});
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
    if (tokens.empty()) return Error{named + " contains no token; write one, e.g. by `openssl rand -hex 32`"};
    return tokens;
}

namespace {

bool is_header(std::string_view line) {
    constexpr std::string_view name = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";
    const std::size_t colon = line.find(':');
    if (colon == 0 || colon == std::string_view::npos) return false;
    if (line.substr(0, colon).find_first_not_of(name) != std::string_view::npos) return false;
    const std::string_view value = line.substr(colon + 1);
    const auto is_visible = [](char c) { return c == ' ' || (c > ' ' && c <= '~'); };
    return value.find_first_not_of(' ') != std::string_view::npos &&
           std::all_of(value.begin(), value.end(), is_visible);
}

}  // namespace

Result<std::string> read_header_file(const std::string& path) {
    const auto text = read_secret_file("the header file", path);
    if (!text) return text.error();
    std::string line = text.value();
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (is_header(line)) return line;
    return Error{"the header file " + path_in_quotes(path) +
                 " does not contain one header; write one line, e.g. \"Authorization: Bearer ...\""};
}

}  // namespace holdfast
