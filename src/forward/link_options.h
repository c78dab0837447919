#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include <holdfast/result.h>

#include "forward/nats_link.h"
#include "net/nats_url.h"

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

}  // namespace holdfast
