#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <holdfast/config.h>
#include <holdfast/result.h>

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

}  // namespace holdfast
