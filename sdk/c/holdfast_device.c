#ifdef HF_DEVICE_POSIX
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* the options of TCP, beside what POSIX has */
#endif
#endif
#include "holdfast_device.h"

#include <string.h>

enum { HELLO_BYTES = 1024, ITEM_HEADER = 4, CHUNK_BYTES = 256, READS_PER_POLL = 16, MAX_GAPS = 3, SUFFIX_BYTES = 40 };
#define EMPTY_OBJECT UINT32_C(0x80000000) /* in an item's header: no field comes before its seq */
#define MAX_SEQ UINT64_C(9007199254740991)
#define STABLE_MS UINT64_C(10000)             /* a connection that lasted so long resets the back-off */
#define MAX_RETRY_AFTER_MS UINT64_C(86400000) /* a day */
#define NEVER UINT64_MAX

/* ---- the memory: a ring of items, each a header and its text without the closing brace ---- */

static void ring_put(hf_device *d, size_t at, const void *bytes, size_t size) {
    const size_t begin = (d->head + at) % d->config.memory_bytes;
    const size_t front = size < d->config.memory_bytes - begin ? size : d->config.memory_bytes - begin;
    memcpy((char *)d->config.memory + begin, bytes, front);
    memcpy(d->config.memory, (const char *)bytes + front, size - front);
}

static void ring_get(const hf_device *d, size_t at, void *bytes, size_t size) {
    const size_t begin = (d->head + at) % d->config.memory_bytes;
    const size_t front = size < d->config.memory_bytes - begin ? size : d->config.memory_bytes - begin;
    memcpy(bytes, (const char *)d->config.memory + begin, front);
    memcpy((char *)bytes + front, d->config.memory, size - front);
}

static uint32_t header_at(const hf_device *d, size_t at) {
    uint32_t header = 0;
    ring_get(d, at, &header, sizeof header);
    return header;
}

static size_t text_size_at(const hf_device *d, size_t at) { return header_at(d, at) & ~EMPTY_OBJECT; }

static size_t item_size_at(const hf_device *d, size_t at) { return ITEM_HEADER + text_size_at(d, at); }

/* Drops the items up to `seq`. */
static void release(hf_device *d, uint64_t seq) {
    while (d->first < d->next && d->first <= seq) {
        const size_t size = item_size_at(d, 0);
        d->head = (d->head + size) % d->config.memory_bytes;
        d->used -= size;
        d->first += 1;
        d->stats.acked += 1;
        d->send_at = d->send_seq < d->first ? 0 : d->send_at - size;
        d->send_seq = d->send_seq < d->first ? d->first : d->send_seq;
    }
}

static void send_from(hf_device *d, uint64_t seq) {
    d->send_seq = d->first;
    d->send_at = 0;
    d->send_offset = 0;
    for (; d->send_seq < seq && d->send_seq < d->next; ++d->send_seq) d->send_at += item_size_at(d, d->send_at);
}

/* Does what waited for the end of an item: half an item on the wire must be completed. */
static void settle(hf_device *d) {
    if (d->send_offset != 0) return;
    if (d->release_to != 0) release(d, d->release_to);
    d->release_to = 0;
    if (d->back_to >= d->first && d->back_to < d->send_seq) send_from(d, d->back_to);
    d->back_to = 0;
}

/* ---- text ---- */

static size_t put_text(char *out, size_t at, const char *text) {
    const size_t size = strlen(text);
    memcpy(out + at, text, size);
    return at + size;
}

static size_t put_number(char *out, size_t at, uint64_t number) {
    char digits[20];
    size_t count = 0;
    do digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    while (count > 0) out[at++] = digits[--count];
    return at;
}

/* Appends a JSON string if it fits into HELLO_BYTES. The text has no control characters. */
static size_t put_string(char *out, size_t at, const char *text) {
    out[at++] = '"';
    for (; *text != '\0' && at < HELLO_BYTES; ++text) {
        if (*text == '"' || *text == '\\') out[at++] = '\\';
        out[at++] = *text;
    }
    out[at++] = '"';
    return at;
}

static size_t put_length(char *out, uint64_t size) {
    for (unsigned n = 0; n < 4; ++n) out[n] = (char)(unsigned char)(size >> (24 - 8 * n) & 0xff);
    return 4;
}

