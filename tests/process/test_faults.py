"""Limits, and configurations that cannot work: one clear line, and nothing half started."""

import contextlib
import signal
import socket
import threading
import time

import pytest

from gateway import Gateway, listener, run, until
from lab import device


def serve(*flags, config=None, tmp_path=None, admin=True):
    """Runs `holdfast serve`, which is expected to end by itself."""
    words = list(flags)
    if config is not None:
        path = tmp_path / "holdfast.toml"
        path.write_text(config, encoding="utf-8")
        words += ["--config", str(path)]
    if admin:
        words += ["--admin", "127.0.0.1:0"]
    return run("serve", *words, timeout=20)


def refused(done, *words):
    """Asserts exit 2, one line on stderr that has all the words, and no event on stdout."""
    assert done.returncode == 2, f"exit {done.returncode}: {done.stdout}{done.stderr}"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0], f"{word!r} is not in: {lines[0]}"
    assert done.stdout == "", done.stdout


# Start

def test_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        refused(serve("--listen", address), address)


def test_port_in_use_by_another_gateway():
    with Gateway() as gateway:
        address = f"127.0.0.1:{gateway.address[1]}"
        refused(serve("--listen", address), address)


def test_admin_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        refused(serve("--listen", "127.0.0.1:0", "--admin", address, admin=False), address)


def test_missing_config(tmp_path):
    refused(serve("--config", str(tmp_path / "nowhere.toml")), "nowhere.toml")


def test_config_is_a_directory(tmp_path):
    refused(serve("--config", str(tmp_path)), str(tmp_path))


@pytest.mark.parametrize("config, words", [
    ('[[listener]]\nname = "a"\ndetect_within = 30\n', ("holdfast.toml:3", "detect_within")),
    ('[[listener]]\nname = "a"\nmax_bad_items = "many"\n', ("holdfast.toml:3", "max_bad_items")),
    ('[[listener]]\ndetect_within = "1s"\n', ("holdfast.toml:2", "detect_within", "3s")),
    ('[[listener]]\ndetect_within = "2h"\n', ("holdfast.toml:2", "detect_within", "1 h")),
    ('[[listener]]\ndetect_witin = "30s"\n', ("holdfast.toml:2", "detect_witin", "detect_within")),
    ('[item]\nmax_byte = "1KiB"\n', ("holdfast.toml:2", "max_byte", "max_bytes")),
    ('[[listner]]\nname = "a"\n', ("holdfast.toml:1", "listner", "listener")),
    ('[[listener]]\naddress = "127.0.0.1:99999"\n', ("holdfast.toml:2", "127.0.0.1:99999")),
    ('[[listener]]\nname = \n', ("holdfast.toml:2",)),
], ids=["number for a duration", "text for a number", "too short", "too long", "unknown key", "unknown key in a table",
        "unknown table", "no such port", "not TOML"])
def test_wrong_config(tmp_path, config, words):
    refused(serve(config=config, tmp_path=tmp_path), *words)


@pytest.mark.parametrize("flags, word", [
    (("--listen", "nonsense"), "nonsense"), (("--detect-within", "soon"), "soon"), (("--detect-within", "1s"), "3s"),
    (("--framing", "xml"), "xml"), (("--sink", "pigeon"), "pigeon"), (("--no-such-flag",), "--no-such-flag"),
    (("--max-connections", "-1"), "-1"), (("--log-level", "loud"), "loud")])
def test_wrong_flags(flags, word):
    refused(serve(*flags, *(() if "--listen" in flags else ("--listen", "127.0.0.1:0"))), word)


def test_unwritable_sink_path(tmp_path):
    for path in (tmp_path / "no" / "such" / "folder" / "events", tmp_path):
        refused(serve("--listen", "127.0.0.1:0", "--sink", f"file:{path}"), str(path))


# Limits

def dial(gateway, count):
    """Connects as fast as the backlog accepts, whether or not the gateway accepts."""
    return [device.connect(gateway.address) for _ in range(count)]


def close_all(socks):
    for sock in socks:
        sock.close()


