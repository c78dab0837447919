#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <thread>

#include "api/api_endpoint.h"
#include "cli/client_request.h"
#include "cli/client_text.h"
#include "cli/endpoint_flags.h"
#include "cli/verbs.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {
namespace {

constexpr std::chrono::seconds follow_every{1};
constexpr std::string_view first_page = "10";

struct BadFlags {
    ClientFlags client;
    EndpointFlags api;
    bool follow = false;
};

/// Returns "TIME CONN PEER [ID] KIND, 5 bytes at byte 49: HEAD (DETAIL)".
std::string bad_item_line(const AnswerView& row) {
    const auto text = [&](std::string_view pointer) { return printable(row.text(pointer)); };
    std::string out = text("/at") + " " + text("/conn") + " " + text("/peer") + " ";
    if (row.has("/id")) out += text("/id") + (row.flag("/authenticated") ? " " : " (not authenticated) ");
    out += text("/kind") + ", " + human_count(row.count("/bytes")) + (row.count("/bytes") == 1 ? " byte" : " bytes") +
           " at byte " + human_count(row.count("/position")) + ": " + printable_again(row.text("/head"));
    return out + (row.has("/detail") ? " (" + text("/detail") + ")\n" : "\n");
}

std::string oldest_first(const AnswerView& page) {
    std::string out;
    for (const AnswerView& row : page.list("/bad_items")) out.insert(0, bad_item_line(row));
    return out;
}

std::string bad_text(const AnswerView& page) {
    std::string out = bad_items_text(page, "/bad_items");
    if (out.empty()) out = "no bad item matches\n";
    const std::uint64_t left_out = page.count("/left_out");
    if (left_out == 0) return out;
    return out + human_count(left_out) + " more were counted and not kept: too many came within a second\n";
}

/// Prints the latest bad items, then each new one, until an error.
int follow(BadFlags& flags) {
    std::uint64_t newest = 0;
    const auto take = [&newest](const AnswerView& page) {
        newest = page.count("/newest");
        return exit_good;
    };
    const auto wanted = [](const AnswerView& page) { return !page.list("/bad_items").empty(); };
    if (!flags.api.given("limit")) flags.api.set("limit", first_page);
    while (true) {
        const int code = request_and_show(flags.client, flags.api.question("GET", api_path::bad_items),
                                          {.text = oldest_first, .verdict = take, .wanted = wanted});
        if (code != exit_good || !std::cout.flush()) return code;
        flags.api.set("limit", std::to_string(max_page));
        flags.api.set("after", std::to_string(newest));
        std::this_thread::sleep_for(follow_every);
    }
}

}  // namespace

std::string bad_items_text(const AnswerView& answer, std::string_view list) {
    std::string out;
    for (const AnswerView& row : answer.list(list)) out += bad_item_line(row);
    return out;
}

Verb make_bad_verb() {
    const auto flags = std::make_shared<BadFlags>();
    return {"bad", "list the latest bad items, newest first, with their first bytes",
            Arguments{{"--follow", &flags->follow, "", "new bad items as they arrive, until Ctrl-C"}} +
                flags->api.of("GET", api_path::bad_items) + client_arguments(flags->client),
            [flags] {
                if (flags->follow) return follow(*flags);
                return request_and_show(flags->client, flags->api.question("GET", api_path::bad_items),
                                        {.text = bad_text});
            }};
}

}  // namespace holdfast
