#include "cli/spool_at_rest.h"

#include <sys/stat.h>

#include <limits>
#include <utility>

#include "daemon/exit.h"

namespace holdfast {

Result<std::unique_ptr<SpoolAtRest>> SpoolAtRest::open(const std::string& directory) {
    struct stat status {};
    if (::stat((directory + "/spool.db").c_str(), &status) != 0) {  // opening would create it
        return Error{directory + " holds no spool: spool.db is missing; name the directory of sink.path"};
    }
    SpoolOptions options;
    options.directory = directory;
    options.retain_bytes = std::numeric_limits<std::uint64_t>::max();
    options.retain_age = std::chrono::hours(24 * 365 * 1000);
    options.sessions = {.per_id = std::numeric_limits<std::uint32_t>::max(),
                        .overall = std::numeric_limits<std::uint32_t>::max()};
    options.on_quarantine = print_error;
    auto spool = Spool::open(std::move(options));
    if (!spool) return Error{spool.error().message + "; a running gateway's spool is read through --admin"};
    return std::unique_ptr<SpoolAtRest>(new SpoolAtRest(std::move(spool).value()));
}

SpoolAtRest::SpoolAtRest(std::unique_ptr<Spool> spool)
    : spool_(std::move(spool)), view_(*spool_), api_(gateway_, {.spool = &view_}) {}

AdminAnswer SpoolAtRest::ask(const AdminQuestion& question) {
    ApiAnswer answer = api_.answer({.method = question.method, .target = question.target, .body = question.body});
    return {answer.status, std::move(answer.body)};
}

}  // namespace holdfast
