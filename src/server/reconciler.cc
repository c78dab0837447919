#include "server/reconciler.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/memory_reserve.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;

bool by_inode(const HeldSocket& a, const HeldSocket& b) { return a.inode < b.inode; }

/// Returns its index in the list sorted by inode.
std::optional<std::size_t> place_of(std::uint64_t inode, const PageVector<HeldSocket>& held) {
    const auto found = std::lower_bound(held.begin(), held.end(), HeldSocket{.inode = inode}, by_inode);
    if (found == held.end() || found->inode != inode) return std::nullopt;
    return static_cast<std::size_t>(found - held.begin());
}

}  // namespace

Result<Reconciler::Differences> Reconciler::compare() {
    PageVector<HeldSocket> held = sources_.registry();
    std::sort(held.begin(), held.end(), by_inode);
    std::vector<bool> seen(held.size());
    PageVector<std::uint64_t> unknown;
    Differences differences;
    differences.registry = held.size();
    auto error = sources_.each_in_kernel([&](const KernelSocket& socket) {
        if (socket.inode == 0) return;
        const auto place = place_of(socket.inode, held);
        if (!place) return unknown.push_back(socket.inode);
        seen[*place] = true;
        const HeldSocket& connection = held[*place];
        if (socket.state == TCP_CLOSE_WAIT && !connection.end_is_seen)
            differences.in_close_wait.emplace(socket.inode, connection.number);
    });
    if (!error && !unknown.empty()) error = find_orphans(std::move(unknown), differences);
    if (error) return *error;
    for (std::size_t i = 0; i < held.size(); ++i) {
        if (!seen[i] && !held[i].end_is_seen) differences.ghosts.insert(held[i].number);
    }
    differences.kernel = held.size() - differences.ghosts.size() + differences.orphans.size();
    return differences;
}

/// Finds sockets without a connection. Other processes may share the port (reuse_port), so such a socket counts only if
/// this process has a descriptor of it.
std::optional<Error> Reconciler::find_orphans(PageVector<std::uint64_t> unknown, Differences& out) const {
    std::sort(unknown.begin(), unknown.end());
    std::unordered_map<std::uint64_t, int> own;
    sources_.each_own([&](std::uint64_t inode, int descriptor) {
        if (std::binary_search(unknown.begin(), unknown.end(), inode)) own.emplace(inode, descriptor);
    });
    if (own.empty()) return std::nullopt;
    return sources_.each_in_kernel([&](const KernelSocket& socket) {
        const auto found = own.find(socket.inode);
        if (found == own.end()) return;
        out.orphans.emplace(socket.inode, Discrepancy{.kind = Discrepancy::Kind::orphan,
                                                      .listener = sources_.listener_at(socket.local),
                                                      .peer = socket.peer,
                                                      .conn = {},
                                                      .descriptor = found->second});
    });
}

std::vector<Token> Reconciler::stuck(const Differences& differences) {
    const SteadyTime now = clock_.steady();
    std::erase_if(close_wait_since_,
                  [&differences](const auto& each) { return !differences.in_close_wait.contains(each.first); });
    std::vector<Token> result;
    for (const auto& [inode, number] : differences.in_close_wait) {
        const SteadyTime since = close_wait_since_.try_emplace(inode, now).first->second;
        if (now - since >= close_wait_grace) result.push_back(number);
    }
    return result;
}

/// Compares again after a moment if there are differences, and keeps those of both comparisons.
Result<Reconciler::Differences> Reconciler::compare_twice() {
    auto seen = compare();
    if (!seen || (seen.value().ghosts.empty() && seen.value().orphans.empty())) return seen;
    sources_.wait(second_comparison_after);
    auto again = compare();
    if (!again) return again;
    Differences& now = again.value();
    std::erase_if(now.ghosts, [&](Token number) { return !seen.value().ghosts.contains(number); });
    std::erase_if(now.orphans, [&](const auto& each) { return !seen.value().orphans.contains(each.first); });
    return again;
}

Reconciliation Reconciler::run() {
    const std::lock_guard lock(mutex_);
    const SteadyTime began = clock_.steady();
    Reconciliation result;
    result.at = clock_.wall();
    const auto seen = compare_twice();
    result.took = std::chrono::floor<milliseconds>(clock_.steady() - began);
    if (!seen) {
        result.error = seen.error().message;
        return result;
    }
    const Differences& differences = seen.value();
    const auto long_waiting = stuck(differences);
    result.registry = differences.registry;
    result.kernel = differences.kernel;
    result.ghosts = differences.ghosts.size();
    result.orphans = differences.orphans.size();
    result.stuck_close_wait = long_waiting.size();
    for (const Token number : differences.ghosts) add_example(number, Discrepancy::Kind::ghost, result);
    for (const auto& [inode, orphan] : differences.orphans) {
        if (result.examples.size() < max_examples) result.examples.push_back(orphan);
    }
    for (const Token number : long_waiting) add_example(number, Discrepancy::Kind::stuck_close_wait, result);
    return result;
}

void Reconciler::add_example(Token number, Discrepancy::Kind kind, Reconciliation& out) const {
    if (out.examples.size() >= max_examples) return;
    auto example = sources_.about(number);
    if (!example) return;  // it has ended since
    example->kind = kind;
    out.examples.push_back(*std::move(example));
}

/// Does not read /proc/self/fd: the kernel would cache an inode and a name of each entry, 870 bytes.
void each_own_socket(const OnOwnSocket& take) {
    const auto end = static_cast<int>(descriptor_table_size());
    for (int descriptor = 0; descriptor < end; ++descriptor) {
        if (const std::uint64_t inode = inode_of_socket(descriptor); inode != 0) take(inode, descriptor);
    }
}

/// Returns the inode by a direct system call, since ThreadSanitizer reports fstat on another thread's new descriptor as
/// a race.
std::uint64_t inode_of_socket(int descriptor) {
    struct statx info {};
    const bool known = ::syscall(SYS_statx, descriptor, "", AT_EMPTY_PATH, STATX_TYPE | STATX_INO, &info) == 0;
    return known && S_ISSOCK(info.stx_mode) ? info.stx_ino : 0;
}

}  // namespace holdfast
