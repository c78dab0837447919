#include "conn/kept_device.h"

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "testing/seed.h"

namespace holdfast {
namespace {

constexpr Token number = 0x1'0000'0002;

KeptDevice device() {
    KeptDevice device{
        .number = number, .token = 7, .from = 3, .identity = static_cast<std::uint8_t>(Identity::claimed)};
    EXPECT_TRUE(device.set("meter-1", "boot-1"));
    return device;
}

class Memory {
public:
    Memory() : bytes_(4 * sizeof(KeptDevice)), devices_(bytes_.data()) {}

    KeptDevices& operator*() { return devices_; }
    KeptDevices* operator->() { return &devices_; }
    std::byte* entry(std::uint32_t slot) { return bytes_.data() + slot * sizeof(KeptDevice); }

private:
    std::vector<std::byte> bytes_;
    KeptDevices devices_;
};

TEST(KeptDevices, FindsADeviceByTheNumberOfItsConnection) {
    Memory kept;
    EXPECT_EQ(kept->find(2, number), nullptr);
    kept->note(2, device());
    const KeptDevice* const found = kept->find(2, number);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->id(), "meter-1");
    EXPECT_EQ(found->session(), "boot-1");
    EXPECT_EQ(found->token, 7U);
    EXPECT_EQ(found->from, 3U);
    EXPECT_EQ(kept->find(2, number + (Token{1} << 32)), nullptr) << "a later connection in the same slot";
    EXPECT_EQ(kept->find(1, number), nullptr);
}

TEST(KeptDevices, RecordsWhetherTheDeviceWasReported) {
    Memory kept;
    kept->note(2, device());
    EXPECT_EQ(kept->find(2, number)->reported, 0);
    kept->note_reported(2, true);
    EXPECT_EQ(kept->find(2, number)->reported, 1);
}

TEST(KeptDevices, WithoutMemoryKeepsNothing) {
    KeptDevices none(nullptr);
    none.note(2, device());
    none.note_reported(2, true);
    EXPECT_EQ(none.find(2, number), nullptr);
}

TEST(KeptDevice, HasTextsThatADeviceMayHave) {
    KeptDevice device;
    EXPECT_FALSE(device.set("", ""));
    EXPECT_FALSE(device.set("meter\n1", ""));
    EXPECT_FALSE(device.set("meter-1", "\xff"));
    EXPECT_FALSE(device.set(std::string(max_device_id + 1, 'x'), ""));
    EXPECT_TRUE(device.set(std::string(max_device_id, 'x'), std::string(max_session, 'y')));
    EXPECT_EQ(device.id().size() + device.session().size(), max_device_id + max_session);
}

TEST(KeptDevice, IsNotTrustedWithFlippedBits) {
    std::mt19937_64 random(test_seed());
    for (int round = 0; round < 20'000; ++round) {
        Memory kept;
        kept->note(2, device());
        const std::size_t at = random() % sizeof(KeptDevice);
        kept.entry(2)[at] ^= std::byte{1} << (random() % 8);
        const KeptDevice* const found = kept->find(2, number);
        if (found == nullptr) continue;  // otherwise a byte beyond the texts, or the mark of a report
        EXPECT_EQ(found->id(), "meter-1") << at;
        EXPECT_EQ(found->session(), "boot-1") << at;
        EXPECT_EQ(found->token + found->from, 10U) << at;
    }
}

}  // namespace
}  // namespace holdfast
