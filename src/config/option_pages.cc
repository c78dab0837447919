#include "config/option_pages.h"

#include <cctype>
#include <optional>
#include <span>

namespace holdfast {
namespace {

std::string listed(std::span<const std::string_view> words) {
    std::string out;
    for (const std::string_view word : words) out += (out.empty() ? "" : ", ") + ("`" + std::string(word) + "`");
    return out;
}

std::string type_word(OptionType type) {
    switch (type) {
        case OptionType::text:
            return "text";
        case OptionType::texts:
            return "list of texts";
        case OptionType::boolean:
            return "boolean, `true` or `false`";
        case OptionType::count:
            return "whole number";
        case OptionType::number:
            return "number";
        case OptionType::size:
            return "size";
        case OptionType::duration:
            return "duration";
        case OptionType::choice:
            return "one of ";
    }
    return {};
}

std::string entry(const Option& option) {
    const std::string key(option.key);
    std::string out = "### " + key + "\n\n" + option_prose(option) + "\n\n- type: " + type_text(option) +
                      "\n- default: `" + toml_text(option, default_text(option)) + "`\n";
    if (!option.of_sinks.empty()) out += "- sink types: " + listed(option.of_sinks) + "\n";
    if (!option.flag.empty()) out += "- flag: `" + std::string(option.flag) + "`\n";
    return out + "- reload: " + reload_text(option) + "\n- example: `" + key + " = " +
           toml_text(option, option.example) + "`\n\n";
}

}  // namespace

std::string option_prose(const Option& option) {
    std::string prose(option.help);
    prose[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(prose[0])));
    return prose + "." + (option.more.empty() ? "" : " " + std::string(option.more));
}

std::string type_text(const Option& option) {
    const OptionType type = option.type();
    std::string out = type_word(type) + listed(option.place.words);
    if (const std::string range = range_text(option); !range.empty()) out += ", " + range;
    if (!option.zero.empty()) out += "; 0: " + std::string(option.zero);
    if (!option.unset.empty()) out += ", or `" + std::string(option.unset) + "`";
    if (!option.form.empty()) out += ": " + std::string(option.form);
    return out;
}

std::string reload_text(const Option& option) {
    if (!option.effect.empty()) return std::string(option.effect);
    return option.reload == OnReload::live ? "at once" : "needs a restart";
}

std::string toml_text(const Option& option, std::string_view value) {
    switch (option.type()) {
        case OptionType::boolean:
        case OptionType::count:
        case OptionType::number:
            return std::string(value);
        case OptionType::texts: {
            if (value.starts_with('[')) return std::string(value);
            std::string list = "[\"";
            for (const char c : value) list += c == ',' ? std::string("\", \"") : std::string(1, c);
            return list + "\"]";
        }
        default:
            return "\"" + std::string(value) + "\"";
    }
}

std::string section_title(Section section) {
    return section == Section::top ? "At the top" : in_section(section).substr(4);
}

std::string options_page() {
    std::string out =
        "# Options\n\nEach key of the configuration file, with its range, default and effect of a reload. "
        "[Write a configuration](../tasks/configure.md) has the syntax.\n\n";
    std::optional<Section> section;
    for (const Option& option : all_options()) {
        if (section != option.section) out += "## " + section_title(option.section) + "\n\n";
        section = option.section;
        out += entry(option);
    }
    out.pop_back();
    return out;
}

}  // namespace holdfast
