#include "conformance/device_examination.h"

#include <algorithm>
#include <thread>

#include "text/printable.h"
#include "text/units.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr auto min_settle = 250ms;  // time for a device to read an answer; a longer timeout gives it more
constexpr auto max_settle = 1000ms;
constexpr int settles_per_timeout = 20;
constexpr auto notice = 150ms;        // of an end, beyond the time to read it
constexpr auto late_ack = 1200ms;     // delay of an ack
constexpr auto ends_within = 2s;      // as long as a gateway waits for a device's FIN
constexpr auto byte_pause = 3ms;      // between the bytes of a split answer
constexpr auto retry_after = 1500ms;  // of the rule retry_after
constexpr auto late_by = 3s;          // that a device may be late then
constexpr auto early_by = 50ms;
constexpr unsigned refusals = 5;
constexpr auto slow_enough = 500ms;  // waits that need not grow

std::string number_answer(std::string_view name, std::uint64_t seq, std::string_view fields = {}) {
    return "{\"" + std::string(name) + "\":" + std::to_string(seq) + std::string(fields) + "}";
}

std::string in_ms(SteadyTime::duration time) {
    return std::to_string(std::chrono::round<milliseconds>(time).count()) + " ms";
}

std::string_view words_of(DeviceLink::Got got) {
    return got == DeviceLink::Got::ended ? "the device ended the connection" : "no item";
}

}  // namespace

DeviceExamination::DeviceExamination(DeviceLink& link, RuleFindings& findings, Judge::Expectations expectations,
                                     milliseconds timeout)
    : link_(link),
      findings_(findings),
      judge_(findings, std::move(expectations)),
      timeout_(timeout),
      settle_(std::clamp<milliseconds>(timeout / settles_per_timeout, min_settle, max_settle)) {}

void DeviceExamination::run() {
    using Scenario = bool (DeviceExamination::*)();
    for (const Scenario scenario :
         {&DeviceExamination::greet, &DeviceExamination::lose_items, &DeviceExamination::delay_ack,
          &DeviceExamination::supersede, &DeviceExamination::lose_ack, &DeviceExamination::cover_some,
          &DeviceExamination::send_stale_ack, &DeviceExamination::split_answers, &DeviceExamination::join_answers,
          &DeviceExamination::send_unknown_fields, &DeviceExamination::send_other_messages,
          &DeviceExamination::halve_answer, &DeviceExamination::report_gap, &DeviceExamination::resume_again,
          &DeviceExamination::refuse_item, &DeviceExamination::forget_session, &DeviceExamination::send_retry_after,
          &DeviceExamination::refuse_often}) {
        if (!(this->*scenario)()) return;
    }
    findings_.expect(Rule::one_connection, !link_.had_two(), "one connection at a time",
                     "a second connection while the first was open");
}

bool DeviceExamination::connect(Rule rule) {
    if (!link_.accept(step_end())) {
        findings_.fail(rule, "a connection within " + format_duration(timeout_), "none");
        return false;
    }
    std::string frame;
    const auto got = link_.read(frame, step_end());
    if (got == DeviceLink::Got::frame) {
        judge_.take_hello(frame, link_.wire_bytes());
    } else {
        findings_.fail(Rule::hello_first, "a hello as the first frame",
                       got == DeviceLink::Got::broken ? in_quotes(frame) : std::string("nothing"));
    }
    return true;
}

bool DeviceExamination::open(const Opening& opening) {
    link_.say(number_answer("resume", opening.resume, opening.fields), opening.pause);
    judge_.expect_first(opening.first, opening.rule);
    return take_items(1, opening.rule);
}

/// Reads and judges items. Without one, `rule` fails.
bool DeviceExamination::take_items(unsigned count, Rule rule) {
    std::string frame;
    for (; count > 0; --count) {
        const auto got = link_.read(frame, step_end());
        if (got == DeviceLink::Got::broken) findings_.fail(Rule::framing, "one JSON object", in_quotes(frame));
        if (got != DeviceLink::Got::frame) {
            findings_.fail(rule, "item " + std::to_string(judge_.next()), std::string(words_of(got)));
            return false;
        }
        judge_.take_item(frame);
    }
    return true;
}

/// Reads and judges what comes within a time, in which the device reads answers. An end of the connection fails
/// `must_stay`.
void DeviceExamination::watch(milliseconds time, std::optional<Rule> must_stay) {
    const SteadyTime end = std::chrono::steady_clock::now() + time;
    std::string frame;
    while (true) {
        const auto got = link_.read(frame, end);
        if (got == DeviceLink::Got::frame) judge_.take_item(frame);
        if (got == DeviceLink::Got::ended && must_stay) {
            findings_.fail(*must_stay, "an open connection", std::string(words_of(got)));
        }
        if (got == DeviceLink::Got::nothing || got == DeviceLink::Got::ended) return;
    }
}

/// Ends the connection after a notice, so that the device comes back soon.
void DeviceExamination::cut() {
    link_.say(number_answer("retry_after_ms", (settle_ + notice).count()));
    watch(settle_);
    link_.reset();
}