/* Writes the hello in its framing. Returns its size, which is too large above HELLO_BYTES. */
static size_t hello_of(const hf_device *d, char out[2 * HELLO_BYTES]) {
    size_t at = put_text(out, d->config.framing == HF_LENGTH ? 4 : 0, "{\"hello\":{\"id\":");
    at = put_string(out, at, d->config.id);
    at = put_string(out, put_text(out, at, ",\"session\":"), d->session);
    at = put_number(out, put_text(out, at, ",\"from\":"), d->first);
    if (d->config.token != NULL) at = put_string(out, put_text(out, at, ",\"token\":"), d->config.token);
    at = put_text(out, at, d->config.framing == HF_LENGTH ? "}}" : "}}\n");
    if (d->config.framing == HF_LENGTH) put_length(out, at - 4);
    return at;
}

static void begin_session(hf_device *d, const char *name) {
    static const char digits[] = "0123456789abcdef";
    d->next = 1 + (d->next - d->first);
    d->first = 1;
    d->sent_max = 0;
    d->stats.sessions += 1;
    if (name != NULL) {
        strcpy(d->session, name); /* hf_device_init() has checked its size */
        return;
    }
    for (unsigned n = 0; n < 24; ++n) d->session[n] = digits[d->config.io.random(d->config.io.context) & 15];
    d->session[24] = '\0';
}

/* ---- the connection ---- */

uint32_t hf_device_backoff(uint32_t failures, uint32_t min_ms, uint32_t max_ms, uint32_t random) {
    uint64_t wait = min_ms;
    for (; failures > 0 && wait < max_ms; --failures) wait *= 2;
    if (wait > max_ms) wait = max_ms;
    return (uint32_t)(wait / 2 + random % (wait - wait / 2 + 1));
}

static uint64_t after(uint64_t now, uint32_t wait_ms) { return wait_ms == 0 ? NEVER : now + wait_ms; }

static void lose(hf_device *d, uint64_t now, hf_end end) {
    const hf_device_config *c = &d->config;
    c->io.close(c->io.context);
    if (d->state == HF_ONLINE && now - d->online_since >= STABLE_MS) d->failures = 0;
    /* behind a notice: what the gateway said, but never at once */
    const uint64_t due = now + hf_device_backoff(d->parting ? 0 : d->failures, c->backoff_min_ms, c->backoff_max_ms,
                                                 c->io.random(c->io.context));
    if (!d->parting || d->retry_at < due) d->retry_at = due;
    if (!d->parting) d->failures += d->failures < 32;
    d->state = HF_OFFLINE;
    d->last_end = end;
    d->send_offset = d->out_size = d->out_done = d->in_size = 0;
    d->in_drops = d->parting = d->has_more = false;
    d->frame_header = d->frame_left = 0;
    settle(d);
    if (end == HF_END_SESSION) begin_session(d, NULL);
}

static void greet(hf_device *d, uint64_t now) {
    char hello[2 * HELLO_BYTES];
    d->stats.connects += 1;
    d->state = HF_GREETING;
    d->deadline = after(now, d->config.resume_timeout_ms);
    d->ack_deadline = NEVER;
    d->release_to = d->back_to = d->gap_seq = 0;
    d->gap_count = 0;
    d->out_size = hello_of(d, hello);
    memcpy(d->out, hello, d->out_size);
    d->out_done = 0;
}

static void connect_if_due(hf_device *d, uint64_t now) {
    const hf_device_config *c = &d->config;
    if (d->state == HF_OFFLINE && now >= d->retry_at) {
        d->state = HF_CONNECTING;
        d->deadline = after(now, c->connect_timeout_ms);
    }
    if (d->state != HF_CONNECTING) return;
    const int opened = c->io.open(c->io.context);
    if (opened > 0) greet(d, now);
    if (opened < 0 || (opened == 0 && now >= d->deadline)) lose(d, now, HF_END_CONNECT);
}

/* ---- answers ---- */

typedef struct {
    const char *at, *end;
} text;

typedef struct {
    uint64_t resume, ack, nack, expected, retry_after_ms;
    bool has_resume, has_ack, has_nack, has_expected, has_retry;
    char reason[24];
} answer;

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static void skip_space(text *t) {
    while (t->at < t->end && is_space(*t->at)) ++t->at;
}

static void cut_space(text *t) {
    while (t->end > t->at && is_space(t->end[-1])) --t->end;
}

