#include "forward/stored_message.h"

#include <charconv>
#include <memory>
#include <string_view>

#include "text/printable.h"

#include <nats/nats.h>

namespace holdfast {
namespace {

constexpr std::int64_t patience_ms = 1'000;

std::uint64_t number_of(std::string_view text, int base) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    return error == std::errc{} && end == text.data() + text.size() ? number : 0;
}

std::string_view header_of(natsMsg* message, const char* name) {
    const char* value = nullptr;
    return natsMsgHeader_Get(message, name, &value) == NATS_OK && value != nullptr ? value : "";
}

}  // namespace

StoredMessage read_stored(const NatsLink::Lease& lease, const std::string& stream, std::uint64_t sequence) {
    StoredMessage out;
    jsOptions options;
    jsOptions_Init(&options);
    options.Wait = patience_ms;
    natsMsg* raw = nullptr;
    auto code = static_cast<jsErrCode>(0);
    const natsStatus status = js_GetMsg(&raw, lease.jetstream, stream.c_str(), sequence, &options, &code);
    const std::unique_ptr<natsMsg, decltype(&natsMsg_Destroy)> message(raw, natsMsg_Destroy);
    if (status == NATS_NOT_FOUND) return out;
    if (status != NATS_OK) {
        out.is_unreadable = true;
        out.why = printable(natsStatus_GetText(status));
        return out;
    }
    out.spool = header_of(raw, "Holdfast-Spool");
    out.epoch = number_of(header_of(raw, "Holdfast-Epoch"), 16);
    out.first = number_of(header_of(raw, "Holdfast-Position"), 10);
    const std::uint64_t events = number_of(header_of(raw, "Holdfast-Events"), 10);
    out.last = out.first + (events > 0 ? events - 1 : 0);
    return out;
}

}  // namespace holdfast
