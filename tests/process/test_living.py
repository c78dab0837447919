"""The promise Hold as a property. While devices vanish at random moments, living ones pass safe outages, round trips up
to the safe one, and pauses of the daemon. Every vanished device is found in time, and no living one is closed."""

import contextlib
import json
import os
import random
import signal
import threading
import time

from gateway import Gateway, listener, run
from lab import device
from lab.netlab import GATEWAY4, device_address
from population import Stalls, Timeline, connect_all, disconnect_all

SECONDS = 10  # detect_within
LATE = 0.5
LENGTH_S = 24.0
SLOW_NETWORK = "10.140.0.0/16"
VICTIMS, RESTING, OUTAGES, DELAYED, TALKERS = 60, 20, 60, 30, 20
READ_IDLE_S, TALK_EVERY_S = 3.0, 0.4
PAUSES_S = (3.8, 1.5)  # the first is longer than read_idle
RECOVERY_S = 5.0  # after an outage, until the next: a probe or a retransmission has been answered by then


def plan_of(seconds):
    done = run("plan", "--detect-within", f"{seconds}s", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Pauses:
    """Stops the daemon for a while, at set times, on a thread of its own. `overlap` of a span of time is how long it was
    stopped in it."""

    def __init__(self, gateway, schedule):
        self._gateway = gateway
        self._schedule = schedule  # (second, length)
        self.spans = []
        self.running = threading.Event()
        self.running.set()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()

    def join(self):
        self._thread.join()

    def overlap(self, begin, end):
        return sum(max(0.0, min(end, after) - max(begin, before)) for before, after in self.spans)

    def _run(self):
        start = time.monotonic()
        for second, length in self._schedule:
            time.sleep(max(0.0, start + second - time.monotonic()))
            self.running.clear()
            before = time.monotonic()
            os.kill(self._gateway.process.pid, signal.SIGSTOP)
            try:
                time.sleep(length)
            finally:
                os.kill(self._gateway.process.pid, signal.SIGCONT)
            self.spans.append((before, time.monotonic()))
            self.running.set()


class Talkers:
    """Devices that send an item every TALK_EVERY_S, on a thread of their own, until stop()."""

    def __init__(self, members):
        self.members = members
        self.sent = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        self._stop.set()
        self._thread.join()

    def _run(self):
        while not self._stop.wait(TALK_EVERY_S):
            for member in self.members:
                send(member, "10.0.0.7")
                self.sent += 1


class Outages:
    """Silences one device after the other for less than `longest` seconds. An outage that took longer, since the
    machine was busy, is noted in `too_long` and proves nothing."""

    def __init__(self, lab, longest):
        self._lab = lab
        self._longest = longest
        self._began = {}
        self.count = 0
        self.too_long = set()

    def begin(self, member):
        self._lab.silence(member.sock.getsockname())
        self._began[member] = time.monotonic()

    def end(self, member):
        self._lab.heal(member.sock.getsockname())
        self.count += 1
        if time.monotonic() - self._began[member] > self._longest:
            self.too_long.add(member)


def send(member, address):
    """Sends an item. A connection that ended wrongly is judged by its `closed` event, which has the reason."""
    with contextlib.suppress(ConnectionError):
        member.sock.sendall(device.item(address))


def downlink(member, gateway, pauses):
    """Sends a downlink, unless the daemon is stopped: the request would wait, and everything behind it."""
    if pauses.running.is_set():
        member.downlink(gateway, {"hold": 1})


def plan_outages(dice, timeline, outages, members, gateway, pauses, longest):
    for member in members:
        second = dice.uniform(0.5, 3.0)
        while True:
            length = longest * dice.uniform(0.5, 0.97)
            if second + length > LENGTH_S - 1:
                break
            if dice.random() < 0.5:  # with data in flight, or data written amid the outage
                timeline.at(second + dice.uniform(-0.05, length), downlink, member, gateway, pauses)
            timeline.at(second, outages.begin, member)
            timeline.at(second + length, outages.end, member)
            second += length + RECOVERY_S + dice.uniform(0, 2)


def plan_delays(dice, timeline, lab, members, gateway, pauses, longest):
    second = 0.0
    while second < LENGTH_S - 1:
        timeline.at(second, lab.delay, longest * 1000 * dice.choice((0, dice.random(), 1)))
        second += dice.uniform(1.0, 4.0)
    for member in members:
        for _ in range(3):
            timeline.at(dice.uniform(0, LENGTH_S - 1), downlink, member, gateway, pauses)
            timeline.at(dice.uniform(0, LENGTH_S - 1), send, member, "10.0.0.8")


def plan_deaths(dice, timeline, lab, victims, gateway, pauses):
    for number, victim in enumerate(victims):
        death = dice.uniform(0.5, LENGTH_S - 4)
        timeline.at(death, victim.silence, lab)
        if number % 2 == 0:
            timeline.at(death + dice.uniform(-0.05, SECONDS), downlink, victim, gateway, pauses)


def wrong_about(victims, pauses, stalls):
    wrong = []
    for victim in victims:
        if victim.record.closed is None:
            wrong.append("a vanished device was not found")
            continue
        allowed = SECONDS + LATE + sum(each.overlap(victim.silenced_at, victim.record.closed_at) for each in (pauses, stalls))
        if victim.found_after < 0 or victim.found_after > allowed:
            wrong.append(f"found after {victim.found_after:.2f} s, not {allowed:.2f} s: {victim.record.closed}")
    return wrong


def was_too_slow(record, stalls, plan):
    """Returns whether a delayed device ended behind a stall of the relay. Its silence may then have been longer than the
    one that the gateway has to allow, and its end proves nothing."""
    margin_s = (plan["silence_limit_ms"] - plan["safe_round_trip_ms"]) / 1000 - plan["idle_s"]
    return record.closed is not None and stalls.overlap(record.closed_at - SECONDS, record.closed_at) > margin_s


def config():
    address = f"{GATEWAY4}:0"
    return (listener(address=address, detect_within=f"{SECONDS}s", read_idle="off") +
            listener(name="talkers", address=address, detect_within=f"{SECONDS}s", read_idle=f"{READ_IDLE_S:.0f}s"))


def test_no_living_connection_ends_amid_outages_delays_and_pauses(lab, seed):
    dice = random.Random(f"{seed}-hold")
    plan = plan_of(SECONDS)
    longest_outage = min(plan["safe_outage_ms"]["idle"], plan["safe_outage_ms"]["in_flight"]) / 1000
    lab.delay(0, network=SLOW_NETWORK)
    with Gateway(config=config(), namespace=lab.gateway) as gateway, Stalls(gateway, [lab.relay_pid]) as stalls:
        to = gateway.ports["devices"]
        victims = connect_all(gateway, VICTIMS, lab=lab, to=to)
        resting = connect_all(gateway, RESTING, lab=lab, to=to)
        shaken = connect_all(gateway, OUTAGES, lab=lab, to=to)
        delayed = connect_all(gateway, DELAYED, lab=lab, to=to, sources=[device_address(12)])
        talkers = Talkers(connect_all(gateway, TALKERS, lab=lab, to=gateway.ports["talkers"]))
        pauses = Pauses(gateway, [(dice.uniform(4, 7), PAUSES_S[0]), (dice.uniform(15, 18), PAUSES_S[1])])
        outages = Outages(lab, longest_outage)
        timeline = Timeline()
        plan_deaths(dice, timeline, lab, victims, gateway, pauses)
        plan_outages(dice, timeline, outages, shaken, gateway, pauses, longest_outage)
        plan_delays(dice, timeline, lab, delayed, gateway, pauses, plan["safe_round_trip_ms"] / 1000)
        timeline.at(LENGTH_S, lab.delay, 0)

        talkers.start()
        pauses.start()
        timeline.run()
        pauses.join()
        end = max(victim.silenced_at for victim in victims) + SECONDS + 10
        gateway.events.wait(lambda: all(victim.record.closed for victim in victims), end - time.monotonic())
        talkers.stop()

        living = resting + [member for member in shaken if member not in outages.too_long] + talkers.members
        living += [member for member in delayed if not was_too_slow(member.record, stalls, plan)]
        fallen = [member.record.closed for member in living if member.record.closed]
        print(f"HOLDFAST_SEED={seed}: {VICTIMS} vanished, {outages.count} outages up to {longest_outage:.1f} s "
              f"({len(outages.too_long)} too long), pauses {PAUSES_S} s, {len(living)} lived; actions up to "
              f"{timeline.latest_s:.2f} s late")
        assert not fallen, f"HOLDFAST_SEED={seed}: {len(fallen)} living ones closed: {fallen[:5]}{gateway.tail()}"
        wrong = wrong_about(victims, pauses, stalls)
        assert not wrong, f"HOLDFAST_SEED={seed}: {len(wrong)} wrong, e.g. {wrong[:5]}{gateway.tail()}"
        assert len(outages.too_long) < OUTAGES / 2, f"the machine is too busy: {len(outages.too_long)} outages too long"
        count = sum(len(member.record.items) for member in talkers.members)
        assert gateway.events.wait(lambda: sum(len(m.record.items) for m in talkers.members) == talkers.sent, 15), \
            f"{count} of {talkers.sent} items came through the pauses"
        disconnect_all(resting + shaken + delayed + talkers.members)
