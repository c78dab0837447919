/* Runs a device against a simulated gateway that crashes, loses items, and answers in pieces. */
#include "world.h"

static uint64_t safe, expected;
static bool gap_told;
static char said[128];

static void gateway_line(const char *line) {
    unsigned long long n = 0, seq = 0, from = 0;
    if (sscanf(line, "{\"hello\":{\"id\":\"d\",\"session\":\"s\",\"from\":%llu}}", &from) == 1) {
        expected = safe + 1 > from ? safe + 1 : from;
        gap_told = false;
        snprintf(said, sizeof said, "{\"resume\":%llu}\n", (unsigned long long)safe);
        answer(said);
        CHECK(from <= safe + 1);
        return;
    }
    CHECK(sscanf(line, "{\"n\":%llu,\"pad\":\"%*[x]\",\"seq\":%llu}", &n, &seq) == 2 && n == seq);
    if (seq == expected && random_bits(&w) % 50 != 0) {
        ++expected;
        gap_told = false;
    } else if (seq > expected && !gap_told) {
        gap_told = true;
        snprintf(said, sizeof said, "{\"nack\":%llu,\"reason\":\"gap\",\"expected\":%llu}\n", seq,
                 (unsigned long long)expected);
        answer(said);
    }
}

static void gateway_turn(void) {
    char *end = NULL, *line = w.sent;
    if (w.answers_read == w.answers_size) w.answers_read = w.answers_size = 0;
    for (; w.answers_size < sizeof w.answers - 256 && (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        gateway_line(line);
    }
    w.sent_size -= (size_t)(line - w.sent);
    memmove(w.sent, line, w.sent_size + 1);
    if (random_bits(&w) % 4 == 0 && expected > safe + 1 && w.answers_size < sizeof w.answers - 256) {
        safe = expected - 1;
        snprintf(said, sizeof said, "{\"ack\":%llu}\n", (unsigned long long)safe);
        answer(said);
    }
}

static void test_nothing_is_lost_whatever_happens(uint32_t seed) {
    const hf_device_config config = fresh_world();
    static char pad[1301];
    unsigned added = 0, turns = 0;
    memset(pad, 'x', sizeof pad - 1);
    w.bits = seed;
    safe = expected = 0;
    hf_device_init(&device, &config);
    for (; safe < 5000 && turns < 1000000; ++turns) {
        char item[1400];
        const int size = snprintf(item, sizeof item, "{\"n\":%u,\"pad\":\"%.*s\"}", added + 1,
                                  (int)(1 + random_bits(&w) % 1300), pad);
        if (added < 5000 && random_bits(&w) % 2 == 0 && hf_device_add(&device, item, (size_t)size) == HF_OK) ++added;
        w.piece = 1 + random_bits(&w) % 700;
        w.write_room = w.sent_size > sizeof w.sent / 2 ? 0 : random_bits(&w) % 900;
        w.now += random_bits(&w) % 200;
        w.open_result = (int)(random_bits(&w) % 3) - 1;
        if (random_bits(&w) % 100 == 0) {
            w.ended = true;
            w.answers_size -= (w.answers_size - w.answers_read) / 2; /* the last answers do not arrive whole */
        }
        hf_device_poll(&device);
        if (!w.open)
            w.sent_size = 0, w.sent[0] = '\0', expected = 0;
        else
            gateway_turn();
    }
    CHECK(safe == 5000 && hf_device_get_stats(&device).sessions == 1);
    CHECK(hf_device_get_stats(&device).gaps > 0 && hf_device_get_stats(&device).bad_answers == 0);
}

/* Answers with pieces of the protocol in any order. The device must stay within its memory, and drop no item for them
 * that it has not sent. */
static void test_any_bytes_do_no_harm(uint32_t seed) {
    static const char *const pieces[] = {"{",
                                         "}",
                                         "[",
                                         "]",
                                         ":",
                                         ",",
                                         "\n",
                                         "\r\n",
                                         "\"",
                                         "\\",
                                         "\"ack\":",
                                         "\"resume\":0",
                                         "\"nack\":",
                                         "\"expected\":",
                                         "1",
                                         "2",
                                         "99",
                                         "9007199254740993",
                                         "\"reason\":\"gap\"",
                                         "\"reason\":\"skipped\"",
                                         "\"retry_after_ms\":1",
                                         "null",
                                         "-1",
                                         "1e9",
                                         "\xff",
                                         " ",
                                         "{\"resume\":0}\n",
                                         "{\"ack\":1}\n",
                                         "{\"nack\":1,\"reason\":\"gap\",\"expected\":1}\n",
                                         "0123456789abcdef0123456789abcdef"};
    for (unsigned framing = 0; framing < 2; ++framing) {
        hf_device_config config = fresh_world();
        config.framing = framing == 0 ? HF_LINES : HF_LENGTH;
        config.ack_timeout_ms = 5000; /* a wrong length swallows what follows */
        w.bits = seed + framing;
        hf_device_init(&device, &config);
        uint64_t added = 0;
        for (unsigned turn = 0; turn < 100000; ++turn) {
            if (random_bits(&w) % 4 == 0 && hf_device_add(&device, "{\"n\":1}", 7) == HF_OK) ++added;
            if (w.answers_read == w.answers_size) w.answers_read = w.answers_size = 0;
            if (w.open && w.answers_size < sizeof w.answers - 64) {
                const char *const piece = pieces[random_bits(&w) % (sizeof pieces / sizeof *pieces)];
                const char length[] = {0, 0, 0, (char)strlen(piece)};
                if (framing == 1 && random_bits(&w) % 500 != 0) {
                    memcpy(w.answers + w.answers_size, length, sizeof length);
                    w.answers_size += sizeof length;
                }
                answer(piece);
            }
            w.piece = 1 + random_bits(&w) % 40;
            w.now += random_bits(&w) % 50;
            w.write_room = SIZE_MAX;
            hf_device_poll(&device);
            w.sent_size = 0;
            CHECK(hf_device_pending(&device) + hf_device_get_stats(&device).acked == added);
            CHECK(hf_device_get_stats(&device).acked <= hf_device_get_stats(&device).sent);
        }
        CHECK(hf_device_get_stats(&device).connects > 10 && hf_device_get_stats(&device).acked > 0);
    }
}

int main(void) {
    const char *const text = getenv("HOLDFAST_SEED");
    const uint32_t seed = text != NULL ? (uint32_t)strtoul(text, NULL, 10) : UINT32_C(20261130);
    test_nothing_is_lost_whatever_happens(seed);
    test_any_bytes_do_no_harm(seed);
    printf("HOLDFAST_SEED=%u: %u faults\n", (unsigned)seed, faults);
    return faults == 0 ? 0 : 1;
}