def test_descriptors_that_run_out_pause_the_listener():
    """max_connections is set above the descriptor limit: EMFILE must not spin, and is reported once. No HTTP request is
    sent, since it would need a descriptor too."""
    with Gateway(config="[limits]\nmax_connections = 100000\n" + listener(read_idle="off"), descriptors=128) as gateway:
        socks = dial(gateway, 200)

        def pauses():
            return gateway.log_lines("warn accepting paused", "LimitNOFILE")

        assert until(pauses), f"the pause is not said{gateway.tail()}"
        held, since = 0, time.monotonic()
        while time.monotonic() - since < 1:  # earlier accepts are written out until then
            if len(gateway.events.records()) != held:
                held, since = len(gateway.events.records()), time.monotonic()
            time.sleep(0.02)
        assert 0 < held < 128, held
        spent = gateway.cpu_seconds()
        time.sleep(1)
        assert gateway.cpu_seconds() - spent < 0.2, "spinning at accept"
        assert len(gateway.events.records()) - held < 5, "accepting goes on?"
        assert len(pauses()) == 1, f"said once: {pauses()}{gateway.tail()}"
        accepted = [sock for sock in socks if device.name_of(sock) in gateway.events.by_peer]
        waiting = [sock for sock in socks if sock not in accepted]
        close_all(accepted)
        records = [gateway.connected(device.name_of(sock)) for sock in waiting]
        waiting[-1].sendall(device.item("10.0.0.1"))
        assert gateway.events.wait(lambda: records[-1].items, 10), gateway.tail()
        status = gateway.wait_status(lambda status: status["connections"] == len(waiting))
        assert status["refused"]["descriptors"] >= 1, status
        assert not status["listeners"][0]["accept_paused"], status
        assert gateway.request("GET", "/readyz")[0] == 200
        close_all(waiting)


def test_max_connections_turns_away_and_counts():
    with Gateway("--max-connections", 20) as gateway:
        socks = dial(gateway, 20)
        for sock in socks:
            gateway.connected(device.name_of(sock))
        turned_away = dial(gateway, 7)
        for sock in turned_away:
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(1) == b"", "turned away means closed"
        status = gateway.status()
        assert status["refused"]["max_connections"] == 7, status
        assert status["connections"] == 20 and status["max_connections"] == 20, status
        assert len(gateway.events.records()) == 20, "one turned away never was a connection"
        close_all(socks[:5] + turned_away)
        assert until(lambda: gateway.status()["connections"] == 15)
        again = dial(gateway, 5)
        for sock in again:
            gateway.connected(device.name_of(sock))
        close_all(socks[5:] + again)


def test_max_connections_defaults_to_the_descriptor_limit_less_a_reserve():
    with Gateway(descriptors=512) as gateway:
        assert 256 <= gateway.status()["max_connections"] < 512, gateway.status()


# The end

@pytest.mark.asan
@pytest.mark.tsan
def test_sigterm_under_load_closes_everything_in_time():
    with Gateway("--drain-time", "20s", "--reactors", 2) as gateway:
        socks = dial(gateway, 300)
        records = [gateway.connected(device.name_of(sock)) for sock in socks]
        stop = threading.Event()

        def write():
            while not stop.is_set():
                for sock in socks:
                    with contextlib.suppress(OSError):
                        sock.send(device.item("10.0.0.1"), socket.MSG_DONTWAIT)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            assert gateway.events.wait(lambda: gateway.events.item_count > 3000, 20), gateway.tail()
            took = gateway.stop()
        finally:
            stop.set()
            writer.join()
        assert took < 20 + 1, f"{took:.1f} s"
        assert {record.reason for record in records} == {"shutdown"}
        close_all(socks)


def test_sigterm_delivers_what_has_arrived():
    """Items that the kernel had received before the signal are in the sink after the daemon's end."""
    with Gateway() as gateway:
        socks = dial(gateway, 50)
        records = [gateway.connected(device.name_of(sock)) for sock in socks]
        for sock in socks:
            sock.sendall(device.item("10.0.0.1") * 200)
        gateway.stop()
        assert [len(record.items) for record in records] == [200] * 50
        close_all(socks)


def test_a_second_sigterm_ends_at_once():
    """The sink accepts nothing, so that draining would use its whole time."""
    with Gateway("--drain-time", "60s", read_events=False) as gateway:
        socks = dial(gateway, 10)
        raw = device.item("10.0.0.1", pad="x" * 1000) * 4000
        for sock in socks:
            sock.settimeout(0.3)
            with contextlib.suppress(TimeoutError):
                sock.sendall(raw)
        assert until(lambda: gateway.status()["reading_paused"], 20), gateway.status()
        gateway.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert gateway.process.poll() is None, f"it should still drain{gateway.tail()}"
        since = time.monotonic()
        gateway.process.send_signal(signal.SIGTERM)
        gateway.process.wait(30)
        assert time.monotonic() - since < 20, "at once, not after the drain time"
        gateway.resume_reading()
        close_all(socks)


def test_sigint_ends_the_daemon():
    with Gateway() as gateway:
        gateway.process.send_signal(signal.SIGINT)
        assert gateway.wait_exit(20) == 0, gateway.tail()
