/* The device's side of the holdfast protocol (docs/reference/protocol.md): hello, session, seq, ack, nack, resume,
 * retry_after_ms. C99 without dependencies. No allocation, no thread, no clock of its own: the caller passes memory and
 * functions. */
#ifndef HOLDFAST_DEVICE_H
#define HOLDFAST_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Size of the buffer that collects bytes for one write. The hello must fit into it. */
#ifndef HF_DEVICE_OUT_BYTES
#define HF_DEVICE_OUT_BYTES 1024
#endif
/* Size of the largest message that the device receives. A larger one is dropped and counted. */
#ifndef HF_DEVICE_IN_BYTES
#define HF_DEVICE_IN_BYTES 1024
#endif
#define HF_DEVICE_SESSION_BYTES 64
/* hf_device_poll() returns this if only the connection can give the device work. */
#define HF_DEVICE_FOREVER UINT32_MAX

typedef enum {
    HF_OK = 0,
    HF_FULL = -1, /* no room until the gateway acknowledges items; keep the item and try again */
    HF_TOO_LARGE =
        -2,           /* the item is larger than the memory, or the hello is larger than 1 KiB or HF_DEVICE_OUT_BYTES */
    HF_BAD_ITEM = -3, /* the text is no JSON object by its braces */
    HF_BAD_CONFIG = -4 /* a function, the memory or the id is missing, or a text is too long */
} hf_status;

typedef enum {
    HF_OFFLINE,    /* no connection; the next attempt has its time */
    HF_CONNECTING, /* open() has not finished */
    HF_GREETING,   /* the hello is under way, and the gateway owes the resume */
    HF_ONLINE      /* items are sent */
} hf_state;

/* Why the last connection ended. */
typedef enum {
    HF_END_NONE,
    HF_END_CONNECT, /* open() failed or took too long */
    HF_END_CLOSED,  /* the gateway or the transport ended it: a stop, a drain, superseded, unauthenticated, a lost path
                     */
    HF_END_TIMEOUT, /* no resume, or no ack, within its timeout; a listener without acks = true sends no resume */
    HF_END_GAP,     /* the gateway repeatedly expects a number that the device has sent or no longer has */
    HF_END_SESSION, /* the session is used by another device, or the gateway skipped items: a new session begins */
    HF_END_STOPPED  /* hf_device_stop() */
} hf_end;

typedef enum {
    HF_LINES, /* a line per item: framing = "ndjson", the gateway's default */
    HF_LENGTH /* four bytes of length, big-endian, before each item: framing = "length" */
} hf_framing;

/* The caller's clock, random numbers and connection. All functions get `context`. */
typedef struct {
    void *context;
    /* Returns milliseconds of a clock that never goes back. */
    uint64_t (*now_ms)(void *context);
    /* Returns random bits that differ after each boot. */
    uint32_t (*random)(void *context);
    /* Opens a connection. Returns 1 if it is open, 0 if open() must be called again, -1 if it failed. */
    int (*open)(void *context);
    /* Returns the number of bytes read, 0 if there are none now, -1 if the connection has ended. */
    int (*read)(void *context, void *bytes, size_t size);
    /* Returns the number of bytes taken, 0 if none can be taken now, -1 if the connection has ended. */
    int (*write)(void *context, const void *bytes, size_t size);
    /* Closes the connection, also an unfinished one. */
    void (*close)(void *context);
    /* Receives a message that is no answer of the protocol, such as a command. May be NULL. */
    void (*on_message)(void *context, const char *json, size_t size);
    /* Receives the number and the kind of an item that the gateway refused, for example "no_key". May be NULL. */
    void (*on_refused)(void *context, uint64_t seq, const char *reason);
} hf_device_io;

/* Settings of a device. Zero stands for the default. Texts must live as long as the device. */
typedef struct {
    hf_device_io io;
    const char *id;      /* 1 to 128 bytes without control characters */
    const char *token;   /* up to 256 bytes; NULL: none */
    const char *session; /* 1 to 64 bytes, a new one whenever the numbers start from 1; NULL: drawn from random() */
    /* Number of the first item of a kept session; needs `session`. Items added before the first poll keep their
     * numbers. */
    uint64_t first_seq;
    hf_framing framing;
    void *memory; /* holds unacknowledged items: each takes its text and 4 bytes */
    size_t memory_bytes;
    uint32_t connect_timeout_ms; /* 30,000 */
    uint32_t resume_timeout_ms;  /* 60,000 */
    uint32_t ack_timeout_ms;     /* without an ack for a sent item; 0: the transport alone finds a lost path */
    uint32_t backoff_min_ms;     /* 250 */
    uint32_t backoff_max_ms;     /* 60,000 */
} hf_device_config;

