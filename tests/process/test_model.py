"""The simulated kernel against the real one: the same scenarios in both, side by side. The reasons must be equal, and the times close to
each other and within the bounds that docs/explanation/liveness.md promises."""

import subprocess
import time

import pytest

import reasons
from build import build_target
from conftest import ROOT
from gateway import NO_SUSPICION, Gateway, listener
from lab import device
from lab.netlab import GATEWAY4
from sidebyside import run_all

TEXT = (ROOT / "tests" / "simulation" / "scenarios" / "scenarios.txt").read_text()
SCENARIOS = {words[0]: (tuple(map(int, words[1:4])), words[4:])
             for words in map(str.split, TEXT.splitlines()) if words and words[0] != "#"}
# The kernel's timers come up to an eighth late, by their phase; and a busy machine may take its time.
NEAR = 0.7


class RealScenario:
    """Runs the steps of one scenario on a stage."""

    def __init__(self, stage, name, limits):
        self.stage = stage
        self.socket, self.record = stage.device("%d-%d-%d" % limits, key=None, receive_buffer=4096 if "stall" in SCENARIOS[name][1] else None)
        self.since = time.monotonic()

    def step(self, word):
        name, _, milliseconds = word.partition(":")
        if name == "wait":
            return time.sleep(int(milliseconds) / 1000)
        if name not in ("downlink", "heal"):
            self.since = time.monotonic()
        peer = None if self.socket.fileno() < 0 else self.socket.getsockname()
        {"send": self.send, "partial": lambda: self.socket.sendall(b'{"ip":'), "close": self.socket.close,
         "half_close": lambda: self.socket.shutdown(1), "reset": lambda: device.reset(self.socket),
         "vanish": lambda: self.stage.lab.silence(peer), "partition": lambda: self.stage.lab.silence(peer), "stall": lambda: None,
         "unreachable": lambda: self.stage.lab.icmp_unreachable(peer, what="no_host"), "heal": lambda: self.stage.lab.heal(peer),
         "downlink": lambda: self.stage.downlink(self.record), "flood": lambda: reasons.flood(self.stage, self.record)}[name]()
        return None

    def send(self):
        self.socket.sendall(device.item("10.20.30.40"))
        time.sleep(0.3)

    def outcome(self):
        closed = self.stage.gateway.closed(self.record, 60)
        return closed.closed["reason"], closed.closed_at - self.since


@pytest.fixture(scope="module")
def real(module_lab):
    class Stage(reasons.Stage):
        def __init__(self, lab):
            self.lab, self.sockets = lab, []
            self.gateway = Gateway(namespace=lab.gateway, config="reactors = 1\n" + NO_SUSPICION + "".join(
                listener("%d-%d-%d" % limits, f"{GATEWAY4}:0", detect_within=f"{limits[0]}ms",
                         read_idle=f"{limits[1]}ms" if limits[1] else "off", **({"item_deadline": f"{limits[2]}ms"} if limits[2] else {}))
                for limits in sorted({limits for limits, _ in SCENARIOS.values()})))

    def run(stage, name):
        limits, steps = SCENARIOS[name]
        scenario = RealScenario(stage, name, limits)
        for step in steps:
            scenario.step(step)
        return scenario.outcome()

    stage = Stage(module_lab)
    with stage.gateway:
        yield run_all({name: (lambda name=name: run(stage, name)) for name in SCENARIOS}, within=90)
    stage.close()


@pytest.fixture(scope="module")
def simulated():
    done = subprocess.run([build_target("holdfast_scenarios")], input=TEXT, capture_output=True, text=True, check=True, timeout=60)
    return {words[0]: (words[1], int(words[2]) / 1000) for words in map(str.split, done.stdout.splitlines())}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_simulated_kernel_agrees_with_the_real_one(real, simulated, name):
    reason, seconds = real[name].value(time.monotonic())
    expected, expected_seconds = simulated[name]
    print(f"{name}: {reason} after {seconds:.2f} s, simulated {expected} after {expected_seconds:.2f} s")
    assert reason == expected
    assert abs(seconds - expected_seconds) < NEAR
    (detect_within, read_idle, item_deadline), _ = SCENARIOS[name]
    bound = {"read_idle": read_idle, "item_deadline": item_deadline}.get(reason, detect_within) / 1000
    assert max(seconds, expected_seconds) < bound + NEAR
