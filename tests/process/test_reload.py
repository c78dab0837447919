"""A new configuration for a running daemon: by SIGHUP and by POST /v1/reload."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from gateway import NO_SUSPICION, PATIENCE, Gateway, listener, run, until
from lab import device
from lab.netlab import GATEWAY4
from population import connect_all, disconnect_all

TOP = "reactors = 2\n"
LATE = 2.0  # as in test_reasons.py


def config(*listeners, **sections):
    """Returns a configuration's text: config(listener(...), limits={"max_connections": 5})."""
    text = TOP + "".join(listeners)
    for name, keys in sections.items():
        text += f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
    return text


def hang_up(gateway, *words):
    """Sends SIGHUP. Waits for the line of the log with the outcome, and returns all lines since the signal."""
    before = len(gateway.stderr)
    gateway.process.send_signal(signal.SIGHUP)
    words = words or ("reloaded ",)
    found = until(lambda: [line for line in list(gateway.stderr)[before:] if all(word in line for word in words)])
    assert found, f"no line with {words}{gateway.tail()}"
    return list(gateway.stderr)[before:]


def sends(gateway, sock, record, key):
    """Sends an item, and waits for its event."""
    count = len(record.items)
    sock.sendall(device.item(key))
    assert gateway.events.wait(lambda: len(record.items) > count, 10), f"no item {key}: {record}{gateway.tail()}"


def joined(gateway, to=None, **options):
    sock = device.connect(to or gateway.address, **options)
    return sock, gateway.connected(device.name_of(sock))


class Flow:
    """Items sent without a break, by a thread of its own, while something changes."""

    def __init__(self, members):
        self.members = members
        self.sent = 0
        self.errors = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def _send(self):
        try:
            while not self._stop.is_set():
                for member in self.members:
                    member.sock.sendall(device.item("10.0.0.1", n=self.sent))
                    self.sent += 1
                time.sleep(0.01)
        except OSError as error:
            self.errors.append(error)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        assert not self.errors, self.errors


# A bad file

BAD = [
    ("a wrong value", "[[listener]]\ndetect_within = \"1s\"\n", ":2: ", "3s"),
    ("an unknown key", "[[listener]]\n\n\nread_idel = \"5m\"\n", ":4: ", "read_idle"),
    ("no TOML", "[[listener]\n", ":1:", ""),
    ("empty", "", ":1: ", "is empty"),
    ("blank", " \n\n\t\n", ":1: ", "is empty"),
]


@pytest.fixture(scope="module")
def steady():
    with Gateway(config=config(listener(detect_within="30s"))) as made:
        sock, record = joined(made)
        made.steady_device = sock, record
        yield made
        sock.close()


@pytest.mark.parametrize("what, text, place, words", BAD, ids=[row[0] for row in BAD])
def test_a_bad_file_changes_nothing_and_names_its_line(steady, what, text, place, words):
    before = steady.status()["listeners"]
    answer = steady.reload(text, expect=422)
    assert answer["error"]["code"] == "bad_config", answer
    assert str(steady.config_path) + place in answer["error"]["message"], answer
    assert words in answer["error"]["message"], answer
    lines = hang_up(steady, "rejected a reload, and nothing has changed", str(steady.config_path) + place)
    assert not [line for line in lines if " reloaded " in line], lines
    after = steady.status()["listeners"]
    assert [(one["name"], one["address"], one["plan"]) for one in after] == \
        [(one["name"], one["address"], one["plan"]) for one in before]
    sends(steady, *steady.steady_device, "10.0.0.1")


def test_every_error_is_reported(steady):
    text = "drain_time = 5\n[[listener]]\ndetect_within = \"1s\"\n[log]\nlevel = \"loud\"\n"
    answer = steady.reload(text, expect=422)
    assert [re.search(r":(\d+): ", line)[1] for line in answer["error"]["details"]] == ["1", "3", "5"], answer
    for line in (1, 3, 5):
        assert until(lambda: steady.log_lines("rejected a reload", f"{steady.config_path}:{line}: ")), steady.tail()


def vanished(path):
    path.unlink()


def unreadable(path):
    path.unlink()
    path.symlink_to("/proc/self/mem")  # open(2) lets root read it; read(2) returns EIO


def a_directory(path):
    path.unlink()
    path.mkdir()


