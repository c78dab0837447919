#include "server/reconcile.h"

#include <dirent.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <utility>

namespace holdfast {
namespace {

using std::chrono::milliseconds;

bool by_inode(const HeldSocket& a, const HeldSocket& b) { return a.inode < b.inode; }

/// Its place among those sorted by inode.
std::optional<std::size_t> place_of(std::uint64_t inode, const std::vector<HeldSocket>& held) {
    const auto found = std::lower_bound(held.begin(), held.end(), HeldSocket{inode, 0}, by_inode);
    if (found == held.end() || found->inode != inode) return std::nullopt;
    return static_cast<std::size_t>(found - held.begin());
}

}  // namespace

/// Sockets of this process that no connection has: listeners, the admin API's, and what should not be.
std::unordered_map<std::uint64_t, int> Reconciler::unowned(const std::vector<HeldSocket>& held) const {
    std::unordered_map<std::uint64_t, int> result;
    sources_.each_own([&](std::uint64_t inode, int descriptor) {
        if (!place_of(inode, held)) result.emplace(inode, descriptor);
    });
    return result;
}

Discrepancy Reconciler::orphan(const KernelSocket& socket, int descriptor) const {
    return {.kind = Discrepancy::Kind::orphan,
            .listener = sources_.listener_at(socket.local),
            .peer = socket.peer,
            .conn = {},
            .descriptor = descriptor};
}

/// Other processes may share the port (reuse_port): what neither a connection nor a descriptor of this process is, is
/// theirs.
Result<Reconciler::Look> Reconciler::look() {
    std::vector<HeldSocket> held = sources_.registry();
    std::sort(held.begin(), held.end(), by_inode);
    const auto others = unowned(held);
    std::vector<bool> seen(held.size());
    Look look;
    look.registry = held.size();
    const auto error = sources_.each_in_kernel([&](const KernelSocket& socket) {
        if (socket.inode == 0) return;
        if (const auto place = place_of(socket.inode, held)) {
            seen[*place] = true;
            if (socket.state == TCP_CLOSE_WAIT) look.in_close_wait.emplace(socket.inode, held[*place].number);
        } else if (const auto other = others.find(socket.inode); other != others.end()) {
            look.orphans.emplace(socket.inode, orphan(socket, other->second));
        }
    });
    if (error) return *error;
    for (std::size_t i = 0; i < held.size(); ++i) {
        if (!seen[i]) look.ghosts.insert(held[i].number);
    }
    look.kernel = held.size() - look.ghosts.size() + look.orphans.size();
    return look;
}

std::vector<Token> Reconciler::stuck(const Look& look) {
    const SteadyTime now = clock_.steady();
    std::erase_if(close_wait_since_, [&look](const auto& each) { return !look.in_close_wait.contains(each.first); });
    std::vector<Token> result;
    for (const auto& [inode, number] : look.in_close_wait) {
        const SteadyTime since = close_wait_since_.try_emplace(inode, now).first->second;
        if (now - since >= close_wait_grace) result.push_back(number);
    }
    return result;
}

/// What it took is given back at once: it would stay with the allocator, many bytes for each connection.
Reconciliation Reconciler::run() {
    const std::lock_guard lock(mutex_);
    Reconciliation result = compare();
    ::malloc_trim(0);
    return result;
}

Reconciliation Reconciler::compare() {
    const SteadyTime began = clock_.steady();
    Reconciliation result;
    result.at = clock_.wall();
    auto seen = look();
    if (seen && (!seen.value().ghosts.empty() || !seen.value().orphans.empty())) {
        sources_.wait(second_look_after);
        auto again = look();
        if (again) {
            Look& now = again.value();
            std::erase_if(now.ghosts, [&](Token number) { return !seen.value().ghosts.contains(number); });
            std::erase_if(now.orphans, [&](const auto& each) { return !seen.value().orphans.contains(each.first); });
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
    for (const Token number : look.ghosts) add_example(number, Discrepancy::Kind::ghost, result);
    for (const auto& [inode, orphan] : look.orphans) {
        if (result.examples.size() < most_examples) result.examples.push_back(orphan);
    }
    for (const Token number : long_waiting) add_example(number, Discrepancy::Kind::stuck_close_wait, result);
    return result;
}

void Reconciler::add_example(Token number, Discrepancy::Kind kind, Reconciliation& out) const {
    if (out.examples.size() >= most_examples) return;
    out.examples.push_back(sources_.about(number));
    out.examples.back().kind = kind;
}

void each_own_socket(const OnOwnSocket& take) {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc/self/fd"), ::closedir);
    while (const dirent* entry = directory == nullptr ? nullptr : ::readdir(directory.get())) {
        const char* const name = static_cast<const char*>(entry->d_name);
        int descriptor = -1;
        if (std::from_chars(name, name + std::strlen(name), descriptor).ec != std::errc()) continue;
        if (const std::uint64_t inode = inode_of_socket(descriptor); inode != 0) take(inode, descriptor);
    }
}

std::uint64_t inode_of_socket(int descriptor) {
    struct stat info {};
    return ::fstat(descriptor, &info) == 0 && S_ISSOCK(info.st_mode) ? info.st_ino : 0;
}

}  // namespace holdfast
