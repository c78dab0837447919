#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include <holdfast/c.h>
#include <holdfast/hello.h>
#include <holdfast/liveness.h>
#include <holdfast/server.h>

#include "base/fork_guard.h"
#include "base/start_thread.h"
#include "capi/batch_handler.h"
#include "options/option.h"
#include "text/printable.h"

using namespace holdfast;

/// The options, as the table of options stores them.
struct hf_config {
    DaemonConfig all;
    std::size_t queue_bytes = std::size_t{16} << 20;
    bool is_durable = false;
};

/// A server with the queue of its events, which outlives it, and the thread that waits for the end of a drain.
struct hf_server {
    explicit hf_server(std::size_t queue_bytes) : queue(queue_bytes) {}

    /// Returns true in a child of fork(2): threads of the parent may wait for the queue, or hold its lock.
    [[nodiscard]] bool is_of_parent() const noexcept { return generation != fork_generation(); }

    const unsigned generation = fork_generation();
    EventQueue queue;
    OpenQuestions questions;
    std::unique_ptr<Server> server;
    std::mutex draining;  // guards `drain`, which one thread starts and another joins
    std::thread drain;
};

namespace {

constexpr std::size_t max_error = 1024;
constexpr std::size_t max_listeners = 64;

thread_local char last_error[max_error] = "";

std::int32_t fail(std::int32_t code, std::string_view message) noexcept {
    last_error[message.copy(last_error, max_error - 1)] = '\0';
    return code;
}

std::int32_t code_of(ErrorCode code) noexcept {
    switch (code) {
        case ErrorCode::invalid_argument:
            return HF_ERR_INVALID_ARGUMENT;
        case ErrorCode::invalid_config:
            return HF_ERR_INVALID_CONFIG;
        case ErrorCode::invalid_file:
            return HF_ERR_INVALID_FILE;
        case ErrorCode::address_in_use:
            return HF_ERR_ADDRESS_IN_USE;
        case ErrorCode::address_unavailable:
            return HF_ERR_ADDRESS_UNAVAILABLE;
        case ErrorCode::not_permitted:
            return HF_ERR_NOT_PERMITTED;
        case ErrorCode::out_of_resources:
            return HF_ERR_OUT_OF_RESOURCES;
        case ErrorCode::system:
            return HF_ERR_SYSTEM;
        case ErrorCode::stopping:
            return HF_ERR_STOPPING;
        case ErrorCode::handler_failed:
        case ErrorCode::try_later:
        case ErrorCode::other:
            break;
    }
    return HF_ERR_OTHER;
}

std::int32_t fail(const Error& error) noexcept { return fail(code_of(error.code), error.message); }

/// Runs `work`, whose exceptions end here.
template <typename Work>
std::int32_t guarded(const Work& work) noexcept {
    try {
        return work();
    } catch (const Misuse& misuse) {
        return fail(HF_ERR_MISUSE, misuse.what());
    } catch (const std::bad_alloc&) {
        return fail(HF_ERR_OUT_OF_RESOURCES, "no memory; raise the limits of the process");
    } catch (const std::exception& failure) {
        return fail(HF_ERR_OTHER, failure.what());
    } catch (...) {
        return fail(HF_ERR_OTHER, "an unknown exception arose; report it");
    }
}

std::int32_t missing(std::string_view what) noexcept {
    last_error[0] = '\0';
    std::strncat(last_error, what.data(), what.size());
    std::strcat(last_error, " is NULL; pass a valid pointer");
    return HF_ERR_INVALID_ARGUMENT;
}

ConnectionId id_of(hf_conn conn) noexcept { return {.run = conn.run, .number = conn.number}; }

/// Takes the number of a listener off the front of "1.address". Without a number, the listener is the first.
std::size_t take_listener(std::string_view& key) {
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), number);
    if (error != std::errc() || end == key.data() + key.size() || *end != '.') return 0;
    key.remove_prefix(static_cast<std::size_t>(end - key.data()) + 1);
    return number;
}

