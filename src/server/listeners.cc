#include "server/listeners.h"

#include <utility>

namespace holdfast {

namespace {

Result<std::shared_ptr<const TokenSet>> read_tokens(const ListenerConfig& config) {
    if (config.tokens_file.empty()) return std::shared_ptr<const TokenSet>();
    auto tokens = TokenSet::load(config.tokens_file);
    if (!tokens) return tokens.error();
    return std::shared_ptr<const TokenSet>(std::make_shared<TokenSet>(std::move(tokens).value()));
}

Error of_listener(const ListenerConfig& config, const Error& error) {
    return Error{"listener \"" + config.name + "\": " + error.message};
}

Result<BoundListener> bind_and_prove(const ListenerConfig& config, unsigned reactors, AddressUse use) {
    BoundListener bound;
    auto tokens = read_tokens(config);
    if (!tokens) return tokens.error();
    bound.tokens = std::move(tokens).value();
    const auto plan = plan_liveness(config.detect_within);
    if (!plan) return plan.error();
    const auto proved = prove_inheritance(plan.value());
    if (!proved) return proved.error();
    bound.plan = proved.value();

    const auto address = parse_endpoint(config.address);
    if (!address) return address.error();
    bound.address = address.value();
    if (!config.reuse_port && use == AddressUse::must_be_free) {
        if (auto taken = refuse_if_taken(bound.address)) return *taken;
    }
    for (unsigned i = 0; i < reactors; ++i) {
        auto socket = listen_on({.address = bound.address, .backlog = config.backlog}, plan.value());
        if (!socket) return socket.error();
        const auto local = local_endpoint(socket.value().get());
        if (!local) return local.error();
        bound.address = local.value();
        bound.sockets.push_back(std::move(socket).value());
    }
    return bound;
}

}  // namespace

Result<BoundListener> bind_listener(const ListenerConfig& config, unsigned reactors, AddressUse use) {
    auto bound = bind_and_prove(config, reactors, use);
    if (!bound) return of_listener(config, bound.error());
    return bound;
}

Result<std::shared_ptr<const TokenSet>> load_tokens(const ListenerConfig& config) {
    auto tokens = read_tokens(config);
    if (!tokens) return of_listener(config, tokens.error());
    return tokens;
}

Result<std::vector<BoundListener>> bind_listeners(const std::vector<ListenerConfig>& listeners, unsigned reactors) {
    std::vector<BoundListener> all;
    for (const ListenerConfig& config : listeners) {
        auto bound = bind_listener(config, reactors, AddressUse::must_be_free);
        if (!bound) return bound.error();
        all.push_back(std::move(bound).value());
    }
    return all;
}

}  // namespace holdfast
