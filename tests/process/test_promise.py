"""The promise as a property: hundreds of connections, each silenced at a random moment, with downlinks at random times
before and after. Every one is found within detect_within + 0.5 s, and no living one is closed."""

import random
import time

import pytest

from gateway import NO_SUSPICION, Gateway, listener
from lab import device
from lab.netlab import GATEWAY4
from population import Stalls, Timeline, connect_all, disconnect_all

LATE = 0.5
VICTIMS, CONTROLS = 300, 50


def gateway_of(lab, seconds):
    return Gateway(config=listener(address=f"{GATEWAY4}:0", detect_within=f"{seconds}s", read_idle="off")
                   + NO_SUSPICION,
                   namespace=lab.gateway)


def plan_deaths(dice, timeline, gateway, lab, victims, seconds):
    """Plans a third each: no downlink after the death, one at any time within the bound, one at the very moment. A
    quarter also had traffic shortly before, which moves the phase of the kernel's timers."""
    for number, victim in enumerate(victims):
        death = dice.uniform(0.5, 6.5)
        if dice.random() < 0.25:
            timeline.at(death - dice.uniform(0, 0.5), victim.downlink, gateway, {"before": number})
        if dice.random() < 0.25:
            timeline.at(death - dice.uniform(0, 0.5), victim.sock.sendall, device.item("10.0.0.2"))
        timeline.at(death, victim.silence, lab)
        if number % 3 != 0:
            timeline.at(death + (dice.uniform(0, seconds) if number % 3 == 1 else 0.001),
                        victim.downlink, gateway, {"after": number})


def judge(victims, seconds, stalls):
    """Returns the list of violations, worst first."""
    wrong = []
    for number, victim in enumerate(victims):
        record = victim.record
        if record.closed is None:
            wrong.append((float("inf"), number, "never found"))
            continue
        downlinks = [(round(at - victim.silenced_at, 2), code) for at, code in victim.downlinks]
        story = f"{record.reason}, downlinks {downlinks}"
        allowed = seconds + LATE + stalls.overlap(victim.silenced_at, record.closed_at)
        if victim.found_after < 0 or victim.found_after > allowed:
            wrong.append((victim.found_after, number, f"found after {victim.found_after:.2f} s: {story}"))
        unanswered = any(code == 202 and at > victim.silenced_at - 0.05 for at, code in victim.downlinks)
        reasons = {"retransmit_expired", "keepalive_expired"} if unanswered else {"keepalive_expired"}
        if record.reason not in reasons:
            wrong.append((victim.found_after, number, f"not {reasons}: {story} {record.closed['evidence']}"))
    return sorted(wrong, reverse=True)


@pytest.mark.parametrize("seconds", [10, 5])
def test_every_silent_death_is_found_in_time(lab, seed, seconds):
    dice = random.Random(f"{seed}-{seconds}")
    with gateway_of(lab, seconds) as gateway, Stalls(gateway) as stalls:
        victims = connect_all(gateway, VICTIMS, lab=lab, first_item=True)
        controls = connect_all(gateway, CONTROLS, lab=lab)
        timeline = Timeline()
        plan_deaths(dice, timeline, gateway, lab, victims, seconds)
        for control in controls:
            timeline.at(dice.uniform(0, 10), control.downlink, gateway, {"hello": "control"})
        timeline.run()
        end = max(victim.silenced_at for victim in victims) + seconds + 10
        gateway.events.wait(lambda: all(victim.record.closed for victim in victims), end - time.monotonic())

        found = sorted(victim.found_after for victim in victims if victim.record.closed)
        print(f"detect_within {seconds} s, HOLDFAST_SEED={seed}: {len(found)} of {VICTIMS} found; median "
              f"{found[len(found) // 2]:.2f} s, worst {found[-1]:.2f} s; actions up to {timeline.latest_s:.2f} s late")
        wrong = judge(victims, seconds, stalls)
        assert not wrong, f"HOLDFAST_SEED={seed}: {len(wrong)} wrong, e.g. {wrong[:5]}{gateway.tail()}"
        fallen = [control.record.closed for control in controls if control.record.closed]
        assert not fallen, f"HOLDFAST_SEED={seed}: living connections closed: {fallen[:5]}"
        assert all(code == 202 for control in controls for _, code in control.downlinks)
        disconnect_all(victims + controls)


def test_no_living_connection_is_closed_at_2_percent_loss(lab, seed):
    """200 of them for 60 s at detect_within 10 s, with traffic both ways now and then."""
    dice = random.Random(f"{seed}-loss")
    with gateway_of(lab, 10) as gateway:
        members = connect_all(gateway, 200, lab=lab)
        lab.loss(2)
        timeline = Timeline()
        written = dict.fromkeys(range(len(members)), 0)
        for number, member in enumerate(members):
            if number % 4 != 0:  # a quarter stays idle throughout: keep-alive alone
                for _ in range(dice.randrange(1, 6)):
                    timeline.at(dice.uniform(0, 55), member.downlink, gateway, {"number": number})
                    timeline.at(dice.uniform(0, 55), member.sock.sendall, device.item("10.0.0.3"))
                    written[number] += 1
        timeline.at(60, lab.restore)
        timeline.run()
        fallen = [member.record.closed for member in members if member.record.closed]
        assert not fallen, f"HOLDFAST_SEED={seed}: {len(fallen)} living ones closed: {fallen[:5]}{gateway.tail()}"
        sent = [code for member in members for _, code in member.downlinks]
        assert sent and set(sent) == {202}, sent
        assert gateway.events.wait(lambda: gateway.events.item_count == sum(written.values()), 15), \
            f"{gateway.events.item_count} of {sum(written.values())} items came through the loss"
        summary = gateway.probe_all()
        assert (summary["asked"], summary["alive"], summary["silent"]) == (200, 200, 0), summary
        disconnect_all(members)
