#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "daemon/privileges.h"
#include "keeper/keeper.h"

namespace holdfast {

namespace {

constexpr const char* variable = "HOLDFAST_KEEPER";

}  // namespace

KeeperOrder order_of(const DaemonConfig& config) {
    return {.user = config.process.user,
            .binds_low_ports = binds_low_ports(config),
            .log = config.log,
            .max_crashes = config.process.keeper_crashes};
}

// The user comes last, since its name may contain spaces.

std::string to_text(const KeeperOrder& order) {
    std::ostringstream text;
    text << order.binds_low_ports << ' ' << static_cast<unsigned>(order.log.level) << ' '
         << static_cast<unsigned>(order.log.format) << ' ' << order.max_crashes << ' ' << order.user;
    return text.str();
}

std::optional<KeeperOrder> parse_order(const std::string& text) {
    std::istringstream fields(text);
    KeeperOrder order;
    unsigned level = 0, format = 0;
    if (!(fields >> order.binds_low_ports >> level >> format >> order.max_crashes)) return std::nullopt;
    if (level > static_cast<unsigned>(LogLevel::error) || format > static_cast<unsigned>(LogFormat::json))
        return std::nullopt;
    fields.ignore();
    std::getline(fields, order.user, '\0');
    order.log = {.level = static_cast<LogLevel>(level), .format = static_cast<LogFormat>(format)};
    return order;
}

// The order names its process, since a child may inherit the environment. execve(2) keeps the number of the process.

Error become_keeper(const KeeperOrder& order, const char* const* argv) {
    const std::string text = std::to_string(::getpid()) + ' ' + to_text(order);
    ::setenv(variable, text.c_str(), 1);
    ::execv("/proc/self/exe", const_cast<char* const*>(argv));
    return Error{std::string("cannot start the keeper: ") + std::strerror(errno) +
                     "; mount /proc, or set keeper = false in [process]",
                 ErrorCode::system};
}

std::optional<KeeperOrder> take_order() {
    const char* const text = std::getenv(variable);
    if (text == nullptr) return std::nullopt;
    std::istringstream fields(text);
    pid_t process = 0;
    std::string rest;
    fields >> process >> std::ws;
    std::getline(fields, rest, '\0');
    ::unsetenv(variable);
    return process == ::getpid() ? parse_order(rest) : std::nullopt;
}

}  // namespace holdfast
