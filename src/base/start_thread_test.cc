#include "base/start_thread.h"

#include <pthread.h>

#include <array>
#include <future>
#include <string>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

bool blocks_termination() {
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, nullptr, &now);
    return sigismember(&now, SIGTERM) == 1;
}

TEST(StartThread, TakesNoSignalsAndLeavesTheStarterAsItWas) {
    ASSERT_FALSE(blocks_termination());
    bool blocked = false;
    std::promise<void> may_end;
    std::thread started = start_thread("a name that is too long", [&blocked, end = may_end.get_future().share()] {
        blocked = blocks_termination();
        end.wait();
    });
    std::array<char, 32> name{};
    EXPECT_EQ(pthread_getname_np(started.native_handle(), name.data(), name.size()), 0);
    may_end.set_value();
    started.join();
    EXPECT_TRUE(blocked);
    EXPECT_FALSE(blocks_termination());
    EXPECT_EQ(std::string(name.data()), "a name that is ");
}

}  // namespace
}  // namespace holdfast
