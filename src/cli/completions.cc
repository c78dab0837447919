#include <span>
#include <string_view>
#include <vector>

#include "cli/reference.h"
#include "options/option.h"

namespace holdfast {
namespace {

struct Flag {
    std::string name;   ///< includes the dashes
    std::string value;  ///< name of its value: "DURATION"; empty: a switch
    std::string help;
    std::vector<std::string> choices;
};

/// Returns the words that a flag of the configuration accepts, or an empty list if its values are not enumerated.
std::vector<std::string> choices_of(const std::string& flag) {
    for (const Option& option : all_options()) {
        if (option.flag == flag) return {option.place.words.begin(), option.place.words.end()};
    }
    return {};
}

std::string joined(std::span<const std::string> words) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
    return out;
}

std::string part_names(const Verb& verb) {
    std::vector<std::string> names;
    for (const Verb& part : verb.parts) names.push_back(part.name);
    return joined(names);
}

/// Appends the flags of a verb and of its parts, so that "holdfast token --" offers the flags of every part.
void all_flags(const Verb& verb, std::vector<Flag>& out) {
    out.push_back({"--help", "", help_flag_text, {}});
    for (const Argument& argument : verb.arguments) {
        if (!argument.is_flag()) continue;
        const std::string value = argument.value_text();
        out.push_back({argument.long_name(), value, argument.help,
                       value.empty() ? std::vector<std::string>() : choices_of(argument.long_name())});
    }
    for (const Verb& part : verb.parts) all_flags(part, out);
}

std::vector<Flag> all_flags(const Verb& verb) {
    std::vector<Flag> flags;
    all_flags(verb, flags);
    return flags;
}

Verb without_hidden(Verb root) {
    std::erase_if(root.parts, [](const Verb& verb) { return verb.hidden; });
    return root;
}

/// Quotes text for a shell with single quotes.
std::string single_quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

/// Escapes brackets and colons, which have a meaning in a specification of zsh's _arguments.
std::string zsh_words(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
        out += c;
    }
    return out;
}

std::string zsh_flag(const Flag& flag) {
    std::string words = flag.name + "[" + zsh_words(flag.help) + "]";
    if (!flag.value.empty()) {
        words += ":" + zsh_words(flag.value) + ":";
        words += flag.choices.empty() ? "_files" : "(" + joined(flag.choices) + ")";
    }
    return single_quoted(words);
}

std::string bash_case(const Verb& verb) {
    std::string words = part_names(verb);
    std::string values;
    for (const Flag& flag : all_flags(verb)) {
        words += (words.empty() ? "" : " ") + flag.name;
        if (!flag.choices.empty()) {
            values += "          " + flag.name + ") words=" + single_quoted(joined(flag.choices)) + " ;;\n";
        } else if (!flag.value.empty()) {
            values += "          " + flag.name + ") return ;;\n";  // files, by -o default
        }
    }
    return "      " + verb.name + ")\n        words=" + single_quoted(words) + "\n        case $before in\n" + values +
           "        esac ;;\n";
}

}  // namespace

std::string bash_completions(const Verb& command) {
    const Verb root = without_hidden(command);
    std::string out =
        "# bash completion for holdfast, written by `holdfast completions bash`.\n"
        "_holdfast() {\n"
        "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=\n"
        "  COMPREPLY=()\n"
        "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
        "    words=" +
        single_quoted(part_names(root) + " --help") +
        "\n"
        "  else\n"
        "    case ${COMP_WORDS[1]} in\n";
    for (const Verb& verb : root.parts) out += bash_case(verb);
    return out +
           "    esac\n"
           "  fi\n"
           "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
           "}\n"
           "complete -o default -F _holdfast holdfast\n";
}

std::string zsh_completions(const Verb& command) {
    const Verb root = without_hidden(command);
    std::string out =
        "#compdef holdfast\n"
        "# zsh completion for holdfast, written by `holdfast completions zsh`.\n"
        "_holdfast() {\n"
        "  if (( CURRENT == 2 )); then\n"
        "    local -a verbs=(\n";
    for (const Verb& verb : root.parts) {
        out += "      " + single_quoted(verb.name + ":" + zsh_words(verb.help)) + "\n";
    }
    out += "    )\n    _describe verb verbs\n    return\n  fi\n  case $words[2] in\n";
    for (const Verb& verb : root.parts) {
        out += "    " + verb.name + ") _arguments";
        for (const Flag& flag : all_flags(verb)) out += " \\\n      " + zsh_flag(flag);
        const std::string parts = part_names(verb);
        out +=
            " \\\n      " + single_quoted(parts.empty() ? "*:argument:_files" : "*:argument:(" + parts + ")") + " ;;\n";
    }
    return out + "  esac\n}\n_holdfast \"$@\"\n";
}

std::string fish_completions(const Verb& command) {
    const Verb root = without_hidden(command);
    std::string out = "# fish completion for holdfast, written by `holdfast completions fish`.\n";
    for (const Verb& verb : root.parts) {
        const std::string on = "complete -c holdfast -n " + single_quoted("__fish_seen_subcommand_from " + verb.name);
        out += "complete -c holdfast -n __fish_use_subcommand -f -a " + verb.name + " -d " + single_quoted(verb.help) +
               "\n";
        if (!verb.parts.empty()) out += on + " -f -a " + single_quoted(part_names(verb)) + "\n";
        for (const Flag& flag : all_flags(verb)) {
            out += on + " -l " + flag.name.substr(2);
            if (!flag.value.empty()) out += " -r";
            if (!flag.choices.empty()) out += " -f -a " + single_quoted(joined(flag.choices));
            out += " -d " + single_quoted(flag.help) + "\n";
        }
    }
    return out;
}

}  // namespace holdfast
