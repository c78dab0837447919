#include "daemon/inherited_sockets.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/unique_fd.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

const InheritedSockets::Environment three_names{
    .pid = 42, .listen_pid = "42", .listen_fds = "3", .listen_fdnames = "devices:admin:admin"};

TEST(InheritedSocketsTest, ANumberIsOneThatWasOpenAtTheStart) {
    const InheritedSockets sockets({3, 7}, {});
    EXPECT_EQ(sockets.find("fd:3").value(), 3);
    EXPECT_EQ(sockets.find("fd:7").value(), 7);
    const auto missing = sockets.find("fd:4");
    ASSERT_FALSE(missing);
    EXPECT_THAT(missing.error().message, HasSubstr("descriptor 4 was not open when the gateway was started; "));
    EXPECT_EQ(missing.error().field, "address");
}

TEST(InheritedSocketsTest, ANameIsSystemds) {
    const InheritedSockets sockets({3, 4, 5}, three_names);
    EXPECT_EQ(sockets.find("fd:devices").value(), 3);
    EXPECT_THAT(sockets.find("fd:admin").error().message, HasSubstr("several inherited descriptors are named"));
    EXPECT_THAT(sockets.find("fd:meters").error().message, HasSubstr("named \"meters\" but \"devices\", \"admin\""));
}

TEST(InheritedSocketsTest, NamesForAnotherProcessCountForNothing) {
    for (const char* pid : {static_cast<const char*>(nullptr), "", "41", "42x", "99999999999999999999"}) {
        InheritedSockets::Environment environment = three_names;
        environment.listen_pid = pid;
        EXPECT_FALSE(InheritedSockets({3, 4, 5}, environment).find("fd:devices"));
    }
}

TEST(InheritedSocketsTest, HostileNamesAreBounded) {
    for (const char* count : {"", "-1", "x", "1000000000", "99999999999999999999", "1"}) {
        InheritedSockets::Environment environment = three_names;
        environment.listen_fds = count;
        EXPECT_FALSE(InheritedSockets({3}, environment).find("fd:nobody")) << count;
    }
    InheritedSockets::Environment unnamed = three_names;
    unnamed.listen_fdnames = nullptr;
    EXPECT_FALSE(InheritedSockets({3}, unnamed).find("fd:devices"));
}

TEST(InheritedSocketsTest, OnlyWhatIsOpenIsFound) {
    const UniqueFd open(::open("/dev/null", O_RDONLY));
    const InheritedSockets sockets = InheritedSockets::of_process();
    EXPECT_EQ(sockets.find("fd:" + std::to_string(open.get())).value(), open.get());
    const UniqueFd later(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    EXPECT_FALSE(sockets.find("fd:" + std::to_string(later.get())));
    ServerConfig config;
    config.listeners[0].address = "fd:" + std::to_string(open.get());
    EXPECT_FALSE(sockets.resolve(config));
    EXPECT_EQ(config.listeners[0].descriptor, open.get());
    EXPECT_NE(::fcntl(open.get(), F_GETFD) & FD_CLOEXEC, 0);
    config.listeners[0].address = "fd:nobody";
    EXPECT_THAT(sockets.resolve(config)->message, HasSubstr("listener \"devices\": no inherited descriptor"));
}

}  // namespace
}  // namespace holdfast
