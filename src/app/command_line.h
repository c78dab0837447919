#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace holdfast {

/// The range of a number. Without a maximum, every number that is not negative is valid.
struct NumberRange {
    double min = 0;
    double max = std::numeric_limits<double>::infinity();
};

/// The less common properties of an argument.
struct ArgumentRules {
    std::string environment = {};  ///< environment variable that replaces an absent flag
    std::string group = {};        ///< heading in the help text; empty: the common one
    std::optional<NumberRange> range = {};
    bool required = false;
    bool shows_default = false;              ///< help text shows the initial text of the target
    std::vector<std::string> needs = {};     ///< flags that must be present with this one
    std::vector<std::string> excludes = {};  ///< flags that exclude this one
};

/// A flag ("--limit") or a positional argument ("ID") of a verb.
struct Argument {
    /// The destination of the value. A bool or a function without parameters makes a switch, and a list makes a
    /// repeatable flag.
    using Target = std::variant<std::string*, std::optional<std::string>*, std::vector<std::string>*, bool*,
                                std::uint32_t*, std::uint64_t*, std::optional<std::uint64_t>*, double*,
                                std::function<void()>, std::function<void(const std::string&)>>;
    std::string name;
    Target target;
    std::string value;  ///< what the help text calls its value, e.g. "DURATION"
    std::string help;
    ArgumentRules rules = {};

    [[nodiscard]] bool is_flag() const { return name.starts_with('-'); }
    /// Returns the name of the value with its range: "N:UINT in [1 - 64]".
    [[nodiscard]] std::string value_text() const;
    /// Returns the default for the help text, or an empty text.
    [[nodiscard]] std::string default_text() const;
};

using Arguments = std::vector<Argument>;

/// Returns `first` followed by the arguments of `second`.
[[nodiscard]] Arguments operator+(Arguments first, const Arguments& second);

/// A verb of the command, or a part of one ("add" of "token"). Targets must live as long as `run`.
struct Verb {
    std::string name;
    std::string help;
    Arguments arguments = {};
    std::function<int()> run = {};  ///< called after all arguments are read; returns the exit code
    std::vector<Verb> parts = {};   ///< if there are any, the command line must name one
    std::string footer = {};        ///< last lines of the help text
    bool hidden = false;            ///< absent from help, manual and completions
};

/// The result of a parsed command line.
struct Command {
    const Verb* verb = nullptr;  ///< nullptr: no verb is to be run, and `code` is the exit code
    int code = 0;
};

constexpr const char* help_flag_text = "print this and exit";

/// Returns the help text of a verb, or of the command if `verb` is empty.
[[nodiscard]] std::string help_text(const Verb& root, const std::string& verb = "");

/// Parses a command line by the verbs of `root`. A command line without a verb selects `root`. Prints a requested help
/// text, or the error with its remedy.
[[nodiscard]] Command read_command_line(const Verb& root, int argc, const char* const* argv);

}  // namespace holdfast