std::int32_t set_option(hf_config& config, std::string_view name, std::string_view value) {
    const std::size_t dot = name.find('.');
    std::string_view key = dot == std::string_view::npos ? name : name.substr(dot + 1);
    const auto section = dot == std::string_view::npos ? Section::top : find_section(name.substr(0, dot));
    auto& listeners = config.all.server.listeners;
    const std::size_t listener = section == Section::listener ? take_listener(key) : 0;
    const Option* const option = section ? find_option(*section, key) : nullptr;
    const auto known = server_options();
    if (option == nullptr || option < known.data() || option >= known.data() + known.size()) {
        return fail(HF_ERR_INVALID_ARGUMENT,
                    "there is no option " + in_quotes(name) +
                        " of the library; see docs/reference/options.md, e.g. listener.address");
    }
    if (listener > listeners.size() || listener >= max_listeners) {
        return fail(HF_ERR_INVALID_ARGUMENT, in_quotes(name) + " leaves listeners out; set those before it first");
    }
    if (listener == listeners.size()) listeners.emplace_back();
    const auto error = store_text(*option, object_of(*option, config.all, listener), value);
    if (error) return fail(HF_ERR_INVALID_CONFIG, std::string(name) + ": " + *error);
    return HF_SUCCESS;
}

std::int32_t start_server(const hf_config& config, hf_server*& out) {
    auto made = std::make_unique<hf_server>(config.queue_bytes);
    auto started = Server::start(config.all.server, [&made, &config](unsigned) {
        return std::make_unique<BatchHandler>(made->queue, made->questions, config.is_durable);
    });
    if (!started) return fail(started.error());
    made->server = std::move(started).value();
    out = made.release();
    return HF_SUCCESS;
}

std::int32_t of_parent() noexcept {
    return fail(HF_ERR_MISUSE, "cannot use a server of the parent in a child of fork(); start one in the child");
}

std::int32_t no_connection() noexcept {
    return fail(HF_ERR_NO_CONNECTION, "the connection does not exist; it may have ended");
}

std::int32_t no_hello() noexcept {
    return fail(HF_ERR_NO_CONNECTION, "no hello of the connection waits; it was decided, or the connection has ended");
}

/// Returns the mistake in an acceptance, so that the decision stays open for a second call.
std::optional<std::string> why_not_accepted(const char* id, const DeviceTerms& terms) {
    if (id != nullptr && *id != '\0' && !is_device_word(id, max_device_id)) {
        return "the id " + in_quotes(id) + " is invalid; give 1 to 128 bytes of UTF-8 without control characters";
    }
    if (!terms.detect_within) return std::nullopt;
    const auto plan = plan_liveness(*terms.detect_within);
    return plan ? std::nullopt : std::optional(plan.error().message);
}

void store_report(const ApplyReport& report, char* text, std::size_t size) {
    std::string lines;
    for (const std::string& line : report.applied) lines += "applied: " + line + "\n";
    for (const std::string& line : report.needs_restart) lines += "needs a restart: " + line + "\n";
    text[lines.copy(text, size - 1)] = '\0';
}

void store_stats(const hf_server& server, hf_stats& stats) {
    const ServerStatus status = server.server->status();
    const EventQueue::Waiting waiting = server.queue.waiting();
    stats = {};
    stats.uptime_ms = static_cast<std::uint64_t>(status.uptime.count());
    stats.waiting_events = waiting.events;
    stats.waiting_bytes = waiting.bytes;
    for (const ListenerStatus& listener : status.listeners) {
        stats.connections += listener.connections;
        stats.accepted += listener.accepted;
        stats.items += listener.items;
        stats.bytes_in += listener.bytes_in;
        stats.bytes_out += listener.bytes_out;
        for (const std::uint64_t count : listener.closed) stats.closed += count;
        for (const std::uint64_t count : listener.bad_items) stats.bad_items += count;
    }
}

}  // namespace

std::uint32_t hf_abi_version(void) { return HF_ABI_VERSION; }

const char* hf_version(void) { return HOLDFAST_VERSION; }

const char* hf_last_error(void) { return last_error; }

hf_config* hf_config_create(std::uint32_t abi_version) {
    if (abi_version == 0 || abi_version > HF_ABI_VERSION) {
        (void)fail(HF_ERR_INVALID_ARGUMENT, "the library is older than its header; install the library of the header");
        return nullptr;
    }
    hf_config* made = nullptr;
    (void)guarded([&] {
        made = std::make_unique<hf_config>().release();
        return HF_SUCCESS;
    });
    return made;
}

std::int32_t hf_config_set(hf_config* config, const char* option, const char* value) {
    if (config == nullptr) return missing("the config");
    if (option == nullptr || value == nullptr) return missing("the option or its value");
    return guarded([&] { return set_option(*config, option, value); });
}

