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

std::vector<Number> sorted(const std::vector<IpAddress>& addresses) {
    std::vector<Number> numbers(addresses.size());
    std::transform(addresses.begin(), addresses.end(), numbers.begin(), number_of);
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

class Coverer {
public:
    Coverer(Numbers dead, Numbers alive)
        : dead_(dead),
          alive_(alive),
          share_(static_cast<double>(dead.size()) / static_cast<double>(dead.size() + alive.size())),
          worth_a_prefix_(std::max(3.0, noise * static_cast<double>(dead.size()))) {}

    [[nodiscard]] PrefixCover run() {
        Choice choice = best(node_of(dead_, alive_));
        std::sort(choice.nodes.begin(), choice.nodes.end(),
                  [](const Node& a, const Node& b) { return a.dead.size() > b.dead.size(); });
        if (choice.nodes.size() > max_cover_prefixes) choice.nodes.resize(max_cover_prefixes);
        PrefixCover cover;
        cover.elsewhere = dead_.size();
        for (const Node& node : choice.nodes) {
            const unsigned bits = readable_bits(node);
            const IpAddress address = address_of(cut(node.dead.front(), bits));
            cover.prefixes.push_back({{address, bits}, node.dead.size(), node.alive.size()});
            cover.elsewhere -= node.dead.size();
        }
        // A few of many fragments say nothing about the whole.
        if (4 * cover.elsewhere > 3 * dead_.size()) return {{}, dead_.size()};
        return cover;
    }

private:
    static constexpr double noise = 0.02;
    static constexpr double pure = 0.8;
    static constexpr double chance = 13.8;  // ln(1,000,000): rarer events are not attributed to chance

    /// Returns the cheapest choice for a node: leave its failed peers out, name it, or the best choices of its halves.
    [[nodiscard]] Choice best(const Node& node) const {
        const auto count = static_cast<double>(node.dead.size());
        Choice choice{count, {}};
        if (count <= worth_a_prefix_) return choice;
        const double named = worth_a_prefix_ + static_cast<double>(node.alive.size());
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
        if (node.dead.size() == dead_.size()) return true;
        if (share <= share_) return false;
        const double alive_part = share < 1 ? (1 - share) * std::log((1 - share) / (1 - share_)) : 0;
        return all * (share * std::log(share / share_) + alive_part) >= chance;
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

    Numbers dead_;
    Numbers alive_;
    double share_;
    double worth_a_prefix_;
};

}  // namespace

PrefixCover cover(const std::vector<IpAddress>& dead, const std::vector<IpAddress>& alive) {
    if (dead.empty()) return {};
    const std::vector<Number> dead_numbers = sorted(dead);
    const std::vector<Number> alive_numbers = sorted(alive);
    return Coverer(dead_numbers, alive_numbers).run();
}

}  // namespace holdfast
