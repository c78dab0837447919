#include "detect/prefix_cover.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <compare>
#include <cstdint>
#include <span>

namespace holdfast {
namespace {

/// An address as a number: in sorted order the addresses of a prefix are neighbours.
struct Number {
    std::uint64_t high = 0;
    std::uint64_t low = 0;

    friend auto operator<=>(const Number&, const Number&) = default;
    [[nodiscard]] bool bit(unsigned index) const {
        return ((index < 64 ? high >> (63 - index) : low >> (127 - index)) & 1U) != 0;
    }
};

using Numbers = std::span<const Number>;

/// A range of the sorted addresses that share their first `bits`, and the living ones of that prefix.
struct Node {
    Numbers dead;
    Numbers alive;
    unsigned bits = 0;
};

/// Prefixes for (some of) a node's failed peers. The cost counts errors in connections: failed ones left out, living
/// ones included, and a fixed price per prefix for the reader.
struct Choice {
    double cost = 0;
    std::vector<Node> nodes;
};

Number number_of(const IpAddress& address) {
    Number number;
    for (std::size_t i = 0; i < 8; ++i) {
        number.high = number.high << 8U | address.bytes[i];
        number.low = number.low << 8U | address.bytes[i + 8];
    }
    return number;
}

IpAddress address_of(Number number) {
    IpAddress address;
    for (std::size_t i = 8; i-- > 0; number.high >>= 8U, number.low >>= 8U) {
        address.bytes[i] = static_cast<std::uint8_t>(number.high);
        address.bytes[i + 8] = static_cast<std::uint8_t>(number.low);
    }
    return address;
}

/// Returns the addresses of one family in order.
std::vector<Number> sorted(const std::vector<IpAddress>& addresses, bool v4) {
    std::vector<Number> numbers;
    for (const IpAddress& address : addresses) {
        if (address.is_v4() == v4) numbers.push_back(number_of(address));
    }
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}

unsigned common_bits(const Number& a, const Number& b) {
    if (a.high != b.high) return static_cast<unsigned>(std::countl_zero(a.high ^ b.high));
    return 64 + static_cast<unsigned>(std::countl_zero(a.low ^ b.low));
}

Number cut(Number number, unsigned bits) {
    constexpr std::uint64_t ones = ~std::uint64_t{0};
    number.high &= bits >= 64 ? ones : bits == 0 ? 0 : ones << (64 - bits);
    number.low &= bits >= 128 ? ones : bits <= 64 ? 0 : ones << (128 - bits);
    return number;
}

Numbers within(Numbers sorted_numbers, Number address, unsigned bits) {
    const Number first = cut(address, bits);
    const auto from = std::lower_bound(sorted_numbers.begin(), sorted_numbers.end(), first);
    const auto to = std::partition_point(from, sorted_numbers.end(),
                                         [&](const Number& other) { return cut(other, bits) == first; });
    return {from, to};
}

/// Returns the longest prefix that contains all of `dead`, with its living peers.
Node node_of(Numbers dead, Numbers alive) {
    const unsigned bits = common_bits(dead.front(), dead.back());
    return {dead, within(alive, dead.front(), bits), bits};
}

/// Failed and living peers of both families together, against which a prefix is measured.
struct Whole {
    double share = 0;           // of the failed among all
    double worth_a_prefix = 0;  // failures up to this number do not get a prefix of their own

    static Whole of(std::size_t dead, std::size_t alive) {
        constexpr double noise = 0.02;
        const auto count = static_cast<double>(dead);
        return {count / static_cast<double>(dead + alive), std::max(3.0, noise * count)};
    }
};

/// Finds the prefixes of one address family. IPv4 and IPv6 peers share no prefix that an operator could name.
class Coverer {
public:
    Coverer(const Whole& whole, Numbers dead, Numbers alive) : whole_(whole), dead_(dead), alive_(alive) {}

    [[nodiscard]] std::vector<PrefixShare> run() const {
        std::vector<PrefixShare> shares;
        if (dead_.empty()) return shares;
        for (const Node& node : best(node_of(dead_, alive_)).nodes) {
            const unsigned bits = readable_bits(node);
            const IpAddress address = address_of(cut(node.dead.front(), bits));
            shares.push_back({{address, bits}, node.dead.size(), node.alive.size()});
        }
        return shares;
    }

private:
    static constexpr double pure = 0.8;
    static constexpr double chance = 13.8;  // ln(1,000,000): rarer events are not attributed to chance

