#include "server/listeners.h"

#include <string>
#include <utility>

namespace holdfast {

namespace {

Result<std::shared_ptr<const TokenSet>> read_tokens(const ListenerConfig& config) {
    if (config.tokens_file.empty()) return std::shared_ptr<const TokenSet>();
    auto tokens = TokenSet::load(config.tokens_file);
    if (!tokens) return Error{tokens.error().message, ErrorCode::invalid_file, "tokens_file"};
    return std::shared_ptr<const TokenSet>(std::make_shared<TokenSet>(std::move(tokens).value()));
}

Error about_address(Error error) {
    error.field = "address";
    return error;
}

/// Takes duplicates of the program's socket, one for each reactor. The shards set its plan: until then, another
/// listener may use the socket.
Result<BoundListener> adopt(int descriptor, unsigned reactors, BoundListener bound) {
    bound.inherited = true;
    for (unsigned i = 0; i < reactors; ++i) {
        auto socket = duplicate_listener(descriptor);
        if (!socket) return Error{socket.error().message, socket.error().code, "descriptor"};
        bound.sockets.push_back(std::move(socket).value());
    }
    const auto local = local_endpoint(bound.sockets.front().get());
    if (!local) return local.error();
    bound.address = local.value();
    return bound;
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

    if (config.descriptor) return adopt(*config.descriptor, reactors, std::move(bound));
    const auto address = parse_endpoint(config.address);
    if (!address) return address.error();
    bound.address = address.value();
    if (!config.reuse_port && use == AddressUse::must_be_free) {
        if (auto taken = refuse_if_taken(bound.address)) return about_address(*taken);
    }
    for (unsigned i = 0; i < reactors; ++i) {
        auto socket = listen_on({.address = bound.address, .backlog = config.backlog}, plan.value());
        if (!socket) return about_address(socket.error());
        const auto local = local_endpoint(socket.value().get());
        if (!local) return local.error();
        bound.address = local.value();
        bound.sockets.push_back(std::move(socket).value());
    }
    return bound;
}

}  // namespace

Error of_listener(const ListenerConfig& config, Error error) {
    error.message.insert(0, "listener \"" + config.name + "\": ");
    return error;
}

Error at_listener(Error error, std::size_t index) {
    error.field = "listeners[" + std::to_string(index) + "]" + (error.field.empty() ? "" : "." + error.field);
    return error;
}

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
    for (std::size_t i = 0; i < listeners.size(); ++i) {
        auto bound = bind_listener(listeners[i], reactors, AddressUse::must_be_free);
        if (!bound) return at_listener(bound.error(), i);
        all.push_back(std::move(bound).value());
    }
    return all;
}

}  // namespace holdfast
