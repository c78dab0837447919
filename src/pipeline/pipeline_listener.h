#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <holdfast/codec.h>
#include <holdfast/config.h>
#include <holdfast/liveness.h>

#include "codec/framing.h"
#include "device/token_set.h"

namespace holdfast {

/// A pipeline's settings of one listener.
struct PipelineListener {
    std::string name;
    Framing framing{};
    std::string delimiter = {};
    LengthField length_field = {};
    Payload payload = Payload::json;
    bool arrays = false;
    Oversize oversize = Oversize::close;
    std::uint16_t max_bad_items = 0;
    bool acks = false;
    LivenessOf liveness = LivenessOf::device;
    /// The first frame must be a hello with one of these; null: any hello is accepted.
    std::shared_ptr<const TokenSet> tokens = nullptr;
    bool asks_program = false;               ///< likewise, and EventHandler::on_hello() decides
    std::shared_ptr<Codec> codec = nullptr;  ///< null before with_codec(): the framing
    bool has_own_codec = false;              ///< the program has made the codec

    /// Returns true if a connection must prove its device's identity.
    [[nodiscard]] bool authenticates() const noexcept { return tokens != nullptr || asks_program; }
    [[nodiscard]] bool has_json() const noexcept { return payload == Payload::json; }
    /// Returns true if its frames are those of a built-in framing for JSON, whose mistakes are known.
    [[nodiscard]] bool is_recognized() const noexcept {
        return !has_own_codec && has_json() && framing != Framing::length_field;
    }
    /// Returns true if each line is an item of JSON.
    [[nodiscard]] bool has_json_lines() const noexcept {
        return is_recognized() && framing == Framing::ndjson && delimiter.empty() && !arrays;
    }
    [[nodiscard]] bool is_counted() const noexcept { return !has_own_codec && rules().are_counted(); }

    /// Returns the rules of its framing. They view the delimiter.
    [[nodiscard]] FrameRules rules() const noexcept {
        return {.framing = framing,
                .delimiter = delimiter,
                .arrays = arrays,
                .drops = oversize == Oversize::drop,
                .trims = has_json(),
                .length_field = length_field};
    }
};

/// Returns the settings of a listener. `codec`: the program's, or null.
[[nodiscard]] PipelineListener pipeline_listener(const ListenerConfig& config, std::shared_ptr<const TokenSet> tokens,
                                                 std::shared_ptr<Codec> codec);
/// Returns the listener with the codec of its framing, unless it has one.
[[nodiscard]] PipelineListener with_codec(PipelineListener listener);

}  // namespace holdfast
