#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include <holdfast/result.h>

#include "base/nats_url.h"
#include "nats/nats_link.h"

struct __natsOptions;

namespace holdfast {

struct LinkOptionsDeleter {
    void operator()(__natsOptions* options) const;
};
using LinkOptions = std::unique_ptr<__natsOptions, LinkOptionsDeleter>;

/// What the C client is told, but for its callbacks. Errors: a file that cannot be used.
[[nodiscard]] Result<LinkOptions> make_link_options(const NatsOptions& options, const std::vector<NatsUrl>& urls);

/// Before the attempt behind so many that failed: 100 ms, doubled up to 5 s, and as much as half of it at random, so
/// that the gateways of a fleet do not come all at once.
[[nodiscard]] std::chrono::milliseconds reconnect_delay(unsigned attempts);

}  // namespace holdfast
