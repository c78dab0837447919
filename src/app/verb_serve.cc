#include "app/verb_serve.h"

#include <memory>

#include "app/daemon.h"
#include "app/serve_options.h"

namespace holdfast {

void add_serve_verb(CLI::App& app, VerbAction& selected) {
    CLI::App* verb = app.add_subcommand("serve", "run the gateway; without any flag, on the defaults in brackets");
    const auto options = std::make_shared<ServeOptions>();
    add_serve_options(*verb, *options);
    verb->callback([options, &selected] {
        selected = [options] {
            const LoadOutcome outcome = options->load();
            if (outcome.loaded) return serve(*outcome.loaded, *options);
            print_config_errors(outcome.errors);
            return static_cast<int>(exit_wrong_usage);
        };
    });
}

}  // namespace holdfast
