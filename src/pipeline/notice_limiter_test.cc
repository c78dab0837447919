#include "pipeline/notice_limiter.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(NoticeLimiter, ReportsOnceForAnyNumberOfReactors) {
    std::vector<Notice::Kind> told;
    NoticeLimiter gate([&](const Notice& notice) { told.push_back(notice.kind); });
    const Notice paused{.kind = Notice::Kind::accept_paused, .listener = "a", .message = {}};
    const Notice resumed{.kind = Notice::Kind::accept_resumed, .listener = "a", .message = {}};
    gate.pass(0, paused);
    gate.pass(0, paused);
    gate.pass(0, resumed);
    EXPECT_EQ(told, (std::vector{Notice::Kind::accept_paused}));
    gate.pass(1, paused);
    gate.pass(0, resumed);
    EXPECT_EQ(told,
              (std::vector{Notice::Kind::accept_paused, Notice::Kind::accept_paused, Notice::Kind::accept_resumed}));
}

}  // namespace
}  // namespace holdfast
