#include "admin/http_front.h"

#include <utility>
#include <variant>

#include "admin/health_server.h"
#include "admin/http_text.h"

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

}  // namespace

HttpFront::HttpFront(Api& api, RequestGate gate, AdminMeter& meter, OnUnauthorized on_unauthorized)
    : api_(api), gate_(std::move(gate)), meter_(meter), on_unauthorized_(std::move(on_unauthorized)) {
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
    set_error_handler(
        httplib::Server::Handler([this](const httplib::Request&, httplib::Response& response) { explain(response); }));
    set_exception_handler([](const httplib::Request&, httplib::Response& response, std::exception_ptr) {
        put(response, Api::error(500, "internal_error", "the request could not be answered: see the gateway's log"));
    });
    // Before the answer goes out: whoever has it finds it counted.
    set_post_routing_handler(
        [this](const httplib::Request&, httplib::Response& response) { meter_.count_status(response.status); });
}

std::unique_ptr<EventHub::Subscription> HttpFront::serve(RequestStream& stream, const Crowd& crowd,
                                                         const std::function<DoorSecrets()>& secrets) {
    for (int left = requests_per_client; left > 0; --left) {
        RequestHead head;
        if (!admit(stream, secrets(), head)) break;
        // httplib answers every request at once; the answer to this one has no end.
        if (auto feed = api_.open_feed({head.method, head.target})) {
            meter_.count_status(200);
            return feed;
        }
        if (exchange(stream, head, left == 1 || crowd.dense()) == Next::end) break;
    }
    stream.finish();
    return nullptr;
}

/// Waits for a request; one that is refused has its answer when it returns, and its body stays unread, so nothing can
/// follow on this connection.
bool HttpFront::admit(RequestStream& stream, const DoorSecrets& secrets, RequestHead& head) {
    const RequestStream::Head came = stream.wait_for_head();
    if (came == RequestStream::Head::none) return false;
    if (came != RequestStream::Head::whole) {
        const bool late = came == RequestStream::Head::late;
        turn_down(stream, refusal_of(late ? Arrival::Head::late : Arrival::Head::too_large), true);
        return false;
    }
    auto read = read_request_head(stream.head());
    if (const auto* refusal = std::get_if<ApiAnswer>(&read)) {
        turn_down(stream, *refusal, true);
        return false;
    }
    head = std::get<RequestHead>(std::move(read));
    if (const auto refusal = gate_.refuse(head, secrets)) {
        if (refusal->status == 401 && on_unauthorized_) on_unauthorized_(stream.peer());
        turn_down(stream, *refusal, head.method != "HEAD");
        return false;
    }
    return true;
}

std::optional<std::string> HttpFront::answer_probe(std::string_view bytes, const DoorSecrets& secrets) {
    if (head_of(bytes).size() != bytes.size()) return std::nullopt;  // more requests follow: serve() answers all
    const auto read = read_request_head(bytes);
    const auto* head = std::get_if<RequestHead>(&read);
    if (head == nullptr || !is_probe(*head) || gate_.refuse(*head, secrets)) return std::nullopt;
    const ApiAnswer answer = api_.answer({head->method, head->target});
    meter_.count_status(answer.status);
    return to_http(answer, head->method != "HEAD");
}

HttpFront::Next HttpFront::exchange(RequestStream& stream, const RequestHead& head, bool last) {
    const std::size_t body_bytes = head.body_bytes;  // what `head` views into goes when httplib reads
    bool understood = false;
    bool client_closes = false;
    const bool answered = process_request(stream, last, client_closes, [&](httplib::Request& request) {
        understood = true;
        stream.expect_body(body_bytes);
        // Answers go out whole and as they are: no ranges, no compression. A body is taken as it came: not as a form.
        request.ranges.clear();
        request.headers.erase("Accept-Encoding");
        request.headers.erase("Content-Type");
    });
    const bool goes_on = answered && understood && stream.body_was_read() && !client_closes && !last;
    return goes_on ? Next::request : Next::end;
}

void HttpFront::turn_down(RequestStream& stream, const ApiAnswer& refusal, bool with_body) {
    meter_.count_status(refusal.status);
    stream.write_all(to_http(refusal, with_body));
}

void HttpFront::answer(const httplib::Request& request, httplib::Response& response) {
    const std::string tags = request.get_header_value("If-None-Match");
    put(response, api_.answer({request.method, request.target, request.body, tags}));
}

/// Gives httplib's own refusals the API's form.
void HttpFront::explain(httplib::Response& response) const {
    if (!response.body.empty()) return;
    switch (response.status) {
        case 404:
            return put(response, Api::error(404, "not_found", "there is nothing here: GET /v1 lists the paths"));
        case 416:
            return put(response, Api::error(416, "bad_range", "the Range header is malformed: leave it out"));
        default:
            return put(response, Api::error(response.status, "bad_request",
                                            "this is not an HTTP/1.1 request, or its body is malformed or came too "
                                            "slowly"));
    }
}

}  // namespace holdfast
