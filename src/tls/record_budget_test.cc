#include "tls/record_budget.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

RecordBudget open_budget() {
    RecordBudget budget;
    budget.count_client_hello();
    budget.end_handshake();
    budget.begin_turn();
    return budget;
}

TEST(RecordBudget, ATurnHasSoManyBytesAndTheNextOneHasThemAgain) {
    RecordBudget budget = open_budget();
    EXPECT_EQ(budget.allow(RecordBudget::bytes_per_turn + 1), RecordBudget::bytes_per_turn);
    budget.count_bytes(RecordBudget::bytes_per_turn - 1);
    EXPECT_EQ(budget.allow(100), 1U);
    EXPECT_FALSE(budget.ran_out());
    budget.count_bytes(1);
    EXPECT_EQ(budget.allow(100), 0U);
    EXPECT_TRUE(budget.ran_out());
    EXPECT_FALSE(budget.is_refused());
    budget.begin_turn();
    EXPECT_FALSE(budget.ran_out());
    EXPECT_EQ(budget.allow(100), 100U);
}

TEST(RecordBudget, ATurnHasSoManyRecords) {
    RecordBudget budget = open_budget();
    for (unsigned i = 0; i < RecordBudget::records_per_turn; ++i) {
        EXPECT_EQ(budget.allow(5), 5U) << i;
        budget.count_record();
        budget.count_data();
    }
    EXPECT_EQ(budget.allow(5), 0U);
    EXPECT_TRUE(budget.ran_out());
}

TEST(RecordBudget, AKeyUpdateCostsSeveralRecords) {
    RecordBudget budget = open_budget();
    unsigned updates = 0;
    for (; budget.allow(5) > 0; ++updates) {
        budget.count_record();
        budget.count_key_update();
        budget.count_data();
    }
    EXPECT_EQ(updates, RecordBudget::records_per_turn / RecordBudget::records_per_key_update);
}

TEST(RecordBudget, KeyUpdatesWithoutDataEndIt) {
    RecordBudget budget = open_budget();
    for (unsigned i = 0; i < RecordBudget::key_updates_without_data; ++i) budget.count_key_update();
    EXPECT_FALSE(budget.is_refused());
    budget.count_data();
    for (unsigned i = 0; i < RecordBudget::key_updates_without_data; ++i) budget.count_key_update();
    EXPECT_FALSE(budget.is_refused()) << "data came between";
    budget.count_key_update();
    EXPECT_TRUE(budget.is_refused());
    EXPECT_EQ(budget.refusal(), "more than 32 KeyUpdates came without application data between them");
    budget.begin_turn();
    EXPECT_EQ(budget.allow(5), 0U);
    EXPECT_FALSE(budget.ran_out()) << "no later turn helps";
}

TEST(RecordBudget, RecordsWithoutDataEndIt) {
    RecordBudget budget = open_budget();
    for (unsigned i = 0; i < RecordBudget::records_without_data; ++i) budget.count_record();
    EXPECT_FALSE(budget.is_refused());
    budget.count_record();
    EXPECT_TRUE(budget.is_refused());
}

TEST(RecordBudget, AHandshakeHasItsOwnLimits) {
    RecordBudget long_hello;
    long_hello.count_bytes(RecordBudget::client_hello_bytes);
    EXPECT_FALSE(long_hello.is_refused());
    long_hello.count_bytes(1);
    EXPECT_EQ(long_hello.refusal(), "the ClientHello is longer than 48 KiB");

    RecordBudget long_handshake;
    long_handshake.count_client_hello();
    long_handshake.count_bytes(RecordBudget::handshake_bytes);
    EXPECT_FALSE(long_handshake.is_refused());
    long_handshake.count_bytes(1);
    EXPECT_EQ(long_handshake.refusal(), "the TLS handshake is longer than 96 KiB");

    RecordBudget many_records;
    for (unsigned i = 0; i < RecordBudget::handshake_records; ++i) many_records.count_record();
    EXPECT_FALSE(many_records.is_refused());
    many_records.count_record();
    EXPECT_EQ(many_records.refusal(), "the TLS handshake came in more than 512 records");
}

TEST(RecordBudget, TheHandshakesRecordsDoNotCountAfterIt) {
    RecordBudget budget;
    for (unsigned i = 0; i < RecordBudget::handshake_records; ++i) budget.count_record();
    budget.end_handshake();
    budget.count_record();
    EXPECT_FALSE(budget.is_refused());
}

TEST(RecordBudget, LiftedItLimitsNothing) {
    RecordBudget budget;
    budget.lift();
    budget.count_bytes(1 << 30);
    for (int i = 0; i < 10'000; ++i) budget.count_record();
    EXPECT_EQ(budget.allow(77), 77U);
    EXPECT_FALSE(budget.is_refused());
    EXPECT_EQ(budget.refusal(), "");
}

}  // namespace
}  // namespace holdfast
