#include "app/verb_describe.h"

#include <array>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>

#include "app/completions.h"
#include "app/manual.h"
#include "base/printable.h"
#include "base/reason_row.h"

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

struct ReferencePage {
    std::string_view name;
    std::string (*text)();
};

/// The pages of docs/reference that follow from a table in the source.
constexpr std::array reference_pages{ReferencePage{"reasons", reasons_page}};

/// Prints the page `name`; without a name, the names of all pages.
int print_reference(const std::string& name) {
    for (const ReferencePage& page : reference_pages) {
        if (name.empty()) std::cout << page.name << "\n";
        if (name == page.name) {
            std::cout << page.text();
            return exit_good;
        }
    }
    if (name.empty()) return exit_good;
    print_error("the reference has no page " + in_quotes(name) + ": `holdfast describe` lists the pages");
    return exit_wrong_usage;
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

    CLI::App* describe = app.add_subcommand("describe", "print a generated page of docs/reference")->group("");
    const auto name = std::make_shared<std::string>();
    describe->add_option("PAGE", *name, "a page; without it, the names of all pages")->type_name("");
    describe->callback([name, &selected] { selected = [name] { return print_reference(*name); }; });
}

}  // namespace holdfast
