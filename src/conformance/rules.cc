#include "conformance/rules.h"

#include <algorithm>
#include <utility>

namespace holdfast {
namespace {

// clang-format off
constexpr auto rows = std::to_array<RuleRow>({
    {Rule::hello_first, "hello_first", "Hello", "each connection begins with a hello"},
    {Rule::hello_id, "hello_id", "Messages", "the id is text of 1 to 128 bytes without control characters, and stays the same"},
    {Rule::hello_session, "hello_session", "Messages", "the session is text of 1 to 64 bytes, and stays the same over reconnects"},
    {Rule::hello_from, "hello_from", "Forgotten sessions", "each hello names the first number that no answer has covered"},
    {Rule::hello_size, "hello_size", "Hello", "the hello fits into the first KiB"},
    {Rule::hello_token, "hello_token", "Messages", "the hello has the token"},
    {Rule::hello_once, "hello_once", "States of a connection", "a connection has one hello"},
    {Rule::framing, "framing", "Items", "each frame is one JSON object in UTF-8"},
    {Rule::key, "key", "The key", "each item has the key field with a text"},
    {Rule::seq, "seq", "Messages", "each item has a seq from 1 to 2^53 - 1"},
    {Rule::order, "order", "Numbered items", "the numbers of a connection follow without gap and repetition"},
    {Rule::ack, "ack", "Messages", "an ack releases the items up to its number, and no other"},
    {Rule::ack_delayed, "ack_delayed", "Numbered items", "without an ack the device keeps the connection and repeats nothing"},
    {Rule::stale_ack, "stale_ack", "Messages", "an ack below an earlier one changes nothing"},
    {Rule::repeat, "repeat", "Messages", "after a lost connection, items without ack come again with their numbers"},
    {Rule::takeover, "takeover", "Which connection speaks for a device", "after an end by the gateway, items without ack come again"},
    {Rule::resume, "resume", "Numbered items", "the first item has the larger of resume + 1 and from"},
    {Rule::forgotten, "forgotten", "Forgotten sessions", "a resume below an earlier ack brings no released item back"},
    {Rule::further_resume, "further_resume", "A further resume", "at a further resume, the device goes back to the number behind it"},
    {Rule::split_answer, "split_answer", "Messages", "an answer that arrives byte by byte counts"},
    {Rule::joined_answers, "joined_answers", "Messages", "answers that arrive together count"},
    {Rule::half_answer, "half_answer", "Messages", "an answer without its end does not count"},
    {Rule::unknown_fields, "unknown_fields", "Messages", "further fields of an answer have no effect"},
    {Rule::other_message, "other_message", "Messages", "other messages have no effect on items"},
    {Rule::gap, "gap", "Numbered items", "after a nack with gap, the device goes back to the expected number"},
    {Rule::nack, "nack", "Numbered items", "after the nack of a bad item, the device goes on"},
    {Rule::nack_keeps, "nack_keeps", "Numbered items", "a nack does not release an item"},
    {Rule::end, "end", "Reconnect", "the device ends its side within 2 s of the gateway's end"},
    {Rule::one_connection, "one_connection", "Which connection speaks for a device", "the device has one connection at a time"},
    {Rule::retry_after, "retry_after", "Reconnect", "after retry_after_ms, the device connects at that time"},
    {Rule::back_off, "back_off", "Reconnect", "waits before further attempts grow"},
});
// clang-format on

consteval bool is_ordered() {
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (static_cast<std::size_t>(rows[i].rule) != i) return false;
    }
    return rows.size() == rule_count;
}
static_assert(is_ordered(), "the rows need the order of the enumerators");

}  // namespace

std::span<const RuleRow> rule_rows() { return rows; }

const RuleRow& row_of(Rule rule) { return rows[static_cast<std::size_t>(rule)]; }

void RuleFindings::pass(Rule rule) {
    if (at(rule).outcome == RuleOutcome::not_checked) at(rule).outcome = RuleOutcome::passed;
}

void RuleFindings::fail(Rule rule, std::string expected, std::string seen) {
    if (at(rule).outcome == RuleOutcome::failed) return;
    at(rule) = {RuleOutcome::failed, std::move(expected), std::move(seen)};
}

bool RuleFindings::expect(Rule rule, bool good, std::string_view expected, std::string_view seen) {
    if (good) {
        pass(rule);
    } else {
        fail(rule, std::string(expected), std::string(seen));
    }
    return good;
}

bool RuleFindings::all_passed_but(Rule excluded) const {
    return std::all_of(rows.begin(), rows.end(), [&](const RuleRow& row) {
        return row.rule == excluded || of(row.rule).outcome == RuleOutcome::passed;
    });
}

bool RuleFindings::all_passed() const {
    return std::all_of(rows.begin(), rows.end(),
                       [&](const RuleRow& row) { return of(row.rule).outcome == RuleOutcome::passed; });
}

}  // namespace holdfast
