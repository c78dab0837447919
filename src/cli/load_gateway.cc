#include "cli/load_gateway.h"

#include <algorithm>
#include <iterator>

#include "cli/client_request.h"
#include "cli/endpoint_flags.h"
#include "client/admin_reply.h"

namespace holdfast {

namespace {

constexpr std::size_t page_rows = 10'000;           // maximum of the API
constexpr std::size_t max_connections = 2'000'000;  // bounds a list that does not end
constexpr std::size_t max_id_bytes = 64;

Error no_gateway(const std::string& why) {
    return Error{"the server at --admin is not the gateway of --to: " + why +
                 "; name the admin address of that gateway"};
}

}  // namespace

Result<ConnectionRows> read_connection_rows(std::string_view body) {
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    const simdjson::padded_string text(body);
    if (parser.parse(text).get(root) || !AnswerView(root).has("/connections"))
        return Error{"the list of connections cannot be read"};
    ConnectionRows read;
    for (const AnswerView& row : AnswerView(root).list("/connections")) {
        ++read.rows;
        const auto peer = parse_endpoint(row.text("/peer"));
        std::string id = row.text("/conn");
        if (!peer || id.empty() || id.size() > max_id_bytes) continue;
        read.connections.push_back({std::move(id), peer.value()});
    }
    return read;
}

Result<std::vector<GatewayConnection>> LoadGateway::connections() {
    std::vector<GatewayConnection> all;
    for (std::size_t offset = 0; offset < max_connections; offset += page_rows) {
        // Oldest first, so that connections that arrive during the walk do not shift the pages.
        const auto target = std::string(api_path::connections) + "?sort=age&limit=" + std::to_string(page_rows) +
                            "&offset=" + std::to_string(offset);
        const auto answer = admin_.request({.target = target});
        if (const auto failure = failure_of(access_, answer)) return Error{failure->text()};
        auto page = read_connection_rows(answer.value().body);
        if (!page) return no_gateway(page.error().message);
        auto& rows = page.value().connections;
        all.insert(all.end(), std::move_iterator(rows.begin()), std::move_iterator(rows.end()));
        if (page.value().rows < page_rows) break;
    }
    return all;
}

Result<int> LoadGateway::send(const std::string& id, const std::string& object) {
    const auto answer =
        admin_.request({.method = "POST", .target = fill_path(api_path::connection_messages, id), .body = object});
    if (!answer) return answer.error();
    return answer.value().status;
}

}  // namespace holdfast
