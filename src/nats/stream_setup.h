#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <holdfast/result.h>

#include "nats/nats_link.h"

namespace holdfast {

/// What the events need of a stream; docs/DELIVERY.md has the reasons.
struct StreamNeeds {
    std::string name;
    std::vector<std::string> subjects;
    unsigned replicas = 0;  ///< 0: as many as there are, and three in a cluster for one that is made
};

/// The part of a stream's configuration that matters here.
struct StreamFacts {
    std::vector<std::string> subjects;
    bool on_disk = false;
    bool acknowledges = true;
    bool sealed = false;
    bool drops_without_consumers = false;  ///< retention "interest"
    unsigned replicas = 1;
    std::chrono::milliseconds duplicates{};  ///< how far back it knows Nats-Msg-Id
};

/// The subjects of everything that a forwarder publishes with that prefix.
[[nodiscard]] std::vector<std::string> event_subjects(const std::string& prefix);

/// True if `wide` covers all that `narrow` does; both may have wildcards. Pure.
[[nodiscard]] bool subject_covers(std::string_view wide, std::string_view narrow);

/// What is wrong with a stream that was there before; empty: nothing. Pure.
[[nodiscard]] std::string stream_complaint(const StreamFacts& facts, const StreamNeeds& needs);

/// What an acknowledgement of it survives, in a sentence. Pure.
[[nodiscard]] std::string guarantee_text(const StreamFacts& stream, const NatsServerFacts& server);

/// Looks at the stream, and makes it if it is missing. Waits for the server, a few seconds at most. Errors: it cannot
/// be made, is not what is needed, or there is no JetStream.
[[nodiscard]] Result<StreamFacts> set_up_stream(const NatsLink::Lease& lease, const NatsServerFacts& server,
                                                const StreamNeeds& needs);

}  // namespace holdfast
