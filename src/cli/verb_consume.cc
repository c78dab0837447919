#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <csignal>
#include <limits>
#include <memory>
#include <thread>
#include <utility>

#include "api/api.h"
#include "base/system.h"
#include "cli/client_request.h"
#include "cli/consumer.h"
#include "cli/verbs.h"
#include "client/admin_client.h"
#include "daemon/exit.h"
#include "daemon/stopped_gateway.h"
#include "spool/spool.h"
#include "text/hex.h"
#include "text/printable.h"

namespace holdfast {
namespace {

/// A spool without a running gateway, behind the interface of the admin API. Owns the spool and its lock. Retention
/// removes nothing. Used by one thread.
class SpoolAtRest {
public:
    /// Returns an error if a gateway holds the spool, or if it is absent or unreadable.
    [[nodiscard]] static Result<std::unique_ptr<SpoolAtRest>> open(const std::string& directory);

    [[nodiscard]] AdminAnswer request(const AdminQuestion& question);

private:
    explicit SpoolAtRest(std::unique_ptr<Spool> spool);

    std::unique_ptr<Spool> spool_;
    StoppedGateway gateway_;
    Api api_;
};

Result<std::unique_ptr<SpoolAtRest>> SpoolAtRest::open(const std::string& directory) {
    struct stat status {};
    if (::stat((directory + "/spool.db").c_str(), &status) != 0) {  // opening would create it
        return Error{directory + " contains no spool: spool.db is missing; name the directory of sink.path"};
    }
    SpoolOptions options;
    options.directory = directory;
    options.retain_bytes = std::numeric_limits<std::uint64_t>::max();
    options.retain_age = std::chrono::hours(24 * 365 * 1000);
    options.sessions = {.per_id = std::numeric_limits<std::uint32_t>::max(),
                        .overall = std::numeric_limits<std::uint32_t>::max()};
    options.on_quarantine = print_error;
    auto spool = Spool::open(std::move(options));
    if (!spool) return Error{spool.error().message + "; read the spool of a running gateway through --admin"};
    return std::unique_ptr<SpoolAtRest>(new SpoolAtRest(std::move(spool).value()));
}

SpoolAtRest::SpoolAtRest(std::unique_ptr<Spool> spool)
    : spool_(std::move(spool)), api_(gateway_, {.spool = spool_.get()}) {}

AdminAnswer SpoolAtRest::request(const AdminQuestion& question) {
    ApiAnswer answer = api_.answer({.method = question.method, .target = question.target, .body = question.body});
    return {answer.status, std::move(answer.body)};
}

struct ConsumeFlags {
    AdminAccess admin;
    std::string group;
    std::string from;
    std::string limit;
    std::string spool;
    bool follow = false;
};

// A signal ends the process at once, except between writing events and storing their position. In between, the process
// ends after the store; a second signal does not wait.
std::atomic<bool> may_end{true};
std::atomic<int> end_requests{0};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

void on_signal(int) {
    if (may_end || end_requests.fetch_add(1) > 0) ::_exit(exit_good);
}

void take_signals() {
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
}

void set_may_end(bool on) {
    may_end = on;
    if (on && end_requests > 0) ::_exit(exit_good);
}

/// Returns nullopt unless the text is a whole number from 1 on.
std::optional<std::uint64_t> read_number(const std::string& text) {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || rest != end || number == 0) return std::nullopt;
    return number;
}

std::string draw_name() { return to_hex(random_bits()) + to_hex(random_bits()); }

Result<ConsumeOptions> read_options(const ConsumeFlags& flags) {
    ConsumeOptions options{.admin = flags.admin, .group = flags.group, .follow = flags.follow, .name = draw_name()};
    if (!is_admin_address(flags.admin.address)) return Error{"--admin: " + not_an_admin_address(flags.admin.address)};
    if (!flags.group.empty() && !is_name(flags.group))
        return Error{"--group: " + in_quotes(flags.group) +
                     " is not a group name; write 1 to 64 characters of A-Z a-z 0-9 _ . -"};
    if (!flags.from.empty() && !(options.from = read_number(flags.from)))
        return Error{"--from: " + in_quotes(flags.from) + " is not a position; write a whole number from 1"};
    if (!flags.limit.empty() && !(options.limit = read_number(flags.limit)))
        return Error{"--limit: " + in_quotes(flags.limit) + " is not a whole number from 1"};
    if (!flags.spool.empty() && flags.follow)
        return Error{"--follow needs a running gateway; name its address with --admin instead of --spool"};
    return options;
}

/// Writes lines of JSON unchanged, or safe for a terminal.
bool write_events(std::string_view lines) {
    if (::isatty(STDOUT_FILENO) != 1) return write_all(STDOUT_FILENO, lines);
    return write_all(STDOUT_FILENO, printable_json(lines));
}

int consume_verb(const ConsumeFlags& flags) {
    const auto options = read_options(flags);
    if (!options) {
        print_error(options.error().message);
        return exit_wrong_usage;
    }
    std::unique_ptr<SpoolAtRest> at_rest;
    if (!flags.spool.empty()) {
        auto opened = SpoolAtRest::open(flags.spool);
        if (!opened) {
            print_error(opened.error().message);
            return exit_answer_is_no;
        }
        at_rest = std::move(opened).value();
    }
    const auto request = [&](const AdminQuestion& question) -> Result<AdminAnswer> {
        return at_rest ? at_rest->request(question) : call_admin(flags.admin, question);
    };
    take_signals();
    Consumer consumer(options.value(),
                      {.request = request,
                       .write = write_events,
                       .tell = print_error,
                       .sleep = [](std::chrono::milliseconds time) { std::this_thread::sleep_for(time); },
                       .may_end = set_may_end});
    return consumer.run();
}

}  // namespace

Verb make_consume_verb() {
    const auto flags = std::make_shared<ConsumeFlags>();
    return {"consume", "print the events of a spool, one JSON object per line",
            Arguments{
                {"--group", &flags->group, "NAME", "consumer group: start at its position and store the new one"},
                {"--from", &flags->from, "N", "first position; default: the next of the group, else the oldest event"},
                {"--follow", &flags->follow, "", "wait for further events, also over restarts of the gateway"},
                {"--limit", &flags->limit, "N", "maximum number of events"},
                {"--spool", &flags->spool, "DIR", "directory of a spool whose gateway does not run"}} +
                admin_arguments(flags->admin),
            [flags] { return consume_verb(*flags); }};
}

}  // namespace holdfast
