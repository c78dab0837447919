#include "load/run_load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/unique_fd.h"
#include "tcp/sockaddr.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

/// A listener on loopback that accepts `connections`, one after another, and reads each to its end.
class Gatherer {
public:
    explicit Gatherer(unsigned connections) : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
        SocketAddress any = to_socket_address(parse_endpoint("127.0.0.1:0").value());
        EXPECT_EQ(::bind(listener_.get(), any.get(), any.length), 0);
        EXPECT_EQ(::listen(listener_.get(), 64), 0);
        any.length = sizeof any.storage;
        EXPECT_EQ(::getsockname(listener_.get(), any.get(), &any.length), 0);
        address = to_endpoint(any);
        thread_ = std::thread([this, connections] { gather(connections); });
    }
    void join() { thread_.join(); }

    Endpoint address;
    std::vector<std::string> streams;
    std::vector<Endpoint> peers;
    unsigned resets = 0;

private:
    void gather(unsigned connections) {
        std::vector<UniqueFd> accepted;
        for (unsigned i = 0; i < connections; ++i) {
            SocketAddress peer;
            accepted.emplace_back(::accept(listener_.get(), peer.get(), &peer.length));
            peers.push_back(to_endpoint(peer));
        }
        for (const UniqueFd& fd : accepted) {
            std::string stream;
            char bytes[4096];
            ssize_t got = 0;
            while ((got = ::recv(fd.get(), bytes, sizeof bytes, 0)) > 0)
                stream.append(bytes, static_cast<std::size_t>(got));
            if (got < 0) ++resets;
            streams.push_back(stream);
        }
    }

    UniqueFd listener_;
    std::thread thread_;
};

TEST(RunLoad, EveryItemOfEveryDeviceArrivesWholeFromItsOwnAddress) {
    Gatherer gatherer(20);
    LoadOptions options;
    options.to = gatherer.address;
    options.connections = 20;
    options.threads = 3;
    options.items = 7;
    options.batch = 3;
    options.source = SourceRange::parse("127.9.0.1-127.9.0.20").value();
    const auto report = run_load(options, {});
    gatherer.join();
    ASSERT_TRUE(report.ok());
    EXPECT_TRUE(report.value().complete);
    EXPECT_EQ(report.value().counts.items, 140U);
    std::vector<std::string> addresses;
    for (const Endpoint& peer : gatherer.peers) addresses.push_back(to_string(peer.address));
    std::sort(addresses.begin(), addresses.end());
    EXPECT_EQ(std::unique(addresses.begin(), addresses.end()), addresses.end());
    const ItemMaker maker(options.style);
    std::vector<std::string> expected(20);
    for (std::uint64_t device = 0; device < 20; ++device) {
        for (std::uint64_t seq = 1; seq <= 7; ++seq) maker.append(expected[device], device, seq);
    }
    std::sort(expected.begin(), expected.end());
    std::sort(gatherer.streams.begin(), gatherer.streams.end());
    EXPECT_EQ(gatherer.streams, expected);
}

TEST(RunLoad, FaultsArriveAsWhatTheyAre) {
    Gatherer gatherer(6);
    LoadOptions options;
    options.to = gatherer.address;
    options.connections = 6;
    options.duration = 300ms;
    options.fault_within = 100ms;
    options.faults[static_cast<std::size_t>(Fault::reset)] = 0.5;
    options.faults[static_cast<std::size_t>(Fault::half_item)] = 0.5;
    options.seed = 3;
    const auto report = run_load(options, {});
    gatherer.join();
    ASSERT_TRUE(report.ok());
    const auto& struck = report.value().counts.struck;
    EXPECT_EQ(struck[static_cast<std::size_t>(Fault::reset)] + struck[static_cast<std::size_t>(Fault::half_item)], 6U);
    EXPECT_EQ(gatherer.resets, struck[static_cast<std::size_t>(Fault::reset)]);
    unsigned cut = 0;
    for (const std::string& stream : gatherer.streams) cut += !stream.empty() && stream.back() != '\n';
    EXPECT_EQ(cut, struck[static_cast<std::size_t>(Fault::half_item)]);
}

TEST(RunLoad, WithoutAGatewayItEndsAtOnceWithAnError) {
    Endpoint nobody;
    {
        Gatherer port_holder(0);
        port_holder.join();
        nobody = port_holder.address;
    }
    LoadOptions options;
    options.to = nobody;
    options.connections = 5;
    const auto report = run_load(options, {});
    ASSERT_TRUE(report.ok());
    EXPECT_FALSE(report.value().complete);
    EXPECT_EQ(report.value().counts.never_connected, 5U);
    EXPECT_EQ(report.value().counts.failed.at(ECONNREFUSED), 5U);
    EXPECT_LT(report.value().elapsed, 10s);
}

TEST(RunLoad, MoreThanTheDescriptorsAllowIsRefused) {
    LoadOptions options;
    options.connections = 2'000'000'000;
    EXPECT_FALSE(run_load(options, {}).ok());
}

}  // namespace
}  // namespace holdfast
