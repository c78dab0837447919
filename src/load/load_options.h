#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <holdfast/endpoint.h>

#include "load/device_items.h"
#include "load/faults.h"
#include "load/source_range.h"
#include "tls/tls_context.h"

namespace holdfast {

/// A fleet of simulated devices and what it does. A value; the verb has checked it.
struct LoadOptions {
    Endpoint to;
    std::uint32_t connections = 100;
    std::uint32_t first_device = 0;  ///< the number of the first: other processes' fleets have others
    unsigned threads = 1;
    std::optional<SourceRange> source;
    std::chrono::milliseconds duration{30'000};
    std::shared_ptr<const TlsContext> tls;  ///< a client's; null: plain

    double connects_per_second = 0;  ///< 0: as fast as they are accepted
    double items_per_second = 0;     ///< of the whole fleet; 0: `items` each, as fast as they are taken
    std::uint64_t items = 0;         ///< each connection sends
    std::uint32_t batch = 1;         ///< items in one write
    ItemStyle style;

    std::string id_prefix;  ///< each device says hello as PREFIX-N; empty: none does
    std::string session;    ///< of their numbers, for acks; empty: without. Another for each run: they count from 1

    double downlinks_per_second = 0;  ///< asked of the gateway for the whole fleet; see DownlinkGateway

    std::uint64_t seed = 0;
    FaultShares faults{};
    std::chrono::milliseconds fault_within{15'000};  ///< after its connect a device's fault strikes
    std::chrono::milliseconds slow_interval{100};    ///< between two bytes of a slow device
    bool reconnect = false;
    std::optional<std::chrono::milliseconds> storm;  ///< all close and reconnect at once, every so often
    bool hold = false;                               ///< items wait for a line on standard input; see run_load

    [[nodiscard]] bool has_faults() const {
        for (const double share : faults) {
            if (share > 0) return true;
        }
        return false;
    }
};

}  // namespace holdfast
