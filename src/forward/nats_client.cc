#include "forward/nats_client.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <simdjson.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "base/unique_fd.h"
#include "text/input_file.h"
#include "text/printable.h"

#include <nats/nats.h>

namespace holdfast {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds connect_timeout{2'000};
constexpr milliseconds write_deadline{2'000};  // a stalled server must not block publishers
constexpr milliseconds ping_interval{2'000};   // a silent server is given up after two pings
constexpr int max_pings_out = 2;

Error unusable(const std::string& what, const std::string& path, const std::string& why) {
    return Error{what + " " + path_in_quotes(path) + " of NATS cannot be used (" + why +
                 "); correct the file or name another in [sink]"};
}

std::string last_error(natsStatus status) {
    const char* text = nats_GetLastError(nullptr);
    return printable(text != nullptr && *text != '\0' ? text : natsStatus_GetText(status));
}

int64_t delay_for_client(natsConnection*, int attempts, void*) {
    return reconnect_delay(static_cast<unsigned>(std::max(attempts, 0))).count();
}

natsStatus set_servers(natsOptions* out, const std::vector<NatsUrl>& urls) {
    std::vector<std::string> texts;
    for (const NatsUrl& url : urls) texts.push_back(url.whole());
    std::vector<const char*> pointers;
    for (const std::string& text : texts) pointers.push_back(text.c_str());
    return natsOptions_SetServers(out, pointers.data(), static_cast<int>(pointers.size()));
}

std::optional<Error> set_tls(natsOptions* out, const NatsOptions& options, const std::vector<NatsUrl>& urls) {
    const bool wanted = !options.tls_ca.empty() || !options.tls_cert.empty() || !options.tls_key.empty() ||
                        std::any_of(urls.begin(), urls.end(), [](const NatsUrl& url) { return url.tls; });
    if (!wanted) return std::nullopt;
    if (const natsStatus status = natsOptions_SetSecure(out, true); status != NATS_OK) {
        return Error{"TLS cannot be used for NATS (" + last_error(status) + "); repair the installation of OpenSSL"};
    }
    for (const auto& [option, path] : {std::pair("tls_ca", &options.tls_ca), std::pair("tls_cert", &options.tls_cert),
                                       std::pair("tls_key", &options.tls_key)}) {
        const auto why = path->empty() ? std::nullopt : why_not_readable(*path);
        if (why) return unusable(option, *path, *why);
    }
    if (!options.tls_ca.empty()) {
        const natsStatus status = natsOptions_LoadCATrustedCertificates(out, options.tls_ca.c_str());
        if (status != NATS_OK) return unusable("tls_ca", options.tls_ca, last_error(status));
    }
    if (!options.tls_cert.empty()) {
        const natsStatus status =
            natsOptions_LoadCertificatesChain(out, options.tls_cert.c_str(), options.tls_key.c_str());
        if (status != NATS_OK) return unusable("tls_cert", options.tls_cert, last_error(status));
    }
    return std::nullopt;
}

std::optional<Error> set_credentials(natsOptions* out, const std::string& path) {
    if (path.empty()) return std::nullopt;
    // The client reads the file at each connect, and would fail only then.
    if (const auto why = why_not_readable(path)) return unusable("credentials", path, *why);
    const natsStatus status = natsOptions_SetUserCredentialsFromFiles(out, path.c_str(), nullptr);
    if (status != NATS_OK) return unusable("credentials", path, last_error(status));
    return std::nullopt;
}

}  // namespace

void LinkOptionsDeleter::operator()(natsOptions* options) const { natsOptions_Destroy(options); }

milliseconds reconnect_delay(unsigned attempts) {
    thread_local std::minstd_rand random{std::random_device{}()};
    const auto base = std::min<std::int64_t>(std::int64_t{100} << std::min(attempts, 10U), 5'000);
    return milliseconds(base + std::uniform_int_distribution<std::int64_t>(0, base / 2)(random));
}

Result<LinkOptions> make_link_options(const NatsOptions& options, const std::vector<NatsUrl>& urls) {
    natsOptions* raw = nullptr;
    if (natsOptions_Create(&raw) != NATS_OK)
        return Error{"no memory for a connection to NATS; raise the process's limits"};
    LinkOptions out(raw);
    const natsStatus each[] = {
        set_servers(raw, urls),
        natsOptions_SetName(raw, options.name.c_str()),
        natsOptions_SetTimeout(raw, connect_timeout.count()),
        natsOptions_SetWriteDeadline(raw, write_deadline.count()),
        natsOptions_SetPingInterval(raw, ping_interval.count()),
        natsOptions_SetMaxPingsOut(raw, max_pings_out),
        natsOptions_SetAllowReconnect(raw, !options.fresh),
        natsOptions_SetMaxReconnect(raw, INT_MAX),
        natsOptions_SetCustomReconnectDelay(raw, delay_for_client, nullptr),
        natsOptions_SetFailRequestsOnDisconnect(raw, true),
    };
    for (const natsStatus status : each) {
        if (status != NATS_OK)
            return Error{"the NATS client refuses its options (" + last_error(status) + "); correct [sink]"};
    }
    if (auto error = set_tls(raw, options, urls)) return *error;
    if (auto error = set_credentials(raw, options.credentials)) return *error;
    return out;
}

namespace {

constexpr std::size_t longest_line = 64 * 1024;

bool wait_until(int fd, short events, std::chrono::steady_clock::time_point deadline) {
    pollfd one{fd, events, 0};
    for (;;) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
        if (left <= 0) return false;
        const int ready = ::poll(&one, 1, static_cast<int>(left));
        if (ready > 0) return true;
        if (ready == 0 || errno != EINTR) return false;
    }
}

UniqueFd connect_to(const addrinfo& address, std::chrono::steady_clock::time_point deadline) {
    UniqueFd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid()) return fd;
    if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) == 0) return fd;
    if (errno != EINPROGRESS || !wait_until(fd.get(), POLLOUT, deadline)) return UniqueFd();
    int error = 0;
    socklen_t length = sizeof error;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error != 0) return UniqueFd();
    return fd;
}

