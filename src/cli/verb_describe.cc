#include <algorithm>
#include <array>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "api/api.h"
#include "api/api_endpoint.h"
#include "api/metrics.h"
#include "cli/reference.h"
#include "cli/verbs.h"
#include "config/option_pages.h"
#include "daemon/exit.h"
#include "model/reason_row.h"
#include "text/printable.h"

namespace holdfast {
namespace {

int print_completions(const Verb& root, const std::string& shell) {
    if (shell == "bash") {
        std::cout << bash_completions(root);
    } else if (shell == "zsh") {
        std::cout << zsh_completions(root);
    } else if (shell == "fish") {
        std::cout << fish_completions(root);
    } else {
        print_error("no completions for " + in_quotes(shell) + "; write bash, zsh or fish");
        return exit_wrong_usage;
    }
    return exit_good;
}

struct ReferencePage {
    std::string_view name;
    std::string (*text)();
};

/// The pages of docs/reference that are generated from a table in the source.
constexpr std::array reference_pages{
    ReferencePage{"http", [] { return http_page(Api::endpoints()); }},
    ReferencePage{"metrics", metrics_page},
    ReferencePage{"openapi.json", [] { return openapi_document(Api::endpoints()); }},
    ReferencePage{"options", options_page},
    ReferencePage{"reasons", reasons_page},
    ReferencePage{"events", events_page},
    ReferencePage{"events.schema.json", events_schema},
    ReferencePage{"asyncapi.json", events_asyncapi},
};

/// Prints the page `name`, or the names of all pages if `name` is empty.
int print_reference(const std::string& name) {
    for (const ReferencePage& page : reference_pages) {
        if (name.empty()) std::cout << page.name << "\n";
        if (name == page.name) {
            std::cout << page.text();
            return exit_good;
        }
    }
    if (name.empty()) return exit_good;
    print_error("the reference has no page " + in_quotes(name) + "; take one from `holdfast describe`");
    return exit_wrong_usage;
}

int print_manual(const Verb& root, const std::string& page) {
    if (page == "holdfast") {
        std::cout << command_page(root);
    } else if (page == "holdfast.toml") {
        std::cout << configuration_page();
    } else {
        print_error("the manual has no page " + in_quotes(page) + "; write holdfast or holdfast.toml");
        return exit_wrong_usage;
    }
    return exit_good;
}

int print_help(const Verb& root, const std::string& verb, const std::string& part) {
    const bool is_of_command = verb.empty() && part.empty();
    if (!is_of_command && !knows_verb(root, verb)) return exit_wrong_usage;
    if (!part.empty()) {
        Verb chosen = *std::find_if(root.parts.begin(), root.parts.end(),
                                    [&verb](const Verb& each) { return each.name == verb; });
        chosen.name = root.name + " " + verb;
        if (!knows_verb(chosen, part)) return exit_wrong_usage;
    }
    std::cout << help_text(root, verb, part);
    return exit_good;
}

}  // namespace

Verb make_completions_verb(const Verb& root) {
    const auto shell = std::make_shared<std::string>();
    return {"completions",
            "print the completions of this command for a shell",
            {{"SHELL", shell.get(), "", "bash, zsh or fish", {.required = true}}},
            [&root, shell] { return print_completions(root, *shell); }};
}

Verb make_manual_verb(const Verb& root) {
    const auto page = std::make_shared<std::string>("holdfast");
    return {"manual",
            "print a page of the manual: holdfast manual | man -l -",
            {{"PAGE", page.get(), "", "page: holdfast or holdfast.toml", {.shows_default = true}}},
            [&root, page] { return print_manual(root, *page); }};
}

Verb make_help_verb(const Verb& root) {
    const auto words = std::make_shared<std::pair<std::string, std::string>>();
    return {"help",
            "print the help text of a verb",
            {{"VERB", &words->first, "", "verb; default: the list of verbs"},
             {"PART", &words->second, "", "part of the verb, e.g. add of token"}},
            [&root, words] { return print_help(root, words->first, words->second); }};
}

Verb make_describe_verb() {
    const auto page = std::make_shared<std::string>();
    return {.name = "describe",
            .help = "print a generated page of docs/reference",
            .arguments = {{"PAGE", page.get(), "", "page; default: the names of all pages"}},
            .run = [page] { return print_reference(*page); },
            .hidden = true};
}

}  // namespace holdfast
