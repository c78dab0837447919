#include "forward/stream_setup.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>

#include "text/printable.h"
#include "text/units.h"

#include <nats/nats.h>

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// Settings of a stream that the gateway creates.
constexpr nanoseconds made_duplicates = std::chrono::minutes(2);
constexpr nanoseconds made_max_age = std::chrono::hours(24 * 7);
constexpr unsigned made_replicas_in_a_cluster = 3;

/// Repetitions follow within seconds; a shorter window would store duplicates.
constexpr milliseconds min_duplicates = std::chrono::minutes(1);

constexpr milliseconds short_max_age = std::chrono::hours(1);

constexpr milliseconds timeout{3'000};  // for one answer of JetStream

constexpr int not_enabled = 10'039;  // JetStream's err_code, JSNotEnabledForAccountErr
constexpr int no_peers = 10'005;     // JSClusterNoPeersErr
constexpr int overlap = 10'065;      // JSStreamSubjectOverlapErr

using StreamInfo = std::unique_ptr<jsStreamInfo, decltype(&jsStreamInfo_Destroy)>;

std::string_view next_token(std::string_view& rest) {
    const std::size_t dot = std::min(rest.find('.'), rest.size());
    const std::string_view token = rest.substr(0, dot);
    rest.remove_prefix(std::min(dot + 1, rest.size()));
    return token;
}

Error complaint(natsStatus status, int code, const StreamNeeds& needs, std::string_view doing) {
    const std::string stream = "the stream " + in_quotes(needs.name);
    if (code == not_enabled || status == NATS_NO_RESPONDERS) {
        return Error{"NATS has no JetStream for this user; enable it in the server's configuration (jetstream {})"};
    }
    if (code == no_peers) {
        return Error{stream + " cannot be created with " + std::to_string(made_replicas_in_a_cluster) +
                     " replicas: the cluster has not enough JetStream servers; start them, or set replicas in [sink]"};
    }
    if (code == overlap) {
        return Error{
            stream +
            " cannot be created: another stream has some of its subjects; name that one with stream in [sink], "
            "or remove the subjects from it"};
    }
    const char* detail = nats_GetLastError(nullptr);
    const std::string why = printable(detail != nullptr && *detail != '\0' ? detail : natsStatus_GetText(status));
    return Error{stream + " cannot be " + std::string(doing) + " (" + why +
                 (code != 0 ? ", JetStream error " + std::to_string(code) : "") +
                 "), and the attempt is repeated; see the log of nats-server"};
}

StreamRetention retention_of(const jsStreamConfig& config) {
    if (config.Retention == js_InterestPolicy) return StreamRetention::interest;
    return config.Retention == js_WorkQueuePolicy ? StreamRetention::workqueue : StreamRetention::limits;
}

StreamFacts facts_of(const jsStreamInfo& info) {
    const jsStreamConfig& config = *info.Config;
    StreamFacts facts;
    facts.name = config.Name;
    for (int i = 0; i < config.SubjectsLen; ++i) facts.subjects.emplace_back(config.Subjects[i]);
    facts.on_disk = config.Storage == js_FileStorage;
    facts.acknowledges = !config.NoAck;
    facts.sealed = config.Sealed;
    facts.retention = retention_of(config);
    facts.refuses_when_full = config.Discard == js_DiscardNew;
    facts.replicas = static_cast<unsigned>(std::max<std::int64_t>(config.Replicas, 1));
    facts.duplicates = std::chrono::floor<milliseconds>(nanoseconds(config.Duplicates));
    facts.max_age = std::chrono::floor<milliseconds>(nanoseconds(config.MaxAge));
    // The server sends -1 for no limit.
    facts.max_msgs = std::max<std::int64_t>(config.MaxMsgs, 0);
    facts.max_bytes = std::max<std::int64_t>(config.MaxBytes, 0);
    facts.max_msgs_per_subject = std::max<std::int64_t>(config.MaxMsgsPerSubject, 0);
    facts.max_msg_size = static_cast<std::size_t>(std::max<std::int32_t>(config.MaxMsgSize, 0));
    facts.created_ns = info.Created;
    facts.first = info.State.FirstSeq;
    facts.last = info.State.LastSeq;
    facts.messages = info.State.Msgs;
    facts.bytes = info.State.Bytes;
    facts.deleted = info.State.NumDeleted;
    return facts;
}

Result<StreamFacts> make_stream(const NatsLink::Lease& lease, const NatsServerFacts& server, const StreamNeeds& needs) {
    std::vector<const char*> subjects;
    for (const std::string& subject : needs.subjects) subjects.push_back(subject.c_str());
    jsStreamConfig config;
    jsStreamConfig_Init(&config);
    config.Name = needs.name.c_str();
    config.Description = "events of holdfast gateways";
    config.Subjects = subjects.data();
    config.SubjectsLen = static_cast<int>(subjects.size());
    config.Retention = js_LimitsPolicy;
    config.Discard = js_DiscardOld;
    config.Storage = js_FileStorage;
    config.MaxAge = made_max_age.count();
    config.Duplicates = made_duplicates.count();
    config.Replicas = needs.replicas != 0 ? needs.replicas : server.cluster.empty() ? 1U : made_replicas_in_a_cluster;
    jsOptions options;
    jsOptions_Init(&options);
    options.Wait = timeout.count();
    jsStreamInfo* raw = nullptr;
    auto code = static_cast<jsErrCode>(0);
    const natsStatus status = js_AddStream(&raw, lease.jetstream, &config, &options, &code);
    const StreamInfo info(raw, jsStreamInfo_Destroy);
    if (status != NATS_OK) return complaint(status, static_cast<int>(code), needs, "created");
    return facts_of(*info);
}

struct Answer {
    natsStatus status = NATS_OK;
    int code = 0;
    StreamInfo info{nullptr, jsStreamInfo_Destroy};
};

Answer query_stream(const NatsLink::Lease& lease, const StreamNeeds& needs) {
    jsOptions options;
    jsOptions_Init(&options);
    options.Wait = timeout.count();
    jsStreamInfo* raw = nullptr;
    auto code = static_cast<jsErrCode>(0);
    Answer answer;
    answer.status = js_GetStreamInfo(&raw, lease.jetstream, needs.name.c_str(), &options, &code);
    answer.code = static_cast<int>(code);
    answer.info.reset(raw);
    return answer;
}

Result<StreamFacts> checked(const Answer& answer, const StreamNeeds& needs) {
    StreamFacts facts = facts_of(*answer.info);
    const std::string wrong = stream_complaint(facts, needs);
    if (!wrong.empty()) return Error{wrong};
    return facts;
}

}  // namespace

