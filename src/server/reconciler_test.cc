#include "server/reconciler.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <numeric>
#include <thread>

#include <gtest/gtest.h>

#include <holdfast/server.h>

#include "base/unique_fd.h"
#include "tcp/sockaddr.h"
#include "testing/comes_true.h"
#include "testing/manual_clock.h"

namespace holdfast {
namespace {

/// Returns true if the page at this address is mapped (mincore(2) returns ENOMEM if not).
bool is_mapped(const void* address) {
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    auto* begin = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(address) & ~(page - 1));
    std::array<unsigned char, 1> resident{};
    return ::mincore(begin, page, resident.data()) == 0 || errno != ENOMEM;
}

TEST(PageVector, GivesItsMemoryBackAtOnce) {
    const void* was = nullptr;
    {
        PageVector<std::uint64_t> numbers(100'000);
        std::iota(numbers.begin(), numbers.end(), 0U);
        EXPECT_EQ(numbers.back(), 99'999U);
        was = numbers.data();
        EXPECT_TRUE(is_mapped(was));
    }
    EXPECT_FALSE(is_mapped(was));
}

TEST(PageVector, GrowsAndMoves) {
    PageVector<std::uint64_t> numbers;
    for (std::uint64_t i = 0; i < 10'000; ++i) numbers.push_back(i);
    const PageVector<std::uint64_t> moved = std::move(numbers);
    for (std::uint64_t i = 0; i < 10'000; ++i) ASSERT_EQ(moved[i], i);
}

int asked = 0;

TEST(PageVector, CallsTheNewHandlerForRoomAndThrowsWhenThereIsNone) {
    PageAllocator<std::uint64_t> allocator;
    constexpr std::size_t more_than_there_is = std::size_t{1} << 57;  // in bytes: 2^60
    EXPECT_THROW(static_cast<void>(allocator.allocate(more_than_there_is)), std::bad_alloc);
    EXPECT_THROW(static_cast<void>(allocator.allocate(SIZE_MAX)), std::bad_array_new_length);
    std::set_new_handler([] {
        if (++asked == 3) throw std::bad_alloc();
    });
    EXPECT_THROW(static_cast<void>(allocator.allocate(more_than_there_is)), std::bad_alloc);
    std::set_new_handler(nullptr);
    EXPECT_EQ(asked, 3);
}

using std::chrono::milliseconds;
using std::chrono::seconds;

/// A registry and a kernel table with the contents that the test gives them.
struct Planted {
    ManualClock clock;
    PageVector<HeldSocket> held;
    std::vector<KernelSocket> kernel;
    std::unordered_map<std::uint64_t, int> own;
    std::optional<Error> failure;
    std::function<void()> while_waiting = [] {};
    Reconciler reconciler{
        clock,
        {.registry = [this] { return held; },
         .each_in_kernel =
             [this](const auto& take) {
                 std::for_each(kernel.begin(), kernel.end(), take);
                 return failure;
             },
         .each_own =
             [this](const OnOwnSocket& take) {
                 for (const auto& [inode, descriptor] : own) take(inode, descriptor);
             },
         .about = [](Token number) -> std::optional<Discrepancy> {
             return Discrepancy{.kind = {}, .listener = "devices", .peer = {}, .conn = {1, number}, .descriptor = -1};
         },
         .listener_at = [](const Endpoint&) { return std::string("devices"); },
         .wait =
             [this](milliseconds time) {
                 clock.advance(time);
                 while_waiting();
             }}};

    void connect(std::uint64_t number, std::uint8_t state = TCP_ESTABLISHED) {
        held.push_back({.inode = 100 + number, .number = number});
        kernel.push_back({.inode = 100 + number, .state = state, .local = {}, .peer = {}});
    }
};

TEST(Reconciler, AgreesWithTheKernel) {
    Planted planted;
    planted.connect(1);
    planted.connect(2);
    planted.kernel.push_back({.inode = 0, .state = TCP_ESTABLISHED, .local = {}, .peer = {}});   // not accepted yet
    planted.kernel.push_back({.inode = 77, .state = TCP_ESTABLISHED, .local = {}, .peer = {}});  // another process's
    const Reconciliation result = planted.reconciler.run();
    EXPECT_EQ(result.registry, 2U);
    EXPECT_EQ(result.kernel, 2U);
    EXPECT_EQ(result.drift(), 0U);
    EXPECT_EQ(result.error, "");
}

TEST(Reconciler, AGhostIsAConnectionWithoutASocket) {
    Planted planted;
    planted.connect(1);
    planted.held.push_back({.inode = 102, .number = 2});
    planted.held.push_back({.inode = 0, .number = 3});
    const Reconciliation result = planted.reconciler.run();
    EXPECT_EQ(result.ghosts, 2U);
    EXPECT_EQ(result.drift(), 2U);
    ASSERT_EQ(result.examples.size(), 2U);
    EXPECT_EQ(result.examples[0].kind, Discrepancy::Kind::ghost);
    EXPECT_NE(result.examples[0].conn.number, 1U);
}

TEST(Reconciler, AnOrphanIsADescriptorOfOursWithoutAConnection) {
    Planted planted;
    planted.connect(1);
    planted.kernel.push_back({.inode = 500, .state = TCP_ESTABLISHED, .local = {}, .peer = {}});
    planted.own[500] = 17;
    const Reconciliation result = planted.reconciler.run();
    EXPECT_EQ(result.orphans, 1U);
    EXPECT_EQ(result.kernel, 2U);
    ASSERT_EQ(result.examples.size(), 1U);
    EXPECT_EQ(result.examples[0].descriptor, 17);
    EXPECT_EQ(result.examples[0].listener, "devices");
}

TEST(Reconciler, ConnectionsThatOpenAndCloseDuringTheComparisonAreNoDrift) {
    Planted planted;
    planted.held.push_back({.inode = 102, .number = 2});  // just reset
    planted.kernel.push_back({.inode = 500, .state = TCP_ESTABLISHED, .local = {}, .peer = {}});
    planted.own[500] = 17;  // just accepted
    planted.while_waiting = [&planted] {
        planted.held.clear();
        planted.held.push_back({.inode = 500, .number = 3});
        planted.held.push_back({.inode = 104, .number = 4});  // a further connection
    };
    EXPECT_EQ(planted.reconciler.run().drift(), 0U);
}

TEST(Reconciler, CloseWaitCountsOnceItOutlastsTheGrace) {
    Planted planted;
    planted.connect(1, TCP_CLOSE_WAIT);
    planted.connect(2, TCP_CLOSE_WAIT);
    EXPECT_EQ(planted.reconciler.run().stuck_close_wait, 0U);
    planted.clock.advance(Reconciler::close_wait_grace);
    planted.kernel[1].state = TCP_ESTABLISHED;  // the slot has a new connection
    const Reconciliation result = planted.reconciler.run();
    EXPECT_EQ(result.stuck_close_wait, 1U);
    ASSERT_EQ(result.examples.size(), 1U);
    EXPECT_EQ(result.examples[0].conn.number, 1U);
    planted.kernel[1].state = TCP_CLOSE_WAIT;
    EXPECT_EQ(planted.reconciler.run().stuck_close_wait, 1U) << "the second one's grace begins anew";
}

TEST(Reconciler, APausedConnectionIsNotStuck) {
    Planted planted;
    planted.connect(1, TCP_CLOSE_WAIT);
    planted.held[0].end_is_seen = true;
    EXPECT_EQ(planted.reconciler.run().stuck_close_wait, 0U);
    planted.clock.advance(10 * Reconciler::close_wait_grace);
    EXPECT_EQ(planted.reconciler.run().stuck_close_wait, 0U);
    const KernelSocket socket = planted.kernel[0];
    planted.kernel.clear();  // after RST
    EXPECT_EQ(planted.reconciler.run().drift(), 0U);
    planted.kernel.push_back(socket);
    planted.held[0].end_is_seen = false;  // read again, so it must end soon
    EXPECT_EQ(planted.reconciler.run().stuck_close_wait, 0U) << "its grace begins now";
    planted.clock.advance(Reconciler::close_wait_grace);
    EXPECT_EQ(planted.reconciler.run().stuck_close_wait, 1U);
}

// Duplicates a descriptor by system call. The gateway's threads created it, so ThreadSanitizer would report dup as a
// race.
UniqueFd duplicate(int fd) { return UniqueFd(static_cast<int>(::syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0))); }
void put_in_place_of(int fd, const UniqueFd& other) { ASSERT_EQ(::syscall(SYS_dup3, other.get(), fd, O_CLOEXEC), fd); }

TEST(Reconciler, OfManyEachIsFound) {
    Planted planted;
    for (std::uint64_t number = 1; number <= 1'000; ++number) planted.connect(number * 7'919 % 1'009);
    std::reverse(planted.kernel.begin(), planted.kernel.end());
    planted.kernel.erase(planted.kernel.begin() + 500);
    planted.kernel.push_back(planted.kernel.front());  // the kernel's list is no snapshot, so a socket may appear twice
    const Reconciliation result = planted.reconciler.run();
    EXPECT_EQ(result.registry, 1'000U);
    EXPECT_EQ(result.kernel, 999U);
    EXPECT_EQ(result.ghosts, 1U);
    EXPECT_EQ(result.drift(), 1U);
}

TEST(Reconciler, ATableThatCannotBeReadIsNoAgreement) {
    Planted planted;
    planted.connect(1);
    planted.failure = Error{"no netlink here"};
    EXPECT_EQ(planted.reconciler.run().error, "no netlink here");
}

/// A real gateway whose handler can refuse items, so that a FIN stays unread.
class Gateway {
public:
    Gateway() {
        ServerConfig config;
        config.reactors = 1;
        config.listeners.front().address = "127.0.0.1:0";
        auto started = Server::start(std::move(config), [this](unsigned) { return std::make_unique<Handler>(ready_); });
        EXPECT_TRUE(started) << started.error().message;
        server_ = std::move(started).value();
    }

    [[nodiscard]] UniqueFd connect() const {
        const SocketAddress address = to_socket_address(server_->status().listeners.front().bound);
        UniqueFd device(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        EXPECT_EQ(::connect(device.get(), address.get(), address.length), 0);
        return device;
    }
    void hold(std::size_t connections) const {
        EXPECT_TRUE(comes_true([&] { return server_->status().listeners.front().connections == connections; }));
    }
    /// Returns the gateway's descriptor of the connection of `device`; both ends are in this process.
    [[nodiscard]] int other_end(const UniqueFd& device) const {
        SocketAddress mine;
        ::getsockname(device.get(), mine.get(), &mine.length);
        int found = -1;
        each_own_socket([&](std::uint64_t, int fd) {
            SocketAddress peer;
            if (::getpeername(fd, peer.get(), &peer.length) == 0 && to_endpoint(peer) == to_endpoint(mine)) found = fd;
        });
        return found;
    }
    void take_items(bool yes) { ready_ = yes; }
    Server& server() { return *server_; }

private:
    struct Handler final : EventHandler {
        explicit Handler(const std::atomic<bool>& is_ready) : is_ready_(is_ready) {}
        void on_connected(const ConnectedEvent&) override {}
        void on_item(const ItemEvent&) override {}
        void on_closed(const ClosedEvent&) override {}
        bool ready() override { return is_ready_; }
        const std::atomic<bool>& is_ready_;
    };
    std::atomic<bool> ready_{true};
    std::unique_ptr<Server> server_;
};

TEST(ReconcileServer, AgreesWithLivingConnections) {
    Gateway gateway;
    std::vector<UniqueFd> devices;
    for (int i = 0; i < 50; ++i) devices.push_back(gateway.connect());
    gateway.hold(50);
    const Reconciliation result = gateway.server().reconcile();
    EXPECT_EQ(result.error, "");
    EXPECT_EQ(result.registry, 50U);
    EXPECT_EQ(result.kernel, 50U);
    EXPECT_EQ(result.drift(), 0U);
}

TEST(ReconcileServer, FindsADescriptorWithoutAConnection) {
    Gateway gateway;
    const UniqueFd device = gateway.connect();
    gateway.hold(1);
    const UniqueFd leaked = duplicate(gateway.other_end(device));
    const ConnectionPage page = gateway.server().list({});
    ASSERT_EQ(page.rows.size(), 1U);
    ASSERT_TRUE(gateway.server().close(page.rows.front().conn));
    gateway.hold(0);
    const Reconciliation result = gateway.server().reconcile();
    EXPECT_EQ(result.orphans, 1U);
    ASSERT_EQ(result.examples.size(), 1U);
    EXPECT_EQ(result.examples[0].descriptor, leaked.get());
    EXPECT_EQ(result.examples[0].peer, page.rows.front().peer);
}

TEST(ReconcileServer, FindsAConnectionWithoutASocket) {
    Gateway gateway;
    const UniqueFd device = gateway.connect();
    gateway.hold(1);
    const int fd = gateway.other_end(device);
    const UniqueFd kept = duplicate(fd);  // keeps the connection open for the peer
    const UniqueFd other(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    put_in_place_of(fd, other);
    const Reconciliation result = gateway.server().reconcile();
    EXPECT_EQ(result.ghosts, 1U);
    EXPECT_EQ(result.orphans, 1U) << "the socket itself is one now";
    ASSERT_EQ(result.examples.size(), 2U);
    EXPECT_EQ(result.examples[0].kind, Discrepancy::Kind::ghost);
    EXPECT_EQ(result.examples[0].listener, "devices");
    EXPECT_EQ(result.examples[0].conn, gateway.server().list({}).rows.at(0).conn);
    EXPECT_EQ(result.examples[0].peer, result.examples[1].peer);
    put_in_place_of(fd, kept);
}

TEST(ReconcileServer, SeesAFinThatIsNotRead) {
    Gateway gateway;
    UniqueFd device = gateway.connect();
    gateway.hold(1);
    gateway.take_items(false);
    device.reset();
    // This test shows that CLOSE_WAIT is visible in the kernel's table; the tests above cover the Reconciler's grace.
    const std::uint16_t port = gateway.server().status().listeners.front().bound.port;
    const auto in_close_wait = [port] {
        int found = 0;
        EXPECT_FALSE(each_kernel_socket(std::array{port}, [&found](const KernelSocket& socket) {
            if (socket.state == TCP_CLOSE_WAIT) ++found;
        }));
        return found;
    };
    EXPECT_TRUE(comes_true([&] { return in_close_wait() == 1; }));
    EXPECT_EQ(gateway.server().reconcile().registry, 1U);
    gateway.take_items(true);
    gateway.hold(0);
    EXPECT_EQ(in_close_wait(), 0);
}

}  // namespace

}  // namespace holdfast
