#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>

namespace holdfast {

/// Maps a few different names, which very many entries share, to small numbers. Never shrinks. From the 65,535th on, a
/// name reads back as "?". One thread.
class NameTable {
public:
    using Number = std::uint16_t;

    NameTable() { static_cast<void>(number_of("")); }

    [[nodiscard]] Number number_of(std::string_view name) {
        const auto known = numbers_.find(name);
        if (known != numbers_.end()) return known->second;
        if (names_.size() >= std::numeric_limits<Number>::max()) return overflow;
        names_.emplace_back(name);
        const auto number = static_cast<Number>(names_.size() - 1);
        numbers_.emplace(names_.back(), number);
        return number;
    }
    [[nodiscard]] const std::string& text(Number number) const {
        static const std::string unknown = "?";
        return number < names_.size() ? names_[number] : unknown;
    }

private:
    static constexpr Number overflow = std::numeric_limits<Number>::max();

    std::deque<std::string> names_;  // a deque, so that names do not move
    std::unordered_map<std::string_view, Number> numbers_;
};

}  // namespace holdfast
