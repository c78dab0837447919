/// The library for other languages: C99 functions of libholdfast.so. Events come in batches, so that a language with
/// costly calls makes few. docs/tasks/embed-c.md has the threads and the lifetimes.
#ifndef HOLDFAST_C_H
#define HOLDFAST_C_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HF_API __attribute__((visibility("default")))

/// Version of the structs and functions below. Later versions add functions; they change no struct of this one.
#define HF_ABI_VERSION 1

/// Result of a function. Errors are negative; hf_last_error() has their text.
enum {
    HF_SUCCESS = 0,
    HF_ERR_OTHER = -1,
    HF_ERR_INVALID_ARGUMENT = -2,     ///< a text or a value cannot be used; pass another one
    HF_ERR_INVALID_CONFIG = -3,       ///< an option is out of range, or contradicts another
    HF_ERR_INVALID_FILE = -4,         ///< a file that an option names is missing, unreadable or wrong
    HF_ERR_ADDRESS_IN_USE = -5,       ///< another socket has the address
    HF_ERR_ADDRESS_UNAVAILABLE = -6,  ///< no interface of this host has the address
    HF_ERR_NOT_PERMITTED = -7,        ///< the process may not use the address
    HF_ERR_OUT_OF_RESOURCES = -8,     ///< memory, descriptors or threads are exhausted
    HF_ERR_SYSTEM = -9,               ///< the kernel refuses something else
    HF_ERR_STOPPING = -10,            ///< the server stops
    HF_ERR_MISUSE = -11,              ///< a mistake of the program, e.g. a server of the parent after fork(2)
    HF_ERR_NO_CONNECTION = -12,       ///< the connection or the device does not exist
    HF_ERR_QUEUE_FULL = -13,          ///< the device does not read; nothing was sent
    HF_ENDED = -14,                   ///< hf_server_drain() is done, and all events have been fetched
    HF_ERR_UNENCODABLE = -15          ///< the listener's framing has no form for the message; nothing was sent
};

/// Options of a server.
typedef struct hf_config hf_config;
/// A running server.
typedef struct hf_server hf_server;

/// Identifies one connection permanently.
typedef struct hf_conn {
    uint64_t number;
    uint32_t run;
    uint32_t reserved;
} hf_conn;

/// A text of `size` bytes, without a final NUL.
typedef struct hf_text {
    const char* data;
    size_t size;
} hf_text;

/// Kinds of hf_event.
enum {
    HF_CONNECTED = 1,
    HF_IDENTIFIED = 2,
    HF_ITEM = 3,
    HF_BAD_ITEM = 4,
    HF_CLOSED = 5,
    HF_HELLO = 6,    ///< with hf_config_set_authenticate(): `id` and `session` as claimed, and the token in `body`
    HF_REFUSED = 7,  ///< with hf_config_set_durable(): a numbered item was bad, and its number `seq` is used up
    HF_LOOK_UP = 8   ///< likewise: the device `id`, `session` is back; `number` is that of the question
};

/// An event of a connection: a hello if asked for, connected, then items, then exactly one closed. Fields of other
/// kinds are zero. The texts are valid until the next hf_server_wait_events() of the server.
typedef struct hf_event {
    uint32_t kind;
    uint32_t authenticated;  ///< 1: a certificate or a token has proved `id`
    hf_conn conn;
    int64_t at_ms;  ///< milliseconds since 1970
    hf_text listener;
    hf_text peer;  ///< "10.2.0.9:51514"
    hf_text id;    ///< of the device; empty: none
    hf_text session;
    hf_text key;      ///< item, closed: of the (latest) item
    hf_text body;     ///< item: the device's JSON object; bad item: its first bytes
    hf_text reason;   ///< closed: "peer_closed", ...; bad item: "not_json", ...
    hf_text detail;   ///< an explaining sentence, or empty
    uint64_t number;  ///< item: 1 for the connection's first; closed: number of items
    uint64_t seq;     ///< item: the device's number; 0: unnumbered
    int32_t error;    ///< closed: the underlying errno, or 0
    uint32_t code;    ///< closed: of hf_server_close()
} hf_event;

/// Answer of hf_server_probe().
typedef struct hf_probe {
    uint32_t alive;  ///< 1: the device's kernel has answered
    uint32_t waited_ms;
    uint32_t rtt_us;
    uint32_t reserved;
} hf_probe;

/// Figures since the start, and of now.
typedef struct hf_stats {
    uint64_t connections;  ///< now
    uint64_t accepted;
    uint64_t closed;
    uint64_t items;
    uint64_t bad_items;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t uptime_ms;
    uint64_t waiting_events;  ///< that hf_server_wait_events() has not fetched
    uint64_t waiting_bytes;   ///< memory of these
} hf_stats;

