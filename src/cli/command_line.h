#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <holdfast/result.h>

namespace holdfast {

/// Range of a number; without a maximum, any that is not negative.
struct NumberRange {
    double min = 0;
    double max = std::numeric_limits<double>::infinity();
};

/// Rarely needed rules of an argument.
struct ArgumentRules {
    std::string environment = {};  ///< environment variable that replaces an absent flag
    std::string group = {};        ///< its heading in the help text; empty: the common one
    std::optional<NumberRange> range = {};
    bool required = false;
    bool shows_default = false;              ///< prints the target's initial text
    std::vector<std::string> needs = {};     ///< required flags
    std::vector<std::string> excludes = {};  ///< excluded flags
    /// Returns the whole error for a value that is not allowed, or nullopt.
    std::function<std::optional<Error>(const std::string&)> fault_of = {};
};

/// A flag ("--limit") or a positional argument ("ID") of a verb.
struct Argument {
    /// Destination of the value. A bool or a function without parameters makes the argument a switch, a list a
    /// repeatable flag.
    using Target = std::variant<std::string*, std::optional<std::string>*, std::vector<std::string>*, bool*,
                                std::uint32_t*, std::uint64_t*, std::optional<std::uint64_t>*, double*,
                                std::function<void()>, std::function<void(const std::string&)>>;
    std::string name;  ///< a flag may also be "-c,--config"
    Target target;
    std::string value;  ///< name of the value in the help text, e.g. "DURATION"
    std::string help;
    ArgumentRules rules = {};

    [[nodiscard]] bool is_flag() const { return name.starts_with('-'); }
    /// Returns the name without the short one: "--config".
    [[nodiscard]] std::string long_name() const { return name.substr(name.find(',') + 1); }
    /// Returns its value's name with the range: "N:UINT in [1 - 64]".
    [[nodiscard]] std::string value_text() const;
    /// Returns the default that the help text prints, or an empty text.
    [[nodiscard]] std::string default_text() const;
};

using Arguments = std::vector<Argument>;

/// Returns `first` with the arguments of `second` behind it.
[[nodiscard]] Arguments operator+(Arguments first, const Arguments& second);

/// A verb of the command, or a part of one ("add" of "token"). Targets must live as long as `run`.
struct Verb {
    std::string name;
    std::string help;
    Arguments arguments = {};
    std::function<int()> run = {};  ///< returns the exit code; called once all arguments are read
    std::vector<Verb> parts = {};   ///< if there are any, the command line must name one
    std::string footer = {};        ///< the end of the help text
    bool hidden = false;            ///< left out of help, manual and completions
};

/// Parsed command line: the selected verb and its arguments.
struct Command {
    const Verb* verb = nullptr;  ///< nullptr: only `code` is left, the exit code
    int code = 0;
};

constexpr const char* help_flags = "-h,--help";
constexpr const char* help_flag_text = "print this help and exit";

/// Returns the help text of a verb or of its part, or of the command if `verb` is empty.
[[nodiscard]] std::string help_text(const Verb& root, const std::string& verb = "", const std::string& part = "");

/// Returns true if `root` has this verb; otherwise reports the unknown verb with the nearest one.
[[nodiscard]] bool knows_verb(const Verb& root, std::string_view name);

/// Parses a command line by the verbs of `root`; without a verb, `root` itself is selected. Prints the requested help
/// text, or the error with its remedy.
[[nodiscard]] Command read_command_line(const Verb& root, int argc, const char* const* argv);

}  // namespace holdfast
