#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "admin/control_plane.h"
#include "admin/request_target.h"
#include "admin/sink_status.h"

namespace holdfast {

struct ApiOptions {
    std::size_t max_message_bytes = 64 * 1024;  ///< of a downlink body
    SinkStatusProvider sink;                    ///< may be empty: then nothing is said about a sink
    std::function<std::string()> not_ready;     ///< more reasons for /readyz to answer 503; empty text: none
};

struct ApiRequest {
    std::string_view method;
    std::string_view target;
    std::string_view body;
};

struct ApiAnswer {
    int status = 200;
    std::string body = {};
    std::string type = "application/json";
    std::string allow = {};  ///< for the Allow header, where it is not empty
};

/// The admin API without its transport: a request in, an answer out. Owns no thread; answer() may be called from
/// several at once and blocks as long as the gateway does. The gateway must outlive it.
class Api {
public:
    Api(ControlPlane& gateway, ApiOptions options) : gateway_(gateway), options_(std::move(options)) {}

    [[nodiscard]] ApiAnswer answer(const ApiRequest& request);

    /// {"error":{...}} with the status that belongs to it.
    [[nodiscard]] static ApiAnswer error(int status, std::string_view code, std::string_view message);

private:
    struct Call {
        const RequestTarget& target;
        std::string_view body;
        std::string_view id;  // the path's {id}, where the route has one
    };
    using Handler = ApiAnswer (Api::*)(const Call&);
    struct Route {
        std::string_view path;
        Handler get = nullptr;
        Handler post = nullptr;
        Handler remove = nullptr;
    };
    static const Route routes[];

    ApiAnswer dispatch(const Route& route, std::string_view method, const Call& call);
    template <typename Ask>
    ApiAnswer with_probe_slot(Ask ask);

    ApiAnswer index(const Call& call);
    ApiAnswer healthz(const Call& call);
    ApiAnswer readyz(const Call& call);
    ApiAnswer metrics(const Call& call);
    ApiAnswer status(const Call& call);
    ApiAnswer list(const Call& call);
    ApiAnswer show(const Call& call);
    ApiAnswer closed(const Call& call);
    ApiAnswer close(const Call& call);
    ApiAnswer close_all(const Call& call);
    ApiAnswer probe(const Call& call);
    ApiAnswer probe_all(const Call& call);
    ApiAnswer send(const Call& call);

    ControlPlane& gateway_;
    ApiOptions options_;
    std::atomic<int> probing_ = 0;
};

}  // namespace holdfast