static bool take(text *t, char wanted) {
    skip_space(t);
    if (t->at == t->end || *t->at != wanted) return false;
    ++t->at;
    return true;
}

/* Skips a string behind its first quote, up to behind its last. */
static bool skip_string(text *t) {
    for (; t->at < t->end; ++t->at) {
        if (*t->at == '"') return ++t->at, true;
        if (*t->at == '\\' && ++t->at == t->end) return false;
    }
    return false;
}

/* Skips a value of any kind, with all that is in it. */
static bool skip_value(text *t) {
    unsigned depth = 0;
    skip_space(t);
    const char *const begin = t->at;
    while (t->at < t->end) {
        const char c = *t->at;
        if (depth == 0 && (c == ',' || c == '}' || c == ']')) break;
        ++t->at;
        if (c == '"' && !skip_string(t)) return false;
        if (c == '{' || c == '[') ++depth;
        if ((c == '}' || c == ']') && --depth == 0) break;
    }
    return depth == 0 && t->at > begin;
}

/* Returns true for a whole number from 0 to MAX_SEQ. */
static bool is_number(text value, uint64_t *number) {
    *number = 0;
    if (value.at == value.end || value.end - value.at > 16) return false;
    for (; value.at < value.end; ++value.at) {
        if (*value.at < '0' || *value.at > '9') return false;
        *number = *number * 10 + (uint64_t)(*value.at - '0');
    }
    return *number <= MAX_SEQ;
}

static bool is_name(text name, const char *wanted) {
    const size_t size = (size_t)(name.end - name.at);
    return size == strlen(wanted) && memcmp(name.at, wanted, size) == 0;
}

static void take_field(answer *a, text name, text value) {
    uint64_t number = 0;
    if (is_name(name, "reason") && value.end - value.at > 2 && *value.at == '"') {
        size_t size = (size_t)(value.end - value.at) - 2;
        if (size > sizeof a->reason - 1) size = sizeof a->reason - 1;
        memcpy(a->reason, value.at + 1, size);
        a->reason[size] = '\0';
    }
    if (!is_number(value, &number)) return;
    if (is_name(name, "resume")) a->has_resume = true, a->resume = number;
    if (is_name(name, "ack")) a->has_ack = true, a->ack = number;
    if (is_name(name, "nack")) a->has_nack = true, a->nack = number;
    if (is_name(name, "expected")) a->has_expected = true, a->expected = number;
    if (is_name(name, "retry_after_ms")) a->has_retry = true, a->retry_after_ms = number;
}

/* Returns false if the text is not one whole JSON object. Fields with other names, and nested ones, have no effect. */
static bool read_answer(text t, answer *a) {
    memset(a, 0, sizeof *a);
    if (!take(&t, '{')) return false;
    if (!take(&t, '}')) {
        do {
            if (!take(&t, '"')) return false;
            text name = {t.at, t.at};
            if (!skip_string(&t)) return false;
            name.end = t.at - 1;
            if (!take(&t, ':')) return false;
            skip_space(&t);
            text value = {t.at, t.at};
            if (!skip_value(&t)) return false;
            value.end = t.at;
            cut_space(&value);
            take_field(a, name, value);
        } while (take(&t, ','));
        if (!take(&t, '}')) return false;
    }
    skip_space(&t);
    return t.at == t.end;
}

static void on_resume(hf_device *d, uint64_t seq, uint64_t now) {
    if (seq > d->sent_max) {
        lose(d, now, HF_END_SESSION);
        return;
    }
    release(d, seq);
    send_from(d, d->first);
    d->state = HF_ONLINE;
    d->deadline = NEVER;
    d->online_since = now;
}

static void on_ack(hf_device *d, uint64_t seq, uint64_t now) {
    if (seq > d->sent_max) {
        lose(d, now, HF_END_SESSION);
        return;
    }
    if (seq > d->release_to && seq >= d->first) d->release_to = seq;
    d->gap_count = 0;
    d->ack_deadline = seq < d->sent_max ? after(now, d->config.ack_timeout_ms) : NEVER;
    settle(d);
}

/* The gateway has replaced its process (docs/reference/protocol.md): items that no ack covers are lost there. */
static void on_resume_again(hf_device *d, uint64_t seq, uint64_t now) {
    on_ack(d, seq, now);
    if (d->state != HF_ONLINE) return;
    d->back_to = seq < d->first ? d->first : seq + 1;
    settle(d);
}

