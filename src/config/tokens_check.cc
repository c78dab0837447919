#include "config/tokens_check.h"

#include "base/printable.h"
#include "tokens/token_set.h"

namespace holdfast {

void check_tokens_files(const ServerConfig& config, std::vector<Violation>& out) {
    for (std::size_t i = 0; i < config.listeners.size(); ++i) {
        const ListenerConfig& listener = config.listeners[i];
        if (listener.tokens_file.empty()) continue;
        const auto tokens = TokenSet::load(listener.tokens_file);
        if (tokens) continue;
        out.push_back(
            {i, "listener", "tokens_file", "listener " + in_quotes(listener.name) + ": " + tokens.error().message});
    }
}

}  // namespace holdfast
