#pragma once

#include <span>
#include <string>
#include <vector>

#include "codec/framing.h"
#include "load/gateway_word.h"

namespace holdfast {

/// What one device has received of an item that is not whole yet. A value; at most 64 KiB and what arrives at once.
class DownlinkInbox {
public:
    /// Cuts what arrived into items and appends those that are a GatewayWord; others are passed over, and so is what is
    /// no item of the framing.
    void take(Framing framing, std::span<const char> arrived, std::vector<GatewayWord>& words);
    void clear();

private:
    std::string kept_;
    FrameScan scan_;
};

}  // namespace holdfast