static void on_gap(hf_device *d, const answer *a, uint64_t now) {
    d->gap_count = a->expected == d->gap_seq ? d->gap_count + 1 : 1;
    d->gap_seq = a->expected;
    d->stats.gaps += 1;
    if (a->expected > d->next) {
        lose(d, now, HF_END_SESSION);
    } else if (!a->has_expected || a->expected < d->first || d->gap_count > MAX_GAPS) {
        lose(d, now, HF_END_GAP); /* the `from` of the next hello names the first item of this device */
    } else {
        d->back_to = a->expected;
        settle(d);
    }
}

static void on_nack(hf_device *d, const answer *a, uint64_t now) {
    if (strcmp(a->reason, "gap") == 0) {
        on_gap(d, a, now);
    } else if (strcmp(a->reason, "skipped") == 0) {
        if (a->nack >= d->first && a->nack < d->next) lose(d, now, HF_END_SESSION); /* no ack ever covers that item */
    } else {
        d->stats.refused += 1;
        if (d->config.io.on_refused != NULL) d->config.io.on_refused(d->config.io.context, a->nack, a->reason);
    }
}

static void on_frame(hf_device *d, uint64_t now) {
    const text all = {d->in, d->in + d->in_size};
    answer a;
    d->in[d->in_size] = '\0';
    if (!read_answer(all, &a)) {
        d->stats.bad_answers += d->in_size > 0;
        return;
    }
    const hf_device_io *io = &d->config.io;
    const bool is_answer = a.has_resume || a.has_ack || a.has_nack || a.has_retry;
    if (!is_answer && io->on_message != NULL) io->on_message(io->context, d->in, d->in_size);
    const bool is_again = d->state == HF_ONLINE;
    if (a.has_resume && d->state == HF_GREETING) on_resume(d, a.resume, now);
    if (a.has_resume && is_again) on_resume_again(d, a.resume, now);
    if (a.has_ack && d->state == HF_ONLINE) on_ack(d, a.ack, now);
    if (a.has_nack && d->state == HF_ONLINE) on_nack(d, &a, now);
    if (a.has_retry && d->state != HF_OFFLINE) {
        d->parting = true;
        d->retry_at = now + (a.retry_after_ms < MAX_RETRY_AFTER_MS ? a.retry_after_ms : MAX_RETRY_AFTER_MS);
    }
}

static void end_frame(hf_device *d, uint64_t now) {
    if (d->in_drops) d->stats.bad_answers += 1;
    if (!d->in_drops) on_frame(d, now);
    d->in_size = 0;
    d->in_drops = false;
}

static void keep_byte(hf_device *d, char byte) {
    if (d->in_size == HF_DEVICE_IN_BYTES) d->in_drops = true;
    if (!d->in_drops) d->in[d->in_size++] = byte;
}

static void take_byte(hf_device *d, char byte, uint64_t now) {
    if (d->config.framing == HF_LINES) {
        if (byte == '\n')
            end_frame(d, now);
        else
            keep_byte(d, byte);
    } else if (d->frame_header < 4) {
        d->frame_left = d->frame_left << 8 | (unsigned char)byte;
        d->frame_header += 1;
    } else {
        keep_byte(d, byte);
        d->frame_left -= 1;
    }
    if (d->config.framing == HF_LENGTH && d->frame_header == 4 && d->frame_left == 0) {
        d->frame_header = 0;
        end_frame(d, now);
    }
}

/* Returns false if the connection has ended. The reads of a call are limited, and poll() does not show bytes that a TLS
 * library has decrypted: `has_more` makes hf_device_poll() due at once. */
static bool receive(hf_device *d, uint64_t now) {
    char chunk[CHUNK_BYTES];
    int size = 1;
    for (unsigned reads = 0; size > 0 && reads < READS_PER_POLL; ++reads) {
        size = d->config.io.read(d->config.io.context, chunk, sizeof chunk);
        for (int n = 0; n < size && d->state != HF_OFFLINE; ++n) take_byte(d, chunk[n], now);
        if (d->state == HF_OFFLINE) return true;
    }
    d->has_more = size > 0;
    return size >= 0;
}

/* ---- items ---- */

