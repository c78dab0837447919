#include "daemon/nats_output.h"

#include <unistd.h>

#include <utility>

namespace holdfast {
namespace {

std::string host_name() {
    char name[256] = "";
    return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

/// Returns the maximum size of an event, which holds the item and its key, a part of the item. Escaping triples a byte
/// of the key at most: U+0080 to U+009F have two bytes and become six.
std::size_t largest_event(std::size_t max_item_bytes) {
    constexpr std::size_t other_fields_and_headers = 4'096;
    return 4 * max_item_bytes + other_fields_and_headers;
}

NatsOptions link_options(const SinkConfig& config, bool fresh) {
    NatsOptions options;
    options.url = config.url;
    options.credentials = config.credentials;
    options.tls_ca = config.tls_ca;
    options.tls_cert = config.tls_cert;
    options.tls_key = config.tls_key;
    options.fresh = fresh;
    options.name = std::string(fresh ? "holdfast events " : "holdfast ") + host_name();
    return options;
}

/// Logs the state of the connection and of the stream.
void log_state(ForwarderOptions& options, Log& log) {
    options.on_trouble = [&log](const std::string& error) {
        log.error("publishing to NATS failed, and events wait in the spool: " + error);
    };
    options.on_recovered = [&log] { log.info("publishing to NATS resumed"); };
    options.on_ready = [&log](const std::string& server, const std::string& guarantee) {
        log.info("NATS", {{"server", server}, {"guarantee", guarantee}});
    };
    options.on_rival = [&log](const std::string& what) { log.error(what); };
    options.on_warning = [&log](const std::string& warning) { log.warn(warning); };
}

/// Logs the events that do not arrive in the stream.
void log_losses(ForwarderOptions& options, Log& log) {
    options.on_dead_letter = [&log](const std::string& what) {
        log.error(what + "; read it from the spool with holdfast consume");
    };
    options.on_loss = [&log](const std::string& what) { log.error("NATS has lost events: " + what); };
    options.on_skipped = [&log](const MissingRange& range) {
        log.error("events " + std::to_string(range.first) + " to " + std::to_string(range.last) +
                  " are missing in the spool and are not published to NATS: " + range.why);
    };
}

void warn_of_small_payload(std::size_t max_payload, std::size_t max_item_bytes, Log& log) {
    log.warn(
        "the event of an item of item.max_bytes can exceed max_payload of NATS; raise max_payload there, or lower "
        "item.max_bytes",
        {{"max_bytes", std::to_string(max_item_bytes)},
         {"largest_event", std::to_string(largest_event(max_item_bytes))},
         {"max_payload", std::to_string(max_payload)}});
}

}  // namespace

Result<std::unique_ptr<NatsOutput>> NatsOutput::start(Spool& spool, const SinkConfig& config,
                                                      std::size_t max_item_bytes, Log& log) {
    std::unique_ptr<NatsOutput> out(new NatsOutput());
    for (const bool fresh : {false, true}) {
        auto link = NatsLink::open(link_options(config, fresh));
        if (!link) return link.error();
        (fresh ? out->feed_ : out->link_) = std::move(link).value();
    }
    ForwarderOptions options;
    options.stream = config.stream;
    options.bad_items = config.bad_items;
    options.replicas = config.replicas;
    options.batch = config.batch;
    options.window = config.window;
    options.group = nats_group;
    options.largest_event = largest_event(max_item_bytes);
    options.on_small_payload = [&log, max_item_bytes](std::size_t max_payload) {
        warn_of_small_payload(max_payload, max_item_bytes, log);
    };
    log_state(options, log);
    log_losses(options, log);
    out->forwarder_ = std::make_unique<Forwarder>(spool, *out->feed_, std::move(options));
    return out;
}

}  // namespace holdfast
