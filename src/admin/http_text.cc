#include "admin/http_text.h"

#include <algorithm>
#include <array>
#include <utility>

namespace holdfast {
namespace {

std::string_view phrase_of(int status) {
    constexpr std::array<std::pair<int, std::string_view>, 13> phrases{{{200, "OK"},
                                                                        {400, "Bad Request"},
                                                                        {401, "Unauthorized"},
                                                                        {403, "Forbidden"},
                                                                        {404, "Not Found"},
                                                                        {405, "Method Not Allowed"},
                                                                        {408, "Request Timeout"},
                                                                        {411, "Length Required"},
                                                                        {413, "Content Too Large"},
                                                                        {414, "URI Too Long"},
                                                                        {415, "Unsupported Media Type"},
                                                                        {431, "Request Header Fields Too Large"},
                                                                        {503, "Service Unavailable"}}};
    for (const auto& [number, phrase] : phrases) {
        if (number == status) return phrase;
    }
    return "Refused";
}

}  // namespace

std::string to_http(const ApiAnswer& answer, bool with_body) {
    std::string text = "HTTP/1.1 " + std::to_string(answer.status) + " " + std::string(phrase_of(answer.status));
    text += "\r\nConnection: close\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nContent-Type: ";
    text += answer.type + "\r\nContent-Length: " + std::to_string(answer.body.size()) + "\r\n";
    for (const auto& [name, value] : answer.headers) text.append(name).append(": ").append(value).append("\r\n");
    text += "\r\n";
    return with_body ? text + answer.body : text;
}

ApiAnswer refusal_of(Arrival::Head head) {
    if (head == Arrival::Head::late)
        return Api::error(408, "too_slow", "the request did not come in time: send it at once");
    return Api::error(431, "too_many_headers", "request line and headers are longer than 16KiB: send less");
}

ApiAnswer too_busy() {
    ApiAnswer busy = Api::error(503, "too_busy", "too many admin clients wait: ask again in a second");
    busy.headers.emplace_back("Retry-After", "1");
    return busy;
}

std::string_view head_of(std::string_view bytes) noexcept {
    constexpr std::string_view empty_line = "\r\n\r\n";
    const std::size_t end = bytes.find(empty_line);
    return bytes.substr(0, end == std::string_view::npos ? end : end + empty_line.size());
}

}  // namespace holdfast
