#include "daemon/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "testing/temporary_directory.h"

namespace holdfast {
namespace {

/// The manager's socket: a datagram socket with a name.
class ManagerSocket {
public:
    explicit ManagerSocket(const std::string& name) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, name.data(), name.size());
        if (name.front() == '@') address.sun_path[0] = '\0';
        const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
        EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), size), 0) << std::strerror(errno);
    }
    std::string next() {
        std::array<char, 512> bytes{};
        const ssize_t size = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
        return size < 0 ? "nothing" : std::string(bytes.data(), static_cast<std::size_t>(size));
    }

private:
    UniqueFd fd_;
};

class NotifyTest : public testing::Test {
protected:
    const TemporaryDirectory directory_;
};

TEST_F(NotifyTest, SaysWhatSystemdReads) {
    const std::string path = directory_.in("notify");
    ManagerSocket manager(path);
    const auto notifier = Notifier::to(path);
    ASSERT_TRUE(notifier) << notifier.error().message;
    EXPECT_TRUE(notifier.value().enabled());
    EXPECT_TRUE(notifier.value().ready("9 connections"));
    EXPECT_EQ(manager.next(), "READY=1\nSTATUS=9 connections");
    EXPECT_TRUE(notifier.value().reloading(SteadyTime(std::chrono::microseconds(1'234'567))));
    EXPECT_EQ(manager.next(), "RELOADING=1\nMONOTONIC_USEC=1234567");
    EXPECT_TRUE(notifier.value().alive());
    EXPECT_EQ(manager.next(), "WATCHDOG=1");
    EXPECT_TRUE(notifier.value().stopping(std::chrono::seconds(15), "stopping"));
    EXPECT_EQ(manager.next(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=15000000\nSTATUS=stopping");
    EXPECT_TRUE(notifier.value().status("a\nREADY=1"));
    EXPECT_EQ(manager.next(), "STATUS=a READY=1") << "a value ends at its line's end";
}

TEST_F(NotifyTest, TakesAnAbstractName) {
    const std::string name = "@holdfast-notify-test-" + std::to_string(::getpid());
    ManagerSocket manager(name);
    const auto notifier = Notifier::to(name);
    ASSERT_TRUE(notifier) << notifier.error().message;
    EXPECT_TRUE(notifier.value().alive());
    EXPECT_EQ(manager.next(), "WATCHDOG=1");
}

TEST_F(NotifyTest, AManagerThatDoesNotReadBlocksNothing) {
    const std::string path = directory_.in("notify");
    ManagerSocket manager(path);
    const auto notifier = Notifier::to(path);
    ASSERT_TRUE(notifier) << notifier.error().message;
    int sent = 0;
    while (sent < 100'000 && notifier.value().alive()) ++sent;
    EXPECT_GT(sent, 0);
    EXPECT_LT(sent, 100'000) << "its queue never filled: this test shows nothing";
    EXPECT_EQ(manager.next(), "WATCHDOG=1");
    EXPECT_TRUE(notifier.value().alive()) << "there is room again";
}

TEST_F(NotifyTest, WithoutASocketNothingIsSentAndABadOneIsANamedError) {
    const auto nobody = Notifier::to("");
    ASSERT_TRUE(nobody);
    EXPECT_FALSE(nobody.value().enabled());
    EXPECT_TRUE(nobody.value().ready("x"));
    for (const std::string& bad : {std::string("vsock:2:1234"), "/" + std::string(200, 'x'),
                                   directory_.in("nobody-listens"), std::string("relative")}) {
        const auto notifier = Notifier::to(bad);
        ASSERT_FALSE(notifier) << bad;
        EXPECT_TRUE(notifier.error().message.starts_with("NOTIFY_SOCKET \"" + bad + "\": "))
            << notifier.error().message;
    }
}

TEST(WatchdogTimeout, IsForThisProcessOnlyAndANumber) {
    using std::chrono::seconds;
    const std::string self = std::to_string(::getpid());
    EXPECT_EQ(watchdog_timeout("30000000", nullptr), seconds(30));
    EXPECT_EQ(watchdog_timeout("30000000", self.c_str()), seconds(30));
    EXPECT_EQ(watchdog_timeout("30000000", "1"), std::nullopt);
    EXPECT_EQ(watchdog_timeout("30000000", "x"), std::nullopt);
    EXPECT_EQ(watchdog_timeout(nullptr, nullptr), std::nullopt);
    for (const char* bad : {"", "0", "-1", "30s", "99999999999999999999999"})
        EXPECT_EQ(watchdog_timeout(bad, nullptr), std::nullopt) << bad;
}

}  // namespace
}  // namespace holdfast