typedef struct {
    uint64_t connects;    /* connections that were open */
    uint64_t acked;       /* items that left the memory */
    uint64_t sent;        /* items written, repetitions included */
    uint64_t refused;     /* nacks of items */
    uint64_t gaps;        /* nacks after which the device went back */
    uint64_t sessions;    /* sessions begun */
    uint64_t bad_answers; /* frames that were no JSON object, or larger than HF_DEVICE_IN_BYTES */
} hf_device_stats;

/* One device. The members belong to holdfast_device.c; use the functions. */
typedef struct {
    hf_device_config config;
    hf_device_stats stats;
    char session[HF_DEVICE_SESSION_BYTES + 1];
    hf_state state;
    hf_end last_end;
    uint64_t deadline; /* of the state; UINT64_MAX: none */
    uint64_t ack_deadline;
    uint64_t online_since;
    uint64_t retry_at;  /* of the next connection */
    bool parting;       /* retry_after_ms has come */
    bool has_more;      /* the latest read filled its buffer */
    bool polled;        /* items added so far may have been sent before */
    uint32_t failures;  /* short connections in a row */
    size_t head, used;  /* of the memory */
    uint64_t first;     /* number of the oldest item in memory */
    uint64_t next;      /* number of the next item that is added */
    uint64_t sent_max;  /* highest number that this session may have sent */
    uint64_t send_seq;  /* item to write next */
    size_t send_at;     /* its place, from head */
    size_t send_offset; /* bytes of it that are in `out` or written */
    uint64_t release_to, back_to;
    uint64_t gap_seq;
    unsigned gap_count;
    size_t out_size, out_done;
    size_t in_size;
    uint32_t frame_left;
    unsigned frame_header; /* bytes of the length that have arrived */
    bool in_drops;
    char out[HF_DEVICE_OUT_BYTES];
    char in[HF_DEVICE_IN_BYTES + 1];
} hf_device;

/* Prepares a device. Copies the config, and opens no connection. */
hf_status hf_device_init(hf_device *device, const hf_device_config *config);

/* Copies one item, a JSON object without the field "seq", into the memory. The device keeps it until an ack covers it.
 */
hf_status hf_device_add(hf_device *device, const char *json, size_t size);

/* Does what is due: connects, reads, writes. Returns the milliseconds after which it must be called again. Call it
 * earlier if the connection is readable, or if it is writable and hf_device_wants_write(). */
uint32_t hf_device_poll(hf_device *device);

/* Returns true if bytes wait for room in the connection, or if open() has not finished. */
bool hf_device_wants_write(const hf_device *device);

/* Closes the connection. The items stay; hf_device_poll() connects again. */
void hf_device_stop(hf_device *device);

hf_state hf_device_state(const hf_device *device);
hf_end hf_device_last_end(const hf_device *device);
/* Returns the number of items that no ack has covered. */
size_t hf_device_pending(const hf_device *device);
/* Returns the number of the oldest item that no ack has covered, or of the next item. */
uint64_t hf_device_first_seq(const hf_device *device);
/* Returns the name of the session, which changes after HF_END_SESSION. */
const char *hf_device_session(const hf_device *device);
hf_device_stats hf_device_get_stats(const hf_device *device);
/* Copies the oldest item but `index`, so that a program can keep it over a reboot. Returns its size, or 0 if there is
 * no such item. Copies nothing if `room` is smaller. */
size_t hf_device_item(const hf_device *device, size_t index, char *json, size_t room);

/* Returns the wait before attempt number `failures` + 1: doubled up to `max_ms`, and from half of it to all of it.
 * Pure. */
uint32_t hf_device_backoff(uint32_t failures, uint32_t min_ms, uint32_t max_ms, uint32_t random);

#ifdef HF_DEVICE_POSIX
/* A TCP connection by POSIX sockets. */
typedef struct {
    const char *host, *port;
    int fd;
    unsigned attempts;
    hf_device *device;
} hf_posix;

/* Fills the functions of `io` except the two callbacks. `host` is a name or an address. Ignore SIGPIPE where
 * MSG_NOSIGNAL does not exist. */
void hf_posix_init(hf_posix *posix, hf_device *device, hf_device_io *io, const char *host, const char *port);
/* Waits until the connection has work for hf_device_poll(), `fd` is readable (-1: none), or `wait_ms` are over. Returns
 * whether `fd` is readable. */
bool hf_posix_wait(const hf_posix *posix, int fd, uint32_t wait_ms);
#endif

#ifdef __cplusplus
}
#endif

#endif