/// Cuts the connection, and opens the next one.
bool DeviceExamination::reopen(const Opening& opening) {
    cut();
    if (!connect(opening.rule)) return false;
    if (opening.resume > judge_.covered()) judge_.cover(opening.resume);
    (void)open(opening);
    return true;
}

void DeviceExamination::say_ack(std::uint64_t seq, milliseconds pause) {
    link_.say(number_answer("ack", seq), pause);
    judge_.cover(seq);
}

/// Acknowledges all items so far.
void DeviceExamination::cover_all() { say_ack(last()); }

bool DeviceExamination::greet() {
    if (!connect(Rule::hello_first)) return false;
    judge_.expect_first(judge_.covered() + 1, Rule::resume);
    watch(settle_);  // items may come before the answer
    const bool early = judge_.next() > judge_.covered() + 1;
    link_.say(number_answer("resume", 0));
    if (!take_items(early ? 2 : 3, Rule::resume)) return true;
    cover_all();
    (void)take_items(2, Rule::order);
    return true;
}

bool DeviceExamination::lose_items() {
    watch(settle_);
    link_.reset();
    if (!connect(Rule::repeat)) return false;
    const std::uint64_t kept = judge_.covered();
    (void)(open({.resume = kept, .first = kept + 1, .rule = Rule::repeat}) && take_items(2, Rule::repeat));
    return true;
}

bool DeviceExamination::delay_ack() {
    judge_.judge_order_by(Rule::ack_delayed);
    watch(late_ack, Rule::ack_delayed);
    findings_.pass(Rule::ack_delayed);
    judge_.judge_order_by(Rule::order);
    cover_all();
    return true;
}

bool DeviceExamination::supersede() {
    (void)take_items(2, Rule::takeover);
    watch(settle_);
    const bool ended = link_.finish(std::chrono::steady_clock::now() + ends_within);
    findings_.expect(Rule::end, ended, "the device's FIN within 2 s", "an open connection");
    if (!connect(Rule::takeover)) return false;
    const std::uint64_t kept = judge_.covered();
    (void)(open({.resume = kept, .first = kept + 1, .rule = Rule::takeover}) && take_items(1, Rule::takeover));
    return true;
}

bool DeviceExamination::lose_ack() {
    cut();
    if (!connect(Rule::resume)) return false;
    judge_.cover(last());
    (void)open({.resume = last(), .first = last() + 1, .rule = Rule::resume});
    return true;
}

bool DeviceExamination::cover_some() {
    const std::uint64_t before = judge_.covered();
    (void)take_items(3, Rule::ack);
    say_ack(before + 2);
    if (!reopen({.resume = before, .first = before + 3, .rule = Rule::ack})) return false;
    (void)take_items(1, Rule::ack);
    return true;
}

bool DeviceExamination::send_stale_ack() {
    cover_all();
    (void)take_items(1, Rule::stale_ack);
    link_.say(number_answer("ack", 1));
    const std::uint64_t kept = judge_.covered();
    return reopen({.resume = kept - 1, .first = kept + 1, .rule = Rule::stale_ack});
}

bool DeviceExamination::split_answers() {
    std::uint64_t kept = judge_.covered();
    if (!reopen({.resume = kept, .first = kept + 1, .rule = Rule::split_answer, .pause = byte_pause})) return false;
    (void)take_items(1, Rule::split_answer);
    say_ack(last(), byte_pause);
    return reopen({.resume = kept, .first = judge_.covered() + 1, .rule = Rule::split_answer});
}

bool DeviceExamination::join_answers() {
    const std::uint64_t before = judge_.covered();
    (void)take_items(2, Rule::joined_answers);
    link_.send(link_.framed(number_answer("ack", before + 1)) + link_.framed(number_answer("ack", before + 2)) +
               link_.framed(number_answer("ack", before + 3)));
    judge_.cover(before + 3);
    return reopen({.resume = before, .first = before + 4, .rule = Rule::joined_answers});
}

bool DeviceExamination::send_unknown_fields() {
    const std::uint64_t before = judge_.covered();
    (void)take_items(2, Rule::unknown_fields);
    const std::string high = std::to_string(last());
    link_.say("{\"level\":{\"ack\":" + high + ",\"of\":[{\"resume\":" + high + "}]},\"text\":\"}{\\\"ack\\\":" + high +
              "\",\"ack\":" + std::to_string(before + 1) + ",\"at\":1.5e3,\"more\":null}");
    judge_.cover(before + 1);
    return reopen({.resume = before,
                   .first = before + 2,
                   .rule = Rule::unknown_fields,
                   .fields = ",\"gateway\":{\"ack\":" + high + "},\"beta\":true"});
}