UniqueFd connect_to(const NatsUrl& server, std::chrono::steady_clock::time_point deadline) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(server.host.c_str(), std::to_string(server.port).c_str(), &hints, &found) != 0) {
        return UniqueFd();
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
        UniqueFd fd = connect_to(*one, deadline);
        if (fd.valid()) return fd;
    }
    return UniqueFd();
}

std::string text_of(const simdjson::dom::object& object, const char* key) {
    std::string_view text;
    return object[key].get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

}  // namespace

Result<NatsServerFacts> read_server_info(std::string_view line) {
    simdjson::dom::parser parser;
    simdjson::dom::object info;
    if (!line.starts_with("INFO ") || parser.parse(std::string(line.substr(5))).get(info) != simdjson::SUCCESS) {
        return Error{"the server sends no INFO of NATS; correct the URL"};
    }
    NatsServerFacts facts;
    facts.version = text_of(info, "version");
    facts.cluster = text_of(info, "cluster");
    bool jetstream = false;
    if (info["jetstream"].get(jetstream) == simdjson::SUCCESS) facts.jetstream = jetstream;
    return facts;
}

Result<NatsServerFacts> query_server_info(const NatsUrl& server, std::chrono::milliseconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    const UniqueFd fd = connect_to(server, deadline);
    if (!fd.valid()) return Error{server.shown() + " refuses the connection; start it or correct the URL"};
    std::string text;
    char buffer[4096];
    while (text.find('\n') == std::string::npos && text.size() < longest_line) {
        if (!wait_until(fd.get(), POLLIN, deadline))
            return Error{server.shown() + " sends no INFO; check that it is a NATS server"};
        const ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, 0);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got <= 0)
            return Error{server.shown() + " closed the connection before its INFO; check that it is a NATS server"};
        text.append(buffer, static_cast<std::size_t>(got));
    }
    return read_server_info(std::string_view(text).substr(0, text.find('\n')));
}

}  // namespace holdfast
