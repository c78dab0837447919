#include "cli/client_request.h"

#include <iostream>
#include <variant>

#include "text/printable.h"

namespace holdfast {
Arguments admin_keys(AdminAccess& access) {
    return {{"--admin-ca",
             &access.ca,
             "FILE",
             "PEM file of the authorities for https://; default: those of the system",
             {.environment = "HOLDFAST_ADMIN_CA"}},
            {"--admin-token-file",
             &access.token_file,
             "FILE",
             "file with a token of the gateway",
             {.environment = "HOLDFAST_ADMIN_TOKEN_FILE"}}};
}

Arguments admin_arguments(AdminAccess& access, const std::string& group) {
    Arguments all = admin_keys(access);
    all.push_back({"--admin",
                   &access.address,
                   "ADDRESS:PORT",
                   "admin address of the gateway; also https://HOST:PORT or unix:PATH",
                   {.environment = "HOLDFAST_ADMIN", .shows_default = true}});
    for (Argument& argument : all) argument.rules.group = group;
    return all;
}

Arguments client_arguments(ClientFlags& flags) {
    return admin_arguments(flags.admin) + Arguments{{"--json", &flags.json, "", "JSON of the API, unchanged"}};
}

int print_failure(const AdminFailure& failure) {
    for (const std::string& line : failure.lines) print_error(line);
    return failure.code;
}

namespace {

/// Returns false after an error message if the address is none.
bool has_admin_address(const ClientFlags& flags) {
    if (is_admin_address(flags.admin.address)) return true;
    print_error("--admin: " + not_an_admin_address(flags.admin.address));
    return false;
}

}  // namespace

int request_and_copy(const ClientFlags& flags, const AdminQuestion& question) {
    if (!has_admin_address(flags)) return exit_wrong_usage;
    const auto answer = call_admin(flags.admin, question);
    if (const auto failure = failure_of(flags.admin, answer)) return print_failure(*failure);
    std::cout << answer.value().body;
    return exit_good;
}

int request_and_show(const ClientFlags& flags, const AdminQuestion& question, const Showing& showing) {
    if (!has_admin_address(flags)) return exit_wrong_usage;
    const auto reply = read_reply(flags.admin, call_admin(flags.admin, question), showing.proof);
    if (const auto* failure = std::get_if<AdminFailure>(&reply)) return print_failure(*failure);
    const AnswerView view = std::get<AdminReply>(reply).view();
    if (!showing.wanted(view)) return showing.verdict(view);
    if (flags.json) {
        std::cout << printable_json(std::get<AdminReply>(reply).body()) << '\n';
    } else {
        std::cout << showing.text(view);
    }
    return showing.verdict(view);
}

}  // namespace holdfast