std::vector<std::string> event_subjects(const std::string& prefix, bool bad_items) {
    std::vector<std::string> subjects{prefix + ".*.connected.*", prefix + ".*.identified.*", prefix + ".*.item.*",
                                      prefix + ".*.closed.*", prefix + ".batch.*"};
    if (bad_items) subjects.push_back(prefix + ".*.bad_item.*");
    return subjects;
}

bool subject_covers(std::string_view wide, std::string_view narrow) {
    while (!wide.empty() && !narrow.empty()) {
        const std::string_view token = next_token(wide);
        if (token == ">") return true;
        const std::string_view other = next_token(narrow);
        if (other == ">" || (token != "*" && token != other)) return false;
    }
    return wide.empty() && narrow.empty();
}

std::string stream_complaint(const StreamFacts& facts, const StreamNeeds& needs) {
    const std::string stream = "the stream " + in_quotes(needs.name) + " ";
    const std::string advice = "; correct it (nats stream edit " + needs.name + "), or name another in [sink]";
    for (const std::string& subject : needs.subjects) {
        const auto covers = [&](const std::string& wide) { return subject_covers(wide, subject); };
        if (std::any_of(facts.subjects.begin(), facts.subjects.end(), covers)) continue;
        return stream + "does not receive " + subject + "; add the subject (nats stream edit " + needs.name +
               "), or name another in [sink]";
    }
    if (!facts.on_disk) return stream + "is kept in memory and is lost with its server; create one with file storage";
    if (!facts.acknowledges) return stream + "acknowledges nothing (no_ack)" + advice;
    if (facts.sealed) return stream + "is sealed; name another in [sink]";
    if (facts.retention == StreamRetention::interest) {
        return stream + "drops events without a consumer (retention interest); create one with retention limits";
    }
    if (facts.max_msgs_per_subject > 0) {
        return stream + "drops acknowledged events, as it keeps only " + std::to_string(facts.max_msgs_per_subject) +
               " of a subject (max_msgs_per_subject); remove that limit (nats stream edit " + needs.name +
               " --max-msgs-per-subject=-1), or name another stream in [sink]";
    }
    if (facts.duplicates < min_duplicates) {
        return stream + "knows duplicates for " + format_duration(facts.duplicates) + " only, " +
               format_duration(min_duplicates) + " are needed" + advice;
    }
    if (facts.replicas < needs.replicas) {
        return stream + "has " + std::to_string(facts.replicas) + " replicas, and replicas in [sink] is " +
               std::to_string(needs.replicas) + advice;
    }
    return "";
}

