"""A gateway with a keeper, whose worker is killed."""

import datetime
import json
import os
import pathlib
import signal
import socket

from gateway import listener, until
from spool_files import read_all


def config(sink, *listeners, crashes=1000, **process):
    keys = {"keeper": True, "keeper_crashes": crashes, **process}
    return ("reactors = 2\n" + "".join(listeners or [listener()]) + f'[sink]\ntype = "{sink[0]}"\n' +
            (f'path = "{sink[1]}"\n' if len(sink) > 1 else "") + '[alarm]\nsuspicion = false\n[process]\n' +
            "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items()))


def worker_of(gateway):
    """Returns the pid of the worker, or None while there is none."""
    pid = gateway.process.pid
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return int(children[0]) if children else None


def restarts(gateway):
    return [line for line in list(gateway.stderr) if " worker restarted " in line]


def kill_worker(gateway, number=signal.SIGKILL, wait=True):
    """Ends the worker, and waits until the next one serves. Returns its line of the log."""
    before = restarts(gateway)[-1:]  # each line has its time
    os.kill(until(lambda: worker_of(gateway)), number)
    if not wait:
        return None
    assert until(lambda: restarts(gateway)[-1:] != before), f"no restart{gateway.tail()}"
    assert until(lambda: answers(gateway)), f"the admin API does not answer{gateway.tail()}"
    return restarts(gateway)[-1]


def stop_worker(gateway):
    """Stops the worker. Each of its threads stops a moment after the signal."""
    worker = worker_of(gateway)
    os.kill(worker, signal.SIGSTOP)
    tasks = list(pathlib.Path(f"/proc/{worker}/task").iterdir())
    assert until(lambda: all((task / "stat").read_text().rsplit(")", 1)[1].split()[0] == "T" for task in tasks))
    return worker


def answers(gateway):
    try:
        return gateway.request("GET", "/healthz", timeout=5)[0] == 200
    except OSError:
        return False


def field(line, name):
    return next(word.split("=")[1] for word in line.split() if word.startswith(name + "="))


def registry(gateway):
    """Returns {peer: connection} of all pages."""
    rows, offset = {}, 0
    while True:
        page = gateway.ask("GET", f"/v1/connections?limit=1000&offset={offset}")["connections"]
        rows |= {row["peer"]: row for row in page}
        offset += len(page)
        if len(page) < 1000:
            return rows


def opened_at(row):
    return datetime.datetime.fromisoformat(row["connected_at"].replace("Z", "+00:00")).timestamp()


def is_open(sock):
    """Returns whether the peer has neither ended nor reset the connection."""
    before = sock.gettimeout()
    sock.setblocking(False)
    try:
        return sock.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        sock.settimeout(before)


def is_over(sock):
    """Returns whether the connection ends, behind what the gateway may still have sent."""
    sock.settimeout(10)
    try:
        while sock.recv(4096):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def events_of(gateway, kind):
    return [event for _, event in read_all(gateway)[0] if event["event"] == kind]


def milliseconds(text):
    return int(text.removesuffix("ms")) if text.endswith("ms") else int(1000 * float(text.removesuffix("s")))


def takeover_ms(gateway, line):
    """Returns the time from the end of the worker to the first turn of the next one, without the keeper's pause."""
    crashed = gateway.log_lines("error worker crashed")[-1]
    return milliseconds(field(line, "downtime")) - milliseconds(field(crashed, "restart_in"))


def spread(times):
    """Returns the median, the 99th percentile and the longest of some times in milliseconds, for people."""
    ranked = sorted(times)
    return f"median {ranked[len(ranked) // 2]} ms, p99 {ranked[min(len(ranked) - 1, len(ranked) * 99 // 100)]} ms, longest {ranked[-1]} ms"
