#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/config.h>
#include <holdfast/result.h>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "load/downlink_book.h"
#include "load/load_counts.h"
#include "tls/tls_session.h"

namespace holdfast {

/// Format of the devices' items.
struct ItemStyle {
    Framing framing = Framing::ndjson;
    std::string key_field = "ip";
    std::string key_template = "{ip}";  ///< {n}: the device's number; {ip}: 10.x.y.z made of it; {seq}: the item's
    std::size_t bytes = 0;              ///< of one item's JSON object, padded up to it
    double bad = 0;                     ///< share of bad items
    std::uint64_t seed = 0;
};

/// Rejects styles that would make every item a bad one, and sizes above 1 MiB. Pure; any thread.
[[nodiscard]] Result<ItemStyle> check_style(const ItemStyle& style);

/// Generates the framed items of simulated devices: the same ones for the same style, device and sequence number.
class ItemMaker {
public:
    explicit ItemMaker(ItemStyle style) : style_(std::move(style)) {}

    /// Appends the device's item number `seq` (from 1). Returns false for a bad item.
    bool append(std::string& out, std::uint64_t device, std::uint64_t seq) const;

    /// Appends the device's item that acknowledges downlink `number`: its key, and the number.
    void append_ack(std::string& out, std::uint64_t device, std::uint64_t number) const;

private:
    void append_good(std::string& out, std::uint64_t device, std::uint64_t seq) const;
    void append_key(std::string& out, std::uint64_t device, std::uint64_t seq) const;

    ItemStyle style_;
};

/// The numbered items of one device that no ack covers yet, with the time of their first sending. Stores no items,
/// since they can be generated again. A value; its fleet's thread.
class Unacked {
public:
    /// Records that everything up to `seq` was generated. A repeated number keeps its time.
    void made(std::uint64_t seq, SteadyTime at);
    /// Returns how many items the ack covers for the first time, and records their latencies.
    std::uint64_t acknowledge(std::uint64_t seq, SteadyTime now, LatencyHistogram& latency);

    [[nodiscard]] std::uint64_t highest() const noexcept { return highest_; }  ///< generated
    [[nodiscard]] std::uint64_t acked() const noexcept { return acked_; }
    [[nodiscard]] std::uint64_t count() const noexcept { return highest_ - acked_; }

private:
    struct Batch {
        std::uint64_t last = 0;
        SteadyTime at;
    };

    std::uint64_t acked_ = 0;
    std::uint64_t highest_ = 0;
    std::size_t head_ = 0;  // index into `batches_`: earlier ones are done
    std::vector<Batch> batches_;
};

/// One simulated device. Its fleet owns it and its descriptor; the fleet's thread.
struct LoadDevice {
    enum class State : std::uint8_t { apart, connecting, connected };

    UniqueFd fd;
    std::unique_ptr<TlsSession> tls;  ///< from the TCP connect on, if the fleet uses TLS
    std::uint32_t generation = 0;     ///< of the poller's token: incremented with every socket
    std::uint32_t connects = 0;       ///< that succeeded
    std::uint32_t tries = 0;          ///< that failed in a row
    State state = State::apart;
    Fault fault = Fault::none;
    bool settled = false;             ///< its first connect succeeded or failed
    bool mute = false;                ///< a fault struck: it sends nothing more
    bool deaf = false;                ///< it receives nothing more, either
    bool queued = false;              ///< in the fleet's list of devices with something to send
    bool in_debt = false;             ///< among the fleet's owing devices
    bool resumed = false;             ///< with acks: the gateway has sent the resume point of this connection
    std::uint64_t seq = 0;            ///< items generated; with acks, without those to be repeated
    std::uint64_t owed = 0;           ///< items still to be generated
    std::uint32_t pending_items = 0;  ///< in `pending`
    std::uint32_t pending_bad = 0;    ///< of those
    std::uint32_t pending_acks = 0;   ///< in `pending`, not among its items
    std::size_t sent = 0;             ///< of `pending`
    std::string pending;              ///< bytes that the kernel has not accepted yet
    std::uint32_t acks_owed = 0;      ///< in `acks`
    std::string acks;                 ///< acknowledgements that wait for `pending`, framed
    DownlinkInbox inbox;
    Unacked unacked;  ///< with acks
    SteadyTime connect_began;
    SteadyTime connected_at;
};

}  // namespace holdfast
