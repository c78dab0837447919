#include <array>

#include "config/option_rows.h"

namespace holdfast {
namespace {

const auto admin_table = std::to_array<Option>({
    {.section = Section::admin,
     .name = "address",
     .type = OptionType::text,
     .place = [](Target t) -> std::string& { return t.daemon.admin.address; },
     .default_text = "127.0.0.1:7080",
     .flag = "--admin",
     .help = "of the HTTP API and metrics; one that is not loopback needs token_file and TLS; \"off\": none"},
    {.section = Section::admin,
     .name = "socket",
     .type = OptionType::text,
     .place = [](Target t) -> std::string& { return t.daemon.admin.socket; },
     .default_text = "",
     .help = "a unix socket (mode 0600) for the same, beside the address; by default admin.sock in systemd's "
             "RuntimeDirectory, else none; \"off\": none"},
    {.section = Section::admin,
     .name = "health",
     .type = OptionType::text,
     .place = [](Target t) -> std::string& { return t.daemon.admin.health; },
     .default_text = "",
     .help = "ADDR:PORT or unix:PATH that answers /healthz and /readyz alone, plain, to everybody"},
    {.section = Section::admin,
     .name = "token_file",
     .type = OptionType::text,
     .place = [](Target t) -> std::string& { return t.daemon.admin.token_file; },
     .default_text = "",
     .help = "a file (mode 0600) of tokens, one a line, that may do everything at the address; without one, no token "
             "is asked for"},
    {.section = Section::admin,
     .name = "read_token_file",
     .type = OptionType::text,
     .place = [](Target t) -> std::string& { return t.daemon.admin.read_token_file; },
     .default_text = "",
     .help = "the same for tokens that may only look: dashboards, Prometheus"},
    {.section = Section::admin,
     .name = "tls_certificate",
     .type = OptionType::text,
     .place = [](Target t) -> std::string& { return t.daemon.admin.tls_certificate; },
     .default_text = "",
     .help = "PEM: the address's certificate, and those that lead from it to the authority; with it the address speaks "
             "HTTPS only"},
    {.section = Section::admin,
     .name = "tls_key",
     .type = OptionType::text,
     .place = [](Target t) -> std::string& { return t.daemon.admin.tls_key; },
     .default_text = "",
     .help = "PEM: its private key"},
    {.section = Section::admin,
     .name = "hosts",
     .type = OptionType::texts,
     .place = [](Target t) -> std::vector<std::string>& { return t.daemon.admin.hosts; },
     .default_text = "[]",
     .help = "names that the address is called by, beside localhost, IP addresses and those of the certificate; "
             "requests for others are refused"},
});

}  // namespace

std::span<const Option> admin_rows() { return admin_table; }

}  // namespace holdfast
