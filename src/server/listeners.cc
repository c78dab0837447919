#include "server/listeners.h"

#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "base/fork_guard.h"
#include "server/validate.h"
#include "tcp/inherited_socket.h"

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

bool listens_at(int socket, const Endpoint& address) {
    const auto found = read_inherited_socket(socket);
    return found && found->listens && found->local == address;
}

void close_kept(const KeptListener& listener) {
    for (const int socket : listener.sockets) {
        if (listens_at(socket, listener.bound)) ::close(socket);
    }
}

bool has_doubles(std::vector<int> sockets) {
    std::sort(sockets.begin(), sockets.end());
    return std::adjacent_find(sockets.begin(), sockets.end()) != sockets.end();
}

/// Takes the listener's sockets of an earlier process, or closes them if they are not all at this address.
bool take_kept(const ListenerConfig& config, unsigned reactors, KeptState& kept, BoundListener& bound) {
    const auto number = kept.find_listener(config.name);
    if (!number) return false;
    const KeptListener& listener = kept.listener(*number);
    const bool same_port = bound.address.port == 0 || bound.address.port == listener.bound.port;
    const auto is_fit = [&](int socket) {
        return listens_at(socket, listener.bound) && !apply_plan(socket, bound.plan) &&
               set_backlog(socket, config.backlog);
    };
    const auto end = listener.sockets.begin() + reactors;
    if (has_doubles({listener.sockets.begin(), end}) || bound.address.address != listener.bound.address || !same_port ||
        !std::all_of(listener.sockets.begin(), end, is_fit)) {
        close_kept(listener);
        return false;
    }
    std::for_each(listener.sockets.begin(), end, [&bound](int socket) {
        close_in_child(socket);
        bound.sockets.emplace_back(socket);
    });
    bound.kept = true;
    bound.inherited = listener.plan != bound.plan;
    bound.address = listener.bound;
    return true;
}

/// Closes the earlier process's duplicates of the program's socket, whose queue stays.
void close_duplicates(std::string_view listener, const KeptState& kept) {
    if (const auto number = kept.find_listener(listener)) close_kept(kept.listener(*number));
}

/// Closes the sockets of listeners that the configuration no longer has.
void close_removed(const std::vector<ListenerConfig>& listeners, KeptState& kept) {
    for (std::size_t number = 0; number < max_listeners; ++number) {
        const KeptListener& former = kept.listener(static_cast<std::uint8_t>(number));
        const auto has_name = [&former](const ListenerConfig& each) { return each.name == former.name_text(); };
        if (former.used() && std::none_of(listeners.begin(), listeners.end(), has_name)) close_kept(former);
    }
}

/// Binds the listener's address, once for each reactor.
Result<BoundListener> listen(const ListenerConfig& config, unsigned reactors, const LivenessPlan& plan,
                             BoundListener bound) {
    for (unsigned i = 0; i < reactors; ++i) {
        auto socket = listen_on({.address = bound.address, .backlog = config.backlog}, plan);
        if (!socket) return about_address(socket.error());
        const auto local = local_endpoint(socket.value().get());
        if (!local) return local.error();
        bound.address = local.value();
        bound.sockets.push_back(std::move(socket).value());
    }
    return bound;
}

Result<BoundListener> bind_and_prove(const ListenerConfig& config, unsigned reactors, AddressUse use,
                                     KeptState* kept = nullptr) {
    BoundListener bound;
    auto tokens = read_tokens(config);
    if (!tokens) return tokens.error();
    bound.tokens = std::move(tokens).value();
    const auto plan = plan_liveness(config.detect_within);
    if (!plan) return plan.error();
    const auto proved = prove_inheritance(plan.value());
    if (!proved) return proved.error();
    bound.plan = proved.value();

    if (config.descriptor && kept != nullptr) close_duplicates(config.name, *kept);
    if (config.descriptor) return adopt(*config.descriptor, reactors, std::move(bound));
    const auto address = parse_endpoint(config.address);
    if (!address) return address.error();
    bound.address = address.value();
    if (kept != nullptr && take_kept(config, reactors, *kept, bound)) return bound;
    if (!config.reuse_port && use == AddressUse::must_be_free) {
        if (auto taken = refuse_if_taken(bound.address)) return about_address(*taken);
    }
    return listen(config, reactors, plan.value(), std::move(bound));
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

Result<std::vector<BoundListener>> bind_listeners(const std::vector<ListenerConfig>& listeners, unsigned reactors,
                                                  KeptState* kept) {
    KeptState* const former = kept != nullptr && kept->shape() ? kept : nullptr;
    if (former != nullptr) close_removed(listeners, *former);
    std::vector<BoundListener> all;
    for (std::size_t i = 0; i < listeners.size(); ++i) {
        auto bound = bind_and_prove(listeners[i], reactors, AddressUse::must_be_free, former);
        if (!bound) {
            leave_kept(all);
            return at_listener(of_listener(listeners[i], bound.error()), i);
        }
        all.push_back(std::move(bound).value());
    }
    return all;
}

void leave_kept(std::vector<BoundListener>& listeners) {
    static std::mutex mutex;
    static auto& left = *new std::vector<BoundListener>;  // without a destructor, which would close them
    const std::lock_guard lock(mutex);
    for (BoundListener& listener : listeners) {
        if (listener.kept) left.push_back(std::move(listener));
    }
}

}  // namespace holdfast
