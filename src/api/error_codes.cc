#include "api/api_endpoint.h"

namespace holdfast {
namespace {

constexpr ErrorCode error_codes[] = {
    {400, "bad_query", "a query parameter is unknown, malformed, given twice or missing", true},
    {400, "bad_request", "not HTTP as taken here, a bad target, or a body that ends early", true},
    {400, "bad_order", "the body of a drain is wrong"},
    {400, "not_json", "the body is not JSON"},
    {400, "not_object", "the body is not an object, or not one with the fields of the endpoint"},
    {401, "unauthorized", "no token, or none of this gateway's", true},
    {403, "forbidden", "a web page of another site, or a foreign host name", true},
    {403, "read_only", "a token of read_token_file, for an endpoint that needs the right `control`", true},
    {404, "not_found", "no such path, connection, device, listener or group; or nothing to show yet", true},
    {405, "method_not_allowed", "the path has other methods, which the Allow header names", true},
    {408, "too_slow", "the request did not come in time", true},
    {409, "no_reload", "this gateway cannot reload its configuration"},
    {409, "no_spool", "this gateway keeps no spool"},
    {409, "no_fleet", "this gateway is in no fleet"},
    {409, "refused", "the drain cannot begin: unknown listener, out of bounds, or the gateway stops"},
    {409, "beyond_newest", "the position is beyond the newest event"},
    {409, "group_moved", "another consumer has moved the group"},
    {409, "required", "sink.required_groups has the group"},
    {411, "length_required", "a body without Content-Length (Transfer-Encoding is not taken)", true},
    {413, "too_large", "a message longer than item.max_bytes, or any body of twice that", true},
    {414, "uri_too_long", "a target over 8 KiB", true},
    {415, "unsupported_encoding", "a compressed body", true},
    {416, "bad_range", "a malformed Range header; well-formed ones are passed over", true},
    {422, "bad_config", "the configuration file has errors; `details` has all of them"},
    {429, "queue_full", "the device has as much waiting as limits.downlink_queue allows"},
    {429, "too_many_probes", "four requests that take their time are under way"},
    {429, "too_busy", "four requests that take their time are under way"},
    {429, "too_many_waiting", "32 clients wait for events of the spool already"},
    {431, "too_many_headers", "more than 100 headers, one over 8 KiB, or over 16 KiB in all", true},
    {500, "internal_error", "a defect of the gateway", true},
    {503, "not_ready", "devices are not welcome; the message says why"},
    {503, "out_of_service", "an operator has drained the gateway"},
    {503, "sink_error", "the sink cannot write"},
    {503, "hangs", "a reactor has not turned for 10 s"},
    {503, "spool_error", "the spool cannot be read or written; the message says why"},
    {503, "gateway_silent", "the device is at a gateway that does not answer"},
    {503, "too_busy", "64 requests wait, a newer client took the place, or 4,096 clients follow events", true},
};

}  // namespace

std::span<const ErrorCode> all_error_codes() { return error_codes; }

}  // namespace holdfast