    /// Returns the cheapest choice for a node: leave its failed peers out, name it, or the best choices of its halves.
    [[nodiscard]] Choice best(const Node& node) const {
        const auto count = static_cast<double>(node.dead.size());
        Choice choice{count, {}};
        if (count <= whole_.worth_a_prefix) return choice;
        const double named = whole_.worth_a_prefix + static_cast<double>(node.alive.size());
        if (named < choice.cost && may_be_named(node)) choice = {named, {node}};
        if (node.alive.empty() || node.bits == 128) return choice;
        const auto middle = std::partition_point(node.dead.begin(), node.dead.end(),
                                                 [&](const Number& number) { return !number.bit(node.bits); });
        Choice halves = best(node_of({node.dead.begin(), middle}, node.alive));
        const Choice second = best(node_of({middle, node.dead.end()}, node.alive));
        halves.cost += second.cost;
        if (halves.cost >= choice.cost) return choice;
        halves.nodes.insert(halves.nodes.end(), second.nodes.begin(), second.nodes.end());
        return halves;
    }

    /// Returns whether a node failed as a whole and more than the population. The Kullback-Leibler divergence measures
    /// the excess, and Sanov's theorem turns it into a probability.
    [[nodiscard]] bool may_be_named(const Node& node) const {
        const auto dead = static_cast<double>(node.dead.size());
        const double all = dead + static_cast<double>(node.alive.size());
        const double share = dead / all;
        if (share < pure) return false;
        if (node.dead.size() == dead_.size()) return true;  // all that failed in the family
        if (share <= whole_.share) return false;
        const double alive_part = share < 1 ? (1 - share) * std::log((1 - share) / (1 - whole_.share)) : 0;
        return all * (share * std::log(share / whole_.share) + alive_part) >= chance;
    }

    /// Returns the length that an operator would name: the next shorter one that ends at a field, if no living peer is
    /// in it.
    [[nodiscard]] unsigned readable_bits(const Node& node) const {
        static constexpr std::array<unsigned, 4> v4{96, 96 + 8, 96 + 16, 96 + 24};
        static constexpr std::array<unsigned, 4> v6{32, 48, 56, 64};
        if (node.dead.front() == node.dead.back()) return node.bits;
        const bool is_v4 = address_of(node.dead.front()).is_v4() && node.bits >= 96;
        unsigned wider = node.bits;
        for (const unsigned bits : is_v4 ? v4 : v6) {
            if (bits <= node.bits) wider = bits;
        }
        const std::size_t alive = within(alive_, node.dead.front(), wider).size();
        return alive == 0 || wider == node.bits ? wider : node.bits;
    }

    const Whole& whole_;
    Numbers dead_;
    Numbers alive_;
};

}  // namespace

PrefixCover cover(const std::vector<IpAddress>& dead, const std::vector<IpAddress>& alive) {
    if (dead.empty()) return {};
    const Whole whole = Whole::of(dead.size(), alive.size());
    PrefixCover cover;
    for (const bool v4 : {true, false}) {
        const std::vector<Number> dead_numbers = sorted(dead, v4);
        const std::vector<Number> alive_numbers = sorted(alive, v4);
        const std::vector<PrefixShare> found = Coverer(whole, dead_numbers, alive_numbers).run();
        cover.prefixes.insert(cover.prefixes.end(), found.begin(), found.end());
    }
    std::stable_sort(cover.prefixes.begin(), cover.prefixes.end(),
                     [](const PrefixShare& a, const PrefixShare& b) { return a.dead > b.dead; });
    if (cover.prefixes.size() > max_cover_prefixes) cover.prefixes.resize(max_cover_prefixes);
    cover.elsewhere = dead.size();
    for (const PrefixShare& share : cover.prefixes) cover.elsewhere -= share.dead;
    // A few of many fragments say nothing about the whole.
    if (4 * cover.elsewhere > 3 * dead.size()) return {{}, dead.size()};
    return cover;
}

}  // namespace holdfast
