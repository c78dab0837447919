#include <bit>
#include <limits>

#include "pipeline/pipeline.h"

namespace holdfast {

// Takes over the connections of an earlier process.

bool Pipeline::on_adopt(Connection& connection, Token number, const LeftStream& left) {
    if (left.device != nullptr && !adopt_device(connection, number, left)) return false;
    if (left.device == nullptr && !may_stay_unidentified(connection, left)) return false;
    if (!resynchronize(connection, left)) return false;
    if (left.device != nullptr) devices_.go_on(connection, number, left.lost);
    return true;
}

/// Identifies the connection, and reports that if no event has done so. Returns false if it must end.
bool Pipeline::adopt_device(Connection& connection, Token number, const LeftStream& left) {
    if (!devices_.adopt(connection, number, *left.device, left.ends)) return false;
    if (!may_stay(connection, number)) return false;  // the tokens have changed since
    const Device& device = *devices_.find(number);
    const bool is_settled = !device.is_pending();
    if (is_settled && (connection.connected_pending || !device.given))
        give_identity(connection, number, shard_->time());
    return true;
}

/// Returns false if the lost bytes may have been a hello, for whose answer the device would wait.
bool Pipeline::may_stay_unidentified(const Connection& connection, const LeftStream& left) const {
    const PipelineListener& listener = listeners_[connection.listener];
    if (left.ends) return false;
    if (listener.authenticates()) return connection.bytes_in == 0 && !left.lost;
    return !(listener.acks && left.lost && connection.items == 0);
}

/// Goes on behind the next end of a line, as if the lost bytes were the beginning of an item that is dropped. Without
/// such an end in sight, a device may have sent a whole item: no deadline runs. Returns false if the framing has no
/// such ends.
bool Pipeline::resynchronize(Connection& connection, const LeftStream& left) {
    const PipelineListener& listener = listeners_[connection.listener];
    if (listener.has_own_codec) return false;
    if (!left.lost) return true;
    if (listener.is_counted()) return false;
    if (left.at_line_end && listener.delimiter.empty()) return true;
    const bool is_json = listener.framing == Framing::json;
    // A backslash outside a string ends the scan of an object: the framing then goes on by its rule for bad items.
    char placeholder = is_json ? '\\' : ' ';
    while (!is_json && listener.delimiter.find(placeholder) != std::string::npos) ++placeholder;
    if (!append(connection.unfinished, {&placeholder, 1})) return false;
    FrameScan scan;
    scan.drops = 1;
    if (!is_json) scan.set_scanned(1);
    connection.unfinished->scan = std::bit_cast<std::uint64_t>(scan);
    connection.unfinished->began = Tick{std::numeric_limits<std::uint32_t>::max()};
    return true;
}

}  // namespace holdfast
