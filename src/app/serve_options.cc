#include "app/serve_options.h"

#include <iostream>

#include "app/verb.h"

namespace holdfast {
namespace {

std::string value_name(const Option& option) {
    switch (option.type) {
        case OptionType::text:
        case OptionType::texts:
            return option.name == "address" ? "ADDRESS:PORT" : "TEXT";
        case OptionType::boolean:
            return "";
        case OptionType::count:
            return "N";
        case OptionType::size:
            return "SIZE";
        case OptionType::duration:
            return "DURATION";
        case OptionType::choice:
            return "WORD";
    }
    return {};
}

std::string help_text(const Option& option) {
    if (option.flag == "--sink") {
        return "where events go: stdout, file:PATH, spool:DIR (durable), nats:URL (durable, and to NATS JetStream), or "
               "none (for measurements) (stdout)";
    }
    if (option.type == OptionType::boolean) return std::string(option.help);
    return std::string(option.help) + " (" + std::string(option.default_text) + ")";
}

void add_flag(CLI::App& verb, const Option& option, ServeOptions& options) {
    const std::string flag(option.flag);
    if (flag == "--listen") {
        verb.add_option(flag, options.overrides.listen, help_text(option) + "; may be repeated")
            ->expected(1)
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
            ->type_name("ADDRESS:PORT");
    } else if (option.type == OptionType::boolean) {
        verb.add_flag_callback(
            flag,
            [&option, &options] {
                options.overrides.flags.push_back({&option, "true"});
            },
            help_text(option));
    } else {
        verb.add_option_function<std::string>(
                flag,
                [&option, &options](const std::string& text) {
                    options.overrides.flags.push_back({&option, text});
                },
                help_text(option))
            ->type_name(flag == "--sink" ? "SINK" : value_name(option));
    }
}

}  // namespace

void add_serve_options(CLI::App& verb, ServeOptions& options) {
    verb.add_option("--config", options.config, "a TOML file, docs/CONFIG.md; flags win over it")->type_name("FILE");
    for (const Option& option : all_options()) {
        if (option.flag == "--listen") add_flag(verb, option, options);
    }
    for (const Option& option : all_options()) {
        if (!option.flag.empty() && option.flag != "--listen") add_flag(verb, option, options);
    }
}

void print_config_errors(const std::vector<ConfigError>& errors) {
    for (const ConfigError& error : errors) {
        if (error.in_file) {
            std::cerr << error.message << std::endl;
        } else {
            print_error(error.message);
        }
    }
}

}  // namespace holdfast
