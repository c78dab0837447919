#include "http_server/http_message.h"

#include <strings.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>

#include <holdfast/endpoint.h>

#include "text/json_writer.h"
#include "text/printable.h"

#include <openssl/x509v3.h>

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

namespace {

namespace http = boost::beast::http;
using Fault = std::optional<HttpResponse>;
using Parser = http::request_parser<http::empty_body>;

constexpr std::array<std::string_view, 7> methods{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
/// Headers that decide about the request: a second one is refused.
constexpr std::array<std::string_view, 5> at_most_once{"Host", "Content-Length", "Authorization", "Origin",
                                                       "Sec-Fetch-Site"};

HttpResponse malformed(std::string_view what) {
    return http_error(400, "bad_request", "the request is not valid HTTP/1.1: " + std::string(what));
}

/// Compares names of headers or of hosts, which have no case.
bool same_name(std::string_view a, std::string_view b) {
    return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool is_number(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Returns whether a path has a segment that another server would resolve: "." or "..", plain or percent-encoded.
bool has_dot_segment(std::string_view path) {
    while (!path.empty()) {
        path.remove_prefix(1);
        const std::string_view segment = path.substr(0, path.find('/'));
        path.remove_prefix(segment.size());
        std::string plain;
        for (std::size_t i = 0; i < segment.size(); ++i) {
            const bool dot = segment[i] == '%' && (segment.substr(i, 3) == "%2e" || segment.substr(i, 3) == "%2E");
            plain += dot ? '.' : segment[i];
            if (dot) i += 2;
        }
        if (plain == "." || plain == "..") return true;
    }
    return false;
}

Fault check_target(const RequestHead& head) {
    const std::string& target = head.target;
    if (target.size() > max_target_bytes) return http_error(414, "uri_too_long", "the request's target is too long");
    if (!target.starts_with('/')) return malformed("the target does not begin with /");
    const auto visible = [](char c) { return c > 0x20 && c < 0x7f && c != '#' && c != '\\'; };
    if (!std::all_of(target.begin(), target.end(), visible))
        return malformed("the target has a character that must be percent-encoded");
    if (has_dot_segment(head.path())) return malformed("the path contains . or ..");
    return std::nullopt;
}

Fault check_method(const RequestHead& head) {
    if (std::find(methods.begin(), methods.end(), head.method) != methods.end()) return std::nullopt;
    HttpResponse refusal = http_error(405, "method_not_allowed",
                                      in_quotes(head.method) + " is not supported; use GET, HEAD, POST or DELETE");
    refusal.headers.emplace_back("Allow", "GET, HEAD, POST, DELETE");
    return refusal;
}

/// Parses "bytes=0-99, 200-". Answers are sent whole, but a malformed range is an error.
bool is_range(std::string_view text) {
    constexpr std::string_view unit = "bytes=";
    if (!text.starts_with(unit)) return false;
    for (text.remove_prefix(unit.size()); !text.empty();) {
        std::string_view range = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), range.size() + 1));
        text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
        const std::string_view first = range.substr(0, range.find('-'));
        if (first.size() == range.size()) return false;
        range.remove_prefix(first.size() + 1);
        const bool backwards =
            !first.empty() && !range.empty() && std::pair(first.size(), first) > std::pair(range.size(), range);
        if (backwards || (std::string(first).append(range)).find_first_not_of("0123456789") != std::string::npos)
            return false;
    }
    return true;
}

Fault check_headers(const RequestHead& head, bool needs_host) {
    for (const auto& [name, value] : head.headers) {
        if (name.size() + 2 + value.size() > max_header_bytes)
            return http_error(431, "too_many_headers", "a header is longer than 8KiB");
    }
    if (head.headers.size() > max_headers) {
        return http_error(431, "too_many_headers",
                          "the request has more than " + std::to_string(max_headers) + " headers");
    }
    if (needs_host && head.count("Host") == 0) return malformed("the Host header is missing");
    for (const std::string_view name : at_most_once) {
        if (head.count(name) > 1) return malformed("more than one " + std::string(name) + " header");
    }
    if (head.count("Range") > 0 && !is_range(head.value("Range")))
        return http_error(416, "bad_range", "the Range header is malformed; remove it");
    return std::nullopt;
}

Fault read_length(RequestHead& head) {
    if (head.count("Transfer-Encoding") > 0) {
        if (head.count("Content-Length") > 0)
            return malformed("Content-Length and Transfer-Encoding exclude each other");
        return http_error(411, "length_required", "a body needs a Content-Length; Transfer-Encoding is not supported");
    }
    if (head.count("Content-Length") == 0) return std::nullopt;
    const std::string_view text = head.value("Content-Length");
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), head.body_bytes);
    if (!is_number(text) || error != std::errc{}) return malformed("the Content-Length is not a number");
    return std::nullopt;
}

RequestHead head_of(const Parser& parser) {
    const auto& message = parser.get();
    RequestHead head;
    head.method = message.method_string();
    head.target = message.target();
    for (const auto& field : message) head.headers.emplace_back(field.name_string(), field.value());
    head.keeps_alive = message.version() == 11 && message.keep_alive();
    return head;
}

}  // namespace

