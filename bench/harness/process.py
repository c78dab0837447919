"""Reads the kernel's figures of a process (CPU time, memory), and of the kernel itself (slab)."""

import os
import time

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_ns(pid):
    """Returns nanoseconds on a CPU, all threads (the scheduler's own account, updated whenever a thread goes to sleep)."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/schedstat") as text:
                total += int(text.read().split()[0])
        except FileNotFoundError:
            pass  # the thread ended during the loop
    return total


def cpu_split(pid):
    """Returns (user, system) seconds, in steps of a clock tick."""
    with open(f"/proc/{pid}/stat") as text:
        fields = text.read().rsplit(")", 1)[1].split()
    return int(fields[11]) / TICKS_PER_SECOND, int(fields[12]) / TICKS_PER_SECOND


def machine_busy_s():
    """Returns the seconds that all cores were busy, with the kernel's work for no process (timers, softirqs)."""
    with open("/proc/stat") as text:
        user, nice, system, _, _, irq, softirq, *_ = map(int, text.readline().split()[1:])
    return (user + nice + system + irq + softirq) / TICKS_PER_SECOND


def anonymous_bytes(pid):
    with open(f"/proc/{pid}/smaps_rollup") as text:
        for line in text:
            if line.startswith("Anonymous:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError(f"no Anonymous line in /proc/{pid}/smaps_rollup")


# Caches that a connection uses. Other caches change with everything else on the machine. So does `dentry`, of which a
# socket has exactly one: its size is added.
CONNECTION_CACHES = {"TCP", "TCPv6", "sock_inode_cache", "filp", "eventpoll_epi", "eventpoll_pwq", "ep_head",
                     "tcp_bind_bucket", "tcp_bind2_bucket", "request_sock_TCP"}


def settle_slab():
    """Frees memory of freed objects, which the kernel would count as active (root only)."""
    for cache in CONNECTION_CACHES:
        try:
            with open(f"/sys/kernel/slab/{cache}/shrink", "w") as shrink:
                shrink.write("1")
        except OSError:
            pass  # this kernel lacks such a cache, or merged it with another


def slab_bytes():
    """Returns {cache: bytes of its active objects} of the caches that connections use (of `dentry`: of one). Returns
    None without root."""
    try:
        with open("/proc/slabinfo") as text:
            lines = text.readlines()[2:]
    except PermissionError:
        return None
    caches = {name: (int(active), int(size)) for name, active, _, size, *_ in map(str.split, lines)}
    held = {name: active * size for name, (active, size) in caches.items() if name in CONNECTION_CACHES}
    return held | {"dentry": caches["dentry"][1]}


def slab_per_connection(before, after, connections):
    """Returns the growth for both ends of a connection."""
    grown = sum(after[name] - before.get(name, 0) for name in after if name != "dentry")
    return grown / connections + 2 * after["dentry"]


def wants_cpu(pid):
    """Returns True if a thread of the process runs, or waits for a core."""
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/stat") as text:
                if text.read().rsplit(")", 1)[1].split()[0] == "R":
                    return True
        except FileNotFoundError:
            pass  # the thread ended during the loop
    return False


def wait_until_idle(pid, quiet_s=0.03, poll_s=0.001, timeout_s=30):
    """Waits until the process has not been at work for `quiet_s` and wants no CPU; returns (when it last was, its CPU time). At work is
    who used more than half of the time between two looks: a timer's turn now and then is not."""
    deadline = time.monotonic() + timeout_s
    used, looked = cpu_ns(pid), time.monotonic()
    last_worked = looked
    while time.monotonic() < deadline:
        time.sleep(poll_s)
        now_used, now = cpu_ns(pid), time.monotonic()
        if now_used - used > 0.5e9 * (now - looked):
            last_worked = now
        elif now - last_worked > quiet_s and not wants_cpu(pid):
            return last_worked, now_used
        used, looked = now_used, now
    raise RuntimeError(f"process {pid} was still busy after {timeout_s} s")