def a_fifo(path):
    path.unlink()
    os.mkfifo(path)


def too_large(path):
    path.write_bytes(b"#" * (1 << 21))


def bytes_of_no_text(path):
    path.write_bytes(os.urandom(4096))


@pytest.mark.parametrize("make", [vanished, unreadable, a_directory, a_fifo, too_large, bytes_of_no_text])
def test_a_file_that_cannot_be_read_changes_nothing(make):
    with Gateway(config=config(listener())) as gateway:
        sock, record = joined(gateway)
        make(gateway.config_path)
        answer = gateway.reload(expect=422)
        assert str(gateway.config_path) in answer["error"]["message"], answer
        hang_up(gateway, "rejected a reload, and nothing has changed", str(gateway.config_path))
        sends(gateway, sock, record, "10.0.0.1")
        if gateway.config_path.is_dir():
            gateway.config_path.rmdir()
        answer = gateway.reload(config(listener(max_bad_items=7)))
        assert answer["applied"] == ['max_bad_items of listener "devices": 100 -> 7'], answer
        sock.close()


def test_an_address_in_use_changes_nothing():
    with socket.create_server(("127.0.0.1", 0)) as other, Gateway(config=config(listener())) as gateway:
        sock, record = joined(gateway)
        wanted = config(listener(detect_within="5s"), listener("fresh"),
                        listener("taken", "127.0.0.1:%d" % other.getsockname()[1]), limits={"max_connections": 1})
        answer = gateway.reload(wanted, expect=422)
        assert 'listener "taken": cannot listen on' in answer["error"]["message"], answer
        status = gateway.status()
        assert [one["name"] for one in status["listeners"]] == ["devices"], status
        assert status["listeners"][0]["detect_within_ms"] == 30_000, status
        assert status["max_connections"] != 1, status
        sends(gateway, sock, record, "10.0.0.1")
        sock.close()


# Listeners

def test_listeners_are_added_and_removed_while_others_deliver():
    both = config(listener("stays"), listener("leaves"))
    with Gateway(config=both) as gateway:
        staying = connect_all(gateway, 50, to=gateway.ports["stays"])
        leaving = connect_all(gateway, 50, to=gateway.ports["leaves"])
        gone = gateway.ports["leaves"]
        with Flow(staying) as flow:
            for member in leaving:
                member.sock.sendall(device.item("10.9.9.9"))
            answer = gateway.reload(config(listener("stays"), listener("comes")))
            assert answer["needs_restart"] == [] and len(answer["applied"]) == 2, answer
            assert answer["applied"][0].startswith('listener "comes" added at 127.0.0.1:'), answer
            assert answer["applied"][1] == 'listener "leaves" removed: its 50 connections end as drained', answer
            for member in leaving:
                assert gateway.closed(member.record).closed["reason"] == "drained", member.record.closed
                assert [item.key for item in member.record.items] == ["10.9.9.9"], "what was sent is delivered"
            with pytest.raises(ConnectionRefusedError):
                device.connect(gone)
            assert until(lambda: gateway.ports.get("comes")), gateway.tail()
            sock, record = joined(gateway, gateway.ports["comes"])
            sends(gateway, sock, record, "10.0.0.2")
            sock.close()
        wanted = lambda: sum(len(member.record.items) for member in staying) == flow.sent  # noqa: E731
        assert gateway.events.wait(wanted, PATIENCE), f"{flow.sent} sent{gateway.tail()}"
        assert not [member for member in staying if member.record.closed]
        drained = re.search(r'closed_total\{listener="leaves",reason="drained"\} (\d+)', gateway.ask("GET", "/metrics"))
        assert drained and int(drained[1]) == 50, "the end of a listener can be read for a while"
        disconnect_all(staying)


