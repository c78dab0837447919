#include "base/slot_table.h"

#include <memory>
#include <random>
#include <unordered_map>

#include <gtest/gtest.h>

#include "testing/seed.h"

namespace holdfast {
namespace {

struct Cell : SlotHeader {
    std::unique_ptr<int> owned;
};

TEST(SlotTable, ASlotThatWasFreedIsNotFoundByItsOldGeneration) {
    SlotTable<Cell> table(4);
    const std::uint32_t slot = table.insert();
    ASSERT_EQ(slot, 1U);
    const std::uint32_t generation = table.at(slot).generation;
    EXPECT_NE(table.find(slot, generation), nullptr);
    table.erase(slot);
    EXPECT_EQ(table.find(slot, generation), nullptr);
    EXPECT_EQ(table.insert(), slot);
    EXPECT_EQ(table.find(slot, generation), nullptr);
    EXPECT_NE(table.find(slot, generation + 1), nullptr);
    table.erase(slot);
}

TEST(SlotTable, RefusesMoreThanItsCapacity) {
    SlotTable<Cell> table(2);
    EXPECT_EQ(table.insert(), 1U);
    EXPECT_EQ(table.insert(), 2U);
    EXPECT_EQ(table.insert(), 0U);
    table.erase(1);
    EXPECT_EQ(table.insert(), 1U);
    table.erase(1);
    table.erase(2);
}

TEST(SlotTable, RetiresASlotWhoseGenerationsAreUsedUp) {
    SlotTable<Cell> table(2);
    const std::uint32_t kept = table.insert();
    for (std::uint32_t retired = 0; retired <= SlotTable<Cell>::spare_slots; ++retired) {
        const std::uint32_t slot = table.insert();
        ASSERT_EQ(slot, retired + 2) << "not one that was retired";
        EXPECT_EQ(table.at(slot).generation, 0U);
        EXPECT_EQ(table.insert(), 0U) << "the capacity stays";
        table.at(slot).generation = SlotTable<Cell>::generation_mask;
        table.erase(slot);
        EXPECT_EQ(table.find(slot), nullptr);
        EXPECT_EQ(table.find(slot, 0), nullptr);
        EXPECT_EQ(table.find(slot, SlotTable<Cell>::generation_mask), nullptr);
    }
    EXPECT_EQ(table.insert(), 0U) << "none is left";
    EXPECT_EQ(table.size(), 1U);
    table.erase(kept);
    EXPECT_EQ(table.insert(), kept);
    table.erase(kept);
}

TEST(SlotTable, ReusesASlotUpToItsLastGeneration) {
    SlotTable<Cell> table(1);
    const std::uint32_t slot = table.insert();
    table.at(slot).generation = SlotTable<Cell>::generation_mask - 1;
    table.erase(slot);
    ASSERT_EQ(table.insert(), slot);
    EXPECT_EQ(table.at(slot).generation, SlotTable<Cell>::generation_mask);
    table.erase(slot);
    EXPECT_NE(table.insert(), slot);
    table.erase(slot + 1);
}

TEST(SlotTable, FindsNothingOutsideItsRange) {
    SlotTable<Cell> table(2);
    EXPECT_EQ(table.find(0, 0), nullptr);
    EXPECT_EQ(table.find(1, 0), nullptr);
    EXPECT_EQ(table.find(0xffff'ffff, 0), nullptr);
}

TEST(SlotTable, AgreesWithAMapUnderRandomUse) {
    std::mt19937_64 random(test_seed());
    SlotTable<Cell> table(64);
    std::unordered_map<std::uint32_t, int> model;
    for (int step = 0; step < 20'000; ++step) {
        if (random() % 2 == 0) {
            const std::uint32_t slot = table.insert();
            ASSERT_EQ(slot == 0, model.size() == 64);
            if (slot == 0) continue;
            ASSERT_FALSE(model.contains(slot));
            table.at(slot).owned = std::make_unique<int>(step);
            model[slot] = step;
        } else if (!model.empty()) {
            const auto victim = std::next(model.begin(), static_cast<long>(random() % model.size()));
            ASSERT_EQ(*table.at(victim->first).owned, victim->second);
            table.erase(victim->first);
            model.erase(victim);
        }
        ASSERT_EQ(table.size(), model.size());
    }
    for (const auto& [slot, value] : model) table.erase(slot);
}

}  // namespace
}  // namespace holdfast