/* Copies bytes [from, from + room) of `part`, whose size is taken off `from`. Returns the number of bytes. */
static size_t copy_part(char *out, size_t room, const char *part, size_t size, size_t from) {
    if (from >= size) return 0;
    const size_t count = size - from < room ? size - from : room;
    memcpy(out, part + from, count);
    return count;
}

/* Appends more of the current item to `out`: its length, its text, its number. Returns true if that was its end. */
static bool append_item(hf_device *d) {
    char length[4], suffix[SUFFIX_BYTES];
    const uint32_t header = header_at(d, d->send_at);
    const size_t size = header & ~EMPTY_OBJECT, prefix = d->config.framing == HF_LENGTH ? 4 : 0;
    size_t end = put_text(suffix, 0, (header & EMPTY_OBJECT) != 0 ? "\"seq\":" : ",\"seq\":");
    end = put_text(suffix, put_number(suffix, end, d->send_seq), prefix != 0 ? "}" : "}\n");
    put_length(length, size + end);
    if (d->send_seq > d->sent_max) d->sent_max = d->send_seq;

    char *const out = d->out + d->out_size;
    const size_t room = HF_DEVICE_OUT_BYTES - d->out_size, from = d->send_offset;
    size_t done = copy_part(out, room, length, prefix, from);
    if (from + done >= prefix && from + done < prefix + size && done < room) {
        const size_t at = from + done - prefix, count = size - at < room - done ? size - at : room - done;
        ring_get(d, d->send_at + ITEM_HEADER + at, out + done, count);
        done += count;
    }
    if (from + done >= prefix + size)
        done += copy_part(out + done, room - done, suffix, end, from + done - prefix - size);
    d->out_size += done;
    d->send_offset += done;
    return d->send_offset == prefix + size + end;
}

static void fill_out(hf_device *d, uint64_t now) {
    d->out_size = d->out_done = 0;
    while (d->out_size < HF_DEVICE_OUT_BYTES && d->state == HF_ONLINE && d->send_seq < d->next) {
        if (d->parting && d->send_offset == 0) return; /* the connection is about to end */
        if (d->ack_deadline == NEVER) d->ack_deadline = after(now, d->config.ack_timeout_ms);
        if (!append_item(d)) return;
        d->send_at += item_size_at(d, d->send_at);
        d->send_seq += 1;
        d->send_offset = 0;
        d->stats.sent += 1;
        settle(d);
    }
}

/* Returns false if the connection has ended. */
static bool transmit(hf_device *d, uint64_t now) {
    while (true) {
        if (d->out_done == d->out_size) fill_out(d, now);
        if (d->out_done == d->out_size) return true;
        const int size = d->config.io.write(d->config.io.context, d->out + d->out_done, d->out_size - d->out_done);
        if (size <= 0) return size == 0;
        d->out_done += (size_t)size;
    }
}

/* ---- the interface ---- */

static bool is_plain(const char *checked, size_t min, size_t max) {
    const size_t size = checked != NULL ? strlen(checked) : 0;
    for (size_t n = 0; n < size; ++n) {
        if ((unsigned char)checked[n] < ' ' || checked[n] == 0x7f) return false;
    }
    return size >= min && size <= max;
}

static bool is_usable(const hf_device_config *c) {
    const hf_device_io *io = &c->io;
    const bool functions = io->now_ms != NULL && io->random != NULL && io->open != NULL && io->read != NULL &&
                           io->write != NULL && io->close != NULL;
    return functions && c->memory != NULL && c->memory_bytes > ITEM_HEADER + 2 && is_plain(c->id, 1, 128) &&
           is_plain(c->token, 0, 256) && is_plain(c->session, c->session != NULL, HF_DEVICE_SESSION_BYTES) &&
           (c->first_seq == 0 || c->session != NULL) && c->first_seq <= MAX_SEQ;
}