std::int32_t hf_config_set_queue_bytes(hf_config* config, std::size_t bytes) {
    if (config == nullptr) return missing("the config");
    if (bytes == 0) return fail(HF_ERR_INVALID_ARGUMENT, "the queue has no room; give at least 1 byte");
    config->queue_bytes = bytes;
    return HF_SUCCESS;
}

std::int32_t hf_config_set_authenticate(hf_config* config, std::size_t listener, std::int32_t on) {
    if (config == nullptr) return missing("the config");
    auto& listeners = config->all.server.listeners;
    if (listener >= listeners.size()) {
        return fail(HF_ERR_INVALID_ARGUMENT, "the config has fewer listeners; set an option of this one first");
    }
    listeners[listener].authenticate_by_program = on != 0;
    return HF_SUCCESS;
}

std::int32_t hf_config_set_durable(hf_config* config, std::int32_t on) {
    if (config == nullptr) return missing("the config");
    config->is_durable = on != 0;
    return HF_SUCCESS;
}

void hf_config_destroy(hf_config* config) { delete config; }

std::int32_t hf_server_start(const hf_config* config, hf_server** server) {
    if (config == nullptr || server == nullptr) return missing("the config or the place of the server");
    *server = nullptr;
    return guarded([&] { return start_server(*config, *server); });
}

std::int32_t hf_server_wait_events(hf_server* server, hf_event* events, std::size_t max, std::int32_t timeout_ms) {
    if (server == nullptr || events == nullptr) return missing("the server or the place of the events");
    if (max == 0 || max > INT32_MAX) {
        return fail(HF_ERR_INVALID_ARGUMENT, "max is out of range; give 1 to 2147483647");
    }
    if (server->is_of_parent()) return of_parent();
    return guarded([&] { return server->queue.fetch(events, max, std::chrono::milliseconds(timeout_ms)); });
}

std::int32_t hf_server_send(hf_server* server, hf_conn conn, const char* json, std::size_t size) {
    if (server == nullptr || json == nullptr) return missing("the server or the message");
    return guarded([&] {
        switch (server->server->send(id_of(conn), {json, size})) {
            case SendOutcome::queued:
                return static_cast<std::int32_t>(HF_SUCCESS);
            case SendOutcome::no_such_connection:
                return no_connection();
            case SendOutcome::unencodable:
                return fail(HF_ERR_UNENCODABLE,
                            "the listener's framing has no form for the message; shorten it for the length field, or "
                            "remove the delimiter");
            case SendOutcome::queue_full:
                break;
        }
        return fail(HF_ERR_QUEUE_FULL, "the queue of the connection is full; send again when the device reads");
    });
}

std::int32_t hf_server_close(hf_server* server, hf_conn conn, std::uint32_t code, const char* detail) {
    if (server == nullptr) return missing("the server");
    return guarded([&] {
        const CloseOrder order{.reason = CloseReason::application, .code = code, .detail = detail ? detail : ""};
        return server->server->close(id_of(conn), order) ? static_cast<std::int32_t>(HF_SUCCESS) : no_connection();
    });
}

std::int32_t hf_server_probe(hf_server* server, hf_conn conn, std::uint32_t timeout_ms, hf_probe* answer) {
    if (server == nullptr || answer == nullptr) return missing("the server or the place of the answer");
    return guarded([&] {
        const auto seen = server->server->probe(id_of(conn), std::chrono::milliseconds(timeout_ms));
        if (!seen) return no_connection();
        *answer = {.alive = seen->alive ? 1U : 0U,
                   .waited_ms = static_cast<std::uint32_t>(seen->waited.count()),
                   .rtt_us = static_cast<std::uint32_t>(seen->rtt.count()),
                   .reserved = 0};
        return static_cast<std::int32_t>(HF_SUCCESS);
    });
}

std::int32_t hf_server_find(hf_server* server, const char* id, hf_conn* conn) {
    if (server == nullptr || id == nullptr || conn == nullptr) return missing("the server, the id or its place");
    return guarded([&] {
        const auto found = server->server->find(id);
        if (!found) return fail(HF_ERR_NO_CONNECTION, "the device has no connection; it may connect later");
        *conn = {.number = found->number, .run = found->run, .reserved = 0};
        return static_cast<std::int32_t>(HF_SUCCESS);
    });
}

