#include "load/downlink_requester.h"

#include <set>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

std::vector<DownlinkTarget> targets_of(std::initializer_list<std::uint64_t> devices) {
    std::vector<DownlinkTarget> targets;
    for (const std::uint64_t device : devices) targets.push_back({.device = device, .connection = {}});
    return targets;
}

TEST(ChooseTarget, TheSeedChoosesAndEveryDeviceHasItsTurn) {
    LoadOptions options;
    options.connections = 4;
    options.first_device = 100;
    const auto targets = targets_of({100, 101, 102, 103});
    std::set<std::size_t> chosen;
    bool other = false;
    LoadOptions reseeded = options;
    reseeded.seed = 1;
    for (std::uint64_t nth = 1; nth <= 100; ++nth) {
        const std::size_t choice = choose_target(targets, options, nth);
        EXPECT_EQ(choice, choose_target(targets, options, nth));
        other = other || choice != choose_target(targets, reseeded, nth);
        chosen.insert(choice);
    }
    EXPECT_EQ(chosen.size(), 4U);
    EXPECT_TRUE(other);
}

TEST(ChooseTarget, OneThatIsAwayChangesNothingForTheOthers) {
    LoadOptions options;
    options.connections = 4;
    const auto all = targets_of({0, 1, 2, 3});
    const auto some = targets_of({0, 2, 3});
    for (std::uint64_t nth = 1; nth <= 100; ++nth) {
        const std::uint64_t device = all[choose_target(all, options, nth)].device;
        EXPECT_EQ(some[choose_target(some, options, nth)].device, device == 1 ? 2 : device);
    }
    EXPECT_EQ(choose_target(targets_of({0}), options, 7), 0U);
}

/// A gateway that rejects requests or does not answer.
class DeafGateway final : public DownlinkGateway {
public:
    Result<std::vector<GatewayConnection>> connections() override { return Error{"it is deaf"}; }
    Result<int> send(const std::string&, const std::string&) override { return Error{"it is deaf"}; }
    void break_off() noexcept override {}
};

TEST(DownlinkRequester, RequestsNothingWithoutAConnectedDevice) {
    const SystemClock clock;
    LoadOptions options;
    options.downlinks_per_second = 1'000'000;
    DownlinkBook book;
    DeafGateway gateway;
    DownlinkRequester asker(clock, options, book, gateway);
    asker.stop();
    EXPECT_EQ(book.counts().asked, 0U);
}

}  // namespace
}  // namespace holdfast
