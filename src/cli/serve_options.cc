#include "cli/serve_options.h"

#include <iostream>

#include "daemon/exit.h"

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

Argument to_argument(const Option& option, ConfigSource& options) {
    auto& flags = options.overrides.flags;
    Argument argument = flag_of(option, default_text(option), [&option, &flags](const std::string& text) {
        flags.push_back({&option, text});
    });
    if (option.flag == "--listen") {
        argument.target = &options.overrides.listen;
        argument.help += "; may be repeated";
    } else if (option.flag == "--sink") {
        argument.value = "SINK";
        argument.help =
            std::string(option.help) + ": " + std::string(sink_flag_values) + " (" + default_text(option) + ")";
    } else if (option.type() == OptionType::boolean) {
        argument.target = [&option, &flags] { flags.push_back({&option, "true"}); };
        argument.help = option.help;
    }
    return argument;
}

}  // namespace

Argument flag_of(const Option& option, const std::string& default_text, std::function<void(const std::string&)> store) {
    const bool is_zero = default_text == "0" || default_text == "0B";
    const std::string shown = is_zero && !option.zero.empty() ? std::string(option.zero) : default_text;
    const std::string range = range_text(option);
    return {std::string(option.flag), std::move(store), value_name(option),
            std::string(option.help) + (range.empty() ? "" : "; " + range) + (shown.empty() ? "" : " (" + shown + ")")};
}

Arguments serve_arguments(ConfigSource& options) {
    Arguments all{
        {"-c,--config", &options.file, "FILE", "TOML file (docs/reference/options.md); flags take precedence"}};
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