def test_twenty_reloads_lose_nothing_while_2000_devices_send():
    texts = [config(*listeners, limits={"downlink_queue": "64KiB"}) for listeners in (
        (listener(detect_within="30s", read_idle="off"),),
        (listener(detect_within="5s", read_idle="off", max_bad_items=50), listener("other")),
        (listener(detect_within="60s", read_idle="10m", backlog=512),),
    )]
    with Gateway(config=texts[0], descriptors=16_384) as gateway:
        members = connect_all(gateway, 2_000)
        with Flow(members) as flow:
            for number in range(20):
                if number % 2:
                    gateway.configure(texts[number % 3])
                    hang_up(gateway)
                else:
                    gateway.reload(texts[number % 3])
                time.sleep(0.25)  # the log suppresses lines beyond five times a second
        assert gateway.events.wait(lambda: gateway.events.item_count == flow.sent, PATIENCE), \
            f"{gateway.events.item_count} of {flow.sent} items{gateway.tail()}"
        assert flow.sent >= 2_000
        ended = [member.record for member in members if member.record.closed]
        assert not ended, ended[:3]
        for member in members:
            numbers = [json.loads(item.raw)["n"] for item in member.record.items]
            assert numbers == sorted(set(numbers)), "in order, each once"
        disconnect_all(members)


def test_reloads_take_turns():
    with Gateway(config=config(listener())) as gateway:
        texts = [config(listener(max_bad_items=10 + n)) for n in range(4)]
        answers = []

        def reload():
            answer = 429  # too many at once: the API answers so
            while answer == 429:
                answer = gateway.request("POST", "/v1/reload")[0]
            answers.append(answer)

        threads = [threading.Thread(target=reload) for _ in range(8)]
        for number, thread in enumerate(threads):
            gateway.configure(texts[number % 4])
            thread.start()
            gateway.process.send_signal(signal.SIGHUP)
        for thread in threads:
            thread.join()
        assert answers == [200] * 8, answers
        gateway.reload(texts[0])
        sock, record = joined(gateway)
        sends(gateway, sock, record, "10.0.0.1")
        sock.close()


# Values

def test_a_shorter_detect_within_holds_for_living_connections(lab):
    """Idle ones of every age, one already dead under the old bound, and one with data in flight."""
    def text(detect_within):
        return config(listener(address=f"{GATEWAY4}:0", detect_within=detect_within, read_idle="off")) + NO_SUSPICION

    with Gateway(config=text("1m"), namespace=lab.gateway) as gateway:
        members = connect_all(gateway, 40, lab=lab, first_item=True)
        time.sleep(8)  # longer than the new plan's idle time: they are probed first
        dead = members[0]
        dead.silence(lab)
        changed = time.monotonic()
        answer = gateway.reload(text("5s"))
        assert answer["applied"] == ['detect_within of listener "devices": 1m -> 5s'], answer
        gateway.closed(dead.record, 10)
        assert dead.record.closed["reason"] == "keepalive_expired", dead.record.closed
        assert dead.record.closed_at - changed <= 5 + LATE, dead.record.closed_at - changed
        held = until(lambda: gateway.log_lines("detect_within 5s applies to every connection"), 15)
        assert held and "set and read back on 39;" in held[0] and "40 were silent and probed first, 1 of them ended" in \
            held[0], held or gateway.tail()
        assert not [member for member in members[1:] if member.record.closed], gateway.tail()
        for member in members[1:4]:
            member.silence(lab)
        for member in members[1:4]:
            gateway.closed(member.record, 10)
            assert member.record.closed["reason"] == "keepalive_expired", member.record.closed
            assert member.found_after <= 5 + LATE, member.found_after
        busy = members[4]
        busy.silence(lab)
        assert gateway.send(busy.record.conn, {"do": "report"}) == 202
        gateway.closed(busy.record, 10)
        assert busy.record.closed["reason"] == "retransmit_expired" and busy.found_after <= 5 + LATE, busy.record.closed
        time.sleep(6)
        assert not [member for member in members[5:] if member.record.closed], gateway.tail()
        disconnect_all(members)


def timers(gateway, lab, ports):
    """Returns the kernel's keep-alive timers of the gateway's sockets towards these ports, in seconds."""
    text = subprocess.run(lab.gateway.command("ss", "-Htno", "state", "established"), capture_output=True, text=True,
                          check=True).stdout
    found = {}
    for line in text.splitlines():
        match = re.search(r":(\d+)\s+timer:\(keepalive,([^,]+),", line)
        if match and int(match[1]) in ports:
            found[int(match[1])] = seconds(match[2])
    assert len(found) == len(ports), f"{text}{gateway.tail()}"
    return found


