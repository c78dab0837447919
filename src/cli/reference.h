#pragma once

#include <string>

#include "cli/command_line.h"

namespace holdfast {

// These generate the manual's pages in man(7)'s language from the verbs, the flags and the option table. Pure.

/// Returns holdfast(1): every verb with its flags.
[[nodiscard]] std::string command_page(const Verb& root);
/// Returns holdfast.toml(5): every option.
[[nodiscard]] std::string configuration_page();

// These generate the completions of a shell from the verbs and flags of the command line. Pure.

[[nodiscard]] std::string bash_completions(const Verb& root);
[[nodiscard]] std::string zsh_completions(const Verb& root);
[[nodiscard]] std::string fish_completions(const Verb& root);

// The pages of docs/reference about events, printed from the table in codec/event_fields.h. Pure.

/// docs/reference/events.md
[[nodiscard]] std::string events_page();
/// docs/reference/events.schema.json (JSON Schema 2020-12)
[[nodiscard]] std::string events_schema();
/// docs/reference/asyncapi.json (AsyncAPI 3.0): the subjects in NATS, with that schema
[[nodiscard]] std::string events_asyncapi();

}  // namespace holdfast
