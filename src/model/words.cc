#include "model/words.h"

#include <algorithm>

#include <holdfast/status.h>

namespace holdfast {

namespace {

constexpr std::array<std::string_view, bad_item_count> bad_item_words{"not_json", "not_object", "no_key",    "bad_utf8",
                                                                      "too_deep", "too_large",  "bad_hello", "bad_seq"};
constexpr std::array<std::string_view, refused_by_count> refused_words{
    "max_connections", "max_connections_per_peer", "max_connections_per_prefix",
    "buffer_budget",   "untrusted_proxy",          "max_handshakes"};
constexpr std::array<std::string_view, 4> delivery_words{"absent", "queue_full", "sent", "acked"};

}  // namespace

std::string_view to_string(Framing framing) noexcept { return word_of(framing); }
std::string_view to_string(ProxyProtocol version) noexcept { return word_of(version); }
std::string_view to_string(TlsClient client) noexcept { return word_of(client); }
std::string_view to_string(TlsId id) noexcept { return word_of(id); }

std::string_view to_string(LivenessOf liveness) noexcept { return liveness == LivenessOf::path ? "path" : "device"; }
std::string_view to_string(BadItem kind) noexcept { return bad_item_words.at(static_cast<std::size_t>(kind)); }
std::string_view to_string(RefusedBy limit) noexcept { return refused_words.at(static_cast<std::size_t>(limit)); }
std::string_view to_string(Delivery delivery) noexcept { return delivery_words.at(static_cast<std::size_t>(delivery)); }

std::optional<Framing> parse_framing(std::string_view word) noexcept {
    const auto& words = words_of<Framing>;
    const auto found = std::find(words.begin(), words.end(), word);
    if (found == words.end()) return std::nullopt;
    return static_cast<Framing>(found - words.begin());
}

}  // namespace holdfast
