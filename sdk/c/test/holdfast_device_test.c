/* Tests of holdfast_device.c with an injected clock and a simulated connection. */
#include "world.h"

static void fresh(void) {
    const hf_device_config config = fresh_world();
    CHECK(hf_device_init(&device, &config) == HF_OK);
}

static hf_status add(const char *json) { return hf_device_add(&device, json, strlen(json)); }

/* Polls, and returns what the device has sent since the last call. */
static const char *sent(void) {
    static char text[sizeof w.sent];
    hf_device_poll(&device);
    memcpy(text, w.sent, w.sent_size + 1);
    w.sent_size = 0;
    w.sent[0] = '\0';
    return text;
}

static bool sends(const char *wanted) {
    const char *const text = sent();
    if (strcmp(text, wanted) == 0) return true;
    fprintf(stderr, "sent:   %s\nwanted: %s\n", text, wanted);
    return false;
}

static void end_connection(void) {
    w.ended = true;
    hf_device_poll(&device);
}

static void reconnect(void) {
    w.now += 100000;
    w.ended = false;
}

#define HELLO(from) "{\"hello\":{\"id\":\"d\",\"session\":\"s\",\"from\":" #from "}}\n"

static void online(void) {
    fresh();
    CHECK(sends(HELLO(1)));
    answer("{\"resume\":0}\n");
    CHECK(sends(""));
    CHECK(hf_device_state(&device) == HF_ONLINE);
}

static void test_items_wait_for_the_resume(void) {
    fresh();
    CHECK(add("{\"ip\":\"a\"}") == HF_OK && add(" { } \n") == HF_OK);
    CHECK(sends(HELLO(1)) && sends(""));
    answer("{\"resume\":0}\n");
    CHECK(sends("{\"ip\":\"a\",\"seq\":1}\n{ \"seq\":2}\n"));
    answer("{\"ack\":1}\n");
    CHECK(sends("") && hf_device_pending(&device) == 1 && hf_device_first_seq(&device) == 2);
    answer("{\"ack\":1}\n{\"ack\":2}\n");
    CHECK(sends("") && hf_device_pending(&device) == 0);
}

static void test_unacknowledged_items_are_sent_again(void) {
    online();
    add("{\"n\":1}"), add("{\"n\":2}"), add("{\"n\":3}");
    CHECK(sends("{\"n\":1,\"seq\":1}\n{\"n\":2,\"seq\":2}\n{\"n\":3,\"seq\":3}\n"));
    answer("{\"ack\":1}\n");
    end_connection();
    CHECK(hf_device_last_end(&device) == HF_END_CLOSED);
    reconnect();
    CHECK(sends(HELLO(2)));
    answer("{\"resume\":2,\"more\":[{\"resume\":9}]}\n");
    CHECK(sends("{\"n\":3,\"seq\":3}\n"));
    end_connection(), reconnect();
    CHECK(sends(HELLO(3)));
    answer("{\"resume\":0}\n"); /* a forgotten session */
    CHECK(sends("{\"n\":3,\"seq\":3}\n"));
}

static void test_a_further_resume_repeats_what_no_ack_covers(void) {
    online();
    add("{\"n\":1}"), add("{\"n\":2}"), add("{\"n\":3}");
    sent();
    answer("{\"ack\":1}\n{\"resume\":2}\n");
    CHECK(sends("{\"n\":3,\"seq\":3}\n") && hf_device_pending(&device) == 1);
    answer("{\"nack\":4,\"reason\":\"gap\",\"expected\":3}\n");
    CHECK(sends("{\"n\":3,\"seq\":3}\n"));
    answer("{\"resume\":1}\n"); /* a forgotten session */
    CHECK(sends("{\"n\":3,\"seq\":3}\n") && hf_device_state(&device) == HF_ONLINE);
    answer("{\"resume\":4}\n"); /* never sent */
    hf_device_poll(&device);
    CHECK(hf_device_last_end(&device) == HF_END_SESSION);
}

static void test_answers_are_read_whole_only(void) {
    online();
    add("{}"), add("{}");
    sent();
    answer("{\"ack\":2");
    end_connection();
    CHECK(hf_device_pending(&device) == 2);
    online();
    add("{}"), add("{}");
    sent();
    w.piece = 1;
    answer("{\"at\":\"{\\\"ack\\\":9}\", \"x\":{\"ack\":9,\"y\":[1,{}]},\"ack\" : 1 }\r\n");
    for (unsigned n = 0; n < 10; ++n) hf_device_poll(&device);
    CHECK(hf_device_pending(&device) == 1);
}

