#include "detect/link_monitor.h"

#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

/// A host with the interfaces eth0 (2) and eth1 (3): 90 peers lie behind the first, 10 behind the second.
class Links : public testing::Test {
protected:
    Links() {
        for (int i = 0; i < 100; ++i) peers_.push_back(peer(i));
        EXPECT_THAT(check(), IsEmpty());
    }
    static IpAddress peer(int n) { return parse_ip_address("10.0.0." + std::to_string(n)).value(); }
    std::vector<LinkOutage> check() {
        now_ += seconds(1);
        return monitor_.check(now_);
    }

    std::vector<IpAddress> peers_;
    std::function<void()> on_sample_;  // called before each sample of the peers is taken
    std::map<int, InterfaceState> interfaces_{{2, {"eth0", true, true}}, {3, {"eth1", true, true}}};
    std::map<IpAddress, int> errors_;
    int moved_to_ = 2;  // link of the 90 peers
    bool answers_ = true;
    LinkMonitor::Time now_{std::chrono::hours(1)};
    LinkMonitor monitor_{{.peers =
                              [this] {
                                  if (on_sample_) on_sample_();
                                  return peers_;
                              },
                          .route_to = [this](const IpAddress& to) -> std::optional<RouteAnswer> {
                              if (!answers_) return std::nullopt;
                              if (errors_.contains(to)) return RouteAnswer{.interface = 0, .error = errors_[to]};
                              return RouteAnswer{.interface = to.bytes[15] < 90 ? moved_to_ : 3, .error = 0};
                          },
                          .interface = [this](int index) -> std::optional<InterfaceState> {
                              const auto found = interfaces_.find(index);
                              if (!answers_ || found == interfaces_.end()) return std::nullopt;
                              return found->second;
                          }}};
};

TEST_F(Links, EachFailureIsNamedAndEnds) {
    interfaces_[2].carrier = false;
    EXPECT_THAT(check(), ElementsAre(LinkOutage{"eth0", "has no carrier", 90}));
    interfaces_[2].up = false;
    EXPECT_THAT(check(), ElementsAre(LinkOutage{"eth0", "is down", 90}));
    interfaces_.erase(2);
    EXPECT_THAT(check(), ElementsAre(LinkOutage{"eth0", "was removed", 90}));
    interfaces_[2] = {"eth0", true, true};
    EXPECT_THAT(check(), IsEmpty());
    interfaces_[3].up = false;
    EXPECT_THAT(check(), ElementsAre(LinkOutage{"eth1", "is down", 10}));
}

TEST_F(Links, ALostRouteIsNamed) {
    for (int i = 0; i < 90; ++i) errors_[peer(i)] = ENETUNREACH;
    const auto outages = check();
    ASSERT_EQ(outages.size(), 1U);
    EXPECT_EQ(outages[0].interface, "eth0");
    EXPECT_TRUE(outages[0].why.starts_with("has no route to 10.0.0.")) << outages[0].why;
    for (int second = 0; second < 60; ++second) EXPECT_EQ(check().size(), 1U) << "as long as it lasts";
    errors_.clear();
    EXPECT_THAT(check(), IsEmpty());
    errors_[peer(3)] = ENETUNREACH;
    EXPECT_THAT(check(), IsEmpty()) << "of one peer, it is its own route";
}

TEST_F(Links, AFailureAmidTheLearningIsNamed) {
    on_sample_ = [this] {
        for (int i = 0; i < 90; ++i) errors_[peer(i)] = ENETUNREACH;
    };
    EXPECT_THAT(check(), IsEmpty()) << "found well, then learned amid the loss";
    for (int second = 0; second < 2; ++second) check();
    EXPECT_THAT(check(), ElementsAre(testing::Field(&LinkOutage::interface, "eth0")));
    on_sample_ = nullptr;
    errors_.clear();
    EXPECT_THAT(check(), IsEmpty());

    on_sample_ = [this] { interfaces_[2].carrier = false; };
    for (int second = 0; second < 3; ++second) check();
    EXPECT_THAT(check(), ElementsAre(LinkOutage{"eth0", "has no carrier", 90}));
}

TEST_F(Links, PeersThatLoseTheirRoutesOneByOneAreNamedTogether) {
    for (int i = 0; i < 90; ++i) {
        errors_[peer(i)] = ENETUNREACH;
        check();
        check();
    }
    EXPECT_THAT(check(), ElementsAre(testing::Field(&LinkOutage::interface, "eth0")));
}

TEST_F(Links, APeerWhoseRouteMovedIsLearnedBehindItsNewLink) {
    interfaces_[4] = {"eth2", true, true};
    moved_to_ = 4;
    for (int second = 0; second < 3; ++second) EXPECT_THAT(check(), IsEmpty());
    interfaces_[2].up = false;
    EXPECT_THAT(check(), IsEmpty());
    interfaces_[4].up = false;
    EXPECT_THAT(check(), ElementsAre(LinkOutage{"eth2", "is down", 90}));
}

TEST_F(Links, ALinkThatNoConnectionIsBehindMayFail) {
    interfaces_[2].carrier = false;
    peers_.erase(peers_.begin(), peers_.begin() + 90);  // a bridge loses its carrier with its last member
    EXPECT_THAT(check(), IsEmpty());
    EXPECT_THAT(check(), IsEmpty());
}

TEST_F(Links, AnInterfaceThatNeverHadACarrierIsLeftOut) {
    interfaces_[2].carrier = false;
    LinkMonitor fresh{{.peers = [this] { return peers_; },
                       .route_to = [](const IpAddress&) { return RouteAnswer{.interface = 2, .error = 0}; },
                       .interface = [this](int index) { return std::optional(interfaces_.at(index)); }}};
    for (int second = 0; second < 5; ++second) EXPECT_THAT(fresh.check(now_ + seconds(second)), IsEmpty());
}

TEST_F(Links, ManyReactorsMakeNoLargerSample) {
    int lookups = 0;
    LinkMonitor fresh{{.peers =
                           [this] {
                               std::vector<IpAddress> many;
                               for (int i = 0; i < 41; ++i) many.insert(many.end(), peers_.begin(), peers_.end());
                               return many;
                           },
                       .route_to =
                           [&lookups](const IpAddress&) {
                               ++lookups;
                               return RouteAnswer{.interface = 2, .error = 0};
                           },
                       .interface = [this](int index) { return std::optional(interfaces_.at(index)); }}};
    EXPECT_THAT(fresh.check(now_), IsEmpty());
    EXPECT_LE(lookups, static_cast<int>(LinkMonitor::max_peers));
    EXPECT_GT(lookups, 10);
}

TEST_F(Links, NoAnswerOfTheKernelIsNoOutage) {
    answers_ = false;
    EXPECT_THAT(check(), IsEmpty());
    EXPECT_THAT(check(), IsEmpty());
}

TEST_F(Links, PeersThatCameLaterAreLearned) {
    peers_.clear();
    for (int i = 0; i < 3; ++i) check();
    for (int i = 0; i < 50; ++i) peers_.push_back(peer(i));
    for (int i = 0; i < 3; ++i) check();
    interfaces_[2].carrier = false;
    EXPECT_THAT(check(), ElementsAre(LinkOutage{"eth0", "has no carrier", 100}));
}

}  // namespace
}  // namespace holdfast
