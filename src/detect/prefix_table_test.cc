#include "detect/prefix_table.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<CensusEntry> open_from(const std::vector<std::string>& peers) {
    std::vector<CensusEntry> open;
    for (const std::string& peer : peers) open.push_back({.peer = parse_ip_address(peer).value()});
    return open;
}

std::vector<ClosedLife> closed_from(const std::vector<std::string>& peers) {
    std::vector<ClosedLife> closed(peers.size());
    for (std::size_t i = 0; i < peers.size(); ++i) {
        closed[i].peer = {parse_ip_address(peers[i]).value(), 1};
        closed[i].reason = CloseReason::keepalive_expired;
    }
    return closed;
}

std::vector<std::string> texts(const PrefixTable& table) {
    std::vector<std::string> out;
    for (const PrefixRow& row : table.rows) {
        out.push_back(to_string(row.prefix) + " " + std::to_string(row.connections) + " " +
                      std::to_string(row.suspects) + " " + std::to_string(row.closed_total));
    }
    return out;
}

TEST(PrefixTable, WithoutPeersThereAreNoRows) { EXPECT_THAT(prefix_table({}, {}, {}).rows, IsEmpty()); }

TEST(PrefixTable, TheFirstLengthThatDividesThePeersIsTaken) {
    EXPECT_THAT(texts(prefix_table({}, open_from({"10.1.0.1", "10.2.0.1", "10.2.9.1"}), {})),
                ElementsAre("10.2.0.0/16 2 0 0", "10.1.0.0/16 1 0 0"));
    EXPECT_THAT(texts(prefix_table({}, open_from({"10.1.0.1", "192.0.2.1"}), {})),
                ElementsAre("10.0.0.0/8 1 0 0", "192.0.0.0/8 1 0 0"));
    EXPECT_THAT(texts(prefix_table({}, open_from({"10.1.0.1", "10.1.0.1"}), {})), ElementsAre("10.1.0.1/32 2 0 0"));
    EXPECT_THAT(texts(prefix_table({}, open_from({"2001:db8:1::1", "2001:db8:2::1", "10.0.0.1"}), {})),
                ElementsAre("10.0.0.1/32 1 0 0", "2001:db8:1::/48 1 0 0", "2001:db8:2::/48 1 0 0"));
}

TEST(PrefixTable, APrefixIsDividedBelowItsLength) {
    const auto open = open_from({"10.1.0.1", "10.2.0.1", "10.2.0.2", "10.2.9.1", "10.2.9.1"});
    const auto within = [](const char* text) { return parse_prefix(text).value(); };
    EXPECT_THAT(texts(prefix_table(within("10.2.0.0/16"), open, {})),
                ElementsAre("10.2.0.0/24 2 0 0", "10.2.9.0/24 2 0 0"));
    EXPECT_THAT(texts(prefix_table(within("10.2.9.0/24"), open, {})), ElementsAre("10.2.9.1/32 2 0 0"));
    EXPECT_THAT(texts(prefix_table(within("10.2.9.1"), open, {})), ElementsAre("10.2.9.1/32 2 0 0"));
    EXPECT_THAT(texts(prefix_table(within("10.3.0.0/16"), open, {})), IsEmpty());
}

TEST(PrefixTable, PrefixesInTroubleComeFirst) {
    auto open = open_from({"10.1.0.1", "10.1.0.2", "10.1.0.3", "10.2.0.1", "10.3.0.1"});
    open.back().suspect = true;
    const PrefixTable table = prefix_table({}, open, closed_from({"10.2.0.9", "10.2.0.10", "10.4.0.1"}));
    EXPECT_THAT(texts(table),
                ElementsAre("10.2.0.0/16 1 0 2", "10.3.0.0/16 1 1 0", "10.4.0.0/16 0 0 1", "10.1.0.0/16 3 0 0"));
    EXPECT_EQ(table.rows[0].closed[static_cast<std::size_t>(CloseReason::keepalive_expired)], 2U);
    EXPECT_EQ(table.all.connections, 5U);
    EXPECT_EQ(table.all.suspects, 1U);
    EXPECT_EQ(table.all.closed_total, 3U);
}

}  // namespace
}  // namespace holdfast
