#include "config/secrets.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "config/option.h"

namespace holdfast {

namespace {

/// Files of secrets; `url` of [sink] may have a password in it.
constexpr std::array<std::string_view, 6> secret_names{"tls_key",         "tokens_file", "token_file",
                                                       "read_token_file", "credentials", "webhook"};

bool is_given(const Option& option, Target target) {
    if (std::find(secret_names.begin(), secret_names.end(), option.name) != secret_names.end()) {
        return !stored_text(option, target).empty();
    }
    return option.shown != nullptr && stored_text(option, target) != value_text(option, target);
}

}  // namespace

bool holds_secrets(const DaemonConfig& config) {
    DaemonConfig copy = config;  // places are for writing, too
    for (const Option& option : all_options()) {
        if (option.section != Section::listener) {
            ListenerConfig none;
            if (is_given(option, {copy, none})) return true;
            continue;
        }
        for (ListenerConfig& listener : copy.server.listeners) {
            if (is_given(option, {copy, listener})) return true;
        }
    }
    return false;
}

}  // namespace holdfast
