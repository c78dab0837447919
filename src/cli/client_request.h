#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cli/command_line.h"
#include "client/admin_reply.h"
#include "daemon/exit.h"

namespace holdfast {

/// The flags of every verb that sends a request to a gateway.
struct ClientFlags {
    AdminAccess admin;
    bool json = false;
};

/// Returns --admin-ca and --admin-token-file. The environment can set both.
[[nodiscard]] Arguments admin_keys(AdminAccess& access);
/// Returns admin_keys() and --admin, which the environment can set too. The help text lists them under `group`.
[[nodiscard]] Arguments admin_arguments(AdminAccess& access, const std::string& group = "");
/// Returns all flags of ClientFlags.
[[nodiscard]] Arguments client_arguments(ClientFlags& flags);

/// The way in which a verb prints one kind of answer.
struct Showing {
    std::function<std::string(const AnswerView&)> text;
    std::function<int(const AnswerView&)> verdict = [](const AnswerView&) { return exit_good; };
    /// Selects the answers to print.
    std::function<bool(const AnswerView&)> wanted = [](const AnswerView&) { return true; };
    /// Pointer to a field that every gateway's answer has. Empty: any answer is accepted.
    std::string proof = {};
};

/// Prints each error of a failure on a line. Returns the exit code.
int print_failure(const AdminFailure& failure);

/// Sends the request and copies the answer's body to standard output. Returns the exit code.
int request_and_copy(const ClientFlags& flags, const AdminQuestion& question);

/// Sends the request and prints the error or the answer, with --json unchanged. Returns the exit code.
int request_and_show(const ClientFlags& flags, const AdminQuestion& question, const Showing& showing);

}  // namespace holdfast
