#include "cli/demo_gateway.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(DemoGateway, TheUrlIsReadFromAWholeLine) {
    EXPECT_EQ(url_in_log(""), "");
    EXPECT_EQ(url_in_log("[info] admin address=127.0.0.1:4711\n"), "");
    EXPECT_EQ(url_in_log("[info] dashboard url=http://127.0.0.1:47"), "");  // not written to its end yet
    EXPECT_EQ(url_in_log("[info] a\n[info] dashboard url=http://127.0.0.1:4711/\n[info] b\n"),
              "http://127.0.0.1:4711/");
    EXPECT_EQ(url_in_log("url=http://127.0.0.1:4711/ more=1\n"), "http://127.0.0.1:4711/");
}

TEST(DemoGateway, TheLastLineOfTheLogIsTheReason) {
    EXPECT_EQ(last_line_of(""), "");
    EXPECT_EQ(last_line_of("\n\n"), "");
    EXPECT_EQ(last_line_of("only"), "only");
    EXPECT_EQ(last_line_of("first\nholdfast: cannot listen: no loopback\n"), "cannot listen: no loopback");
}

/// Starts a child that writes a URL to its log, waits for a signal, and exits with `code`.
DemoGateway start_child(int code) {
    UniqueFd log(::memfd_create("demo-gateway-test", MFD_CLOEXEC));
    sigset_t stop, before;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &stop, &before);
    const pid_t child = ::fork();
    if (child == 0) {
        constexpr std::string_view line = "url=http://127.0.0.1:1/\nholdfast: the end\n";
        const bool written = ::write(log.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size());
        int signal = 0;
        ::sigwait(&stop, &signal);
        ::_exit(written ? code : 99);
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return {child, std::move(log)};
}

TEST(DemoGateway, StopCollectsTheProcessAndReportsItsExitCode) {
    DemoGateway good = start_child(0);
    EXPECT_FALSE(good.ended());
    EXPECT_TRUE(good.stop());
    EXPECT_TRUE(good.ended());
    EXPECT_EQ(good.url(), "http://127.0.0.1:1/");
    EXPECT_EQ(good.last_line(), "the end");
    EXPECT_TRUE(good.stop());  // without an effect
    DemoGateway bad = start_child(3);
    EXPECT_FALSE(bad.stop());
}

}  // namespace
}  // namespace holdfast