def seconds(text):
    """As ss prints them: "3min20sec", "20sec", "600ms"; and "9.788ms" for 9.788 seconds."""
    units = {"min": 60, "sec": 1, "ms": 0.001}
    return sum(float(number) * (1 if "." in number else units[unit])
               for number, unit in re.findall(r"([\d.]+)(min|sec|ms)", text))


def test_the_kernels_timers_follow_both_ways(lab):
    def text(detect_within):
        return config(listener(address=f"{GATEWAY4}:0", detect_within=detect_within)) + NO_SUSPICION

    with Gateway(config=text("30s"), namespace=lab.gateway) as gateway:
        members = connect_all(gateway, 10, lab=lab, first_item=True)
        ports = {member.sock.getsockname()[1] for member in members}
        for detect_within, idle in (("10m", 200), ("90s", 30), ("3m", 60)):
            gateway.reload(text(detect_within))
            assert until(lambda: gateway.log_lines(f"detect_within {detect_within} applies to every"), 10), gateway.tail()
            for member in members:
                member.sock.sendall(device.item("10.0.0.1"))
            seen = []

            def follow():
                seen.append(timers(gateway, lab, ports).values())
                return all(idle * 0.8 < left <= idle * 1.2 for left in seen[-1])

            assert until(follow, 5), (detect_within, seen[-1])
        disconnect_all(members)


def test_deadlines_hold_for_living_connections_and_not_for_the_time_before():
    with Gateway(config=config(listener(read_idle="off"))) as gateway:
        sock, record = joined(gateway)
        sends(gateway, sock, record, "10.0.0.1")
        time.sleep(3)
        changed = time.monotonic()
        gateway.reload(config(listener(read_idle="2s")))
        gateway.closed(record, 10)
        assert record.closed["reason"] == "read_idle", record.closed
        assert 1.9 <= record.closed_at - changed <= 3 + LATE, "its silence counts from the reload on"
        sock.close()


def test_a_lower_limit_of_connections_closes_none():
    with Gateway(config=config(listener())) as gateway:
        members = connect_all(gateway, 5, first_item=True)
        gateway.reload(config(listener(), limits={"max_connections": 3}))
        turned_away = device.connect(gateway.address)
        assert turned_away.recv(1) == b""
        for member in members:
            sends(gateway, member.sock, member.record, "10.0.0.2")
        disconnect_all(members[:3])
        for member in members[:3]:
            gateway.closed(member.record)
        sock, record = joined(gateway)
        sends(gateway, sock, record, "10.0.0.3")
        disconnect_all(members[3:])
        sock.close()


def test_the_log_changes_at_once():
    with Gateway(config=config(listener())) as gateway:
        hang_up(gateway)
        gateway.configure(config(listener(), log={"format": "json"}))
        lines = hang_up(gateway, '"message":"reloaded"')
        assert json.loads(lines[-1])["level"] == "info", lines
        gateway.configure(config(listener(), log={"level": "error", "format": "json"}))
        before = len(gateway.stderr)
        assert gateway.reload()["applied"] == ["level in [log]: info -> error"]
        assert gateway.reload(config(listener(max_bad_items=3), log={"level": "error", "format": "json"}))["applied"]
        gateway.configure("nonsense\n")
        lines = hang_up(gateway, "rejected a reload")  # an error is reported, and nothing else before it
        assert len(lines) == 1 and len(gateway.stderr) == before + 1, gateway.tail()


def test_the_sink_moves_to_another_file(tmp_path):
    first, second = tmp_path / "first.ndjson", tmp_path / "second.ndjson"

    def text(path, **more):
        return config(listener(), sink={"type": "file", "path": str(path), **more})

    with Gateway(config=text(first)) as gateway:
        sock = device.connect(gateway.address)
        sock.sendall(device.item("10.0.0.1"))
        assert until(lambda: '"10.0.0.1"' in first.read_text())
        answer = gateway.reload(text(second, queue_bytes="1MiB"))
        assert answer["applied"] == [f'path in [sink]: "{first}" -> "{second}"', "queue_bytes in [sink]: 8MiB -> 1MiB"]
        sock.sendall(device.item("10.0.0.2"))
        assert until(lambda: second.exists() and '"10.0.0.2"' in second.read_text())
        second.rename(tmp_path / "rotated.ndjson")
        hang_up(gateway)
        sock.sendall(device.item("10.0.0.3"))
        assert until(lambda: second.exists() and '"10.0.0.3"' in second.read_text())
        answer = gateway.reload(text(tmp_path / "missing" / "third.ndjson"), expect=422)
        assert "cannot be created" in answer["error"]["message"], answer
        sock.close()
        assert until(lambda: '"closed"' in second.read_text())
    events = [json.loads(line)["event"] for path in (first, tmp_path / "rotated.ndjson", second)
              for line in path.read_text().splitlines()]
    assert events == ["connected", "item", "item", "item", "closed"]