static void test_other_messages_go_to_the_program(void) {
    online();
    answer("{\"cmd\":\"reboot\",\"data\":{\"ack\":1}}\n");
    CHECK(sends("") && strcmp(w.message, "{\"cmd\":\"reboot\",\"data\":{\"ack\":1}}") == 0);
    static const char *const bad[] = {"ack",        "{\"ack\":1", "{\"ack\" 1}", "{\"ack\":1}}",
                                      "{\"ack\":}", "[1]",        "{\"a\":\"\\"};
    for (size_t n = 0; n < sizeof bad / sizeof *bad; ++n) {
        answer(bad[n]), answer("\n");
        sent();
        CHECK(hf_device_get_stats(&device).bad_answers == n + 1);
    }
    for (unsigned n = 0; n < 150; ++n) answer("0123456789");
    answer("\n{\"n\":7}\n");
    sent();
    CHECK(strcmp(w.message, "{\"n\":7}") == 0 && hf_device_state(&device) == HF_ONLINE);
    answer(
        "{\"ack\":\"1\"}\n{\"ack\":-1}\n{\"ack\":1.0}\n{\"ack\":18446744073709551617}\n{\"ack\":9007199254740992}\n");
    CHECK(sends("") && hf_device_state(&device) == HF_ONLINE);
}

static void test_a_gap_goes_back(void) {
    online();
    add("{\"n\":1}"), add("{\"n\":2}"), add("{\"n\":3}");
    sent();
    answer("{\"nack\":3,\"reason\":\"gap\",\"expected\":2}\n");
    CHECK(sends("{\"n\":2,\"seq\":2}\n{\"n\":3,\"seq\":3}\n"));
    answer("{\"ack\":3}\n");
    CHECK(sends("") && hf_device_pending(&device) == 0);
    answer("{\"nack\":4,\"reason\":\"gap\",\"expected\":2}\n"); /* the device no longer has it */
    sent();
    CHECK(hf_device_state(&device) == HF_OFFLINE && hf_device_last_end(&device) == HF_END_GAP);
}

static void test_a_gap_without_end_is_no_loop(void) {
    online();
    add("{}");
    sent();
    for (unsigned n = 0; n < 4; ++n) answer("{\"nack\":1,\"reason\":\"gap\",\"expected\":1}\n"), sent();
    CHECK(hf_device_state(&device) == HF_OFFLINE && hf_device_last_end(&device) == HF_END_GAP);
}

static void test_a_refused_item_stays_until_its_ack(void) {
    online();
    add("{\"n\":1}");
    sent();
    answer("{\"nack\":1,\"reason\":\"no_key\"}\n");
    CHECK(sends("") && strcmp(w.refused, "1 no_key") == 0 && hf_device_pending(&device) == 1);
    end_connection(), reconnect();
    CHECK(sends(HELLO(1)));
    answer("{\"resume\":1}\n");
    CHECK(sends("") && hf_device_pending(&device) == 0);
}

static void test_half_an_item_is_completed(void) {
    online();
    add("{\"n\":1}"), add("{\"n\":2}");
    w.write_room = 5;
    hf_device_poll(&device);
    CHECK(hf_device_wants_write(&device));
    answer("{\"nack\":1,\"reason\":\"gap\",\"expected\":1}\n");
    hf_device_poll(&device);
    w.write_room = SIZE_MAX;
    CHECK(sends("{\"n\":1,\"seq\":1}\n{\"n\":2,\"seq\":2}\n{\"n\":1,\"seq\":1}\n{\"n\":2,\"seq\":2}\n"));
}

static void test_a_large_item_that_is_acknowledged_half_written_is_completed(void) {
    static char item[3000];
    memset(item, 'x', sizeof item);
    memcpy(item, "{\"x\":\"", 6), memcpy(item + sizeof item - 2, "\"}", 2);
    online();
    CHECK(hf_device_add(&device, item, sizeof item) == HF_OK);
    sent();
    end_connection(), reconnect(), sent();
    answer("{\"resume\":0}\n");
    w.write_room = 1500;
    hf_device_poll(&device);
    answer("{\"ack\":1}\n"); /* of the repetition */
    hf_device_poll(&device);
    CHECK(hf_device_pending(&device) == 1);
    w.write_room = SIZE_MAX;
    const char *const text = sent();
    CHECK(strlen(text) == sizeof item + 9 && strcmp(text + strlen(text) - 10, ",\"seq\":1}\n") == 0);
    CHECK(hf_device_pending(&device) == 0);
}

