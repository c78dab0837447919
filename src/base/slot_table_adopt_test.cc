#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/slot_table.h"
#include "testing/seed.h"

namespace holdfast {
namespace {

struct Kept : SlotHeader {
    std::uint32_t value = 0;
};
using Table = SlotTable<Kept>;
using Number = std::pair<std::uint32_t, std::uint32_t>;  // slot and generation

/// A table whose process ends without notice: its destructor never runs.
class KeptTable {
public:
    explicit KeptTable(std::uint32_t capacity) : capacity_(capacity), memory_(Table::bytes_for(capacity)) { renew(); }

    Table& operator*() { return *table_; }
    Table* operator->() { return table_; }
    SlotTableRecord& record() { return record_; }
    std::vector<std::byte>& memory() { return memory_; }
    Kept& raw(std::uint32_t slot) {
        return *std::launder(reinterpret_cast<Kept*>(memory_.data() + slot * sizeof(Kept)));
    }
    /// Ends the process. The next one keeps the slots of which `keep` returns true.
    template <typename Keep>
    void restart(Keep keep) {
        renew();
        table_->adopt(keep);
    }
    ~KeptTable() {
        for (std::uint32_t slot = 1; slot <= table_->highest(); ++slot) {
            if (table_->find(slot) != nullptr) table_->erase(slot);
        }
    }

private:
    void renew() { table_ = new (&place_) Table(capacity_, {memory_.data(), &record_}); }

    std::uint32_t capacity_;
    std::vector<std::byte> memory_;
    SlotTableRecord record_;
    alignas(Table) std::array<std::byte, sizeof(Table)> place_;
    Table* table_ = nullptr;
};

constexpr auto keep_all = [](std::uint32_t, Kept&) { return true; };

TEST(SlotTableAdopt, ValuesAndGenerationsStay) {
    KeptTable table(4);
    for (std::uint32_t i = 1; i <= 3; ++i) table->at(table->insert()).value = i;
    table->erase(2);
    table.restart(keep_all);
    EXPECT_EQ(table->size(), 2U);
    EXPECT_EQ(table->at(1).value, 1U);
    EXPECT_EQ(table->at(3).value, 3U);
    EXPECT_EQ(table->find(2), nullptr);
    ASSERT_EQ(table->insert(), 2U);
    EXPECT_EQ(table->at(2).generation, 1U) << "a former number would repeat";
    EXPECT_EQ(table->insert(), 4U);
    EXPECT_EQ(table->insert(), 0U);
}

TEST(SlotTableAdopt, AValueThatIsNotKeptLeavesAFreeSlotOfTheNextGeneration) {
    KeptTable table(2);
    table->at(table->insert()).value = 1;
    table.restart([](std::uint32_t, Kept&) { return false; });
    EXPECT_EQ(table->size(), 0U);
    ASSERT_EQ(table->insert(), 1U);
    EXPECT_EQ(table->at(1).generation, 1U);
    EXPECT_EQ(table->at(1).value, 0U);
}

TEST(SlotTableAdopt, ARetiredSlotStaysRetired) {
    KeptTable table(2);
    const std::uint32_t slot = table->insert();
    table->at(slot).generation = Table::generation_mask;
    table->erase(slot);
    table.restart(keep_all);
    EXPECT_EQ(table->insert(), slot + 1);
}

// The process may end behind any of these writes.
TEST(SlotTableAdopt, AHeaderInTheMakingKeepsItsGeneration) {
    KeptTable table(2);
    for (int i = 0; i < 5; ++i) table->erase(table->insert());
    ASSERT_EQ(table->insert(), 1U);
    ASSERT_EQ(table->at(1).generation, 5U);
    new (&table.raw(1)) Kept();  // as within insert(): constructed, and not numbered
    table.restart(keep_all);
    ASSERT_EQ(table->insert(), 1U);
    EXPECT_EQ(table->at(1).generation, 5U);

    table->erase(1);
    new (&table.raw(1)) SlotHeader();  // as within erase()
    table.restart(keep_all);
    ASSERT_EQ(table->insert(), 1U);
    EXPECT_EQ(table->at(1).generation, 6U);
}

TEST(SlotTableAdopt, NoNumberRepeatsOverRandomRestarts) {
    std::mt19937_64 random(test_seed());
    KeptTable table(32);
    std::map<std::uint32_t, std::uint32_t> model;  // value by slot
    std::set<Number> seen;
    std::uint32_t next_value = 1;
    for (int step = 0; step < 20'000; ++step) {
        const auto action = random() % 100;
        if (action < 50) {
            const std::uint32_t slot = table->insert();
            if (slot == 0) continue;
            const std::uint32_t generation = table->at(slot).generation;
            ASSERT_TRUE(seen.emplace(slot, generation).second) << "in step " << step;
            model[slot] = table->at(slot).value = next_value++;
        } else if (action < 98 && !model.empty()) {
            const auto victim = std::next(model.begin(), static_cast<long>(random() % model.size()));
            table->erase(victim->first);
            model.erase(victim);
        } else {
            table.restart([&](std::uint32_t slot, Kept& value) {
                EXPECT_EQ(model.at(slot), value.value);
                const bool stays = random() % 8 != 0;
                if (!stays) model.erase(slot);
                return stays;
            });
        }
        ASSERT_EQ(table->size(), model.size());
    }
}

TEST(SlotTableAdopt, FlippedBitsLeadToNoAccessOutsideAndNoDoubleUse) {
    std::mt19937_64 random(test_seed());
    for (int round = 0; round < 2'000; ++round) {
        KeptTable table(16);
        for (int i = 0; i < 12; ++i) static_cast<void>(table->insert());
        for (std::uint32_t slot = 1; slot < 12; slot += 3) table->erase(slot);
        for (int flips = 1 + static_cast<int>(random() % 16); flips > 0; --flips) {
            auto* const record = reinterpret_cast<std::byte*>(&table.record());
            const bool in_record = random() % 4 == 0;
            std::byte* const from = in_record ? record : table.memory().data();
            const std::size_t size = in_record ? sizeof(SlotTableRecord) : table.memory().size();
            from[random() % size] ^= std::byte{1} << (random() % 8);
        }
        table.restart(keep_all);
        ASSERT_LE(table->size(), 16U);
        std::set<std::uint32_t> fresh;
        while (const std::uint32_t slot = table->insert()) ASSERT_TRUE(fresh.insert(slot).second);
        ASSERT_LE(table->size(), 16U);
    }
}

}  // namespace
}  // namespace holdfast
