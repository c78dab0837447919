#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

#include "load/device.h"
#include "load/load_counts.h"
#include "tls/tls_context.h"

namespace holdfast {

/// The addresses that devices connect from, in turn. One address has about 28,000 ports per target, so a larger fleet
/// needs several; on loopback all of 127.0.0.0/8 works without set-up. A value.
class SourceRange {
public:
    /// Parses "127.1.0.0/16" (without its first and last address), "127.1.0.1-127.1.0.9" or "127.1.0.1". At most 2^24
    /// addresses are used.
    [[nodiscard]] static Result<SourceRange> parse(std::string_view text);

    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
    [[nodiscard]] IpAddress of_device(std::uint64_t device) const noexcept;
    [[nodiscard]] bool is_v4() const noexcept { return first_.is_v4(); }

private:
    SourceRange(const IpAddress& first, std::uint32_t size) : first_(first), size_(size) {}

    IpAddress first_;
    std::uint32_t size_;
};

/// Rejects port 0 and, unless `any_target`, public addresses (net/address.h): a load generator must not reach
/// foreign hosts. Pure; any thread.
[[nodiscard]] Result<Endpoint> check_target(const Endpoint& target, bool any_target);

/// Options of a fleet of simulated devices. A value, checked by the verb.
struct LoadOptions {
    Endpoint to;
    std::uint32_t connections = 100;
    std::uint32_t first_device = 0;  ///< number of the first device; other processes' fleets use others
    unsigned threads = 1;
    std::optional<SourceRange> source;
    std::chrono::milliseconds duration{30'000};
    std::shared_ptr<const TlsContext> tls;  ///< a client's context; null: plain

    double connects_per_second = 0;  ///< 0: as fast as they are accepted
    double items_per_second = 0;     ///< of the whole fleet; 0: `items` each, as fast as possible
    std::uint64_t items = 0;         ///< that each connection sends
    std::uint32_t batch = 1;         ///< items in one write
    ItemStyle style;

    std::string id_prefix;  ///< each device says hello as PREFIX-N; empty: no hello
    std::string session;  ///< session of numbered items, for acks; empty: none. Must differ in each run, since numbers
                          ///< start at 1

    double downlinks_per_second = 0;  ///< of the whole fleet, requested from the gateway; see DownlinkGateway

    std::uint64_t seed = 0;
    FaultShares faults{};
    std::chrono::milliseconds fault_within{15'000};  ///< a device's fault strikes within this time of its connect
    std::chrono::milliseconds slow_interval{100};    ///< between two bytes of a slow device
    bool reconnect = false;
    std::optional<std::chrono::milliseconds> storm;  ///< interval at which all close and reconnect at once
    bool hold = false;                               ///< items wait for a line on standard input; see run_load

    [[nodiscard]] bool has_faults() const {
        for (const double share : faults) {
            if (share > 0) return true;
        }
        return false;
    }
};

}  // namespace holdfast
