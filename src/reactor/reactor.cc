#include "reactor/reactor.h"

#include "base/check.h"

namespace holdfast {

namespace {

constexpr std::size_t mailbox_work_per_turn = 256;
constexpr std::size_t events_ahead = 3;

}  // namespace

Reactor::Reactor(const Clock& clock) : clock_(clock), now_(clock.steady()), wall_now_(clock.wall()) {
    HOLDFAST_CHECK(poller_.add(mailbox_.fd(), EPOLLIN, mailbox_token) == 0);
    HOLDFAST_CHECK(poller_.add(wake_timer_.fd(), EPOLLIN | EPOLLET, timer_token) == 0);
}

Poller::Patience Reactor::patience() {
    if (mail_left_ || client_work_left_) return Poller::Patience::none;
    if (const auto next = timers_.next(); next && next != wakes_at_) {
        wake_timer_.set(*next - clock_.steady());
        wakes_at_ = next;
    }
    return Poller::Patience::endless;
}

void Reactor::turn(Client& client) {
    const auto ready = poller_.wait(patience());
    now_ = clock_.steady();
    wall_now_ = clock_.wall();
    bool mail = mail_left_;
    for (std::size_t i = 0; i < ready.size(); ++i) {
        if (i + events_ahead < ready.size()) client.expect(ready[i + events_ahead].data.u64);
        const epoll_event& event = ready[i];
        if (event.data.u64 == mailbox_token) {
            mail = true;
        } else if (event.data.u64 == timer_token) {
            wakes_at_.reset();
        } else {
            client.on_ready(event.data.u64, event.events);
        }
    }
    timers_.advance_to(now_);
    mail_left_ = mail && mailbox_.run(mailbox_work_per_turn);
    client_work_left_ = client.on_turn_end();
}

void Reactor::run(Client& client) {
    now_ = clock_.steady();
    while (!stopping_) turn(client);
    mailbox_.close_and_drain();
}

}  // namespace holdfast