std::int32_t hf_server_accept(hf_server* server, hf_conn conn, const char* id, std::uint32_t detect_within_ms) {
    if (server == nullptr) return missing("the server");
    if (server->is_of_parent()) return of_parent();
    return guarded([&] {
        DeviceTerms terms;
        if (detect_within_ms != 0) terms.detect_within = std::chrono::milliseconds(detect_within_ms);
        if (const auto error = why_not_accepted(id, terms)) return fail(HF_ERR_INVALID_ARGUMENT, *error);
        const auto decision = server->questions.take_hello(id_of(conn));
        if (!decision) return no_hello();
        decision->accept(id != nullptr ? id : "", terms);
        return static_cast<std::int32_t>(HF_SUCCESS);
    });
}

std::int32_t hf_server_reject(hf_server* server, hf_conn conn, std::uint32_t code, const char* detail,
                              const char* bytes, std::size_t size) {
    if (server == nullptr) return missing("the server");
    if (server->is_of_parent()) return of_parent();
    if (bytes == nullptr && size > 0) return missing("the bytes");
    return guarded([&] {
        const auto decision = server->questions.take_hello(id_of(conn));
        if (!decision) return no_hello();
        decision->reject({.reason = CloseReason::unauthenticated,
                          .code = code,
                          .detail = detail != nullptr ? detail : "",
                          .flush = size > 0},
                         size > 0 ? std::string_view(bytes, size) : std::string_view());
        return static_cast<std::int32_t>(HF_SUCCESS);
    });
}

std::int32_t hf_server_durable(hf_server* server, std::uint64_t count) {
    if (server == nullptr) return missing("the server");
    if (server->is_of_parent()) return of_parent();
    return guarded([&] {
        if (server->queue.note_durable(count)) return static_cast<std::int32_t>(HF_SUCCESS);
        return fail(HF_ERR_INVALID_ARGUMENT,
                    "fewer events were fetched; give the number of events that hf_server_wait_events() has returned");
    });
}

std::int32_t hf_server_answer(hf_server* server, std::uint64_t number, std::uint64_t seq) {
    if (server == nullptr) return missing("the server");
    if (server->is_of_parent()) return of_parent();
    return guarded([&] {
        const auto answer = server->questions.take_look_up(number);
        if (!answer) {
            return fail(HF_ERR_INVALID_ARGUMENT, "no HF_LOOK_UP of this number is open; answer each once");
        }
        answer(seq);
        return static_cast<std::int32_t>(HF_SUCCESS);
    });
}

std::int32_t hf_server_apply(hf_server* server, const hf_config* config, char* report, std::size_t size) {
    if (server == nullptr || config == nullptr) return missing("the server or the config");
    if (report == nullptr && size > 0) return missing("the report");
    return guarded([&] {
        const auto applied = server->server->apply(config->all.server);
        if (!applied) return fail(applied.error());
        if (size > 0) store_report(applied.value(), report, size);
        return static_cast<std::int32_t>(applied.value().needs_restart.size());
    });
}

std::int32_t hf_server_stats(hf_server* server, hf_stats* stats) {
    if (server == nullptr || stats == nullptr) return missing("the server or the place of the figures");
    return guarded([&] {
        store_stats(*server, *stats);
        return HF_SUCCESS;
    });
}

std::int32_t hf_server_address(hf_server* server, std::size_t listener, char* text, std::size_t size) {
    if (server == nullptr || text == nullptr || size == 0) return missing("the server or the text");
    return guarded([&] {
        const ServerStatus status = server->server->status();
        if (listener >= status.listeners.size()) {
            return fail(HF_ERR_INVALID_ARGUMENT, "the server has fewer listeners; the first one is 0");
        }
        const std::string address = to_string(status.listeners[listener].bound);
        text[address.copy(text, size - 1)] = '\0';
        return static_cast<std::int32_t>(HF_SUCCESS);
    });
}

std::int32_t hf_server_drain(hf_server* server) {
    if (server == nullptr) return missing("the server");
    return guarded([&] {
        server->server->drain();
        const std::lock_guard lock(server->draining);
        if (server->drain.joinable()) return HF_SUCCESS;
        server->drain = start_thread("drain", [server] {
            server->server->wait();
            server->queue.finish();
        });
        return HF_SUCCESS;
    });
}

void hf_server_destroy(hf_server* server) {
    if (server == nullptr || server->is_of_parent()) return;  // a child cannot join the threads, nor free their locks
    (void)guarded([&] {
        server->server->stop_now();
        const std::lock_guard lock(server->draining);
        if (server->drain.joinable()) server->drain.join();
        server->server.reset();
        return HF_SUCCESS;
    });
    delete server;
}