static void test_retry_after_has_its_time(void) {
    online();
    add("{\"n\":1}");
    sent();
    answer("{\"retry_after_ms\":5000}\n");
    hf_device_poll(&device);
    add("{\"n\":2}");
    CHECK(sends("")); /* the connection is about to end */
    answer("{\"ack\":1}\n");
    end_connection();
    CHECK(hf_device_pending(&device) == 1 && hf_device_poll(&device) == 5000);
    w.now += 4999, w.ended = false;
    CHECK(sends(""));
    w.now += 1;
    CHECK(sends(HELLO(2)));
    answer("{\"retry_after_ms\":300}\n");
    CHECK(hf_device_poll(&device) == 300);
    w.now += 300; /* and the gateway has not ended it */
    hf_device_poll(&device);
    CHECK(hf_device_state(&device) == HF_OFFLINE && w.closed == 2);
}

static void test_numbers_of_another_device_begin_a_session(void) {
    static const char *const foreign[] = {"{\"resume\":1}\n", "{\"resume\":0}\n{\"ack\":2}\n",
                                          "{\"resume\":0}\n{\"nack\":9,\"reason\":\"gap\",\"expected\":3}\n",
                                          "{\"resume\":0}\n{\"nack\":1,\"reason\":\"skipped\",\"expected\":3}\n"};
    for (size_t n = 0; n < sizeof foreign / sizeof *foreign; ++n) {
        fresh();
        add("{\"n\":1}");
        sent();
        answer(foreign[n]);
        hf_device_poll(&device);
        CHECK(hf_device_last_end(&device) == HF_END_SESSION && hf_device_pending(&device) == 1);
        CHECK(strlen(hf_device_session(&device)) == 24);
        reconnect();
        sent();
        answer("{\"resume\":0}\n");
        CHECK(sends("{\"n\":1,\"seq\":1}\n"));
    }
}

static void test_a_kept_session_continues(void) {
    hf_device_config config = fresh_world();
    config.first_seq = 41;
    CHECK(hf_device_init(&device, &config) == HF_OK);
    add("{\"n\":41}"), add("{\"n\":42}");
    CHECK(sends(HELLO(41)));
    answer("{\"resume\":41}\n");
    CHECK(sends("{\"n\":42,\"seq\":42}\n"));
    char text[16];
    CHECK(hf_device_item(&device, 0, text, sizeof text) == 8 && memcmp(text, "{\"n\":42}", 8) == 0);
    CHECK(hf_device_item(&device, 0, text, 3) == 8 && hf_device_item(&device, 1, text, sizeof text) == 0);
}

static void test_the_memory_is_bounded(void) {
    hf_device_config config = fresh_world();
    config.memory_bytes = 32;
    CHECK(hf_device_init(&device, &config) == HF_OK);
    CHECK(add("{\"a\":\"0123456789012345678901\"}") == HF_TOO_LARGE);
    CHECK(add("{\"a\":\"01234\"}") == HF_OK && add("{\"a\":\"01234\"}") == HF_OK && add("{}") == HF_FULL);
    CHECK(add("[1]") == HF_BAD_ITEM && add("") == HF_BAD_ITEM && add("{") == HF_BAD_ITEM);
    CHECK(sends(HELLO(1)));
    answer("{\"resume\":0}\n");
    sent();
    answer("{\"ack\":1}\n");
    sent();
    CHECK(add("{\"a\":\n\"56789\"}") == HF_FULL && add("{\"b\":\n\"6789\"}") == HF_OK);
    CHECK(sends("{\"b\": \"6789\",\"seq\":3}\n"));
}

static void test_a_config_is_checked(void) {
    static char text[300];
    memset(text, '"', sizeof text - 1);
    hf_device_config config = fresh_world();
    config.id = "";
    CHECK(hf_device_init(&device, &config) == HF_BAD_CONFIG);
    config.id = "a\nb";
    CHECK(hf_device_init(&device, &config) == HF_BAD_CONFIG);
    config.id = text;
    CHECK(hf_device_init(&device, &config) == HF_BAD_CONFIG);
    config.id = text + 300 - 1 - 128;
    config.token = text + 300 - 1 - 256;
    CHECK(hf_device_init(&device, &config) == HF_OK); /* quotes take two bytes each */
    config.session = text + 300 - 1 - 64;
    CHECK(hf_device_init(&device, &config) == HF_OK);
    config.session = text + 300 - 1 - 65;
    CHECK(hf_device_init(&device, &config) == HF_BAD_CONFIG);
    config.session = NULL;
    config.first_seq = 5;
    CHECK(hf_device_init(&device, &config) == HF_BAD_CONFIG);
}