std::vector<std::string> stream_warnings(const StreamFacts& facts) {
    const std::string stream = "the stream " + in_quotes(facts.name) + " ";
    std::vector<std::string> warnings;
    const auto limited = [&](const std::string& limit) {
        warnings.push_back(
            facts.refuses_when_full
                ? stream + "refuses new events when it is full (discard new, " + limit +
                      "), and events then wait in the spool; give the stream room before the disk is full"
                : stream + "removes its oldest events when it is full (discard old, " + limit +
                      "), and slower consumers miss them; raise or remove the limit");
    };
    if (facts.max_msgs > 0) limited("max_msgs " + std::to_string(facts.max_msgs));
    if (facts.max_bytes > 0) limited("max_bytes " + std::to_string(facts.max_bytes));
    if (facts.max_age.count() > 0 && facts.max_age < short_max_age) {
        warnings.push_back(stream + "removes events after " + format_duration(facts.max_age) +
                           " (max_age), and slower consumers miss them; raise it");
    }
    return warnings;
}

std::string guarantee_text(const StreamFacts& stream, const NatsServerFacts& server) {
    const std::string version = server.version.empty() ? "" : " (nats-server " + server.version + ")";
    if (stream.replicas <= 1) {
        return "an acknowledged event is in the files of one server" + version +
               ": a crash of nats-server loses nothing, a loss of power at most its sync interval "
               "(2 minutes by default), the loss of its disk everything";
    }
    const unsigned may_fail = (stream.replicas - 1) / 2;
    return "an acknowledged event is with a majority of " + std::to_string(stream.replicas) + " servers" + version +
           ", and survives the loss of " + std::to_string(may_fail) +
           (may_fail == 1 ? " of them, disk included" : " of them, disks included") +
           "; a loss of power at more of them at once may lose the sync interval (2 minutes by default)";
}

std::string right_complaint(const std::string& right) {
    return "the user of [sink] lacks a right (" + right +
           "); grant the rights that docs/tasks/publish-to-nats.md lists";
}

std::optional<Result<StreamFacts>> check_stream(const NatsLink::Lease& lease, const StreamNeeds& needs) {
    const Answer answer = query_stream(lease, needs);
    if (answer.status == NATS_NOT_FOUND) {
        return Error{"the stream " + in_quotes(needs.name) + " was removed, and is created again"};
    }
    if (answer.status != NATS_OK) return std::nullopt;
    return checked(answer, needs);
}

Result<StreamFacts> set_up_stream(const NatsLink::Lease& lease, const NatsServerFacts& server,
                                  const StreamNeeds& needs) {
    const Answer answer = query_stream(lease, needs);
    if (answer.status == NATS_NOT_FOUND) return make_stream(lease, server, needs);
    if (answer.status != NATS_OK) return complaint(answer.status, answer.code, needs, "read");
    return checked(answer, needs);
}

}  // namespace holdfast
