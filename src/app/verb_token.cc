#include "app/verb_token.h"

#include <iostream>
#include <memory>
#include <string>

#include "app/table.h"
#include "base/json_writer.h"
#include "base/printable.h"
#include "tokens/token_editor.h"

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

/// To standard error, so that a script that takes the token takes nothing else.
void say_what_is_left() { std::cerr << "holdfast: in force after a reload of the gateway: holdfast reload\n"; }

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

void add_token_verb(CLI::App& app, VerbAction& selected) {
    CLI::App* verb = app.add_subcommand("token", "make, list and revoke the tokens of a listener's tokens_file");
    verb->require_subcommand(1);
    const auto flags = std::make_shared<TokenFlags>();
    const auto part = [&](const char* name, const char* help, int (*run)(const TokenFlags&)) {
        CLI::App* added = verb->add_subcommand(name, help);
        added->add_option("--file", flags->file, "the listener's tokens_file")->required()->type_name("FILE");
        added->callback([flags, run, &selected] { selected = [flags, run] { return run(*flags); }; });
        return added;
    };
    CLI::App* add_part = part("add", "make a token for a device, and print it this one time", add);
    add_part->add_option("id", flags->id, "the device's id, as in its hello")->required();
    CLI::App* list_part = part("list", "the devices that have tokens, and what tells those apart", list);
    list_part->add_flag("--json", flags->json, "for scripts");
    CLI::App* revoke_part = part("revoke", "take a device's tokens away; with the reload its connection ends", revoke);
    revoke_part->add_option("id", flags->id, "the device's id")->required();
    revoke_part->add_option("--token", flags->name, "only the one that list shows so")->type_name("NAME");
}

}  // namespace holdfast
