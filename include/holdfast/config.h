#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/visibility.h>

namespace holdfast {
inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

class Codec;  // holdfast/codec.h

/// How a byte stream is cut into items.
enum class Framing : std::uint8_t {
    ndjson,        ///< one item per line, ended by LF or CRLF
    json,          ///< consecutive JSON objects, with or without white space between them
    length,        ///< 4 bytes of length, big-endian, then the item
    length_field,  ///< a header with a length, as LengthField describes, then the rest of the item
};

[[nodiscard]] std::string_view to_string(Framing framing) noexcept;
[[nodiscard]] std::optional<Framing> parse_framing(std::string_view word) noexcept;

/// Order of the bytes of a number.
enum class ByteOrder : std::uint8_t {
    big,     ///< most significant byte first, the network's order
    little,  ///< least significant byte first
};

/// Header of the framing `length_field`. A frame has offset + width + length + adjustment bytes, where the length is
/// the value of the field.
struct LengthField {
    unsigned offset = 0;  ///< bytes before the field
    unsigned width = 2;   ///< of the field: 1, 2, 3, 4 or 8 bytes
    ByteOrder order = ByteOrder::big;
    int adjustment = 0;  ///< added to the length; negative where it counts bytes of the header, too
    unsigned strip = 0;  ///< bytes at the front of a frame that are no part of the item

    friend bool operator==(const LengthField&, const LengthField&) = default;
};

/// Content of items. All but `json` have no key field: their key is the id of the device, or else its address.
enum class Payload : std::uint8_t {
    json,    ///< a JSON object with a key field
    text,    ///< UTF-8; a string in events
    base64,  ///< any bytes; a string of Base64 (RFC 4648, 4) in events
};

/// Consequence of an item that exceeds ItemConfig::max_bytes.
enum class Oversize : std::uint8_t {
    close,  ///< its connection ends as `item_too_large`
    drop,   ///< the item is dropped to its end, and counted as a bad item
};

/// Treatment of the escape of one half of a surrogate pair ("\ud800"), which RFC 8259 allows and which has no
/// UTF-8 form.
enum class LoneSurrogates : std::uint8_t {
    reject,   ///< the item is a bad item, `not_json`
    replace,  ///< the item has U+FFFD in its place
};

/// Whether a proxy sends the device's address in front of each connection (the PROXY protocol of HAProxy).
enum class ProxyProtocol : std::uint8_t { off, v1, v2 };

[[nodiscard]] std::string_view to_string(ByteOrder order) noexcept;
[[nodiscard]] std::string_view to_string(Payload payload) noexcept;
[[nodiscard]] std::string_view to_string(ProxyProtocol version) noexcept;

/// Whether devices authenticate with a certificate.
enum class TlsClient : std::uint8_t {
    off,       ///< no certificate is requested
    optional,  ///< a certificate is requested, and must be valid if sent
    required,  ///< devices without a valid certificate are rejected
};

/// Which name in a device's certificate is its id. The certificate must have exactly one of that kind.
enum class TlsId : std::uint8_t {
    cn,         ///< the subject's common name
    san_dns,    ///< a subject alternative name of type DNS
    san_uri,    ///< of type URI
    san_email,  ///< of type e-mail
};

[[nodiscard]] std::string_view to_string(TlsClient client) noexcept;
[[nodiscard]] std::string_view to_string(TlsId id) noexcept;

/// TLS 1.2 and 1.3 of one listener. Paths of PEM files, read by Server::start and Server::apply. Living connections
/// keep the files that they began with.
struct TlsConfig {
    std::string certificate = {};  ///< the listener's own, followed by the chain to the authority; empty: no TLS
    std::string key = {};          ///< PEM file with the private key; rejected if world-readable
    TlsClient client = TlsClient::off;
    std::string client_ca = {};   ///< authorities of the devices' certificates
    std::string client_crl = {};  ///< their revocation lists; empty: none
    TlsId id = TlsId::cn;
    std::string ids_file = {};  ///< one id per line, the only ids accepted by certificate; empty: all

