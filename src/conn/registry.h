#pragma once

#include <algorithm>
#include <cstdint>

#include "base/slot_table.h"
#include "conn/connection.h"
#include "reactor/poller.h"

namespace holdfast {

/// The connections of one reactor. A connection's number, also its epoll token, consists of generation, reactor and
/// slot, so a lookup needs no search and a stale number finds none. No number repeats in a run. One thread.
class Registry {
public:
    static constexpr unsigned slot_bits = 24;
    static constexpr unsigned reactor_bits = 7;
    static constexpr std::uint32_t slot_mask = (1U << slot_bits) - 1;
    static constexpr std::uint32_t max_connections = slot_mask - SlotTable<Connection>::spare_slots;
    static constexpr unsigned max_reactors = 1U << reactor_bits;

    /// Keeps the connections in `memory`, if it is given: see SlotTable.
    Registry(unsigned reactor, std::uint32_t capacity, SlotMemory memory = {})
        : table_(std::min(capacity, max_connections), memory), reactor_(reactor) {}

    /// Takes over the connections of an earlier process: see SlotTable::adopt(). `keep(connection)`.
    template <typename Keep>
    void adopt(Keep&& keep) {
        table_.adopt([&keep](std::uint32_t, Connection& connection) { return keep(connection); });
    }

    /// Returns a new connection, or nullptr if all slots are taken.
    [[nodiscard]] Connection* insert() {
        const std::uint32_t slot = table_.insert();
        return slot == 0 ? nullptr : &table_.at(slot);
    }
    void erase(Connection& connection) { table_.erase(table_.slot_of(connection)); }

    [[nodiscard]] std::uint32_t slot_of(const Connection& connection) const noexcept {
        return table_.slot_of(connection);
    }
    [[nodiscard]] Token number_of(const Connection& connection) const noexcept {
        return number_of(connection.generation, reactor_, table_.slot_of(connection));
    }
    [[nodiscard]] static Token number_of(std::uint32_t generation, unsigned reactor, std::uint32_t slot) noexcept {
        return Token{generation} << 32 | Token{reactor} << slot_bits | slot;
    }
    /// Returns the connection with this number, or nullptr if it is closing, ended or another reactor's.
    [[nodiscard]] Connection* find(Token number) noexcept {
        if (reactor_of(number) != reactor_) return nullptr;
        Connection* found =
            table_.find(static_cast<std::uint32_t>(number) & slot_mask, static_cast<std::uint32_t>(number >> 32));
        return found != nullptr && !found->is_closing() ? found : nullptr;
    }
    /// Returns the connection in this slot, or nullptr if the slot is free or the connection is closing.
    [[nodiscard]] Connection* in_slot(std::uint32_t slot) noexcept {
        Connection* found = table_.find(slot);
        return found != nullptr && !found->is_closing() ? found : nullptr;
    }

    void prefetch(Token number) const noexcept { table_.prefetch(static_cast<std::uint32_t>(number) & slot_mask); }

    [[nodiscard]] unsigned reactor() const noexcept { return reactor_; }
    [[nodiscard]] std::uint32_t size() const noexcept { return table_.size(); }
    [[nodiscard]] std::uint32_t highest_slot() const noexcept { return table_.highest(); }

    [[nodiscard]] static std::uint32_t slot_of(Token number) noexcept {
        return static_cast<std::uint32_t>(number) & slot_mask;
    }
    [[nodiscard]] static unsigned reactor_of(Token number) noexcept {
        return static_cast<unsigned>(number >> slot_bits) & ((1U << (32 - slot_bits)) - 1);
    }

private:
    SlotTable<Connection> table_;
    unsigned reactor_;
};

}  // namespace holdfast