hf_status hf_device_init(hf_device *device, const hf_device_config *config) {
    char hello[2 * HELLO_BYTES];
    memset(device, 0, sizeof *device);
    device->config = *config;
    if (!is_usable(config)) return HF_BAD_CONFIG;
    hf_device_config *const c = &device->config;
    if (c->connect_timeout_ms == 0) c->connect_timeout_ms = 30000;
    if (c->resume_timeout_ms == 0) c->resume_timeout_ms = 60000;
    if (c->backoff_min_ms == 0) c->backoff_min_ms = 250;
    if (c->backoff_max_ms == 0) c->backoff_max_ms = 60000;
    begin_session(device, c->session);
    if (c->first_seq != 0) device->first = device->next = c->first_seq;
    device->sent_max = device->first - 1;
    device->send_seq = device->first;
    device->deadline = device->ack_deadline = NEVER;
    /* `from` may grow to 16 digits, and a new session has 24. */
    const size_t drawn = strlen(device->session) < 24 ? 24 - strlen(device->session) : 0;
    const size_t longest = hello_of(device, hello) + 16 + drawn;
    return longest > HELLO_BYTES || longest > HF_DEVICE_OUT_BYTES ? HF_TOO_LARGE : HF_OK;
}

hf_status hf_device_add(hf_device *device, const char *json, size_t size) {
    text t = {json, json + size};
    skip_space(&t);
    cut_space(&t);
    if (t.end - t.at < 2 || *t.at != '{' || t.end[-1] != '}') return HF_BAD_ITEM;
    size = (size_t)(t.end - t.at) - 1;
    text inside = {t.at + 1, t.end - 1};
    skip_space(&inside);
    if (size >= EMPTY_OBJECT || size + ITEM_HEADER > device->config.memory_bytes) return HF_TOO_LARGE;
    if (size + ITEM_HEADER > device->config.memory_bytes - device->used) return HF_FULL;
    const uint32_t header = (uint32_t)size | (inside.at == inside.end ? EMPTY_OBJECT : 0);
    ring_put(device, device->used, &header, ITEM_HEADER);
    for (size_t n = 0; n < size; ++n) { /* a line break between two tokens would end the line */
        const char byte = t.at[n] == '\n' || t.at[n] == '\r' ? ' ' : t.at[n];
        ring_put(device, device->used + ITEM_HEADER + n, &byte, 1);
    }
    device->used += ITEM_HEADER + size;
    device->next += 1;
    if (!device->polled && device->config.first_seq != 0) device->sent_max = device->next - 1;
    return HF_OK;
}

static uint32_t time_left(const hf_device *d, uint64_t now) {
    if (d->state > HF_CONNECTING && d->has_more) return 0;
    uint64_t due = d->state == HF_OFFLINE ? d->retry_at : d->deadline;
    if (d->state == HF_ONLINE && d->ack_deadline < due) due = d->ack_deadline;
    if (d->state > HF_CONNECTING && d->parting && d->retry_at < due) due = d->retry_at;
    if (due == NEVER) return HF_DEVICE_FOREVER;
    return due <= now ? 0 : due - now < HF_DEVICE_FOREVER ? (uint32_t)(due - now) : HF_DEVICE_FOREVER - 1;
}

uint32_t hf_device_poll(hf_device *device) {
    hf_device *const d = device;
    const uint64_t now = d->config.io.now_ms(d->config.io.context);
    d->polled = true;
    connect_if_due(d, now);
    if (d->state <= HF_CONNECTING) return time_left(d, now);
    bool alive = receive(d, now);
    if (alive && d->state != HF_OFFLINE && !transmit(d, now)) {
        (void)receive(d, now); /* the acks that came before the end */
        alive = false;
    }
    if (d->state == HF_OFFLINE) return time_left(d, now);
    if (!alive) {
        lose(d, now, HF_END_CLOSED);
    } else if (d->parting && now >= d->retry_at) {
        lose(d, now, HF_END_CLOSED);
    } else if (now >= d->deadline || now >= d->ack_deadline) {
        lose(d, now, HF_END_TIMEOUT);
    }
    return time_left(d, now);
}

bool hf_device_wants_write(const hf_device *device) {
    return device->state == HF_CONNECTING || device->out_done < device->out_size;
}

void hf_device_stop(hf_device *device) {
    if (device->state == HF_OFFLINE) return;
    lose(device, device->config.io.now_ms(device->config.io.context), HF_END_STOPPED);
}

hf_state hf_device_state(const hf_device *device) { return device->state; }
hf_end hf_device_last_end(const hf_device *device) { return device->last_end; }
size_t hf_device_pending(const hf_device *device) { return (size_t)(device->next - device->first); }
uint64_t hf_device_first_seq(const hf_device *device) { return device->first; }
const char *hf_device_session(const hf_device *device) { return device->session; }
hf_device_stats hf_device_get_stats(const hf_device *device) { return device->stats; }

