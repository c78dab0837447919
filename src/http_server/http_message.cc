#include "http_server/http_message.h"

#include <algorithm>

#include <boost/beast/http/status.hpp>

#include "text/json_writer.h"

namespace holdfast {

HttpResponse http_error(int status, std::string_view code, std::string_view message) {
    JsonWriter json;
    json.begin_object().key("error").begin_object().field("code", code).field("message", message);
    return {.status = status, .body = json.end_object().end_object().take()};
}

std::string to_bytes(const HttpResponse& answer, bool with_body, bool last) {
    const auto status = boost::beast::http::int_to_status(static_cast<unsigned>(answer.status));
    std::string text = "HTTP/1.1 " + std::to_string(answer.status) + " ";
    text.append(boost::beast::http::obsolete_reason(status)).append("\r\n");
    const auto put = [&text](std::string_view name, std::string_view value) {
        text.append(name).append(": ").append(value).append("\r\n");
    };
    const auto put_usual = [&](std::string_view name, std::string_view value) {
        const auto named = [name](const auto& header) { return header.first == name; };
        if (std::none_of(answer.headers.begin(), answer.headers.end(), named)) put(name, value);
    };
    put("Connection", last ? "close" : "keep-alive");
    put_usual("Cache-Control", "no-store");
    put_usual("X-Content-Type-Options", "nosniff");
    put_usual("Content-Type", answer.type);
    put_usual("Content-Length", std::to_string(answer.body.size()));
    for (const auto& [name, value] : answer.headers) put(name, value);
    text += "\r\n";
    return with_body ? text + answer.body : text;
}

}  // namespace holdfast
