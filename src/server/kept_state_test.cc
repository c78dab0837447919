#include "server/kept_state.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "base/keeper_page.h"
#include "base/unique_fd.h"
#include "testing/seed.h"

namespace holdfast {
namespace {

using std::chrono::nanoseconds;
using namespace std::chrono_literals;

constexpr KeptShape shape{.run = 7, .reactors = 2, .capacity = 100};

UniqueFd memory_file() { return UniqueFd(::memfd_create("kept_state_test", MFD_CLOEXEC)); }

/// Returns a state of two connections of the listener "devices", on the two reactors.
std::unique_ptr<KeptState> with_two_connections(int file) {
    auto state = KeptState::open(file).value();
    EXPECT_TRUE(state->begin(shape));
    state->set_listener(3, "devices", parse_endpoint("127.0.0.1:7000").value(), LivenessPlan{});
    for (std::uint32_t reactor = 0; reactor < 2; ++reactor) {
        const KeptShard shard = state->shard(reactor);
        Registry registry(reactor, shape.capacity, shard.memory());
        Connection& connection = *registry.insert();
        connection.listener = 3;
        connection.stage = Stage::unidentified;
        connection.fd = 500 + static_cast<int>(reactor);
        // The registry would end with a connection only by its process.
        const std::string bytes(reinterpret_cast<const char*>(&connection), sizeof connection);
        registry.erase(connection);
        std::memcpy(static_cast<void*>(shard.slots + sizeof(Connection)), bytes.data(), bytes.size());
    }
    return state;
}

std::set<std::string> connections_of(KeptState& state) {
    std::set<std::string> all;
    state.each_connection([](std::string_view name) { return name == "devices"; },
                          [&all](ConnectionId id) { all.insert(to_string(id)); });
    return all;
}

TEST(KeptState, AnEmptyFileHasNoShapeUntilItBegins) {
    const UniqueFd file = memory_file();
    auto state = KeptState::open(file.get());
    ASSERT_TRUE(state.ok());
    EXPECT_FALSE(state.value()->shape());
    ASSERT_TRUE(state.value()->begin(shape));
    EXPECT_EQ(KeptState::open(file.get()).value()->shape(), shape);
}

TEST(KeptState, TheNextProcessFindsListenersAndConnections) {
    const UniqueFd file = memory_file();
    static_cast<void>(with_two_connections(file.get()));
    const auto state = KeptState::open(file.get()).value();
    EXPECT_EQ(state->find_listener("devices"), 3);
    EXPECT_EQ(state->find_listener("other"), std::nullopt);
    EXPECT_EQ(connections_of(*state), (std::set<std::string>{"7-1", "7-1000001"}));
    state->forget_listener(3);
    EXPECT_TRUE(connections_of(*state).empty()) << "connections without a listener are not taken over";
}

TEST(KeptState, RejectsAFileThatDoesNotFit) {
    const UniqueFd file = memory_file();
    static_cast<void>(with_two_connections(file.get()));
    ASSERT_EQ(::ftruncate(file.get(), 1'000'000), 0);
    EXPECT_FALSE(KeptState::open(file.get()).ok());
    KeptState::discard(file.get());
    const auto state = KeptState::open(file.get());
    ASSERT_TRUE(state.ok());
    EXPECT_FALSE(state.value()->shape());
    EXPECT_TRUE(state.value()->begin(shape));
    EXPECT_FALSE(state.value()->find_listener("devices"));
}

TEST(KeptState, RejectsAnotherLayoutAndAnImpossibleShape) {
    for (const std::size_t at : {0, 8, 16, 20, 24}) {  // magic, layout, and the members of the shape
        const UniqueFd file = memory_file();
        static_cast<void>(with_two_connections(file.get()));
        const std::uint32_t other = 0xffff'ffff;
        ASSERT_EQ(::pwrite(file.get(), &other, sizeof other, static_cast<off_t>(KeeperPage::size + at)), 4);
        const auto state = KeptState::open(file.get());
        EXPECT_FALSE(state.ok()) << at;
    }
}

TEST(KeptState, RejectsADescriptorThatIsNoFile) {
    const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
    EXPECT_FALSE(KeptState::open(socket.get()).ok());
    EXPECT_FALSE(KeptState::open(-1).ok());
}

TEST(KeptState, TheKeeperTellsWhenTheProcessEnded) {
    const UniqueFd file = memory_file();
    const auto state = with_two_connections(file.get());
    const SteadyTime now{1h};
    EXPECT_EQ(state->ended_at(now), now);
    for (const auto& [written, read] :
         {std::pair(nanoseconds(59min), SteadyTime(59min)), std::pair(nanoseconds(61min), now)}) {
        const KeeperPage page{.worker_ended_ns = written.count(), .workers = 1};
        ASSERT_EQ(::pwrite(file.get(), &page, sizeof page, 0), static_cast<ssize_t>(sizeof page));
        EXPECT_EQ(state->ended_at(now), read);
    }
}

TEST(KeptState, TotalsFollowTheirListenerAndGaugesBeginAgain) {
    const UniqueFd file = memory_file();
    auto state = with_two_connections(file.get());
    for (std::uint32_t reactor = 0; reactor < 2; ++reactor) {
        const auto counters = state->new_counters(3, reactor);
        counters->accepted.add(10 + reactor);
        counters->connections.add(4);
        counters->closed[1].add(6);
        counters->duration.observe(1'500ms);
        state->new_counters(0, reactor)->accepted.add(99);
        state->shard(reactor).counters->probes_alive.add(7);
        state->shard(reactor).counters->reading_paused.increment();
    }
    state = KeptState::open(file.get()).value();
    std::array<std::int16_t, 256> listener_of{};
    listener_of.fill(Heritage::unknown);
    listener_of[3] = 0;
    state->carry_totals(listener_of, 2);
    for (std::uint32_t reactor = 0; reactor < 2; ++reactor) {
        const KeptShard shard = state->shard(reactor);
        const ListenerCounters& counters = *shard.counters_of(0);
        EXPECT_EQ(counters.accepted.get(), 10U + reactor);
        EXPECT_EQ(counters.closed[1].get(), 6U);
        EXPECT_EQ(counters.connections.get(), 0U);
        DurationHistogram duration;
        counters.duration.add_to(duration);
        EXPECT_DOUBLE_EQ(duration.sum_s, 1.5);
        EXPECT_EQ(shard.counters_of(1)->accepted.get(), 0U);
        EXPECT_EQ(shard.counters->probes_alive.get(), 7U);
        EXPECT_EQ(shard.counters->reading_paused.get(), 0U);
    }
}

TEST(KeptState, FlippedBitsAreNeverReadOutOfBounds) {
    std::mt19937_64 random(test_seed());
    for (int round = 0; round < 300; ++round) {
        const UniqueFd file = memory_file();
        static_cast<void>(with_two_connections(file.get()));
        for (int flips = 1 + static_cast<int>(random() % 32); flips > 0; --flips) {
            // Mostly the header, the used slots, or a listener.
            const std::size_t size = static_cast<std::size_t>(::lseek(file.get(), 0, SEEK_END));
            const std::size_t at = random() % 4 == 0 ? random() % size : KeeperPage::size + random() % 16'384;
            unsigned char byte = 0;
            ASSERT_EQ(::pread(file.get(), &byte, 1, static_cast<off_t>(at)), 1);
            byte = static_cast<unsigned char>(byte ^ (1U << (random() % 8)));
            ASSERT_EQ(::pwrite(file.get(), &byte, 1, static_cast<off_t>(at)), 1);
        }
        auto state = KeptState::open(file.get());
        if (!state || !state.value()->shape()) continue;
        const auto found = connections_of(*state.value());
        EXPECT_LE(found.size(), 2 * (shape.capacity + SlotTable<Connection>::spare_slots));
        for (const std::string& conn : found) state.value()->report_again(*parse_connection_id(conn));
        static_cast<void>(state.value()->find_listener("devices"));
    }
}

}  // namespace
}  // namespace holdfast
