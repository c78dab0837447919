/* The surroundings of a device in tests: a clock, random numbers and a simulated connection. */
#ifndef HOLDFAST_DEVICE_TEST_WORLD_H
#define HOLDFAST_DEVICE_TEST_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../holdfast_device.h"

static unsigned faults = 0;

static inline void check(bool good, const char *what, int line) {
    if (good) return;
    ++faults;
    fprintf(stderr, "line %d: %s\n", line, what);
}
#define CHECK(condition) check(condition, #condition, __LINE__)

/* The other end of the connection, the clock, and the random numbers. */
typedef struct {
    uint64_t now;
    uint32_t bits;
    int open_result;
    bool open, ended;
    size_t write_room; /* bytes that the next writes take */
    size_t piece;      /* bytes of one read or write at most */
    char sent[1 << 16], answers[1 << 12], message[256], refused[64];
    size_t sent_size, answers_size, answers_read;
    unsigned opened, closed;
} world;

static world w;
static hf_device device;
static char memory[4096];

static inline uint64_t now_ms(void *context) { return ((world *)context)->now; }
static inline uint32_t random_bits(void *context) {
    world *const self = context;
    self->bits = self->bits * UINT32_C(1664525) + UINT32_C(1013904223);
    return self->bits >> 8;
}
static inline int open_it(void *context) {
    world *const self = context;
    ++self->opened;
    self->open = self->open_result > 0;
    self->ended = false;
    return self->open_result;
}
static inline int read_it(void *context, void *bytes, size_t size) {
    world *const self = context;
    size_t count = self->answers_size - self->answers_read;
    if (count == 0) return self->ended ? -1 : 0;
    if (count > size) count = size;
    if (count > self->piece) count = self->piece;
    memcpy(bytes, self->answers + self->answers_read, count);
    self->answers_read += count;
    return (int)count;
}
static inline int write_it(void *context, const void *bytes, size_t size) {
    world *const self = context;
    if (self->ended) return -1;
    if (size > self->piece) size = self->piece;
    if (size > self->write_room) size = self->write_room;
    self->write_room -= size;
    memcpy(self->sent + self->sent_size, bytes, size);
    self->sent_size += size;
    self->sent[self->sent_size] = '\0';
    return (int)size;
}
static inline void close_it(void *context) {
    world *const self = context;
    ++self->closed;
    self->open = false;
    self->answers_size = self->answers_read = 0;
}
static inline void on_message(void *context, const char *json, size_t size) {
    world *const self = context;
    snprintf(self->message, sizeof self->message, "%.*s", (int)size, json);
}
static inline void on_refused(void *context, uint64_t seq, const char *reason) {
    world *const self = context;
    snprintf(self->refused, sizeof self->refused, "%u %s", (unsigned)seq, reason);
}

static inline hf_device_config fresh_world(void) {
    memset(&w, 0, sizeof w);
    w = (world){.now = 1000, .open_result = 1, .write_room = SIZE_MAX, .piece = SIZE_MAX};
    hf_device_config config = {.id = "d", .session = "s", .memory = memory, .memory_bytes = sizeof memory};
    config.io = (hf_device_io){&w, now_ms, random_bits, open_it, read_it, write_it, close_it, on_message, on_refused};
    return config;
}

static inline void answer(const char *text) {
    const size_t size = strlen(text);
    memcpy(w.answers + w.answers_size, text, size);
    w.answers_size += size;
}

#endif
