#include "cli/client_request.h"

#include <iostream>

#include "net/url.h"
#include "text/printable.h"

namespace holdfast {
namespace {

int refuse_stranger(const ClientFlags& flags, int status) {
    print_error(not_a_gateway(flags.admin, status));
    return exit_unreachable;
}

/// Prints the error as one line. An answer with several errors, as for a configuration file, gives one line each.
void print_refusal(const AnswerView& answer) {
    const auto details = answer.list("/error/details");
    if (details.empty()) print_error(answer.text("/error/message"));
    for (const AnswerView& detail : details) print_error(detail.text(""));
}

/// Returns the exit code of an HTTP status. 400 blames the request, 401 and 403 the token, and 503 an overloaded
/// gateway. Any other error is a negative answer.
int exit_code_of(int status) {
    if (status == 400 || status == 401 || status == 403) return exit_wrong_usage;
    return status == 503 ? exit_unreachable : exit_answer_is_no;
}

}  // namespace

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

int request_and_show(const ClientFlags& flags, const AdminQuestion& question, const Showing& showing) {
    if (!is_admin_address(flags.admin.address)) {
        print_error("--admin: " + not_an_admin_address(flags.admin.address));
        return exit_wrong_usage;
    }
    const auto answer = call_admin(flags.admin, question);
    if (!answer) {
        print_error(answer.error().message);
        return exit_unreachable;
    }
    const auto& [status, body] = answer.value();
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    if (parser.parse(body).get(root) || !root.is_object()) return refuse_stranger(flags, status);
    const AnswerView view(root);
    if (status >= 300) {
        if (!view.has("/error/message")) return refuse_stranger(flags, status);
        print_refusal(view);
        return exit_code_of(status);
    }
    if (!showing.proof.empty() && !view.has(showing.proof)) return refuse_stranger(flags, status);
    if (!showing.wanted(view)) return showing.verdict(view);
    if (flags.json) {
        std::cout << body << '\n';
    } else {
        std::cout << showing.text(view);
    }
    return showing.verdict(view);
}

}  // namespace holdfast
