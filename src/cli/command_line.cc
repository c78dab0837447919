#include "cli/command_line.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string_view>
#include <type_traits>
#include <utility>

#include <CLI/CLI.hpp>

#include "base/nearest.h"
#include "daemon/exit.h"
#include "text/printable.h"

namespace holdfast {
namespace {

/// Adds the option of an argument with a target, by the target's type.
struct AddOption {
    CLI::App& app;
    const Argument& argument;

    CLI::Option* operator()(bool* target) const { return app.add_flag(argument.name, *target, argument.help); }
    CLI::Option* operator()(const std::function<void()>& target) const {
        return app.add_flag_callback(argument.name, target, argument.help);
    }
    CLI::Option* operator()(const std::function<void(const std::string&)>& target) const {
        return app.add_option_function<std::string>(argument.name, target, argument.help);
    }
    CLI::Option* operator()(std::vector<std::string>* target) const {
        return app.add_option(argument.name, *target, argument.help)
            ->expected(1)
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    }
    template <typename Value>
    CLI::Option* operator()(Value* target) const {
        CLI::Option* const option = app.add_option(argument.name, *target, argument.help);
        if constexpr (std::is_arithmetic_v<Value>) {
            if (const auto& range = argument.rules.range) limit<Value>(*option, *range);
        }
        return option;
    }
    template <typename Value>
    static void limit(CLI::Option& option, const NumberRange& range) {
        if (std::isinf(range.max)) {
            option.check(CLI::NonNegativeNumber);
        } else {
            option.check(CLI::Range(static_cast<Value>(range.min), static_cast<Value>(range.max)));
        }
    }
};

/// A value that its argument does not allow. CLI11 would begin the text of an error that a check returns with the flag.
struct BadValue final : CLI::ParseError {
    explicit BadValue(const holdfast::Error& error) : ParseError("BadValue", error.message, exit_wrong_usage) {}
};

void add_argument(CLI::App& app, const Argument& argument) {
    CLI::Option& option = *std::visit(AddOption{app, argument}, argument.target);
    const ArgumentRules& rules = argument.rules;
    if (option.get_expected_max() > 0) option.type_name(argument.value);
    if (!rules.environment.empty()) option.envname(rules.environment);
    if (!rules.group.empty()) option.group(rules.group);
    option.required(rules.required);
    if (rules.fault_of) {
        option.check([fault_of = rules.fault_of](const std::string& text) -> std::string {
            if (const auto fault = fault_of(text)) throw BadValue(*fault);
            return {};
        });
    }
    if (rules.shows_default) option.capture_default_str();
}

void add_relations(CLI::App& app, const Argument& argument) {
    CLI::Option* const option = app.get_option(argument.long_name());
    for (const std::string& other : argument.rules.needs) option->needs(app.get_option(other));
    for (const std::string& other : argument.rules.excludes) option->excludes(app.get_option(other));
}

void add_verb(CLI::App& app, const Verb& verb) {
    for (const Argument& argument : verb.arguments) add_argument(app, argument);
    for (const Argument& argument : verb.arguments) add_relations(app, argument);
    app.footer(verb.footer);
    for (const Verb& part : verb.parts) {
        CLI::App& added = *app.add_subcommand(part.name, part.help);
        if (!part.parts.empty()) added.require_subcommand(1);
        if (part.hidden) added.group("");
        add_verb(added, part);
    }
}

void set_up(CLI::App& app, const Verb& root) {
    app.set_help_flag(help_flags, help_flag_text);
    app.get_formatter()->column_width(30);
    app.get_formatter()->label("SUBCOMMAND", "VERB");
    app.get_formatter()->label("SUBCOMMANDS", "VERBS");
    add_verb(app, root);
}

/// Returns `root` with the one verb that the command line begins with. CLI11 would otherwise take the name of another
/// verb behind it for that verb, also in `help serve`.
Verb narrowed(const Verb& root, std::string_view first_word) {
    Verb out = root;
    if (!first_word.starts_with('-'))
        std::erase_if(out.parts, [&](const Verb& verb) { return verb.name != first_word; });
    return out;
}

std::vector<std::string> names_of(const std::vector<Verb>& verbs) {
    std::vector<std::string> names;
    for (const Verb& verb : verbs) names.push_back(verb.name);
    return names;
}

std::string did_you_mean(std::string_view given, const std::vector<std::string>& known, std::string_view otherwise) {
    const std::vector<std::string_view> words(known.begin(), known.end());
    if (const auto near = nearest_word(given, words)) return "did you mean " + std::string(*near) + "?";
    return std::string(otherwise);
}

/// Returns the parsed verb and its parsed parts, behind the command itself.
std::vector<const CLI::App*> parsed_chain(const CLI::App& app) {
    std::vector<const CLI::App*> chain{&app};
    while (!chain.back()->get_subcommands().empty()) chain.push_back(chain.back()->get_subcommands().front());
    return chain;
}

/// Returns the words that the command line may have behind `app`: its flags and its parts.
std::vector<std::string> words_behind(const CLI::App& app) {
    std::vector<std::string> words;
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
    }
    for (const CLI::App* part : app.get_subcommands({})) words.push_back(part->get_name());
    return words;
}

/// Returns what is wrong with the words behind `app`, and the remedy.
std::string fault_of(const CLI::App& app, const CLI::ParseError& error, const std::string& help) {
    const std::string text = error.what();
    if (error.get_name() == "RequiredError" && !app.get_subcommands({}).empty()) {
        std::string parts;
        for (const CLI::App* part : app.get_subcommands({})) parts += (parts.empty() ? "" : ", ") + part->get_name();
        return app.get_name() + " is incomplete; write one of these behind it: " + parts;
    }
    // CLI11 writes "--over: 1 required DURATION missing" and "--over: At Most 1 required but received 2".
    const std::string name = text.substr(0, text.find(": "));
    const CLI::Option* const option = app.get_option_no_throw(name);
    if (error.get_name() != "ArgumentMismatch" || option == nullptr) return text + "; " + help;
    if (text.ends_with(" missing")) return name + " has no value; write " + name + " " + option->get_type_name();
    return name + " is given more than once; give it once";
}

int refuse_arguments(const CLI::App& app, const CLI::ParseError& error) {
    const auto chain = parsed_chain(app);
    std::string command;
    for (const CLI::App* level : chain) {
        command += (command.empty() ? "" : " ") + level->get_name();
        const auto extras = level->remaining();
        if (extras.empty()) continue;
        const std::string given = extras.front().substr(0, extras.front().find('='));
        const std::string help = level != chain.back() ? "write flags behind the verb" : "see " + command + " --help";
        const std::string subject = level == &app ? command : command.substr(app.get_name().size() + 1);
        print_error(subject + " does not accept " + in_quotes(given) + "; " +
                    did_you_mean(given, words_behind(*level), help));
        return exit_wrong_usage;
    }
    print_error(fault_of(*chain.back(), error, "see " + command + " --help"));
    return exit_wrong_usage;
}

/// Returns the verb, or its part, that was parsed last; `root` if the command line has none.
const Verb& verb_read(const CLI::App& app, const Verb& root) {
    const auto read = app.get_subcommands();
    if (read.empty()) return root;
    const auto part = std::find_if(root.parts.begin(), root.parts.end(),
                                   [&](const Verb& verb) { return verb.name == read.back()->get_name(); });
    return verb_read(*read.back(), *part);
}

}  // namespace

