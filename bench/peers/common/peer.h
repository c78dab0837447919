// The common part of all peers, so that only the library differs. Parses the listener's options, finds lines, reads an
// item's key by simdjson, and counts for script/bench. Owns no sockets. One thread.
//
//   PEER PORT     prints "listening PORT" (0: the kernel chooses), and on SIGUSR1
//                 "accepted=A closed=C items=I bad=B key_bytes=K".
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <simdjson.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace peer {

constexpr std::size_t longest_line = 64 * 1024;
constexpr int backlog = 4096;

[[noreturn]] inline void die(const char* what, const char* why) {
    std::fprintf(stderr, "%s: %s\n", what, why);
    std::exit(2);
}

inline std::uint16_t port_argument(int argc, char** argv) {
    const int port = argc > 1 ? std::atoi(argv[1]) : 0;
    if (port < 0 || port > 65535) die(argv[1], "is not a port; give one from 0 (the kernel chooses) to 65535");
    return static_cast<std::uint16_t>(port);
}

inline void raise_descriptor_limit() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Sets the options on the listener. Linux lets every accepted socket inherit them, which saves five calls for each
/// accept.
inline void set_inherited_options(int listener) {
    const auto set = [listener](int level, int option, int value) {
        if (::setsockopt(listener, level, option, &value, sizeof value) != 0) die("setsockopt", std::strerror(errno));
    };
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, 10);
    set(IPPROTO_TCP, TCP_KEEPINTVL, 2);
    set(IPPROTO_TCP, TCP_KEEPCNT, 5);
    set(IPPROTO_TCP, TCP_USER_TIMEOUT, 19'000);
    set(IPPROTO_TCP, TCP_NODELAY, 1);
}

inline void announce(int listener) {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    if (::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0)
        die("getsockname", std::strerror(errno));
    std::printf("listening %d\n", ntohs(address.sin_port));
    std::fflush(stdout);
}

struct Counts {
    std::uint64_t accepted = 0;
    std::uint64_t closed = 0;
    std::uint64_t items = 0;
    std::uint64_t bad = 0;
    std::uint64_t key_bytes = 0;  // keeps the compiler from omitting the key

    void print() const {
        std::printf("accepted=%llu closed=%llu items=%llu bad=%llu key_bytes=%llu\n",
                    static_cast<unsigned long long>(accepted), static_cast<unsigned long long>(closed),
                    static_cast<unsigned long long>(items), static_cast<unsigned long long>(bad),
                    static_cast<unsigned long long>(key_bytes));
        std::fflush(stdout);
    }
};

/// Calls `take(line)` for every complete line. Returns their size in bytes, newlines included.
template <typename Take>
std::size_t each_line(std::string_view bytes, Take take) {
    std::size_t begin = 0;
    for (std::size_t end; (end = bytes.find('\n', begin)) != std::string_view::npos; begin = end + 1) {
        take(bytes.substr(begin, end - begin));
    }
    return begin;
}

/// Reads the key of one item after another. Owns the parser and a padded copy for lines without readable bytes after
/// them.
class ItemReader {
public:
    explicit ItemReader(Counts& counts) : counts_(counts) {}

    /// Reads a line of at most longest_line bytes with SIMDJSON_PADDING readable bytes after it.
    void take_padded(std::string_view line) {
        if (line.empty()) return;
        simdjson::ondemand::document document;
        std::string_view key;
        if (parser_.iterate(line.data(), line.size(), line.size() + simdjson::SIMDJSON_PADDING).get(document) ==
                simdjson::SUCCESS &&
            document["ip"].get_string().get(key) == simdjson::SUCCESS) {
            ++counts_.items;
            counts_.key_bytes += key.size();
        } else {
            ++counts_.bad;
        }
    }

    void take(std::string_view line) {
        if (line.size() > longest_line) {
            ++counts_.bad;
            return;
        }
        std::memcpy(copy_.get(), line.data(), line.size());
        take_padded({copy_.get(), line.size()});
    }

    /// Reads bytes with SIMDJSON_PADDING readable bytes after them. Stores an incomplete line in `unfinished`, which
    /// takes no memory otherwise. Returns false if a line is too long.
    bool take_arrived(std::string_view arrived, std::string& unfinished) {
        if (!unfinished.empty()) {
            const std::size_t end = arrived.find('\n');
            unfinished.append(arrived.substr(0, end));
            if (unfinished.size() > longest_line) return false;
            if (end == std::string_view::npos) return true;
            take(unfinished);
            std::string().swap(unfinished);
            arrived.remove_prefix(end + 1);
        }
        arrived.remove_prefix(each_line(arrived, [this](std::string_view line) { take_padded(line); }));
        if (!arrived.empty()) unfinished.assign(arrived);
        return true;
    }

private:
    Counts& counts_;
    simdjson::ondemand::parser parser_;
    std::unique_ptr<char[]> copy_{new char[longest_line + simdjson::SIMDJSON_PADDING]};
};

}  // namespace peer