def test_options_that_need_a_restart_are_named_and_unchanged():
    with Gateway(config=config(listener())) as gateway:
        wanted = config(listener(framing="json"), item={"key": "id"}, admin={"address": "127.0.0.1:1"},
                        sink={"type": "none"}).replace("reactors = 2", "reactors = 1")
        for _ in range(2):
            answer = gateway.reload(wanted)
            assert answer["applied"] == [], answer
            assert answer["needs_restart"] == [
                "reactors: runs with 2, configured as 1; restart to apply it",
                'key in [item]: runs with "ip", configured as "id"; restart to apply it',
                'framing of listener "devices": runs with ndjson, configured as json; restart to apply it',
                "type in [sink]: runs with stdout, configured as none; restart to apply it"], answer
        gateway.wait_for_log(" warn ", 'reload: key in [item]: runs with "ip"')
        sock, record = joined(gateway)
        sends(gateway, sock, record, "10.0.0.1")
        sock.close()


def test_acks_wait_for_the_durable_sink_that_comes_with_the_restart(tmp_path):
    with Gateway(config=config(listener())) as gateway:
        answer = gateway.reload(config(listener(acks=True, max_bad_items=9), sink={"type": "spool", "path": str(tmp_path / "spool")}))
        assert answer["applied"] == ['max_bad_items of listener "devices": 100 -> 9'], answer
        assert [line.split(":")[0] for line in answer["needs_restart"]] == \
            ['acks of listener "devices"', "type in [sink]", "path in [sink]"], answer
        sock, record = joined(gateway)
        sends(gateway, sock, record, "10.0.0.1")
        sock.close()


def test_flags_still_win():
    with Gateway("--detect-within", "45s", config=config(listener(detect_within="30s"))) as gateway:
        answer = gateway.reload(config(listener(detect_within="5s", max_bad_items=9)))
        assert answer["applied"] == ['max_bad_items of listener "devices": 100 -> 9'], answer
        assert gateway.status()["listeners"][0]["detect_within_ms"] == 45_000


def test_without_a_file_there_is_nothing_to_read():
    with Gateway() as gateway:
        answer = gateway.reload()
        assert answer["applied"] == [] and answer["needs_restart"] == [] and "--config" in answer["warnings"][0], answer
        hang_up(gateway)


def test_the_verb_and_the_alarms_settings():
    with Gateway(config=config(listener())) as gateway:
        gateway.configure(config(listener(), alarm={"drop_percent": 20, "suspicion": False}))
        done = run("reload", "--admin", gateway.admin_flag())
        assert done.returncode == 0 and "drop_percent in [alarm]: 5 -> 20" in done.stdout, done
        assert "suspicion in [alarm]: true -> false" in done.stdout, done
        gateway.configure("nonsense\n")
        done = run("reload", "--admin", gateway.admin_flag())
        assert done.returncode == 1 and f"{gateway.config_path}:1" in done.stdout + done.stderr, done


def test_a_reload_while_it_stops_is_refused():
    """The sink accepts nothing, so that draining lasts."""
    with Gateway(config="drain_time = \"20s\"\n" + config(listener(), sink={"queue_bytes": "64KiB"}),
                 read_events=False) as gateway:
        members = [device.connect(gateway.address) for _ in range(4)]
        for sock in members:
            sock.sendall(device.item("10.0.0.1", fill="x" * 60_000) * 3)
        assert until(lambda: gateway.status()["reading_paused"]), gateway.tail()
        gateway.process.send_signal(signal.SIGTERM)
        assert until(lambda: gateway.status()["draining"]), gateway.tail()
        answer = gateway.reload(config(listener(), listener("late")), expect=422)
        assert "is stopping" in answer["error"]["message"], answer
        gateway.resume_reading()
        assert gateway.wait_exit() == 0
        for sock in members:
            sock.close()