bool DeviceExamination::send_other_messages() {
    (void)take_items(1, Rule::other_message);
    const std::string high = std::to_string(last());
    link_.say("{\"cmd\":\"reboot\",\"of\":{\"ack\":" + high + "}}");
    link_.say("{}");
    link_.say("{\"text\":\"{\\\"ack\\\":" + high + "}\"}");
    watch(settle_, Rule::other_message);
    const std::uint64_t kept = judge_.covered();
    return reopen({.resume = kept, .first = kept + 1, .rule = Rule::other_message});
}

bool DeviceExamination::halve_answer() {
    (void)take_items(2, Rule::half_answer);
    link_.say(number_answer("retry_after_ms", (settle_ + notice).count()));
    const std::string whole = link_.framed(number_answer("ack", last()));
    link_.send(std::string_view(whole).substr(0, whole.rfind('}')));
    watch(settle_);
    (void)link_.finish(std::chrono::steady_clock::now() + ends_within);
    if (!connect(Rule::half_answer)) return false;
    const std::uint64_t kept = judge_.covered();
    (void)(open({.resume = kept, .first = kept + 1, .rule = Rule::half_answer}) && take_items(1, Rule::half_answer));
    return true;
}

/// Drops items until the device has gone back to `seq`.
bool DeviceExamination::skip_until(std::uint64_t seq, Rule rule) {
    const SteadyTime end = step_end();
    std::string frame;
    auto got = DeviceLink::Got::frame;
    while (got == DeviceLink::Got::frame && std::chrono::steady_clock::now() < end) {
        got = link_.read(frame, end);
        if (got == DeviceLink::Got::frame && judge_.take_any_item(frame) == seq) return true;
    }
    findings_.fail(rule, "item " + std::to_string(seq) + " again",
                   got == DeviceLink::Got::frame ? std::string("later items only") : std::string(words_of(got)));
    return false;
}

bool DeviceExamination::report_gap() {
    watch(settle_);
    cover_all();
    const std::uint64_t lost = judge_.next();
    (void)take_items(3, Rule::gap);
    link_.say(number_answer("nack", lost + 1, ",\"reason\":\"gap\",\"expected\":" + std::to_string(lost)));
    see_return(lost, Rule::gap);
    return true;
}

bool DeviceExamination::resume_again() {
    watch(settle_);
    cover_all();
    const std::uint64_t lost = judge_.next();
    (void)take_items(3, Rule::further_resume);
    link_.say(number_answer("resume", lost - 1));
    see_return(lost, Rule::further_resume);
    return true;
}

/// Expects the device to go back to `seq`, and on from there in order. Acknowledges all.
void DeviceExamination::see_return(std::uint64_t seq, Rule rule) {
    if (skip_until(seq, rule)) {
        judge_.expect_first(seq + 1, rule);
        judge_.judge_order_by(rule);
        (void)take_items(3, rule);
        findings_.pass(rule);
    }
    cover_all();
    judge_.judge_order_by(Rule::order);
}

bool DeviceExamination::refuse_item() {
    (void)take_items(1, Rule::nack);
    const std::uint64_t refused = last();
    link_.say(number_answer("nack", refused, ",\"reason\":\"no_key\""));
    judge_.judge_order_by(Rule::nack);
    if (take_items(2, Rule::nack)) findings_.pass(Rule::nack);
    watch(settle_, Rule::nack);
    judge_.judge_order_by(Rule::order);
    return reopen({.resume = refused - 1, .first = refused, .rule = Rule::nack_keeps});
}

bool DeviceExamination::forget_session() {
    cover_all();
    (void)take_items(1, Rule::forgotten);
    return reopen({.resume = 0, .first = judge_.covered() + 1, .rule = Rule::forgotten});
}

bool DeviceExamination::send_retry_after() {
    cover_all();
    link_.say(number_answer("retry_after_ms", retry_after.count()));
    const SteadyTime said = std::chrono::steady_clock::now();
    watch(settle_);
    (void)link_.finish(said + ends_within);
    const bool came = link_.accept(said + retry_after + std::max<milliseconds>(late_by, timeout_));
    const auto waited = std::chrono::steady_clock::now() - said;
    findings_.expect(Rule::retry_after, came && waited >= retry_after - early_by && waited <= retry_after + late_by,
                     "a connection after 1500 ms", came ? "after " + in_ms(waited) : "none");
    return came;
}

bool DeviceExamination::refuse_often() {
    std::vector<SteadyTime::duration> waits;
    std::string seen;
    for (unsigned n = 0; n < refusals; ++n) {
        link_.reset();
        const SteadyTime cut_at = std::chrono::steady_clock::now();
        if (!link_.accept(cut_at + timeout_)) break;
        waits.push_back(std::chrono::steady_clock::now() - cut_at);
        seen += (seen.empty() ? "waits of " : ", ") + in_ms(waits.back());
    }
    const bool came = waits.size() == refusals;
    const bool slow = std::all_of(waits.begin(), waits.end(), [](auto wait) { return wait >= slow_enough; });
    findings_.expect(Rule::back_off, came && (slow || waits.back() >= 2 * waits.front()), "growing waits",
                     came ? seen : seen + "; then none within " + format_duration(timeout_));
    return true;
}

}  // namespace holdfast
