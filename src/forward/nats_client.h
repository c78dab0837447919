#pragma once

#include <chrono>
#include <memory>
#include <string_view>
#include <vector>

#include <holdfast/result.h>

#include "forward/nats_link.h"
#include "net/url.h"

struct __natsOptions;
namespace holdfast {

struct LinkOptionsDeleter {
    void operator()(__natsOptions* options) const;
};
using LinkOptions = std::unique_ptr<__natsOptions, LinkOptionsDeleter>;

/// Makes the C client's options without its callbacks. Errors: a file cannot be used.
[[nodiscard]] Result<LinkOptions> make_link_options(const NatsOptions& options, const std::vector<NatsUrl>& urls);

/// Returns the delay after `attempts` failures: 100 ms, doubled up to 5 s. A random part of up to a half is added, so
/// that the gateways of a fleet do not reconnect at once.
[[nodiscard]] std::chrono::milliseconds reconnect_delay(unsigned attempts);

/// Parses an INFO line ("INFO {...}"). Pure.
[[nodiscard]] Result<NatsServerFacts> read_server_info(std::string_view line);

/// Connects to the server, reads its greeting (with or without TLS) and disconnects, since the C client does not expose
/// it. Waits at most for `timeout`, plus name resolution.
[[nodiscard]] Result<NatsServerFacts> query_server_info(const NatsUrl& server, std::chrono::milliseconds timeout);

}  // namespace holdfast
