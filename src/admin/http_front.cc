#include "admin/http_front.h"

namespace holdfast {
namespace {

constexpr int requests_per_client = 100;

void put(httplib::Response& response, ApiAnswer&& answer) {
    response.status = answer.status;
    response.set_content(answer.body, answer.type);
    for (const auto& [name, value] : answer.headers) {
        response.headers.erase(name);  // a usual one
        response.set_header(name, value);
    }
}

/// httplib hands these to no handler.
bool has_no_handler(const std::string& method) { return method == "CONNECT" || method == "TRACE" || method == "PRI"; }

}  // namespace

HttpFront::HttpFront(Api& api, RequestGate gate) : api_(api), gate_(gate) {
    set_keep_alive_max_count(requests_per_client);
    set_keep_alive_timeout(
        std::chrono::floor<std::chrono::seconds>(StreamLimits().idle).count());  // only said, kept by RequestStream
    set_default_headers({{"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}});
    const auto answer_all = [this](const httplib::Request& request, httplib::Response& response) {
        answer(request, response);
    };
    Get(".*", answer_all)
        .Post(".*", httplib::Server::Handler(answer_all))
        .Delete(".*", httplib::Server::Handler(answer_all));
    Put(".*", httplib::Server::Handler(answer_all))
        .Patch(".*", httplib::Server::Handler(answer_all))
        .Options(".*", answer_all);
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
        auto refusal = gate_.refuse(request);
        if (refusal) {
            put(response, std::move(*refusal));
        } else if (has_no_handler(request.method)) {
            answer(request, response);
        } else {
            return HandlerResponse::Unhandled;
        }
        return HandlerResponse::Handled;
    });
    set_error_handler(
        httplib::Server::Handler([this](const httplib::Request&, httplib::Response& response) { explain(response); }));
    set_exception_handler([](const httplib::Request&, httplib::Response& response, std::exception_ptr) {
        put(response, Api::error(500, "internal_error", "the request could not be answered: see the gateway's log"));
    });
}

std::unique_ptr<EventHub::Subscription> HttpFront::serve(RequestStream& stream, const Crowd& crowd) {
    std::unique_ptr<EventHub::Subscription> feed;
    for (int left = requests_per_client; left > 0; --left) {
        if (!stream.wait_for_request()) break;
        bool last = left == 1 || crowd.dense();
        bool understood = false;
        bool client_closes = false;
        const bool answered = process_request(stream, last, client_closes, [&](httplib::Request& request) {
            understood = true;
            prepare(request, stream, last);
            if (!gate_.refuse(request)) feed = api_.open_feed({request.method, request.target});
            // httplib answers every request at once; this one's answer has no end.
            stream.mute(feed != nullptr);
        });
        if (feed) return feed;
        if (!answered || !understood || !stream.body_was_read() || client_closes || last) break;
    }
    stream.finish();
    return nullptr;
}

void HttpFront::answer(const httplib::Request& request, httplib::Response& response) {
    const std::string tags = request.get_header_value("If-None-Match");
    put(response, api_.answer({request.method, request.target, request.body, tags}));
}

void HttpFront::prepare(httplib::Request& request, RequestStream& stream, bool& last) const {
    const bool refused = gate_.refuse(request).has_value();
    if (refused) {
        // Its body stays unread, so nothing can follow on this connection.
        last = true;
        request.headers.erase("Connection");
        request.set_header("Connection", "close");
        request.headers.erase("Expect");
    }
    stream.expect_body(refused ? 0 : RequestGate::body_bytes(request));
    // Answers go out whole and as they are: no ranges, no compression. A body is taken as it came: not as a form.
    request.ranges.clear();
    request.headers.erase("Accept-Encoding");
    request.headers.erase("Content-Type");
}

/// Gives httplib's own refusals the API's form.
void HttpFront::explain(httplib::Response& response) const {
    if (!response.body.empty()) return;
    switch (response.status) {
        case 404:
            return put(response, Api::error(404, "not_found", "there is nothing here: GET /v1 lists the paths"));
        case 414:
            return put(response, Api::error(414, "uri_too_long", "the request's target is too long"));
        case 416:
            return put(response, Api::error(416, "bad_range", "the Range header is malformed: leave it out"));
        default:
            return put(response, Api::error(response.status, "bad_request",
                                            "this is not an HTTP/1.1 request, or its headers or body are malformed, "
                                            "too large or came too slowly"));
    }
}

}  // namespace holdfast
