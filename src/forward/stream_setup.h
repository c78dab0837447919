#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/result.h>

#include "forward/nats_link.h"

namespace holdfast {

/// Requirements of the events on a stream; docs/explanation/delivery.md has the reasons.
struct StreamNeeds {
    std::string name;
    std::vector<std::string> subjects;
    unsigned replicas = 0;  ///< 0: as many as there are, and three in a cluster for a created stream
};

enum class StreamRetention : std::uint8_t { limits, interest, workqueue };

/// The relevant part of a stream's configuration and state. Limits: 0 if there is none.
struct StreamFacts {
    std::string name;
    std::vector<std::string> subjects;
    bool on_disk = false;
    bool acknowledges = true;
    bool sealed = false;
    StreamRetention retention = StreamRetention::limits;
    bool refuses_when_full = false;  ///< discard "new"
    unsigned replicas = 1;
    std::chrono::milliseconds duplicates{};  ///< how long it remembers Nats-Msg-Id
    std::chrono::milliseconds max_age{};
    std::int64_t max_msgs = 0;
    std::int64_t max_bytes = 0;
    std::int64_t max_msgs_per_subject = 0;
    std::size_t max_msg_size = 0;

    std::int64_t created_ns = 0;  ///< since 1970
    std::uint64_t first = 0;      ///< sequence of its oldest message
    std::uint64_t last = 0;       ///< the newest sequence
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
    std::uint64_t deleted = 0;  ///< messages missing between first and last
};

/// Returns the subjects of everything that a forwarder publishes with that prefix; those of bad items if they are
/// events.
[[nodiscard]] std::vector<std::string> event_subjects(const std::string& prefix, bool bad_items = false);

/// Returns true if `wide` covers all of `narrow`; both may have wildcards. Pure.
[[nodiscard]] bool subject_covers(std::string_view wide, std::string_view narrow);

/// Returns why an existing stream is unsuitable, or an empty text. Pure.
[[nodiscard]] std::string stream_complaint(const StreamFacts& facts, const StreamNeeds& needs);

/// Returns the costs of its limits for consumers or the gateway, a sentence each. Pure.
[[nodiscard]] std::vector<std::string> stream_warnings(const StreamFacts& facts);

/// Returns what an acknowledgement survives, as a sentence. Pure.
[[nodiscard]] std::string guarantee_text(const StreamFacts& stream, const NatsServerFacts& server);

/// Returns the message for a denied right; `right` is in the server's words. Pure.
[[nodiscard]] std::string right_complaint(const std::string& right);

/// Reads the stream without creating it. Returns nullopt if the server does not answer. Waits for it, a few seconds at
/// most. Errors: it is missing or unsuitable.
[[nodiscard]] std::optional<Result<StreamFacts>> check_stream(const NatsLink::Lease& lease, const StreamNeeds& needs);

/// Reads the stream, and creates it if it is missing. Waits for the server, a few seconds at most. Errors: it cannot be
/// created, is unsuitable, or there is no JetStream.
[[nodiscard]] Result<StreamFacts> set_up_stream(const NatsLink::Lease& lease, const NatsServerFacts& server,
                                                const StreamNeeds& needs);

}  // namespace holdfast
