#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "base/system.h"
#include "base/unique_fd.h"
#include "codec/item.h"
#include "device/token_set.h"
#include "text/hex.h"
#include "text/printable.h"

#include <openssl/rand.h>

namespace holdfast {

namespace {

constexpr std::size_t random_bytes = 32;  // of a token
constexpr std::size_t name_bytes = 8;     // of the hash, in a token's name

Error failed(const std::string& what, const std::string& path) {
    return Error{what + " " + in_quotes(path) + ": " + std::strerror(errno) +
                 "; create the directory, and make it writable for this user"};
}

/// Returns the target of a symbolic link. The editor replaces the target, and the link stays.
std::string behind_links(const std::string& path) {
    std::error_code none;
    const auto file = std::filesystem::weakly_canonical(path, none);
    return none ? path : file.string();
}

/// Locks the file's directory against other editors until it is destroyed.
class EditLock {
public:
    explicit EditLock(const std::string& path)
        : folder_(std::filesystem::path(path).parent_path().string()),
          directory_(::open(folder_.empty() ? "." : folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}

    [[nodiscard]] std::optional<Error> take() {
        while (directory_.valid() && ::flock(directory_.get(), LOCK_EX) != 0 && errno == EINTR) {
        }
        return directory_.valid() ? std::nullopt : std::optional(failed("cannot open the directory", folder_));
    }
    [[nodiscard]] bool sync() const { return ::fsync(directory_.get()) == 0; }

private:
    std::string folder_;
    UniqueFd directory_;
};

/// Keeps the file's owner, group and mode.
bool copy_owner(int fd, const std::string& path) {
    struct stat facts {};
    if (::stat(path.c_str(), &facts) != 0) return errno == ENOENT;
    if (::fchown(fd, facts.st_uid, facts.st_gid) != 0 && errno != EPERM) return false;
    return ::fchmod(fd, facts.st_mode & 0777) == 0;
}

std::optional<Error> replace_file(const std::string& path, const std::string& text, const EditLock& lock) {
    std::string making = path + ".XXXXXX";
    const UniqueFd fd(::mkostemp(making.data(), O_CLOEXEC));
    if (!fd.valid()) return failed("cannot write beside", path);
    const bool good = copy_owner(fd.get(), path) && write_all(fd.get(), text) && ::fsync(fd.get()) == 0 &&
                      ::rename(making.c_str(), path.c_str()) == 0 && lock.sync();
    if (good) return std::nullopt;
    const Error error = failed("cannot write", path);
    ::unlink(making.c_str());
    return error;
}

template <std::size_t Size>
bool draw(std::array<std::uint8_t, Size>& bytes) {
    return RAND_bytes(bytes.data(), static_cast<int>(Size)) == 1;
}

/// Returns the file's text, or an empty text if it does not exist and `may_be_missing`.
Result<std::string> read_text(const std::string& path, bool may_be_missing) {
    if (may_be_missing && ::access(path.c_str(), F_OK) != 0 && errno == ENOENT) {
        return std::string(
            "# Tokens of devices, hashed: SALT HASH ID. Written by holdfast token; see docs/reference/protocol.md.\n");
    }
    auto text = read_tokens_file(path);
    if (!text) return text;
    if (const auto set = TokenSet::parse(text.value(), path); !set) return set.error();
    if (!text.value().empty() && text.value().back() != '\n') text.value() += '\n';
    return text;
}

std::string line_of(const StoredToken& token) {
    return to_hex(token.salt) + " " + to_hex(token.hash) + " " + token.id + "\n";
}

std::optional<Error> check_id(const std::string& id) {
    if (is_device_word(id, max_device_id)) return std::nullopt;
    return Error{in_quotes(id) + " is not a device id; write 1 to " + std::to_string(max_device_id) +
                 " bytes of UTF-8 without control characters"};
}

}  // namespace

Result<std::string> add_token(const std::string& named, const std::string& id) {
    if (auto error = check_id(id)) return *error;
    const std::string path = behind_links(named);
    EditLock lock(path);
    if (auto error = lock.take()) return *error;
    auto text = read_text(path, true);
    if (!text) return text.error();
    std::array<std::uint8_t, random_bytes> secret{};
    StoredToken stored{.id = id, .salt = {}, .hash = {}};
    if (!draw(secret) || !draw(stored.salt)) {
        return Error{"cannot make a token: the system has no random bytes (RAND_bytes); try again later"};
    }
    std::string token = to_hex(secret);
    const auto hash = hash_token(stored.salt, token);
    if (!hash) return Error{"cannot hash a token: OpenSSL has no SHA-256; correct its configuration (openssl.cnf)"};
    stored.hash = *hash;
    const std::string after = text.value() + line_of(stored);
    if (const auto set = TokenSet::parse(after, path); !set) return set.error();
    if (auto error = replace_file(path, after, lock)) return *error;
    return token;
}

Result<std::size_t> revoke_tokens(const std::string& named, const std::string& id, std::string_view name) {
    const std::string path = behind_links(named);
    EditLock lock(path);
    if (auto error = lock.take()) return *error;
    const auto text = read_text(path, false);
    if (!text) return text.error();
    std::string after;
    std::size_t revoked = 0;
    for (std::string_view rest = text.value(); !rest.empty();) {
        const std::string_view line = rest.substr(0, rest.find('\n') + 1);
        rest.remove_prefix(line.size());
        const auto one = TokenSet::parse(line, path).value();  // read_text() has checked the line
        const bool meant = !one.all().empty() && one.all()[0].id == id && name_of(one.all()[0]).starts_with(name);
        meant ? static_cast<void>(++revoked) : static_cast<void>(after += line);
    }
    if (revoked == 0) {
        return Error{in_quotes(path) + " has no such token of " + in_quotes(id) +
                     "; take one from holdfast token list --file FILE"};
    }
    if (auto error = replace_file(path, after, lock)) return *error;
    return revoked;
}

std::string name_of(const StoredToken& token) { return to_hex(std::span(token.hash).first(name_bytes)); }

}  // namespace holdfast
