"""The measures. Each takes a server and its parameters, checks that nothing was lost, and returns {name: figure}."""

import time
from dataclasses import dataclass
from statistics import median

from harness.fleet import Fleet, MqttFleet, PacedFleet
from harness.process import anonymous_bytes, cpu_ns, cpu_split, machine_busy_s, settle_slab, slab_bytes, slab_per_connection, \
    wait_until_idle

PACED_PER_S = 10_000


@dataclass(frozen=True)
class Sizes:
    """Number of connections of each measure."""

    many: int = 19_000
    burst: int = 4_000
    drained: int = 10_000


# The kernel probes devices that connected at the same moment at the same moment. Loopback's queue
# (net.core.netdev_max_backlog, 1,000) then drops most of the probes: see docs/explanation/performance.md.
ARRIVALS_PER_S = 3_000


class Void(Exception):
    """An item was lost or never arrived: the run is void."""


def wait_for(server, name, wanted, timeout_s=30):
    """Waits until the server's own counter is exactly `wanted`."""
    deadline = time.monotonic() + timeout_s
    while True:
        wait_until_idle(server.pid)
        counts = server.counts()
        if counts[name] == wanted and counts["bad"] == 0:
            return
        if counts[name] > wanted or counts["bad"] or time.monotonic() > deadline:
            raise Void(f"{name} should be {wanted}: {counts}")


def wait_until_done(server, name, wanted, timeout_s=30):
    """Waits until it has done all and is idle; returns what wait_until_idle does, and the split of its CPU time then. Idle alone is
    not enough: who has just been continued may look idle before it has begun."""
    deadline = time.monotonic() + timeout_s
    while True:
        end, cpu = wait_until_idle(server.pid)
        split = cpu_split(server.pid)  # before the request, which has a cost, too
        if server.counts()[name] >= wanted or time.monotonic() > deadline:
            wait_for(server, name, wanted, timeout_s=0)
            return end, cpu, split


def population(server, binary, many, idle_s, base):
    """Returns memory and CPU of many connections that connect, stay, send three items each, and close."""
    figures = {}
    wait_until_idle(server.pid)
    settle_slab()
    memory, slab, cpu = anonymous_bytes(server.pid), slab_bytes(), cpu_ns(server.pid)
    with Fleet(binary, server.port, many, items=3, batch=1, rate=ARRIVALS_PER_S) as fleet:
        cpu = wait_until_idle(server.pid)[1] - cpu
        figures["accept_paced_us"] = cpu / many / 1e3
        wait_for(server, "accepted", base["accepted"] + many)
        figures["bytes_fresh"] = (anonymous_bytes(server.pid) - memory) / many
        if slab is not None:
            figures["slab_both_ends"] = slab_per_connection(slab, slab_bytes(), many)
        if idle_s:
            figures.update(idle_cpu(server, idle_s))
            figures["bytes_after_idle"] = (anonymous_bytes(server.pid) - memory) / many
        if hasattr(server, "ask"):
            figures.update(ask_all(server, many))
        fleet.send()
        wait_for(server, "items", base["items"] + 3 * many)
        figures["bytes_after_items"] = (anonymous_bytes(server.pid) - memory) / many
        cpu = cpu_ns(server.pid)
        fleet.leave()
        figures["close_us"] = (wait_until_idle(server.pid)[1] - cpu) / many / 1e3
        wait_for(server, "closed", base["closed"] + many)
    return figures


def idle_cpu(server, seconds):
    cpu, (user, system), machine = cpu_ns(server.pid), cpu_split(server.pid), machine_busy_s()
    time.sleep(seconds)
    machine = machine_busy_s() - machine
    user_after, system_after = cpu_split(server.pid)
    return {"idle_cpu_percent": (cpu_ns(server.pid) - cpu) / seconds / 1e7,
            "idle_user_percent": (user_after - user) / seconds * 100,
            "idle_system_percent": (system_after - system) / seconds * 100,
            "idle_machine_percent": machine / seconds * 100}


