#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/gateway.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

ServerConfig forked_config() {
    ServerConfig config;
    config.reactors = 2;
    config.listeners[0].address = "127.0.0.1:0";
    return config;
}

/// Returns the open descriptors of this process and their targets, without the one that reads them.
std::set<std::string> sockets_and_events() {
    std::set<std::string> found;
    DIR* const directory = ::opendir("/proc/self/fd");
    while (const dirent* const entry = ::readdir(directory)) {
        std::array<char, 256> target{};
        const std::string path = std::string("/proc/self/fd/") + entry->d_name;
        if (::readlink(path.c_str(), target.data(), target.size() - 1) <= 0) continue;
        const std::string text = target.data();
        if (text.starts_with("socket:") || text.starts_with("anon_inode:")) found.insert(path + " " + text);
    }
    ::closedir(directory);
    return found;
}

/// Runs `work` in a child of fork(2), and returns its exit status; 128 and the signal if one ended it.
template <typename Work>
int in_child(Work work) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(work());
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Ends a child of fork(2) after its static objects are destroyed, and before LeakSanitizer counts what other threads
/// held.
struct LastOfChild {
    ~LastOfChild() {
        if (::getpid() != process) ::_exit(0);
    }
    const pid_t process = ::getpid();
} last_of_child;

class ForkTest : public testing::Test {
protected:
    void SetUp() override {
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
        GTEST_SKIP() << "ThreadSanitizer allows no threads in a child";
#endif
#endif
        before_ = sockets_and_events();
        gateway_ = std::make_unique<TestGateway>(forked_config());
        device_ = std::make_unique<TestDevice>(gateway_->bound("devices"));
        gateway_->send_and_see(*device_, "one");
    }

    std::set<std::string> before_;
    std::unique_ptr<TestGateway> gateway_;
    std::unique_ptr<TestDevice> device_;
};

TEST_F(ForkTest, AChildHasNoDescriptorOfTheServer) {
    const std::string own = to_string(device_->local());
    const int left = in_child([&] {
        int others = 0;
        for (const std::string& each : sockets_and_events()) others += !before_.contains(each);
        return others;
    });
    EXPECT_EQ(left, 1) << "the device's end is the test's own";
    gateway_->send_and_see(*device_, "two");
}

TEST_F(ForkTest, AConnectionThatEndsIsNotKeptByAChild) {
    std::array<int, 2> line{};
    ASSERT_EQ(::pipe2(line.data(), O_CLOEXEC), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        ::close(line[1]);
        char byte = 0;
        static_cast<void>(!::read(line[0], &byte, 1));  // lives until the parent has seen the end
        ::_exit(0);
    }
    ::close(line[0]);
    gateway_->server().close_all({});
    EXPECT_TRUE(device_->ended());
    ServerConfig moved = forked_config();
    moved.listeners[0].name = "other";
    const Endpoint old = gateway_->bound("devices");
    static_cast<void>(gateway_->apply(moved));
    EXPECT_FALSE(TestDevice::can_connect(old)) << "the child keeps the listener";
    ::close(line[1]);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
}

TEST_F(ForkTest, AnExecutedProgramHasNoDescriptorOfTheServer) {
    std::array<int, 2> line{};
    ASSERT_EQ(::pipe(line.data()), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        ::dup2(line[1], STDOUT_FILENO);
        ::execl("/bin/ls", "ls", "-l", "/proc/self/fd", nullptr);
        ::_exit(127);
    }
    ::close(line[1]);
    std::string listed;
    std::array<char, 4'096> part{};
    for (ssize_t got = 0; (got = ::read(line[0], part.data(), part.size())) > 0;)
        listed.append(part.data(), static_cast<std::size_t>(got));
    ::close(line[0]);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 0);
    EXPECT_THAT(listed, testing::HasSubstr("pipe:"));
    EXPECT_THAT(listed, testing::Not(testing::HasSubstr("anon_inode:")));
    EXPECT_THAT(listed, testing::Not(testing::HasSubstr("socket:"))) << "the test itself was started with none";
}

TEST_F(ForkTest, TheServerOfTheParentIsAMistakeInAChildAndItsDestructorReturns) {
    const int failed = in_child([&] {
        Server& server = gateway_->server();
        int mistakes = 0;
        const auto is_misuse = [&mistakes](auto call) {
            try {
                call();
            } catch (const Misuse&) {
                ++mistakes;
            }
        };
        is_misuse([&] { static_cast<void>(server.status()); });
        is_misuse([&] { static_cast<void>(server.list({})); });
        is_misuse([&] { static_cast<void>(server.post({}, [](ReactorContext&) {})); });
        is_misuse([&] { static_cast<void>(server.apply(forked_config())); });
        is_misuse([&] { server.stop_now(); });
        is_misuse([&] { server.wait(); });
        gateway_.reset();
        return mistakes;
    });
    EXPECT_EQ(failed, 6);
    gateway_->send_and_see(*device_, "two");
    EXPECT_EQ(gateway_->status("devices").connections, 1U);
}

TEST_F(ForkTest, AChildMayStartAServerOfItsOwn) {
    const int result = in_child([] {
        TestGateway own(forked_config());
        TestDevice device(own.bound("devices"));
        own.send_and_see(device, "mine");
        return own.status("devices").items == 1 ? 0 : 1;
    });
    EXPECT_EQ(result, 0);
    gateway_->send_and_see(*device_, "two");
}

TEST_F(ForkTest, AChildThatExitsRunsNoDestructorOnTheParentsReactors) {
    static std::unique_ptr<TestGateway> global;
    global = std::make_unique<TestGateway>(forked_config());
    TestDevice device(global->bound("devices"));
    global->send_and_see(device, "one");
    const pid_t child = ::fork();
    if (child == 0) std::exit(0);  // destroys `global`
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    global->send_and_see(device, "two");
    global.reset();
}

}  // namespace
}  // namespace holdfast
