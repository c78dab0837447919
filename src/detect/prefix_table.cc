#include "detect/prefix_table.h"

#include <algorithm>
#include <bit>
#include <map>
#include <span>

#include "net/address.h"

namespace holdfast {
namespace {

// In bits of the 128: an IPv4 /8 is 104.
constexpr std::array<unsigned, 4> v4_lengths{104, 112, 120, 128};
constexpr std::array<unsigned, 5> v6_lengths{32, 48, 56, 64, 128};

unsigned common_bits(const IpAddress& a, const IpAddress& b) {
    for (std::size_t i = 0; i < a.bytes.size(); ++i) {
        const auto differing = static_cast<std::uint8_t>(a.bytes[i] ^ b.bytes[i]);
        if (differing != 0) return static_cast<unsigned>(8 * i) + static_cast<unsigned>(std::countl_zero(differing));
    }
    return 128;
}

/// The addresses of one family: their common prefix decides at which length they are divided.
class Family {
public:
    explicit Family(std::span<const unsigned> lengths) : lengths_(lengths) {}

    void see(const IpAddress& address) {
        if (!first_) first_ = address;
        common_ = std::min(common_, common_bits(*first_, address));
    }

    /// Returns the first length beyond the common prefix and beyond `within`.
    [[nodiscard]] unsigned length(unsigned within) const {
        const unsigned beyond = std::max(common_, within);
        const auto found = std::upper_bound(lengths_.begin(), lengths_.end(), beyond);
        return found != lengths_.end() ? *found : 128;
    }

private:
    std::span<const unsigned> lengths_;
    std::optional<IpAddress> first_;
    unsigned common_ = 128;
};

class Grouping {
public:
    explicit Grouping(const std::optional<Prefix>& within) : within_(within) {}

    [[nodiscard]] bool wants(const IpAddress& peer) const { return !within_ || within_->contains(peer); }
    void see(const IpAddress& peer) {
        if (wants(peer)) (peer.is_v4() ? v4_ : v6_).see(peer);
    }

    /// Returns the row of the peer's prefix. Call after see() of every peer.
    PrefixRow& row_of(const IpAddress& peer) {
        const unsigned bits = (peer.is_v4() ? v4_ : v6_).length(within_ ? within_->bits : 0);
        const IpAddress network = masked(peer, bits);
        PrefixRow& row = rows_[network];
        row.prefix = {network, bits};
        return row;
    }

    [[nodiscard]] std::vector<PrefixRow> rows() const {
        std::vector<PrefixRow> rows;
        for (const auto& [network, row] : rows_) rows.push_back(row);
        const auto troubled = [](const PrefixRow& row) { return row.suspects + row.closed_total; };
        std::stable_sort(rows.begin(), rows.end(), [&](const PrefixRow& a, const PrefixRow& b) {
            return troubled(a) != troubled(b) ? troubled(a) > troubled(b) : a.connections > b.connections;
        });
        return rows;
    }

private:
    std::optional<Prefix> within_;
    Family v4_{v4_lengths};
    Family v6_{v6_lengths};
    std::map<IpAddress, PrefixRow> rows_;
};

}  // namespace

PrefixTable prefix_table(const std::optional<Prefix>& within, const std::vector<CensusEntry>& open,
                         const std::vector<ClosedLife>& closed) {
    Grouping grouping(within);
    for (const CensusEntry& each : open) grouping.see(each.peer);
    for (const ClosedLife& life : closed) grouping.see(life.peer.address);
    PrefixTable table;
    for (const CensusEntry& each : open) {
        if (!grouping.wants(each.peer)) continue;
        for (PrefixRow* const row : {&grouping.row_of(each.peer), &table.all}) {
            ++row->connections;
            row->suspects += each.suspect ? 1 : 0;
        }
    }
    for (const ClosedLife& life : closed) {
        if (!grouping.wants(life.peer.address)) continue;
        for (PrefixRow* const row : {&grouping.row_of(life.peer.address), &table.all}) {
            ++row->closed[static_cast<std::size_t>(life.reason)];
            ++row->closed_total;
        }
    }
    table.rows = grouping.rows();
    return table;
}

}  // namespace holdfast
