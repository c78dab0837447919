#include <array>

#include <holdfast/config.h>

namespace holdfast {

namespace {

constexpr std::array<std::string_view, 3> client_words{"off", "optional", "required"};
constexpr std::array<std::string_view, 4> id_words{"cn", "san:dns", "san:uri", "san:email"};

}  // namespace

std::string_view to_string(TlsClient client) noexcept { return client_words.at(static_cast<std::size_t>(client)); }
std::string_view to_string(TlsId id) noexcept { return id_words.at(static_cast<std::size_t>(id)); }

}  // namespace holdfast
