#include "server/reconcile.h"

#include <netinet/tcp.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace holdfast {
namespace {

using std::chrono::milliseconds;

Discrepancy about(const HeldSocket& held, Discrepancy::Kind kind) {
    return {.kind = kind, .listener = held.listener, .peer = held.peer, .conn = held.conn, .descriptor = -1};
}

/// Keeps those of `first` that `second` has, too.
void keep_common(std::unordered_map<std::uint64_t, Discrepancy>& first,
                 const std::unordered_map<std::uint64_t, Discrepancy>& second) {
    std::erase_if(first, [&second](const auto& each) { return !second.contains(each.first); });
}

void report(const Discrepancy& discrepancy, Reconciliation& out) {
    if (out.examples.size() < Reconciler::most_examples) out.examples.push_back(discrepancy);
}

std::optional<std::uint64_t> number_in(std::string_view text, std::string_view before) {
    if (!text.starts_with(before)) return std::nullopt;
    std::uint64_t number = 0;
    const auto end = std::from_chars(text.data() + before.size(), text.data() + text.size(), number);
    return end.ec == std::errc() ? std::optional(number) : std::nullopt;
}

}  // namespace

void Reconciler::find_ghosts(const std::vector<HeldSocket>& held,
                             const std::unordered_map<std::uint64_t, std::uint8_t>& states, Look& out) const {
    for (const HeldSocket& socket : held) {
        const auto found = states.find(socket.inode);
        if (socket.inode == 0 || found == states.end()) {
            out.ghosts.emplace(socket.conn.number, about(socket, Discrepancy::Kind::ghost));
            continue;
        }
        ++out.kernel;
        if (found->second == TCP_CLOSE_WAIT) {
            out.close_wait.emplace(socket.inode, about(socket, Discrepancy::Kind::stuck_close_wait));
        }
    }
}

/// Other processes may share the port (reuse_port), so a socket that no connection owns counts only if a descriptor of
/// this process is it.
void Reconciler::find_orphans(const std::vector<HeldSocket>& held, const std::vector<KernelSocket>& kernel,
                              Look& out) const {
    std::unordered_set<std::uint64_t> owned;
    for (const HeldSocket& socket : held) owned.insert(socket.inode);
    std::optional<std::unordered_map<std::uint64_t, int>> descriptors;  // costly: only when there is a question
    for (const KernelSocket& socket : kernel) {
        if (socket.inode == 0 || owned.contains(socket.inode)) continue;
        if (!descriptors) descriptors = sources_.own_descriptors();
        const auto own = descriptors->find(socket.inode);
        if (own == descriptors->end()) continue;
        ++out.kernel;
        out.orphans.emplace(socket.inode, Discrepancy{.kind = Discrepancy::Kind::orphan,
                                                      .listener = sources_.listener_at(socket.local),
                                                      .peer = socket.peer,
                                                      .conn = {},
                                                      .descriptor = own->second});
    }
}

Result<Reconciler::Look> Reconciler::look() {
    const std::vector<HeldSocket> held = sources_.registry();
    const auto kernel = sources_.kernel();
    if (!kernel) return kernel.error();
    std::unordered_map<std::uint64_t, std::uint8_t> states;
    states.reserve(kernel.value().size());
    for (const KernelSocket& socket : kernel.value()) states.emplace(socket.inode, socket.state);
    Look look;
    look.registry = held.size();
    find_ghosts(held, states, look);
    find_orphans(held, kernel.value(), look);
    return look;
}

std::vector<Discrepancy> Reconciler::stuck(const Look& look) {
    const SteadyTime now = clock_.steady();
    std::erase_if(close_wait_since_, [&look](const auto& each) { return !look.close_wait.contains(each.first); });
    std::vector<Discrepancy> result;
    for (const auto& [inode, discrepancy] : look.close_wait) {
        const SteadyTime since = close_wait_since_.try_emplace(inode, now).first->second;
        if (now - since >= close_wait_grace) result.push_back(discrepancy);
    }
    return result;
}

Reconciliation Reconciler::run() {
    const std::lock_guard lock(mutex_);
    const SteadyTime began = clock_.steady();
    Reconciliation result;
    result.at = clock_.wall();
    auto seen = look();
    if (seen && (!seen.value().ghosts.empty() || !seen.value().orphans.empty())) {
        sources_.wait(second_look_after);
        auto again = look();
        if (again) {
            keep_common(again.value().ghosts, seen.value().ghosts);
            keep_common(again.value().orphans, seen.value().orphans);
        }
        seen = std::move(again);
    }
    result.took = std::chrono::floor<milliseconds>(clock_.steady() - began);
    if (!seen) {
        result.error = seen.error().message;
        return result;
    }
    const Look& look = seen.value();
    const auto long_waiting = stuck(look);
    result.registry = look.registry;
    result.kernel = look.kernel;
    result.ghosts = look.ghosts.size();
    result.orphans = look.orphans.size();
    result.stuck_close_wait = long_waiting.size();
    for (const auto& [number, ghost] : look.ghosts) report(ghost, result);
    for (const auto& [inode, orphan] : look.orphans) report(orphan, result);
    for (const Discrepancy& each : long_waiting) report(each, result);
    return result;
}

std::unordered_map<std::uint64_t, int> own_sockets() {
    std::unordered_map<std::uint64_t, int> result;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
        const std::string target = std::filesystem::read_symlink(entry.path(), error).string();
        const auto inode = number_in(target, "socket:[");
        const auto descriptor = number_in(entry.path().filename().string(), "");
        if (inode && descriptor) result.emplace(*inode, static_cast<int>(*descriptor));
    }
    return result;
}

}  // namespace holdfast
