#include "app/verb_version.h"

#include <iostream>
#include <memory>
#include <string>

#include <holdfast/server.h>

#include "base/json_writer.h"

namespace holdfast {
namespace {

int print_version(bool json) {
    if (json) {
        std::cout << JsonWriter().begin_object().field("version", version()).end_object().take() << '\n';
    } else {
        std::cout << "holdfast " << version() << '\n';
    }
    return exit_good;
}

}  // namespace

void add_version_verb(CLI::App& app, VerbAction& selected) {
    CLI::App* verb = app.add_subcommand("version", "print the version");
    const auto json = std::make_shared<bool>(false);
    verb->add_flag("--json", *json, "for scripts");
    verb->callback([json, &selected] { selected = [json] { return print_version(*json); }; });
    app.add_flag_callback(
        "--version", [&selected] { selected = [] { return print_version(false); }; }, "print the version and exit");
}

}  // namespace holdfast
