#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

#include "base/clock.h"
#include "base/unique_fd.h"

namespace holdfast {

/// What stands before an HTTP answer's body.
struct HttpHead {
    int status = 0;
    std::size_t body_bytes = 0;
    bool last = false;  ///< the server ends the connection after it
};

/// Reads "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n..." up to and with the last header's line end. Nothing: it is no
/// HTTP/1.x answer with a Content-Length, which is how a gateway always answers. Pure.
[[nodiscard]] std::optional<HttpHead> parse_http_head(std::string_view head);

struct HttpAnswer {
    int status = 0;
    std::string body;
};

/// One kept-alive HTTP/1.1 connection for many small questions, made when asked. Bounded in memory and in time whatever
/// answers, which the library's client is not: a long status line overflows its stack. One thread, but for break_off().
class HttpExchange {
public:
    explicit HttpExchange(const Endpoint& to, std::string token = {});

    /// Any status is an answer; an Error says why there is none.
    [[nodiscard]] Result<HttpAnswer> ask(std::string_view method, std::string_view target, std::string_view body);
    /// Ends what is being asked, and all that will be. Any thread.
    void break_off() noexcept;

private:
    [[nodiscard]] std::string connect();
    [[nodiscard]] std::string send(std::string_view request);
    [[nodiscard]] std::string receive(HttpAnswer& answer, bool& silent);
    [[nodiscard]] std::string receive_more();
    [[nodiscard]] std::string wait(short events);

    Endpoint to_;
    std::string token_;    // shown with every question; empty: none
    UniqueFd broken_off_;  // readable from then on
    UniqueFd fd_;
    SystemClock clock_;
    SteadyTime last_use_;
    SteadyTime deadline_;  // of the present question
    std::string received_;
};

}  // namespace holdfast
