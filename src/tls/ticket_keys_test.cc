#include "tls/ticket_keys.h"

#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/manual_clock.h"

namespace holdfast {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using Verdict = TicketKeys::Verdict;

struct Engines {
    std::unique_ptr<EVP_CIPHER_CTX, FreeBy<EVP_CIPHER_CTX_free>> cipher{EVP_CIPHER_CTX_new()};
    std::unique_ptr<EVP_MAC, FreeBy<EVP_MAC_free>> kind{EVP_MAC_fetch(nullptr, "HMAC", nullptr)};
    std::unique_ptr<EVP_MAC_CTX, FreeBy<EVP_MAC_CTX_free>> mac{EVP_MAC_CTX_new(kind.get())};
};

constexpr int block = 16;

/// The parts of a ticket with one block of text.
struct Ticket {
    TicketKeys::Name name{};
    std::array<unsigned char, 16> iv{};
    std::array<unsigned char, 16> text{};
    std::array<unsigned char, 32> mac{};
};

std::array<unsigned char, 32> mac_of(const Engines& engines, const Ticket& ticket) {
    std::array<unsigned char, 32> mac{};
    std::size_t size = 0;
    EXPECT_EQ(EVP_MAC_init(engines.mac.get(), nullptr, 0, nullptr), 1);
    EXPECT_EQ(EVP_MAC_update(engines.mac.get(), ticket.text.data(), ticket.text.size()), 1);
    EXPECT_EQ(EVP_MAC_final(engines.mac.get(), mac.data(), &size, mac.size()), 1);
    EXPECT_EQ(size, mac.size());
    return mac;
}

class TicketKeysTest : public testing::Test {
protected:
    static constexpr std::array<unsigned char, 16> secret{"a master secret"};

    Ticket give() {
        const Engines engines;
        Ticket ticket;
        EXPECT_EQ(keys_.make(ticket.name.data(), ticket.iv.data(), engines.cipher.get(), engines.mac.get()),
                  Verdict::good);
        int size = 0;
        EVP_CIPHER_CTX_set_padding(engines.cipher.get(), 0);
        EXPECT_EQ(EVP_EncryptUpdate(engines.cipher.get(), ticket.text.data(), &size, secret.data(), block), 1);
        ticket.mac = mac_of(engines, ticket);
        return ticket;
    }
    /// Reads a ticket, and checks its text and MAC if it is valid.
    Verdict take(const Ticket& ticket) {
        const Engines engines;
        const Verdict verdict =
            keys_.read(ticket.name.data(), ticket.iv.data(), engines.cipher.get(), engines.mac.get());
        if (verdict != Verdict::good && verdict != Verdict::renew) return verdict;
        std::array<unsigned char, 16> text{};
        int size = 0;
        EVP_CIPHER_CTX_set_padding(engines.cipher.get(), 0);
        EXPECT_EQ(EVP_DecryptUpdate(engines.cipher.get(), text.data(), &size, ticket.text.data(), block), 1);
        EXPECT_EQ(text, secret);
        EXPECT_EQ(mac_of(engines, ticket), ticket.mac);
        return verdict;
    }

    ManualClock clock_;
    TicketKeys keys_{clock_};
};

TEST_F(TicketKeysTest, AKeyIsUsedForTwelveHoursAndReadForTwelveMore) {
    const Ticket first = give();
    EXPECT_EQ(take(first), Verdict::good);
    clock_.advance(hours(12) - seconds(1));
    EXPECT_EQ(give().name, first.name);
    clock_.advance(seconds(1));
    const Ticket second = give();
    EXPECT_NE(second.name, first.name);
    EXPECT_EQ(take(first), Verdict::renew);
    EXPECT_EQ(take(second), Verdict::good);
    clock_.advance(hours(12) - seconds(1));
    EXPECT_EQ(take(first), Verdict::renew);
    clock_.advance(seconds(1));
    EXPECT_EQ(take(first), Verdict::unknown);
    EXPECT_EQ(take(second), Verdict::renew);
}

TEST_F(TicketKeysTest, AKeyWithoutUseForADayIsNotReadAfterIt) {
    const Ticket ticket = give();
    clock_.advance(hours(24));
    EXPECT_EQ(take(ticket), Verdict::unknown);
}

TEST_F(TicketKeysTest, OthersKeysAndUnknownNamesAreNotRead) {
    TicketKeys others(clock_);
    Ticket ticket = give();
    const Engines engines;
    EXPECT_EQ(others.read(ticket.name.data(), ticket.iv.data(), engines.cipher.get(), engines.mac.get()),
              Verdict::unknown);
    ticket.name[15] ^= 1;
    EXPECT_EQ(take(ticket), Verdict::unknown);
}

TEST_F(TicketKeysTest, NoTwoTicketsBeginAlike) {
    const Ticket one = give();
    const Ticket two = give();
    EXPECT_NE(one.iv, two.iv);
    EXPECT_NE(one.text, two.text);
}

}  // namespace
}  // namespace holdfast
