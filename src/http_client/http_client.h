#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace holdfast {

/// Address of a server, and how to reach it.
struct HttpPeer {
    bool tls = false;  ///< 1.2 or 1.3; the certificate must be valid for `host`
    std::string host;  ///< a name or an address; an IPv6 address without its brackets
    std::uint16_t port = 0;
    std::string socket;  ///< path of a unix socket to connect to instead of TCP; empty: TCP
    std::string ca;      ///< PEM file of the only trusted authorities; empty: the system's
    bool keep = false;   ///< keeps the connection for the next request
    std::chrono::milliseconds connect_timeout{3'000};
};

struct HttpQuestion {
    std::string method = "GET";
    std::string target = "/";               ///< percent-encoded path and query, sent byte for byte
    std::vector<std::string> headers = {};  ///< "Name: value", beside those that HTTP itself needs
    std::string body = {};                  ///< JSON
    /// For the whole request, from connecting to the last byte of the response; 0: no limit.
    std::chrono::milliseconds timeout{10'000};
    /// For the time without a byte of the response: finds a server that has vanished; 0: no limit.
    std::chrono::milliseconds silence{0};
    /// Takes the body of a 200 piece by piece, as it arrives; false ends the request. Empty: the answer has the body.
    std::function<bool(std::string_view piece)> on_piece = {};
    std::size_t max_body = std::size_t{16} * 1024 * 1024;  ///< limit of the response body; more is not read
};

struct HttpAnswer {
    int status = 0;
    std::string body;
    bool whole = true;  ///< false: the body is incomplete, or longer than `max_body`
};

/// Why a request has no response.
struct HttpFailure {
    enum class Kind : std::uint8_t {
        no_connection,
        too_slow,
        broken_off,
        no_http,
        no_tls,
        bad_certificate,
        bad_ca_file
    };
    Kind kind{};
    std::string cause;  ///< e.g. "Connection refused"
};

/// Sends requests to one HTTP/1.1 server, one after another. The server may be hostile: responses are bounded in memory
/// and time, redirects are not followed, and proxies of the environment are ignored. Wraps libcurl. One thread, except
/// break_off().
class HttpClient {
public:
    explicit HttpClient(HttpPeer peer);
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;
    ~HttpClient();

    /// Sends a request. A response of any status is an answer.
    [[nodiscard]] std::variant<HttpAnswer, HttpFailure> request(const HttpQuestion& question);
    /// Cancels the current request and all later ones. Any thread.
    void break_off() noexcept;

private:
    class Transfer;
    std::unique_ptr<Transfer> transfer_;
};

}  // namespace holdfast
