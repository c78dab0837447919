"""The measures. Each takes a server (and what it needs), checks that nothing was lost, and returns {name: figure}."""

import time
from statistics import median

from harness.fleet import Fleet
from harness.process import anonymous_bytes, cpu_ns, cpu_split, slab_bytes, wait_until_idle

MANY = 19_000
BURST = 4_000
DRAINED = 10_000
# Devices that connect in the same moment are probed in the same moment by the kernel, and loopback's queue
# (net.core.netdev_max_backlog, 1,000) then drops most of the probes: see docs/PERFORMANCE.md.
ARRIVALS_PER_S = 3_000


class Void(Exception):
    """Something was lost or never came: the run says nothing."""


def wait_for(server, name, wanted, timeout_s=30):
    """Until the server's own counter says so, whole and exact."""
    deadline = time.monotonic() + timeout_s
    while True:
        wait_until_idle(server.pid)
        counts = server.counts()
        if counts[name] == wanted and counts["bad"] == 0:
            return
        if counts[name] > wanted or counts["bad"] or time.monotonic() > deadline:
            raise Void(f"{name} should be {wanted}: {counts}")


def population(server, binary, idle_s, base):
    """Memory and CPU of many connections that come, stay, send three items each, and go."""
    figures = {}
    wait_until_idle(server.pid)
    memory, slab, cpu = anonymous_bytes(server.pid), slab_bytes(), cpu_ns(server.pid)
    with Fleet(binary, server.port, MANY, items=3, batch=1, rate=ARRIVALS_PER_S) as fleet:
        cpu = wait_until_idle(server.pid)[1] - cpu
        figures["accept_paced_us"] = cpu / MANY / 1e3
        wait_for(server, "accepted", base["accepted"] + MANY)
        figures["bytes_fresh"] = (anonymous_bytes(server.pid) - memory) / MANY
        if slab is not None:
            figures["slab_both_ends"] = (slab_bytes() - slab) / MANY
        if idle_s:
            figures.update(idle_cpu(server, idle_s))
        if hasattr(server, "ask"):
            figures.update(ask_all(server))
        fleet.send()
        wait_for(server, "items", base["items"] + 3 * MANY)
        figures["bytes_after_items"] = (anonymous_bytes(server.pid) - memory) / MANY
        cpu = cpu_ns(server.pid)
        fleet.leave()
        figures["close_us"] = (wait_until_idle(server.pid)[1] - cpu) / MANY / 1e3
        wait_for(server, "closed", base["closed"] + MANY)
    return figures


def idle_cpu(server, seconds):
    cpu, (user, system) = cpu_ns(server.pid), cpu_split(server.pid)
    time.sleep(seconds)
    user_after, system_after = cpu_split(server.pid)
    return {"idle_cpu_percent": (cpu_ns(server.pid) - cpu) / seconds / 1e7,
            "idle_user_percent": (user_after - user) / seconds * 100,
            "idle_system_percent": (system_after - system) / seconds * 100}


def ask_all(server):
    time.sleep(1.2)  # one heard from within the last second would not be asked
    cpu, start = cpu_ns(server.pid), time.monotonic()
    answer = server.ask("POST", "/v1/probe?all=true")
    took = time.monotonic() - start
    if answer["asked"] != MANY or answer["alive"] != MANY:
        raise Void(f"not all {MANY} answered: asked {answer['asked']}, alive {answer['alive']}")
    return {"ask_all_s": took, "ask_all_cpu_us": (cpu_ns(server.pid) - cpu) / MANY / 1e3}


def burst(server, binary, base):
    """Connections that queued up while the server was stopped."""
    wait_until_idle(server.pid)
    server.freeze()
    with Fleet(binary, server.port, BURST, items=1, batch=1):
        cpu, start = cpu_ns(server.pid), time.monotonic()
        server.thaw()
        end, cpu_after = wait_until_idle(server.pid)
        wait_for(server, "accepted", base["accepted"] + BURST)
    wait_for(server, "closed", base["closed"] + BURST)
    return {"accept_burst_us": (cpu_after - cpu) / BURST / 1e3, "accept_burst_per_s": BURST / (end - start)}


def drain(server, binary, items, repeats, base):
    """Items that were all written while the server was stopped; the first time warms up and does not count."""
    per_item, per_second, in_user, in_system = [], [], 0, 0
    with Fleet(binary, server.port, DRAINED, items=items, batch=items) as fleet:
        wait_for(server, "accepted", base["accepted"] + DRAINED)
        for repeat in range(repeats + 1):
            wait_until_idle(server.pid)
            server.freeze()
            fleet.send()
            cpu, (user, system), start = cpu_ns(server.pid), cpu_split(server.pid), time.monotonic()
            server.thaw()
            end, cpu_after = wait_until_idle(server.pid)
            user_after, system_after = cpu_split(server.pid)
            wait_for(server, "items", base["items"] + (repeat + 1) * DRAINED * items)
            if repeat == 0:
                continue
            per_item.append((cpu_after - cpu) / DRAINED / items / 1e3)
            per_second.append(DRAINED * items / (end - start))
            in_user += user_after - user
            in_system += system_after - system
    wait_for(server, "closed", base["closed"] + DRAINED)
    figures = {f"item_us_x{items}": median(per_item), f"items_per_s_x{items}": median(per_second)}
    if in_user + in_system > 0:
        figures[f"user_share_x{items}"] = in_user / (in_user + in_system)
    return figures
