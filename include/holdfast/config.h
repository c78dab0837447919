#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/visibility.h>

namespace holdfast HOLDFAST_PUBLIC {

/// How items are cut out of the byte stream.
enum class Framing : std::uint8_t {
    ndjson,  ///< one JSON object a line, \n or \r\n
    json,    ///< JSON objects one after another, with or without white space between them
    length,  ///< 4 bytes of length, big-endian, then the JSON object
};

[[nodiscard]] std::string_view to_string(Framing framing) noexcept;
[[nodiscard]] std::optional<Framing> parse_framing(std::string_view word) noexcept;

/// Whether a proxy tells in front of each connection whose it is, and how (the PROXY protocol of HAProxy).
enum class ProxyProtocol : std::uint8_t { off, v1, v2 };

[[nodiscard]] std::string_view to_string(ProxyProtocol version) noexcept;

/// Whether a device shows a certificate of its own.
enum class TlsClient : std::uint8_t {
    off,       ///< it is not asked for one
    optional,  ///< it may, and then it must be good
    required,  ///< nobody comes in without
};

/// Which name in a device's certificate is its id. It must have exactly one of that kind.
enum class TlsId : std::uint8_t {
    cn,         ///< the subject's common name
    san_dns,    ///< the subject alternative name, of this kind
    san_uri,    ///< the same
    san_email,  ///< the same
};

[[nodiscard]] std::string_view to_string(TlsClient client) noexcept;
[[nodiscard]] std::string_view to_string(TlsId id) noexcept;

/// TLS 1.2 and 1.3 of one listener. All are paths of PEM files, read by Server::start and Server::apply; living
/// connections keep what they began with.
struct TlsConfig {
    std::string certificate;  ///< the listener's own, and what leads from it to the authority; empty: no TLS
    std::string key;          ///< its private key; readable by everybody it is refused
    TlsClient client = TlsClient::off;
    std::string client_ca;   ///< the authorities whose certificates are good
    std::string client_crl;  ///< what they have revoked; empty: nothing
    TlsId id = TlsId::cn;
    std::string ids_file;  ///< one id a line: nobody else comes in by a certificate; empty: no such list

    [[nodiscard]] bool enabled() const noexcept { return !certificate.empty(); }
    friend bool operator==(const TlsConfig&, const TlsConfig&) = default;
};

/// One listening address and what holds for the connections accepted on it.
struct ListenerConfig {
    std::string name = "devices";
    std::string address = "127.0.0.1:7000";  ///< "[::]:7000" takes IPv4 and IPv6; port 0 lets the kernel choose
    Framing framing = Framing::ndjson;
    std::chrono::milliseconds detect_within{30'000};              ///< 3 s to 1 h: see liveness.h
    std::optional<std::chrono::milliseconds> read_idle{300'000};  ///< no complete item for so long: close; nothing: off
    std::optional<std::chrono::milliseconds> write_stall;  ///< zero window for so long: close; nothing: detect_within
    std::chrono::milliseconds item_deadline{30'000};       ///< from an item's first byte to its last
    std::uint16_t max_bad_items = 100;                     ///< bad items in a row that end the connection
    int backlog = 4096;                                    ///< listen(2); the kernel caps it at net.core.somaxconn
    bool reuse_port = false;                               ///< several gateway processes may share the address
    bool acks = false;                                     ///< answer to hello and seq: docs/reference/protocol.md
    ProxyProtocol proxy_protocol = ProxyProtocol::off;
    std::string tokens_file;  ///< hashed tokens (`holdfast token add`): only a hello with one opens; empty: off
    std::vector<std::string> trusted_proxies;  ///< "10.0.0.0/8": who may send PROXY headers, and come in at all then

    TlsConfig tls;
};

struct ItemConfig {
    std::string key = "ip";             ///< the field that names the item, matched without regard to case
    std::size_t max_bytes = 64 * 1024;  ///< of one item, up to 1 MiB
    unsigned max_depth = 64;            ///< of nested objects and arrays, up to 1024
};

struct LimitsConfig {
    std::size_t max_connections = 0;             ///< 0: the descriptor limit less a reserve
    std::size_t downlink_queue = 64 * 1024;      ///< bytes a connection may have waiting beyond the kernel's buffer
    std::size_t max_connections_per_peer = 0;    ///< of one IPv4 address, or IPv6 /64; 0: no limit
    std::size_t max_connections_per_prefix = 0;  ///< of one IPv4 /24, or IPv6 /48; 0: no limit
    std::size_t accept_rate = 0;                 ///< connections a second; more wait; 0: no limit
    std::size_t buffer_budget = std::size_t{512} << 20;  ///< bytes of unfinished items, downlink queues, TLS; 0: none
    std::size_t items_per_second = 0;                    ///< of one connection; what is beyond waits; 0: no limit
    std::size_t bytes_per_second = 0;                    ///< the same
    std::size_t max_handshakes = 1'024;  ///< of TLS, at once; beyond it some are turned away; 0: no limit
};

/// Something that an operator should hear of, told once: when it begins, when it ends, or when it has been done.
struct Notice {
    enum class Kind : std::uint8_t {
        accept_paused,
        accept_resumed,
        certificate,    ///< something of a listener's TLS files has expired
        plan_in_force,  ///< a changed `detect_within` holds for every connection that was there
    };
    Kind kind{};
    std::string_view listener;
    std::string message;  ///< what happened and what to do about it
};

/// What a Server is told. Checked as a whole by Server::start.
struct ServerConfig {
    std::vector<ListenerConfig> listeners{ListenerConfig{}};
    ItemConfig item;
    LimitsConfig limits;
    unsigned reactors = 0;                        ///< event-loop threads; 0: one a core
    std::chrono::milliseconds drain_time{5'000};  ///< a graceful stop takes at most so long
    std::size_t closed_history = 10'000;          ///< last lives kept for Server::closed
    bool observed = false;                        ///< keep what Server::observe hands on
    bool canaries = false;  ///< ask a few connections ahead of time, so that a partition shows soon
    std::function<void(const Notice&)> on_notice;  ///< called on reactor threads; may be empty
};

}  // namespace HOLDFAST_PUBLIC