size_t hf_device_item(const hf_device *device, size_t index, char *json, size_t room) {
    size_t at = 0;
    if (index >= hf_device_pending(device)) return 0;
    for (; index > 0; --index) at += item_size_at(device, at);
    const size_t size = text_size_at(device, at) + 1;
    if (size > room) return size;
    ring_get(device, at + ITEM_HEADER, json, size - 1);
    json[size - 1] = '}';
    return size;
}

/* ---- POSIX sockets ---- */

#ifdef HF_DEVICE_POSIX
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

static uint64_t posix_now_ms(void *context) {
    struct timespec now;
    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)(now.tv_nsec / 1000000);
}

static uint32_t posix_random(void *context) {
    uint32_t bits = (uint32_t)posix_now_ms(context);
    const int fd = open("/dev/urandom", O_RDONLY);
    if (fd >= 0) {
        if (read(fd, &bits, sizeof bits) < 0) bits ^= (uint32_t)getpid();
        close(fd);
    }
    return bits;
}

static void set_option(int fd, int level, int name, int value) {
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

/* Bounds the time in which a lost path is found, idle or with bytes under way: about 30 s. */
static void set_options(int fd) {
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef TCP_KEEPIDLE
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 15);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
#endif
#ifdef TCP_USER_TIMEOUT
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 30000);
#endif
}

/* Starts to connect to the next address of the host, in turn. */
static int posix_start(hf_posix *p) {
    struct addrinfo hints, *all = NULL, *one = NULL;
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(p->host, p->port, &hints, &all) != 0) return -1;
    unsigned count = 0;
    for (one = all; one != NULL; one = one->ai_next) ++count;
    unsigned skipped = p->attempts++ % count;
    for (one = all; skipped > 0; --skipped) one = one->ai_next;
    p->fd = socket(one->ai_family, one->ai_socktype, one->ai_protocol);
    int result = -1;
    if (p->fd >= 0 && fcntl(p->fd, F_SETFL, O_NONBLOCK) == 0) {
        set_options(p->fd);
        result = connect(p->fd, one->ai_addr, one->ai_addrlen) == 0 ? 1 : errno == EINPROGRESS ? 0 : -1;
    }
    freeaddrinfo(all);
    return result;
}

static int posix_open(void *context) {
    hf_posix *const p = context;
    if (p->fd < 0) return posix_start(p);
    struct pollfd wait = {.fd = p->fd, .events = POLLOUT};
    if (poll(&wait, 1, 0) <= 0) return 0;
    int error = 0;
    socklen_t size = sizeof error;
    return getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0 ? 1 : -1;
}

static bool is_temporary(void) { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

static int posix_read(void *context, void *bytes, size_t size) {
    const ssize_t count = recv(((hf_posix *)context)->fd, bytes, size, 0);
    return count > 0 ? (int)count : count < 0 && is_temporary() ? 0 : -1;
}

static int posix_write(void *context, const void *bytes, size_t size) {
    const ssize_t count = send(((hf_posix *)context)->fd, bytes, size, MSG_NOSIGNAL);
    return count >= 0 ? (int)count : is_temporary() ? 0 : -1;
}

static void posix_close(void *context) {
    hf_posix *const p = context;
    if (p->fd >= 0) close(p->fd);
    p->fd = -1;
}

void hf_posix_init(hf_posix *posix, hf_device *device, hf_device_io *io, const char *host, const char *port) {
    *posix = (hf_posix){.host = host, .port = port, .fd = -1, .device = device};
    io->context = posix;
    io->now_ms = posix_now_ms;
    io->random = posix_random;
    io->open = posix_open;
    io->read = posix_read;
    io->write = posix_write;
    io->close = posix_close;
}

bool hf_posix_wait(const hf_posix *posix, int fd, uint32_t wait_ms) {
    struct pollfd both[2] = {{.fd = fd, .events = POLLIN}, {.fd = posix->fd, .events = POLLIN}};
    if (hf_device_wants_write(posix->device)) both[1].events |= POLLOUT;
    const int timeout = wait_ms == HF_DEVICE_FOREVER ? -1 : wait_ms > INT32_MAX ? INT32_MAX : (int)wait_ms;
    return poll(both, 2, timeout) > 0 && (both[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
}
#endif