static void test_back_off(void) {
    CHECK(hf_device_backoff(0, 250, 60000, 0) == 125 && hf_device_backoff(0, 250, 60000, 125) == 250);
    CHECK(hf_device_backoff(3, 250, 60000, 0) == 1000 && hf_device_backoff(32, 250, 60000, 0) == 30000);
    fresh();
    w.open_result = -1;
    uint64_t last = 0;
    for (unsigned n = 0; n < 12; ++n) {
        const uint32_t wait = hf_device_poll(&device);
        CHECK(w.opened == n + 1 && wait >= last && wait <= 60000);
        last = wait < 30000 ? wait : 30000;
        w.now += wait;
    }
    CHECK(hf_device_last_end(&device) == HF_END_CONNECT);
    w.open_result = 1;
    sent();
    answer("{\"resume\":0}\n");
    sent();
    end_connection();
    CHECK(hf_device_poll(&device) >= 30000); /* too short a connection to begin again */
    reconnect(), sent();
    answer("{\"resume\":0}\n");
    sent();
    w.now += 10000;
    end_connection();
    CHECK(hf_device_poll(&device) <= 250);
}

static void test_timeouts(void) {
    hf_device_config config = fresh_world();
    config.ack_timeout_ms = 2000;
    hf_device_init(&device, &config);
    w.open_result = 0;
    CHECK(hf_device_poll(&device) == 30000 && hf_device_wants_write(&device));
    w.now += 30000;
    hf_device_poll(&device);
    CHECK(hf_device_last_end(&device) == HF_END_CONNECT && w.closed == 1);
    w.open_result = 1;
    reconnect();
    CHECK(hf_device_poll(&device) == 60000);
    w.now += 60000;
    hf_device_poll(&device);
    CHECK(hf_device_last_end(&device) == HF_END_TIMEOUT);
    reconnect(), sent();
    answer("{\"resume\":0}\n");
    CHECK(hf_device_poll(&device) == HF_DEVICE_FOREVER);
    add("{}");
    CHECK(hf_device_poll(&device) == 2000);
    w.now += 2000;
    hf_device_poll(&device);
    CHECK(hf_device_state(&device) == HF_OFFLINE && hf_device_last_end(&device) == HF_END_TIMEOUT);
}

static void test_lengths_frame_both_directions(void) {
    hf_device_config config = fresh_world();
    config.framing = HF_LENGTH;
    hf_device_init(&device, &config);
    add("{\"n\":1}");
    hf_device_poll(&device);
    CHECK(w.sent_size == 4 + 43 && memcmp(w.sent, "\0\0\0\x2b{\"hello\"", 12) == 0);
    w.sent_size = 0;
    w.piece = 1;
    memcpy(w.answers, "\0\0\0\x0c{\"resume\":0}\0\0\0\0", 20);
    w.answers_size = 20;
    for (unsigned n = 0; n < 40; ++n) hf_device_poll(&device);
    CHECK(w.sent_size == 19 && memcmp(w.sent, "\0\0\0\x0f{\"n\":1,\"seq\":1}", 19) == 0);
    CHECK(hf_device_get_stats(&device).bad_answers == 0);
}

int main(void) {
    test_items_wait_for_the_resume();
    test_unacknowledged_items_are_sent_again();
    test_a_further_resume_repeats_what_no_ack_covers();
    test_answers_are_read_whole_only();
    test_other_messages_go_to_the_program();
    test_a_gap_goes_back();
    test_a_gap_without_end_is_no_loop();
    test_a_refused_item_stays_until_its_ack();
    test_half_an_item_is_completed();
    test_a_large_item_that_is_acknowledged_half_written_is_completed();
    test_retry_after_has_its_time();
    test_numbers_of_another_device_begin_a_session();
    test_a_kept_session_continues();
    test_the_memory_is_bounded();
    test_a_config_is_checked();
    test_back_off();
    test_timeouts();
    test_lengths_frame_both_directions();
    printf("%u faults\n", faults);
    return faults == 0 ? 0 : 1;
}
