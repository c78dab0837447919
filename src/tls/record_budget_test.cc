#include "tls/record_budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/tls_pair.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

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
    EXPECT_EQ(budget.refusal(), "more than 32 KeyUpdates arrived without application data between them");
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
    EXPECT_EQ(many_records.refusal(), "the TLS handshake took more than 512 records");
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

// Sessions against an OpenSSL client that behaves as no device does.

class BudgetedSession : public TlsSessionTest {};

/// Makes the client's OpenSSL send `times` key updates.
void update_keys(SSL* ssl, int times) {
    for (int i = 0; i < times; ++i) {
        ASSERT_EQ(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        ASSERT_EQ(SSL_do_handshake(ssl), 1);
    }
}

TEST_F(BudgetedSession, KeyUpdatesWithoutDataEndIt) {
    ASSERT_EQ(meet().step, TlsStep::done);
    std::array<char, 64> into{};
    update_keys(client_.get(), 32);
    TlsOutcome outcome;
    for (int turn = 0; turn < 4; ++turn) {
        session_->begin_turn();
        outcome = session_->read(into);
        EXPECT_EQ(outcome.step, TlsStep::want_read);
    }
    EXPECT_FALSE(outcome.ran_out);
    update_keys(client_.get(), 1);
    session_->begin_turn();
    outcome = session_->read(into);
    EXPECT_EQ(outcome.step, TlsStep::failed);
    EXPECT_THAT(outcome.detail, HasSubstr("more than 32 KeyUpdates"));
    EXPECT_EQ(session_->read(into).step, TlsStep::failed) << "once more";
}

TEST_F(BudgetedSession, KeyUpdatesWithDataBetweenAreTaken) {
    ASSERT_EQ(meet().step, TlsStep::done);
    std::array<char, 64> into{};
    for (int round = 0; round < 10; ++round) {
        update_keys(client_.get(), 10);
        ASSERT_EQ(SSL_write(client_.get(), "x", 1), 1);
        session_->begin_turn();
        TlsOutcome outcome = session_->read(into);
        ASSERT_EQ(outcome.step, TlsStep::done) << outcome.detail;
        session_->begin_turn();
        outcome = session_->read(into);
        ASSERT_EQ(outcome.step, TlsStep::want_read) << outcome.detail;
    }
}

TEST_F(BudgetedSession, ATurnReadsSoManyRecordsAndTheNextContinues) {
    ASSERT_EQ(meet().step, TlsStep::done);
    const int records = static_cast<int>(RecordBudget::records_per_turn) + 10;
    for (int i = 0; i < records; ++i) ASSERT_EQ(SSL_write(client_.get(), "x", 1), 1);
    std::array<char, 64> into{};
    int read = 0;
    session_->begin_turn();
    TlsOutcome outcome;
    while ((outcome = session_->read(into)).step == TlsStep::done) ++read;
    EXPECT_EQ(outcome.step, TlsStep::want_read);
    EXPECT_TRUE(outcome.ran_out);
    EXPECT_EQ(read, static_cast<int>(RecordBudget::records_per_turn) - 1) << "of the last, only the header";
    session_->begin_turn();
    while ((outcome = session_->read(into)).step == TlsStep::done) ++read;
    EXPECT_FALSE(outcome.ran_out);
    EXPECT_EQ(read, records);
}

TEST_F(BudgetedSession, AClientHelloInManyTinyRecordsIsRefusedAfterSoMany) {
    connect();
    std::string bytes("\x16\x03\x01\x00\x01\x01", 6);  // a ClientHello
    for (const char* byte : {"\x01", "\xff", "\xff"})
        bytes += std::string("\x16\x03\x01\x00\x01", 5) + byte;  // of 128 KiB
    for (int i = 0; i < 1'000; ++i) bytes += std::string("\x16\x03\x01\x00\x01\x00", 6);
    ASSERT_EQ(::send(there_.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    TlsOutcome outcome;
    int turns = 0;
    do {
        session_->begin_turn();
        outcome = session_->handshake();
        ++turns;
    } while (outcome.step == TlsStep::want_read && outcome.ran_out);
    EXPECT_EQ(outcome.step, TlsStep::failed);
    EXPECT_THAT(outcome.detail, HasSubstr("more than 512 records"));
    EXPECT_GE(turns, 16) << "a turn takes 32 at most";
}

TEST_F(BudgetedSession, AClientHelloWithoutAnEndIsRefused) {
    connect();
    const std::string first = std::string("\x16\x03\x01\x40\x00\x01\x01\xff\xff", 9) + std::string(16'380, '\0');
    const std::string more = std::string("\x16\x03\x01\x40\x00", 5) + std::string(16'384, '\0');
    std::string bytes = first;
    for (int i = 0; i < 7; ++i) bytes += more;
    ASSERT_EQ(::send(there_.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    TlsOutcome outcome;
    do {
        session_->begin_turn();
        outcome = session_->handshake();
    } while (outcome.step == TlsStep::want_read && outcome.ran_out);
    EXPECT_EQ(outcome.step, TlsStep::failed);
    EXPECT_THAT(outcome.detail, HasSubstr("longer than 48 KiB"));
}

}  // namespace
}  // namespace holdfast