std::string_view RequestHead::value(std::string_view name) const {
    for (const auto& [key, text] : headers) {
        if (same_name(key, name)) return text;
    }
    return {};
}

std::size_t RequestHead::count(std::string_view name) const {
    const auto named = [name](const auto& header) { return same_name(header.first, name); };
    return static_cast<std::size_t>(std::count_if(headers.begin(), headers.end(), named));
}

std::variant<RequestHead, HttpResponse> read_request_head(std::string_view bytes) {
    // Beast joins folded lines (RFC 9112, 5.2), where another server may see two headers.
    if (bytes.find("\r\n ") != std::string_view::npos || bytes.find("\r\n\t") != std::string_view::npos)
        return malformed("a header continues on a second line");
    Parser parser;
    parser.header_limit(static_cast<std::uint32_t>(bytes.size()) + 1);
    parser.body_limit(boost::none);  // checked with the head
    boost::beast::error_code error;
    const std::size_t read = parser.put(boost::asio::buffer(bytes), error);
    if (error) return malformed(error.message());
    if (read != bytes.size() || !parser.is_header_done()) return malformed("bytes follow the end of the head");
    RequestHead head = head_of(parser);
    if (auto fault = check_target(head)) return std::move(*fault);
    if (auto fault = check_method(head)) return std::move(*fault);
    if (auto fault = check_headers(head, parser.get().version() == 11)) return std::move(*fault);
    if (auto fault = read_length(head)) return std::move(*fault);
    return head;
}

namespace {

bool is_for(const TlsContext& tls, std::string_view host) {
    X509* certificate = ::SSL_CTX_get0_certificate(tls.get());
    return certificate != nullptr && ::X509_check_host(certificate, host.data(), host.size(), 0, nullptr) == 1;
}

/// Returns the host of "localhost:7080", "127.0.0.1" or "[::1]:7080", without the port.
std::string_view host_of(std::string_view authority) {
    const std::size_t bracket = authority.find(']');
    const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
    return authority.substr(0, colon);
}

bool only_reads(const RequestHead& head) { return head.method == "GET" || head.method == "HEAD"; }

/// Returns true if the request follows a link, such as from a mail about an alarm. Such a request changes nothing, and
/// only the user sees the answer.
bool follows_link(const RequestHead& head) {
    return head.method == "GET" && head.value("Sec-Fetch-Mode") == "navigate" &&
           head.value("Sec-Fetch-Dest") == "document" && head.count("Origin") == 0;
}

/// Returns true for a request from another site: browsers name the page of a request, and such a page must not control
/// the gateway.
bool from_another_site(const RequestHead& head) {
    if (follows_link(head)) return false;
    const std::string_view site = head.value("Sec-Fetch-Site");
    if (site == "cross-site" || site == "same-site") return true;
    const std::string_view origin = head.value("Origin");
    if (origin.empty()) return false;
    const std::size_t scheme = origin.find("://");
    return scheme == std::string_view::npos || origin.substr(scheme + 3) != head.value("Host");
}

}  // namespace

std::optional<HttpResponse> RequestGate::refuse(const RequestHead& head, const DoorSecrets& secrets) const {
    const std::string_view host = host_of(head.value("Host"));
    // A foreign name is how a web page bypasses the same-origin rule (DNS rebinding).
    if (!settings_.any_host && !is_own_name(host, secrets)) {
        return http_error(403, "forbidden",
                          "the host name is not one of the admin address; write localhost or the IP address, or add " +
                              in_quotes(host) + " to hosts in [admin]");
    }
    if (from_another_site(head))
        return http_error(403, "forbidden", "requests from pages of another site are rejected");
    if (secrets.tokens && !secrets.tokens->empty()) {
        if (auto refusal = refuse_access(head, *secrets.tokens)) return refusal;
    }
    return std::nullopt;
}

std::optional<HttpResponse> RequestGate::refuse_access(const RequestHead& head, const AdminTokens& tokens) const {
    const std::string_view given = head.value("Authorization");
    const Access access = tokens.of(given);
    const bool is_public = only_reads(head) && settings_.is_public && settings_.is_public(head.path());
    if (access == Access::write || (access == Access::read && only_reads(head)) || is_public) return std::nullopt;
    if (access == Access::read) {
        return http_error(403, "read_only", "this token has the right to read only; use a token of [admin] token_file");
    }
    HttpResponse refusal =
        http_error(401, "unauthorized",
                   given.empty() ? "this gateway requires a token; send Authorization: Bearer TOKEN, "
                                   "or run the command with --admin-token-file FILE"
                                 : "this token is unknown; take one from [admin] token_file or read_token_file");
    refusal.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"holdfast\"");
    return refusal;
}

bool RequestGate::is_own_name(std::string_view host, const DoorSecrets& secrets) const {
    // HTTP/1.0 allows requests without it; no browser sends one.
    if (host.empty() || same_name(host, "localhost") || parse_ip_address(host)) return true;
    const auto same = [host](const std::string& name) { return same_name(name, host); };
    if (std::any_of(settings_.hosts.begin(), settings_.hosts.end(), same)) return true;
    return secrets.tls && is_for(*secrets.tls, host);
}

}  // namespace holdfast
