#include "tcp/accept_outcome.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(AcceptOutcome, Table) {
    EXPECT_EQ(classify_accept(EAGAIN), AcceptOutcome::drained);
    for (const int error : {EINTR, ECONNABORTED, EPERM, EPROTO, EHOSTUNREACH, ECONNRESET}) {
        EXPECT_EQ(classify_accept(error), AcceptOutcome::try_again) << error;
    }
    for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM})
        EXPECT_EQ(classify_accept(error), AcceptOutcome::pause) << error;
    for (const int error : {EBADF, EINVAL, ENOTSOCK, EFAULT})
        EXPECT_EQ(classify_accept(error), AcceptOutcome::defect) << error;
}

}  // namespace
}  // namespace holdfast
