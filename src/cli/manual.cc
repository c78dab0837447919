#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include <holdfast/server.h>

#include "cli/reference.h"
#include "config/option_pages.h"
#include "options/option.h"

namespace holdfast {
namespace {

/// Escapes text for man(7).
std::string plain(std::string_view text) {
    std::string out;
    bool starts_line = true;
    for (const char c : text) {
        if (starts_line && (c == '.' || c == '\'')) out += "\\&";
        starts_line = c == '\n';
        if (c == '\\') {
            out += "\\e";
        } else if (c == '-') {
            out += "\\-";
        } else {
            out += c;
        }
    }
    return out;
}

std::string bold(std::string_view text) { return "\\fB" + plain(text) + "\\fR"; }
std::string italic(std::string_view text) { return text.empty() ? "" : "\\fI" + plain(text) + "\\fR"; }

/// Escapes text as an argument of a request, which a blank would end.
std::string argument(std::string_view text) {
    std::string out = "\"";
    for (const char c : plain(text)) out += c == '"' ? std::string("\\(dq") : std::string(1, c);
    return out + "\"";
}

std::string heading(std::string_view name, std::string_view section) {
    return ".TH " + std::string(name) + " " + std::string(section) + " \"\" " +
           argument("holdfast " + std::string(version())) + "\n";
}

std::string argument_text(const Argument& given) {
    const bool has_short = given.long_name() != given.name;
    std::string label = given.is_flag() ? bold(given.long_name()) : italic(given.name);
    if (has_short) label = bold(given.name.substr(0, given.name.find(','))) + ", " + label;
    if (given.is_flag() && !given.value.empty()) label += " " + italic(given.value_text());
    std::string out = ".TP\n" + label + "\n" + plain(given.help);
    if (given.rules.required) out += "; required";
    if (!given.default_text().empty()) out += " [" + plain(given.default_text()) + "]";
    return out + "\n";
}

void append_verb(const Verb& verb, const std::string& command, std::string& out) {
    out += ".SS " + argument(command) + "\n" + plain(verb.help) + "\n";
    for (const Argument& given : verb.arguments) out += argument_text(given);
    for (const Verb& part : verb.parts) append_verb(part, command + " " + part.name, out);
}

void collect_environment(const Verb& verb, std::set<std::string>& names) {
    for (const Argument& given : verb.arguments) {
        if (!given.rules.environment.empty()) names.insert(given.rules.environment);
    }
    for (const Verb& part : verb.parts) collect_environment(part, names);
}

std::string environment(const Verb& root) {
    std::set<std::string> names;
    collect_environment(root, names);
    std::string out = names.empty() ? "" : ".SH ENVIRONMENT\n";
    for (const std::string& name : names) {
        out += ".TP\n" + bold(name) + "\nvalue of the flag if the flag is not given\n";
    }
    return out;
}

constexpr std::string_view exit_codes =
    ".SH EXIT STATUS\n"
    ".TP\n0\nsuccess\n.TP\n1\nnegative answer\n.TP\n2\nwrong usage, or an invalid configuration\n"
    ".TP\n3\nthe gateway cannot be reached\n";

/// Returns text of the option table, which has code in backticks.
std::string plain_prose(std::string_view text) {
    std::string prose(text);
    std::erase(prose, '`');
    return plain(prose);
}

std::string option_text(const Option& option) {
    std::string out =
        ".TP\n" + bold(option.key) + "\n" + plain_prose(option_prose(option)) + "\n" + plain_prose(type_text(option));
    if (!default_text(option).empty()) out += "; default " + plain(default_text(option));
    if (!option.flag.empty()) out += "; flag " + bold(option.flag);
    return out + "; reload: " + plain_prose(reload_text(option)) + ".\n";
}

}  // namespace

std::string command_page(const Verb& root) {
    std::string out = heading("HOLDFAST", "1") + ".SH NAME\nholdfast \\- " + plain(root.help) +
                      "\n.SH SYNOPSIS\n.B holdfast\n\\fIVERB\\fR [\\fIFLAG\\fR]...\n.SH VERBS\n";
    for (const Verb& verb : root.parts) {
        if (!verb.hidden) append_verb(verb, root.name + " " + verb.name, out);
    }
    return out + std::string(exit_codes) + environment(root) + ".SH SEE ALSO\n.BR holdfast.toml (5)\n";
}

std::string configuration_page() {
    std::string out = heading("HOLDFAST.TOML", "5") +
                      ".SH NAME\nholdfast.toml \\- configuration of the holdfast gateway\n"
                      ".SH DESCRIPTION\nA TOML file; every key is optional. \\fBholdfast check\\fR validates a file "
                      "and prints the effect, and \\fBholdfast reload\\fR applies a changed one.\n";
    std::optional<Section> section;
    for (const Option& option : all_options()) {
        if (section != option.section) {
            out +=
                ".SH " + argument(option.section == Section::top ? "AT THE TOP" : section_title(option.section)) + "\n";
        }
        section = option.section;
        out += option_text(option);
    }
    return out + ".SH FILES\n.I /etc/holdfast/holdfast.toml\n.SH SEE ALSO\n.BR holdfast (1)\n";
}

}  // namespace holdfast
