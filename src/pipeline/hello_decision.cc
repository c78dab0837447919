#include "pipeline/hello_decision.h"

#include <algorithm>

#include "codec/item.h"
#include "pipeline/pipeline.h"
#include "text/printable.h"

namespace holdfast {

CloseInfo close_info(const CloseOrder& order) {
    if (kind_of(order.reason) != ReasonKind::policy) {
        throw Misuse("cannot close a connection as " + std::string(to_string(order.reason)) +
                     ", which only the gateway finds out; give a reason of kind policy, such as application");
    }
    return {.reason = order.reason, .detail = {}, .evidence = {}, .code = order.code};
}

std::string kept_detail(std::string_view detail) {
    std::string text = printable(detail.substr(0, 4 * CloseOrder::max_detail));  // a program may pass megabytes
    std::size_t size = std::min(text.size(), CloseOrder::max_detail);
    while (size > 0 && size < text.size() && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
    text.resize(size);
    return text;
}

HelloDecision::State::~State() {
    if (decided_) return;
    decide({.close = {.reason = CloseReason::unauthenticated, .detail = {}, .evidence = {}},
            .detail = "the program dropped the hello without a decision"});
}

void HelloDecision::State::decide(HelloAnswer answer) {
    if (decided_.exchange(true)) return;
    post_([take = take_, answer = std::move(answer)] { take(answer); });
}

/// Throws Misuse for a decision that was moved from.
HelloDecision::State& HelloDecision::state() const {
    if (state_ == nullptr) throw Misuse("a HelloDecision was used after it had been moved; use the one it moved to");
    return *state_;
}

void HelloDecision::accept(std::string_view id, const DeviceTerms& terms) const {
    if (!id.empty() && !is_device_word(id, max_device_id)) {
        throw Misuse("cannot accept a device as " + in_quotes(id) +
                     "; give an id of 1 to 128 bytes of UTF-8 without control characters");
    }
    std::optional<LivenessPlan> plan;
    if (terms.detect_within) {
        auto made = plan_liveness(*terms.detect_within);
        if (!made) throw Misuse(made.error().message);
        plan = made.value();
    }
    state().decide({.accepted = std::string(id), .plan = plan});
}

void HelloDecision::reject(const CloseOrder& order, std::string_view bytes) const {
    state().decide({.close = close_info(order),
                    .detail = kept_detail(order.detail),
                    .bytes = std::string(bytes),
                    .flush = order.flush});
}

/// Passes a hello to the program, and holds the connection until the answer.
Pipeline::Next Pipeline::pass_on(Arrival& arrival, const Hello& hello) {
    const Token number = arrival.number;
    hellos_.insert_or_assign(number, hello);
    end_undecided(number, shard_->reactor().attended() + HelloDecision::timeout);
    auto state = std::make_shared<HelloDecision::State>(
        post_, [this, number](const HelloAnswer& answer) { take_answer(number, answer); });
    events_->on_hello({.conn = {run_, number},
                       .listener = arrival.listener.name,
                       .peer = arrival.connection.peer,
                       .device = {hello.id, hello.session},
                       .token = hello.token,
                       .at = arrival.time.wall},
                      HelloDecision(std::move(state)));
    return Next::hold;
}

/// Rejects the hello at the deadline, in attended time: while the process is stopped, the program cannot decide.
void Pipeline::end_undecided(Token number, SteadyTime deadline) {
    shard_->reactor().run_at_attended(deadline, [this, number, deadline] {
        if (!hellos_.contains(number)) return;
        if (!shard_->reactor().has_passed(deadline)) return end_undecided(number, deadline);
        take_answer(number, {.close = {.reason = CloseReason::unauthenticated, .detail = {}, .evidence = {}},
                             .detail = "the program did not decide about the hello within 10 s"});
    });
}

void Pipeline::take_answer(Token number, const HelloAnswer& answer) {
    const auto found = hellos_.extract(number);
    Connection* const connection = shard_->registry().find(number);
    if (!found || connection == nullptr) return;
    Hello hello = found.mapped();
    if (!answer.accepted) {
        if (!answer.bytes.empty()) static_cast<void>(shard_->send(*connection, answer.bytes));
        static_cast<void>(shard_->close(*connection, answer.close, answer.detail, answer.flush));
        return;
    }
    if (!answer.accepted->empty()) hello.id = *answer.accepted;
    connection->last_item = shard_->time().tick;
    constexpr TokenMark by_program = 1;
    const bool acks = listeners_[connection->listener].acks;
    const auto greeted = devices_.greet(*connection, number, hello, acks, by_program);
    if (greeted == DeviceSessions::Greeted::denied)
        return shard_->refuse(*connection, CloseReason::unauthenticated, another_has_proved);
    if (answer.plan) static_cast<void>(shard_->set_plan(*connection, answer.plan));
    if (greeted == DeviceSessions::Greeted::delayed) return;
    give_identity(*connection, number, shard_->time());
    if (greeted == DeviceSessions::Greeted::open) shard_->release(*connection);
}

}  // namespace holdfast