/// Returns HF_ABI_VERSION of the library.
HF_API uint32_t hf_abi_version(void);
/// Returns the library's version, "0.1.0".
HF_API const char* hf_version(void);
/// Returns the text of this thread's latest error: what failed, the cause and the remedy. Valid until the next one.
HF_API const char* hf_last_error(void);

/// Returns a config with all defaults, or NULL if the library does not know `abi_version` or has no memory.
HF_API hf_config* hf_config_create(uint32_t abi_version);
/// Sets an option of docs/reference/options.md, with the text that a flag has. Its name has the section in front:
/// "item.key", "reactors", "listener.address". "listener.1.address" is of the second listener, and adds it if needed.
HF_API int32_t hf_config_set(hf_config* config, const char* option, const char* value);
/// Sets the memory of events that wait, 16 MiB by default. If it is full, the server pauses reading from devices.
HF_API int32_t hf_config_set_queue_bytes(hf_config* config, size_t bytes);
/// Makes the program decide about each device of a listener, from 0: hf_server_accept(), hf_server_reject(). 0 is off.
HF_API int32_t hf_config_set_authenticate(hf_config* config, size_t listener, int32_t on);
/// Allows listeners to have `acks`: the program's events outlive its crash, as it says by hf_server_durable(). The
/// program answers each HF_LOOK_UP by hf_server_answer(). 0 is off.
HF_API int32_t hf_config_set_durable(hf_config* config, int32_t on);
/// Frees a config. NULL is allowed.
HF_API void hf_config_destroy(hf_config* config);

/// Starts a server, and stores it. Copies the config.
HF_API int32_t hf_server_start(const hf_config* config, hf_server** server);
/// Waits up to `timeout_ms` (-1: without limit) for events, and stores up to `max`. Returns their number, 0 at the
/// timeout, or HF_ENDED. One thread at a time.
HF_API int32_t hf_server_wait_events(hf_server* server, hf_event* events, size_t max, int32_t timeout_ms);
/// Sends one JSON object, which the caller has validated, in the listener's framing.
HF_API int32_t hf_server_send(hf_server* server, hf_conn conn, const char* json, size_t size);
/// Closes a connection as `application`, with a number and a sentence for its closed event. `detail` may be NULL.
HF_API int32_t hf_server_close(hf_server* server, hf_conn conn, uint32_t code, const char* detail);
/// Probes the device's kernel, and waits up to `timeout_ms` for the answer.
HF_API int32_t hf_server_probe(hf_server* server, hf_conn conn, uint32_t timeout_ms, hf_probe* answer);
/// Stores the living connection of a device.
HF_API int32_t hf_server_find(hf_server* server, const char* id, hf_conn* conn);
/// Lets a device in, whose HF_HELLO has come, under this id (NULL: as it claims) and with this detect_within (0: its
/// listener's). Without a decision for 10 s the connection is closed.
HF_API int32_t hf_server_accept(hf_server* server, hf_conn conn, const char* id, uint32_t detect_within_ms);
/// Closes a connection, whose HF_HELLO has come, as `unauthenticated`, with a number and a sentence for its closed
/// event. Sends `size` bytes first. `detail` and `bytes` may be NULL.
HF_API int32_t hf_server_reject(hf_server* server, hf_conn conn, uint32_t code, const char* detail, const char* bytes,
                                size_t size);
/// Reports that the first `count` events that hf_server_wait_events() has returned since the start outlive a crash.
/// Devices get the acks of their items. `count` grows.
HF_API int32_t hf_server_durable(hf_server* server, uint64_t count);
/// Answers the HF_LOOK_UP of this `number` with the last `seq` of the session that is durable, or 0 for none. All
/// events that came before the HF_LOOK_UP must be durable by then.
HF_API int32_t hf_server_answer(hf_server* server, uint64_t number, uint64_t seq);
/// Applies a changed config to the running server: adds, removes and changes listeners by name. Returns the number of
/// changes that need a restart. Stores a line for each change with a final NUL, as far as `size` allows; `report` may
/// be NULL. On an error nothing has changed.
HF_API int32_t hf_server_apply(hf_server* server, const hf_config* config, char* report, size_t size);
/// Stores the figures.
HF_API int32_t hf_server_stats(hf_server* server, hf_stats* stats);
/// Stores the address of a listener with a final NUL, as far as `size` allows. The kernel's choice replaces port 0.
HF_API int32_t hf_server_address(hf_server* server, size_t listener, char* text, size_t size);
/// Stops accepting, delivers received bytes, and closes every connection as `shutdown`. Returns at once; fetch events
/// until HF_ENDED.
HF_API int32_t hf_server_drain(hf_server* server);
/// Stops at once and frees the server. No other thread may be in a function of it. NULL is allowed.
HF_API void hf_server_destroy(hf_server* server);

#ifdef __cplusplus
}
#endif

#endif
