#include "base/words.h"

#include <algorithm>

namespace holdfast {

std::string_view to_string(Framing framing) noexcept { return word_of(framing); }
std::string_view to_string(ProxyProtocol version) noexcept { return word_of(version); }
std::string_view to_string(TlsClient client) noexcept { return word_of(client); }
std::string_view to_string(TlsId id) noexcept { return word_of(id); }

std::optional<Framing> parse_framing(std::string_view word) noexcept {
    const auto& words = words_of<Framing>;
    const auto found = std::find(words.begin(), words.end(), word);
    if (found == words.end()) return std::nullopt;
    return static_cast<Framing>(found - words.begin());
}

}  // namespace holdfast
