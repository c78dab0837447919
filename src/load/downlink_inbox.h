#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codec/framing.h"

namespace holdfast {

/// A message of the gateway to a simulated device. The parser accepts only the gateway's own format: no white space,
/// fixed order of fields.
struct GatewayWord {
    enum class Kind : std::uint8_t {
        downlink,  ///< {"load_downlink":7}
        resume,    ///< {"resume":7}
        ack,       ///< {"ack":7}
        nack,      ///< {"nack":7,"reason":"no_key"}
        gap,       ///< {"nack":7,"reason":"gap","expected":5}
    };
    Kind kind{};
    std::uint64_t number = 0;

    friend bool operator==(const GatewayWord&, const GatewayWord&) = default;
};

/// Returns nullopt for any other item. Pure.
[[nodiscard]] std::optional<GatewayWord> gateway_word(std::string_view item) noexcept;

/// Returns the downlink with this number: {"load_downlink":7}. Pure.
[[nodiscard]] std::string downlink_item(std::uint64_t number);

/// Holds a device's incomplete received item. A value; at most 64 KiB plus one read.
class DownlinkInbox {
public:
    /// Cuts received bytes into items and appends each GatewayWord. Other items, and bytes outside the framing, are
    /// skipped.
    void take(Framing framing, std::span<const char> arrived, std::vector<GatewayWord>& words);
    void clear();

private:
    std::string kept_;
    FrameScan scan_;
};

}  // namespace holdfast
