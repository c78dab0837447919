#include <iostream>
#include <memory>
#include <string>

#include "cli/verbs.h"
#include "daemon/exit.h"
#include "device/token_set.h"
#include "text/json_writer.h"
#include "text/printable.h"
#include "text/table.h"

namespace holdfast {
namespace {

struct TokenFlags {
    std::string file;
    std::string id;
    std::string name;
    bool json = false;
};

int fail(const Error& error) {
    print_error(error.message);
    return exit_answer_is_no;
}

/// Prints to standard error, so that a script that reads the token reads nothing else.
void say_what_is_left() { std::cerr << "holdfast: the change takes effect with holdfast reload\n"; }

int add(const TokenFlags& flags) {
    const auto token = add_token(flags.file, flags.id);
    if (!token) return fail(token.error());
    std::cout << token.value() << '\n';
    say_what_is_left();
    return exit_good;
}

int revoke(const TokenFlags& flags) {
    const auto revoked = revoke_tokens(flags.file, flags.id, flags.name);
    if (!revoked) return fail(revoked.error());
    std::cout << "revoked " << revoked.value() << (revoked.value() == 1 ? " token" : " tokens") << " of "
              << printable(flags.id) << '\n';
    say_what_is_left();
    return exit_good;
}

int list(const TokenFlags& flags) {
    const auto tokens = TokenSet::load(flags.file);
    if (!tokens) return fail(tokens.error());
    Table table({{"DEVICE"}, {"TOKEN"}});
    JsonWriter json;
    json.begin_object().key("tokens").begin_array();
    for (const StoredToken& token : tokens.value().all()) {
        table.add({token.id, name_of(token)});
        json.begin_object().field("id", token.id).field("name", name_of(token)).end_object();
    }
    if (!flags.json) {
        table.print();
        return exit_good;
    }
    std::cout << json.end_array().end_object().take() << '\n';
    return exit_good;
}

}  // namespace

Verb make_token_verb() {
    const auto flags = std::make_shared<TokenFlags>();
    const Argument file{"--file", &flags->file, "FILE", "the listener's tokens_file", {.required = true}};
    const Verb add_part{"add",
                        "make a token for a device and print it once",
                        {file, {"ID", &flags->id, "", "id of the device, as in its hello", {.required = true}}},
                        [flags] { return add(*flags); }};
    const Verb list_part{"list",
                         "list devices and the names of their tokens",
                         {file, {"--json", &flags->json, "", "JSON, for scripts"}},
                         [flags] { return list(*flags); }};
    const Verb revoke_part{"revoke",
                           "revoke tokens of a device; a reload closes its connection",
                           {file,
                            {"ID", &flags->id, "", "id of the device", {.required = true}},
                            {"--token", &flags->name, "NAME", "name of one token, as list prints it"}},
                           [flags] { return revoke(*flags); }};
    return {.name = "token",
            .help = "make, list and revoke tokens in a tokens_file",
            .parts = {add_part, list_part, revoke_part}};
}

}  // namespace holdfast
