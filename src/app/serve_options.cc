#include "app/serve_options.h"

#include <iostream>

#include "app/verb.h"

namespace holdfast {
namespace {

std::string value_name(const Option& option) {
    switch (option.type()) {
        case OptionType::text:
        case OptionType::texts:
            return option.form.starts_with("ADDRESS:PORT") ? "ADDRESS:PORT" : "TEXT";
        case OptionType::boolean:
            return "";
        case OptionType::count:
        case OptionType::number:
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
    if (option.type() == OptionType::boolean) return std::string(option.help);
    return std::string(option.help) + " (" + default_text(option) + ")";
}

Argument to_argument(const Option& option, ServeOptions& options) {
    const std::string flag(option.flag);
    if (flag == "--listen") {
        return {flag, &options.overrides.listen, "ADDRESS:PORT", help_text(option) + "; may be repeated"};
    }
    auto& flags = options.overrides.flags;
    if (option.type() == OptionType::boolean) {
        return {flag, [&option, &flags] { flags.push_back({&option, "true"}); }, "", help_text(option)};
    }
    return {flag,
            [&option, &flags](const std::string& text) {
                flags.push_back({&option, text});
            },
            flag == "--sink" ? "SINK" : value_name(option), help_text(option)};
}

}  // namespace

Arguments serve_arguments(ServeOptions& options) {
    Arguments all{{"--config", &options.config, "FILE", "a TOML file, docs/reference/options.md; flags win over it"}};
    for (const Option& option : all_options()) {
        if (option.flag == "--listen") all.push_back(to_argument(option, options));
    }
    for (const Option& option : all_options()) {
        if (!option.flag.empty() && option.flag != "--listen") all.push_back(to_argument(option, options));
    }
    return all;
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
