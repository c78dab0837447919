#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace holdfast {

/// A rule of docs/reference/protocol.md for devices.
enum class Rule : std::uint8_t {
    hello_first,
    hello_id,
    hello_session,
    hello_from,
    hello_size,
    hello_token,
    hello_once,
    framing,
    key,
    seq,
    order,
    ack,
    ack_delayed,
    stale_ack,
    repeat,
    takeover,
    resume,
    forgotten,
    further_resume,
    split_answer,
    joined_answers,
    half_answer,
    unknown_fields,
    other_message,
    gap,
    nack,
    nack_keeps,
    end,
    one_connection,
    retry_after,
    back_off,
};
inline constexpr std::size_t rule_count = static_cast<std::size_t>(Rule::back_off) + 1;

struct RuleRow {
    Rule rule{};
    std::string_view name;
    std::string_view section;  ///< of docs/reference/protocol.md
    std::string_view text;
};

/// Returns the rules in the order of the enumerators. Pure.
[[nodiscard]] std::span<const RuleRow> rule_rows();
[[nodiscard]] const RuleRow& row_of(Rule rule);

enum class RuleOutcome : std::uint8_t { not_checked, passed, failed };

struct RuleFinding {
    RuleOutcome outcome = RuleOutcome::not_checked;
    std::string expected;  ///< what the rule demands in the failed case
    std::string seen;      ///< what the device did
};

/// The results of all rules. One thread.
class RuleFindings {
public:
    /// Records a success, unless the rule has failed.
    void pass(Rule rule);
    /// Records a failure. The first one of a rule stays.
    void fail(Rule rule, std::string expected, std::string seen);
    /// Records either, and returns `good`.
    bool expect(Rule rule, bool good, std::string_view expected, std::string_view seen);

    [[nodiscard]] const RuleFinding& of(Rule rule) const { return all_[static_cast<std::size_t>(rule)]; }
    /// Returns true if each rule but the excluded one has passed.
    [[nodiscard]] bool all_passed_but(Rule excluded) const;
    [[nodiscard]] bool all_passed() const;

private:
    [[nodiscard]] RuleFinding& at(Rule rule) { return all_[static_cast<std::size_t>(rule)]; }

    std::array<RuleFinding, rule_count> all_;
};

}  // namespace holdfast
