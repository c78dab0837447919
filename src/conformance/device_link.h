#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "codec/framing.h"

namespace holdfast {

/// The gateway's end of a device's connections, one at a time: a listening socket, and the framing. One thread, which
/// waits in its functions.
class DeviceLink {
public:
    enum class Got : std::uint8_t {
        frame,
        nothing,  ///< until the deadline
        ended,    ///< by the device, or by this end
        broken,   ///< bytes that are no frame
    };

    /// Listens. The error has the address and the remedy.
    [[nodiscard]] static Result<DeviceLink> listen(const Endpoint& endpoint, const FrameRules& rules);

    [[nodiscard]] Endpoint address() const;

    /// Closes the current connection and waits for the next one. Returns false at the deadline.
    bool accept(SteadyTime deadline);
    /// Waits for the next frame of the connection.
    Got read(std::string& frame, SteadyTime deadline);
    /// Returns the bytes of the latest frame of read(), with its framing and what was before it.
    [[nodiscard]] std::size_t wire_bytes() const { return wire_bytes_; }
    /// Sends an object in the framing; a lost connection loses it. With `pause`, byte by byte.
    void say(std::string_view json, std::chrono::milliseconds pause = {});
    /// Sends bytes as they are.
    void send(std::string_view bytes);
    /// Returns the object in the framing.
    [[nodiscard]] std::string framed(std::string_view json) const;

    /// Ends the connection with RST.
    void reset();
    /// Ends this side with FIN. Returns true if the device ends its own until the deadline; its bytes are dropped.
    bool finish(SteadyTime deadline);

    /// Returns true if a second connection arrived while the device had not ended the first.
    [[nodiscard]] bool had_two() const { return had_two_; }

private:
    DeviceLink(UniqueFd listening, const FrameRules& rules) : listening_(std::move(listening)), rules_(rules) {}

    Got next_of_window(std::string& frame);
    Got receive(SteadyTime deadline);

    UniqueFd listening_;
    UniqueFd connection_;
    FrameRules rules_;
    FrameScan scan_;
    std::string window_;
    std::size_t wire_bytes_ = 0;
    bool at_start_ = true;  // where a byte order mark may be
    bool had_two_ = false;
};

}  // namespace holdfast
