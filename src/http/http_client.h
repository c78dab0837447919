#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace holdfast {

/// Whom to ask, and by which way.
struct HttpPeer {
    bool tls = false;  ///< 1.2 or 1.3; its certificate must be good and for `host`
    std::string host;  ///< a name or an address, an IPv6 one without its brackets
    std::uint16_t port = 0;
    std::string socket;  ///< path of a unix socket, which is asked instead; empty: TCP
    std::string ca;      ///< PEM file of the authorities for TLS, and no others; empty: the system's
    bool keep = false;   ///< the connection, for the next question
    std::chrono::milliseconds connect_patience{3'000};
};

struct HttpQuestion {
    std::string method = "GET";
    std::string target = "/";                    ///< percent-encoded path and query; goes out byte for byte
    std::vector<std::string> headers = {};       ///< "Name: value", beside those that HTTP itself needs
    std::string body = {};                       ///< JSON
    std::chrono::milliseconds patience{10'000};  ///< for all of it, from connecting to the answer's last byte
    std::size_t most_body = std::size_t{16} * 1024 * 1024;  ///< of the answer: more is not read
};

struct HttpAnswer {
    int status = 0;
    std::string body;
    bool whole = true;  ///< false: this is the beginning of a body that is longer than `most_body`, or did not end
};

/// Why there is no answer.
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

/// Asks one HTTP/1.1 server, one question after another. What answers may be anything: it is bounded in memory and in
/// time, redirects are not followed, no proxy of the environment is asked (libcurl, by which it is done, says the
/// rest). One thread, but for break_off().
class HttpClient {
public:
    explicit HttpClient(HttpPeer peer);
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;
    ~HttpClient();

    /// Any status is an answer.
    [[nodiscard]] std::variant<HttpAnswer, HttpFailure> ask(const HttpQuestion& question);
    /// Ends what is being asked, and all that will be. Any thread.
    void break_off() noexcept;

private:
    class Transfer;
    std::unique_ptr<Transfer> transfer_;
};

}  // namespace holdfast
