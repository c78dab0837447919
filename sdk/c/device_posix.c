/* A device on a POSIX system: each line of standard input is an item. Ends after the end of the input, once every item
 * is acknowledged. cc -std=c99 -DHF_DEVICE_POSIX device_posix.c holdfast_device.c -o device echo '{"ip":"10.20.30.40"}'
 * | ./device 127.0.0.1 7000 device-17 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "holdfast_device.h"

static char memory[1 << 16]; /* of unacknowledged items */
static char input[1 << 15];  /* of an unfinished line */
static size_t input_size = 0;
static bool input_ended = false;

static void on_message(void *context, const char *json, size_t size) {
    (void)context;
    printf("%.*s\n", (int)size, json);
    fflush(stdout);
}

static void on_refused(void *context, uint64_t seq, const char *reason) {
    (void)context;
    fprintf(stderr, "item %llu was refused: %s\n", (unsigned long long)seq, reason);
}

static void read_input(void) {
    const ssize_t size = read(STDIN_FILENO, input + input_size, sizeof input - input_size);
    if (size < 0 && errno == EINTR) return;
    if (size > 0) input_size += (size_t)size;
    if (size > 0) return;
    input_ended = true;
    if (input_size > 0 && input[input_size - 1] != '\n') input[input_size++] = '\n'; /* add_lines() has left room */
}

static bool has_line(void) { return memchr(input, '\n', input_size) != NULL; }

/* Adds the whole lines of the input, as far as the memory has room. Returns whether there was one. */
static bool add_lines(hf_device *device) {
    char *end = NULL;
    bool any = false;
    while ((end = memchr(input, '\n', input_size)) != NULL) {
        const size_t size = (size_t)(end - input);
        const hf_status added = hf_device_add(device, input, size);
        if (added == HF_FULL) return any;
        any = true;
        if (added != HF_OK) fprintf(stderr, "no item: %.*s\n", (int)size, input);
        input_size -= size + 1;
        memmove(input, end + 1, input_size);
    }
    if (input_size == sizeof input) {
        fprintf(stderr, "no item: a line is longer than %u bytes\n", (unsigned)sizeof input);
        input_size = 0;
    }
    return any;
}

int main(int argc, char **argv) {
    static hf_device device;
    hf_posix posix;
    hf_device_config config = {.memory = memory, .memory_bytes = sizeof memory};
    if (argc < 4) {
        fprintf(stderr, "usage: %s HOST PORT ID [lines|length] [TOKEN]\n", argv[0]);
        return 2;
    }
    hf_posix_init(&posix, &device, &config.io, argv[1], argv[2]);
    config.id = argv[3];
    config.framing = argc > 4 && strcmp(argv[4], "length") == 0 ? HF_LENGTH : HF_LINES;
    config.token = argc > 5 ? argv[5] : NULL;
    config.io.on_message = on_message;
    config.io.on_refused = on_refused;
    if (hf_device_init(&device, &config) != HF_OK) {
        fprintf(stderr, "the id or the token is no text of the protocol; see docs/reference/protocol.md\n");
        return 2;
    }
    while (true) {
        const uint32_t wait = hf_device_poll(&device);
        if (add_lines(&device)) continue; /* acks may have made room */
        if (input_ended && !has_line() && hf_device_pending(&device) == 0) break;
        const bool reads = !input_ended && !has_line();
        if (hf_posix_wait(&posix, reads ? STDIN_FILENO : -1, wait)) read_input();
    }
    hf_device_stop(&device);
    return 0;
}