std::string Argument::value_text() const {
    if (!rules.range) return value;
    if (std::isinf(rules.range->max)) return value + ":" + CLI::NonNegativeNumber.get_description();
    std::ostringstream out;
    out << value << (std::holds_alternative<double*>(target) ? ":FLOAT" : ":UINT") << " in [" << rules.range->min
        << " - ";
    if (std::holds_alternative<double*>(target)) {
        out << rules.range->max << "]";
    } else {
        out << static_cast<std::uint64_t>(rules.range->max) << "]";
    }
    return out.str();
}

std::string Argument::default_text() const {
    const auto* const text = std::get_if<std::string*>(&target);
    return rules.shows_default && text != nullptr ? **text : std::string();
}

Arguments operator+(Arguments first, const Arguments& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

std::string help_text(const Verb& root, const std::string& verb, const std::string& part) {
    CLI::App app(root.help, root.name);
    set_up(app, root);
    if (verb.empty()) return app.help();
    const CLI::App& chosen = *app.get_subcommand(verb);
    return part.empty() ? chosen.help(root.name) : chosen.get_subcommand(part)->help(root.name + " " + verb);
}

bool knows_verb(const Verb& root, std::string_view name) {
    const std::vector<std::string> names = names_of(root.parts);
    if (std::find(names.begin(), names.end(), name) != names.end()) return true;
    print_error("unknown verb " + in_quotes(name) + "; " + did_you_mean(name, names, "see " + root.name + " --help"));
    return false;
}

Command read_command_line(const Verb& root, int argc, const char* const* argv) {
    // CLI11 would call an unknown verb an unexpected argument.
    if (argc > 1 && argv[1][0] != '-' && !knows_verb(root, argv[1])) return {.code = exit_wrong_usage};
    CLI::App app(root.help, root.name);
    set_up(app, argc > 1 ? narrowed(root, argv[1]) : root);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& wanted) {
        return {.code = app.exit(wanted)};  // --help
    } catch (const BadValue& error) {
        print_error(error.what());
        return {.code = error.get_exit_code()};
    } catch (const CLI::ParseError& error) {
        return {.code = refuse_arguments(app, error)};
    }
    return {.verb = &verb_read(app, root)};
}

}  // namespace holdfast