    [[nodiscard]] bool enabled() const noexcept { return !certificate.empty(); }
    friend bool operator==(const TlsConfig&, const TlsConfig&) = default;
};

/// One listening address and the settings of the connections accepted on it.
struct ListenerConfig {
    std::string name = "devices";
    std::string address = "127.0.0.1:7000";  ///< "[::]:7000" takes IPv4 and IPv6; port 0 lets the kernel choose
    /// A listening TCP socket of the program's, in place of `address`: inherited from a service manager, or bound in
    /// another way. The server uses duplicates, makes it non-blocking and sets the options of detect_within. The
    /// program closes its own descriptor, and with that ends the listening after the server's. All reactors share its
    /// queue.
    /// At the end of the listener, connections that were not accepted stay in the queue. The kernel resets them with
    /// the last descriptor of the socket: close the program's after the server's end.
    std::optional<int> descriptor = {};
    Framing framing = Framing::ndjson;
    std::string delimiter = {};  ///< of 1 to 8 bytes: ends an ndjson item in place of a line end; empty: a line end
    LengthField length_field = {};
    Payload payload = Payload::json;
    /// Makes the codec of each reactor, which takes the place of the framing; empty: the framing. A change of a running
    /// listener's codec needs a restart.
    std::function<std::unique_ptr<Codec>()> codec = {};
    bool arrays = false;  ///< a top-level array is a batch: each of its elements is an item
    Oversize oversize = Oversize::close;
    std::chrono::milliseconds detect_within{30'000};  ///< 3 s to 1 h: see liveness.h
    /// Closes after this time without a complete item; nullopt: off.
    std::optional<std::chrono::milliseconds> read_idle{300'000};
    /// Closes after this time without progress of data sent to the device; nullopt: detect_within.
    std::optional<std::chrono::milliseconds> write_stall = {};
    std::chrono::milliseconds item_deadline{30'000};  ///< from an item's first byte to its last
    std::uint16_t max_bad_items = 100;                ///< consecutive bad items that end the connection
    int backlog = 4096;                               ///< listen(2); the kernel caps it at net.core.somaxconn
    bool reuse_port = false;                          ///< several gateway processes may share the address
    /// Keeps sending to a device for this time after its FIN, or until a close; nullopt: until its answers are sent.
    std::optional<std::chrono::milliseconds> half_close = {};
    bool acks = false;  ///< acknowledges numbered items: docs/reference/protocol.md
    ProxyProtocol proxy_protocol = ProxyProtocol::off;
    std::string tokens_file =
        {};  ///< hashed tokens (`holdfast token add`), one of which each hello must have; empty: off
    /// EventHandler::on_hello() decides about each connection, whose first frame must be a hello.
    bool authenticate_by_program = false;
    std::vector<std::string> trusted_proxies = {};  ///< "10.0.0.0/8": sources that may send PROXY headers; others are
                                                    ///< then refused

    TlsConfig tls = {};
};

struct ItemConfig {
    /// The field that names the item, matched without regard to case. With dots, a path: "device.id". Empty: the
    /// device's id, from its hello or certificate.
    std::string key = "ip";
    std::size_t max_bytes = 64 * 1024;  ///< of one item, up to 1 MiB
    unsigned max_depth = 64;            ///< of nested objects and arrays, up to 1024
    bool numeric_key = false;           ///< a key may also be a 64-bit integer
    LoneSurrogates lone_surrogates = LoneSurrogates::reject;
};

struct LimitsConfig {
    std::size_t max_connections = 0;             ///< 0: the descriptor limit minus a reserve
    std::size_t downlink_queue = 64 * 1024;      ///< bytes that may wait per connection, beyond the kernel's buffer
    std::size_t max_connections_per_peer = 0;    ///< of one IPv4 address, or IPv6 /64; 0: no limit
    std::size_t max_connections_per_prefix = 0;  ///< of one IPv4 /24, or IPv6 /48; 0: no limit
    std::size_t accept_rate = 0;                 ///< connections per second; more wait; 0: no limit
    std::size_t buffer_budget = std::size_t{512}
                                << 20;   ///< bytes of unfinished items, downlink queues and TLS; 0: no limit
    std::size_t items_per_second = 0;    ///< per connection; more wait; 0: no limit
    std::size_t bytes_per_second = 0;    ///< likewise
    std::size_t max_handshakes = 1'024;  ///< TLS handshakes at once; more are refused; 0: no limit
};

/// An occurrence that an operator should know, reported once: when it begins, ends, or is done.
struct Notice {
    enum class Kind : std::uint8_t {
        accept_paused,
        accept_resumed,
        certificate,    ///< a file of a listener's TLS has expired
        plan_in_force,  ///< a changed `detect_within` applies to all earlier connections
    };
    Kind kind{};
    std::string_view listener = {};
    std::string message = {};  ///< what happened, and the remedy
};

/// Configuration of a Server, checked as a whole by Server::start.
struct ServerConfig {
    std::vector<ListenerConfig> listeners{ListenerConfig{}};
    ItemConfig item = {};
    LimitsConfig limits = {};
    unsigned reactors = 0;                        ///< event-loop threads; 0: one per core
    std::chrono::milliseconds drain_time{5'000};  ///< limit of a graceful stop
    std::size_t closed_history = 10'000;          ///< closed connections kept for Server::closed
    bool observed = false;                        ///< collects what Server::observe returns
    bool canaries = false;  ///< probes a few connections ahead of time, so that a partition shows soon
    /// Memory file (memfd_create(2)) in which the server keeps its connections, for a program whose descriptors outlive
    /// its process. The server that starts next with the same file takes the connections over. The program owns the
    /// file, for one server at a time. A file of another version is an error.
    std::optional<int> kept_state = {};
    std::function<void(const Notice&)> on_notice = {};  ///< called on reactor threads; may be empty
};

}  // namespace HOLDFAST_PUBLIC
}  // namespace holdfast
