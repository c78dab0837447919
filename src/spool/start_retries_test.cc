#include "spool/start_retries.h"

#include <sqlite3.h>

#include <cerrno>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using std::chrono::milliseconds;

/// Counts the attempts of an operation that always fails, and the pauses between them.
class StartRetriesTest : public testing::Test {
protected:
    void fail_with(DbError error) {
        StartRetries retries("spool", milliseconds(100),
                             {.trouble = {}, .recovered = {}, .pause = [this](milliseconds time) {
                                  pauses_.push_back(time);
                                  return pauses_.size() < max_pauses_;
                              }});
        const auto failed = retries.run([&] {
            ++tries_;
            return std::optional(error);
        });
        ASSERT_TRUE(failed);
        EXPECT_EQ(failed->message, error.message);
    }

    std::size_t max_pauses_ = 10;
    int tries_ = 0;
    std::vector<milliseconds> pauses_;
};

TEST_F(StartRetriesTest, RepeatsAReadErrorUntilThePatienceIsSpent) {
    fail_with({DbFault::io, SQLITE_IOERR_READ, "cannot read", EIO});
    EXPECT_EQ(pauses_, (std::vector{milliseconds(20), milliseconds(40), milliseconds(40)}));
    EXPECT_EQ(tries_, 4);
}

TEST_F(StartRetriesTest, DoesNotRepeatErrorsThatDoNotPassByThemselves) {
    const std::vector<DbError> errors{
        {DbFault::gone, SQLITE_CANTOPEN, "owner", EACCES}, {DbFault::io, SQLITE_CANTOPEN, "owner", EPERM},
        {DbFault::io, SQLITE_IOERR, "read-only", EROFS},   {DbFault::gone, SQLITE_READONLY_DIRECTORY, "read-only"},
        {DbFault::gone, SQLITE_PERM, "permission"},        {DbFault::damaged, SQLITE_CORRUPT, "damaged"},
        {DbFault::full, SQLITE_FULL, "no space", ENOSPC},
    };
    for (const DbError& error : errors) {
        tries_ = 0;
        fail_with(error);
        EXPECT_EQ(tries_, 1) << error.message;
    }
    EXPECT_TRUE(pauses_.empty());
}

TEST_F(StartRetriesTest, EndsWithThePauseThatASignalEnds) {
    max_pauses_ = 2;
    fail_with({DbFault::io, SQLITE_IOERR_READ, "cannot read", EIO});
    EXPECT_EQ(pauses_.size(), 2U);
    EXPECT_EQ(tries_, 2);
}

TEST(RepeatedReads, DamageCountsOnlyInARow) {
    RepeatedReads reads;
    EXPECT_TRUE(reads.after_damage() && reads.after_damage() && reads.after_damage());
    EXPECT_TRUE(reads.is_last_before_damage());
    EXPECT_TRUE(reads.after_failure());
    EXPECT_FALSE(reads.is_last_before_damage());
    EXPECT_TRUE(reads.after_damage() && reads.after_damage() && reads.after_damage());
    EXPECT_FALSE(reads.after_damage());
}

TEST(RepeatedReads, FailuresCountInAll) {
    RepeatedReads reads;
    EXPECT_TRUE(reads.after_failure() && reads.after_damage() && reads.after_failure() && reads.after_failure());
    EXPECT_TRUE(reads.is_last_before_failure());
    EXPECT_TRUE(reads.after_damage());
    EXPECT_FALSE(reads.after_failure());
}

}  // namespace
}  // namespace holdfast
