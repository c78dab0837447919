#pragma once

#include <chrono>
#include <string_view>

#include <holdfast/result.h>

#include "forward/nats_link.h"
#include "net/nats_url.h"

namespace holdfast {

/// Parses an INFO line ("INFO {...}"). Pure.
[[nodiscard]] Result<NatsServerFacts> read_server_info(std::string_view line);

/// Connects to the server, reads its greeting (with or without TLS) and disconnects, since the C client does not expose
/// it. Waits at most for `timeout`, plus name resolution.
[[nodiscard]] Result<NatsServerFacts> ask_server_info(const NatsUrl& server, std::chrono::milliseconds timeout);

}  // namespace holdfast
