#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "conformance/rules.h"

namespace holdfast {

/// Holds a device's hello.
struct HelloSeen {
    std::string id;
    std::string session;
    std::uint64_t from = 0;  ///< 0: none
};

/// Judges the frames of a device over its connections. Knows what the device must know: which items answers have
/// covered. One thread.
class Judge {
public:
    struct Expectations {
        std::string key = "ip";  ///< empty: items need no key field
        std::string token = {};
    };

    Judge(RuleFindings& findings, Expectations expectations)
        : findings_(findings), expectations_(std::move(expectations)) {}

    /// Judges the first frame of a connection, which took `wire_bytes` with its framing. Returns nullopt if it is no
    /// hello.
    std::optional<HelloSeen> take_hello(std::string_view frame, std::size_t wire_bytes);
    std::optional<HelloSeen> take_hello(std::string_view frame) { return take_hello(frame, frame.size() + 1); }

    /// Starts the numbers of a connection. A first item other than `first` fails `rule`.
    void expect_first(std::uint64_t first, Rule rule);
    /// Sets the rule that fails if a later item is not the next one.
    void judge_order_by(Rule rule) { order_rule_ = rule; }
    /// Judges an item. Returns its number, or nullopt if it has none.
    std::optional<std::uint64_t> take_item(std::string_view frame);
    /// Judges an item without its order. Items that were under way before a nack come so.
    std::optional<std::uint64_t> take_any_item(std::string_view frame);

    /// Records that the device has received an answer that covers the items up to `seq`.
    void cover(std::uint64_t seq);
    [[nodiscard]] std::uint64_t covered() const { return covered_; }
    /// Returns the number of the connection's next item.
    [[nodiscard]] std::uint64_t next() const { return next_; }

private:
    void judge_names(const HelloSeen& hello);
    void judge_place(std::uint64_t seq);

    RuleFindings& findings_;
    const Expectations expectations_;
    std::optional<HelloSeen> first_hello_;
    std::uint64_t stated_from_ = 0;  // in the latest hello
    std::uint64_t fitting_from_ = 1;
    std::map<std::uint64_t, std::string> texts_;  // of items that no answer has covered
    std::uint64_t covered_ = 0;
    std::uint64_t next_ = 1;
    std::optional<Rule> first_rule_;
    Rule order_rule_ = Rule::order;
};

}  // namespace holdfast
