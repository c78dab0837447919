#include "app/verb_describe.h"

#include <iostream>
#include <memory>
#include <string>

#include "app/completions.h"
#include "app/manual.h"
#include "base/printable.h"

namespace holdfast {
namespace {

int print_completions(const CLI::App& app, const std::string& shell) {
    if (shell == "bash") {
        std::cout << bash_completions(app);
    } else if (shell == "zsh") {
        std::cout << zsh_completions(app);
    } else if (shell == "fish") {
        std::cout << fish_completions(app);
    } else {
        print_error("there are no completions for " + in_quotes(shell) + ": write bash, zsh or fish");
        return exit_wrong_usage;
    }
    return exit_good;
}

int print_manual(const CLI::App& app, const std::string& page) {
    if (page == "holdfast") {
        std::cout << command_page(app);
    } else if (page == "holdfast.toml") {
        std::cout << configuration_page();
    } else {
        print_error("the manual has no page " + in_quotes(page) + ": write holdfast or holdfast.toml");
        return exit_wrong_usage;
    }
    return exit_good;
}

}  // namespace

void add_describe_verbs(CLI::App& app, VerbAction& selected) {
    CLI::App* completions = app.add_subcommand("completions", "print a shell's completions of this command");
    const auto shell = std::make_shared<std::string>();
    completions->add_option("SHELL", *shell, "bash, zsh or fish")->required()->type_name("");
    completions->callback(
        [&app, shell, &selected] { selected = [&app, shell] { return print_completions(app, *shell); }; });

    CLI::App* manual = app.add_subcommand("manual", "print a page of the manual: holdfast manual | man -l -");
    const auto page = std::make_shared<std::string>("holdfast");
    manual->add_option("PAGE", *page, "holdfast or holdfast.toml")->type_name("")->capture_default_str();
    manual->callback([&app, page, &selected] { selected = [&app, page] { return print_manual(app, *page); }; });
}

}  // namespace holdfast
