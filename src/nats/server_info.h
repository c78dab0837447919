#pragma once

#include <chrono>
#include <string_view>

#include <holdfast/result.h>

#include "base/nats_url.h"
#include "nats/nats_link.h"

namespace holdfast {

/// What an INFO line says ("INFO {...}"). Pure.
[[nodiscard]] Result<NatsServerFacts> read_server_info(std::string_view line);

/// Connects to the server, reads the line with which it greets everybody, TLS or not, and hangs up: the C client does
/// not hand it on. Waits for at most `patience`, a name's look-up apart.
[[nodiscard]] Result<NatsServerFacts> ask_server_info(const NatsUrl& server, std::chrono::milliseconds patience);

}  // namespace holdfast
