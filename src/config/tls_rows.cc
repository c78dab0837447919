#include <array>

#include "config/option_rows.h"

namespace holdfast {
namespace {

// Each in the order of its enumeration.
constexpr std::array<std::string_view, 3> clients{"off", "optional", "required"};
constexpr std::array<std::string_view, 4> ids{"cn", "san:dns", "san:uri", "san:email"};

const auto tls_table = std::to_array<Option>({
    {.section = Section::listener,
     .name = "tls_certificate",
     .type = OptionType::text,
     .place = [](Target t) -> std::string& { return t.listener.tls.certificate; },
     .default_text = "",
     .help = "a PEM file with the listener's certificate and those that lead to its authority: TLS 1.2 and 1.3; empty: "
             "plain"},
    {.section = Section::listener,
     .name = "tls_key",
     .type = OptionType::text,
     .place = [](Target t) -> std::string& { return t.listener.tls.key; },
     .default_text = "",
     .help = "a PEM file with its private key, which not everybody may read"},
    {.section = Section::listener,
     .name = "tls_client",
     .type = OptionType::choice,
     .place = [](Target t) -> TlsClient& { return t.listener.tls.client; },
     .default_text = "off",
     .choices = clients,
     .help = "whether a device shows a certificate of its own: off, optional or required"},
    {.section = Section::listener,
     .name = "tls_client_ca",
     .type = OptionType::text,
     .place = [](Target t) -> std::string& { return t.listener.tls.client_ca; },
     .default_text = "",
     .help = "a PEM file with the authorities whose certificates are good"},
    {.section = Section::listener,
     .name = "tls_client_crl",
     .type = OptionType::text,
     .place = [](Target t) -> std::string& { return t.listener.tls.client_crl; },
     .default_text = "",
     .help = "a PEM file with what they have revoked, a list of each; empty: nothing is"},
    {.section = Section::listener,
     .name = "tls_id",
     .type = OptionType::choice,
     .place = [](Target t) -> TlsId& { return t.listener.tls.id; },
     .default_text = "cn",
     .choices = ids,
     .help = "which name in a device's certificate is its id: cn, san:dns, san:uri or san:email; it must have one"},
    {.section = Section::listener,
     .name = "ids_file",
     .type = OptionType::text,
     .place = [](Target t) -> std::string& { return t.listener.tls.ids_file; },
     .default_text = "",
     .help = "a file with the ids that may come in by a certificate, one a line; empty: all that are signed for"},
});

}  // namespace

std::span<const Option> tls_rows() { return tls_table; }

}  // namespace holdfast