def mqtt_population(server, fleet_script, many, idle_s):
    """Returns the same of the MQTT broker as far as possible: each client is acknowledged once, and pings once."""
    figures = {}
    wait_until_idle(server.pid)
    settle_slab()
    memory, slab, cpu = anonymous_bytes(server.pid), slab_bytes(), cpu_ns(server.pid)
    with MqttFleet(fleet_script, server.port, many) as fleet:
        figures["accept_paced_us"] = (wait_until_idle(server.pid)[1] - cpu) / many / 1e3
        figures["bytes_fresh"] = (anonymous_bytes(server.pid) - memory) / many
        if slab is not None:
            figures["slab_both_ends"] = slab_per_connection(slab, slab_bytes(), many)
        if idle_s:
            figures.update(idle_cpu(server, idle_s))
        fleet.send()
        wait_until_idle(server.pid)
        figures["bytes_after_items"] = (anonymous_bytes(server.pid) - memory) / many
        cpu = cpu_ns(server.pid)
        fleet.leave()
        figures["close_us"] = (wait_until_idle(server.pid)[1] - cpu) / many / 1e3
    return figures


def ask_all(server, many):
    time.sleep(1.2)  # a connection that was active within the last second would not be probed
    cpu, start = cpu_ns(server.pid), time.monotonic()
    answer = server.ask("POST", "/v1/probe?all=true")
    took = time.monotonic() - start
    if answer["asked"] != many or answer["alive"] != many:
        raise Void(f"not all {many} answered: asked {answer['asked']}, alive {answer['alive']}")
    return {"ask_all_s": took, "ask_all_cpu_us": (cpu_ns(server.pid) - cpu) / many / 1e3}


def burst(server, binary, connections, repeats, base):
    """Measures connections that queued up while the server was stopped."""
    per_accept, per_second = [], []
    for repeat in range(1, repeats + 1):
        wait_until_idle(server.pid)
        server.freeze()
        with Fleet(binary, server.port, connections, items=1, batch=1):
            cpu, start = cpu_ns(server.pid), time.monotonic()
            server.thaw()
            end, cpu_after, _ = wait_until_done(server, "accepted", base["accepted"] + repeat * connections)
        wait_for(server, "closed", base["closed"] + repeat * connections)
        per_accept.append((cpu_after - cpu) / connections / 1e3)
        per_second.append(connections / (end - start))
    return {"accept_burst_us": median(per_accept), "accept_burst_per_s": median(per_second)}


def drain(server, binary, connections, items, repeats, base):
    """Measures items that were all written while the server was stopped; the first round warms up and does not count."""
    per_item, per_second, in_user, in_system = [], [], 0, 0
    with Fleet(binary, server.port, connections, items=items, batch=items) as fleet:
        wait_for(server, "accepted", base["accepted"] + connections)
        for repeat in range(repeats + 1):
            wait_until_idle(server.pid)
            server.freeze()
            fleet.send()
            cpu, (user, system), start = cpu_ns(server.pid), cpu_split(server.pid), time.monotonic()
            server.thaw()
            end, cpu_after, (user_after, system_after) = wait_until_done(server, "items",
                                                                         base["items"] + (repeat + 1) * connections * items)
            if repeat == 0:
                continue
            per_item.append((cpu_after - cpu) / connections / items / 1e3)
            per_second.append(connections * items / (end - start))
            in_user += user_after - user
            in_system += system_after - system
    wait_for(server, "closed", base["closed"] + connections)
    figures = {f"item_us_x{items}": median(per_item), f"items_per_s_x{items}": median(per_second)}
    if in_user + in_system > 0:
        figures[f"user_share_x{items}"] = in_user / (in_user + in_system)
    return figures


def paced(server, connections, seconds, base):
    """Sends a steady 10,000 items a second, one per write, over many connections."""
    with PacedFleet(server.port, connections, PACED_PER_S) as fleet:
        wait_for(server, "accepted", base["accepted"] + connections)
        fleet.send()
        time.sleep(0.5)
        items, cpu, start = server.counts()["items"], cpu_ns(server.pid), time.monotonic()
        time.sleep(seconds)
        cpu, took = cpu_ns(server.pid) - cpu, time.monotonic() - start
        items = server.counts()["items"] - items
        sent = fleet.leave()["items"]
    wait_for(server, "items", base["items"] + sent)
    wait_for(server, "closed", base["closed"] + connections)
    if items < 0.97 * took * PACED_PER_S:
        raise Void(f"{PACED_PER_S} items a second were wanted, {items / took:.0f} a second came")
    return {"item_us_paced": cpu / items / 1e3}
