"""holdfast drain against a living gateway: its connections end one by one over the window, each with a time to come
back."""

import datetime
import json
import socket
import statistics
import subprocess
import time

from gateway import Gateway, binary, until

DEVICES = 60
WINDOW_S = 12.0


def verb(gateway, *words):
    return subprocess.run([binary(), "drain", *words, "--admin", gateway.admin_flag()], capture_output=True, text=True, check=False)


def connect(gateway, count):
    devices = [socket.create_connection(gateway.address) for _ in range(count)]
    for number, device in enumerate(devices):
        device.sendall(f'{{"ip":"10.0.0.{number}"}}\n'.encode())
    assert until(lambda: gateway.status()["items"] >= count)
    return devices


def last_words(device):
    """Returns the gateway's last message before the end, and the time of the end."""
    device.settimeout(30)
    said = b""
    while chunk := device.recv(4096):
        said += chunk
    return said, time.monotonic()


def test_ends_are_spread_over_the_window_and_so_are_the_returns():
    with Gateway() as gateway:
        devices = connect(gateway, DEVICES)
        begun = verb(gateway, "--over", f"{WINDOW_S:g}s")
        assert begun.returncode == 0 and "out of service" in begun.stdout, begun
        status, answer = gateway.request("GET", "/readyz")
        assert status == 503 and answer["error"]["code"] == "out_of_service", answer
        assert until(lambda: gateway.status()["drain"]["found"] == DEVICES)
        with socket.create_connection(gateway.address) as late:
            late.sendall(b'{"ip":"late"}\n')
            ends = sorted((last_words(device) for device in devices), key=lambda each: each[1])
            assert until(lambda: gateway.status()["drain"]["state"] == "done")
            drain = gateway.status()["drain"]
            assert (drain["ended"], drain["gone"], drain["left"]) == (DEVICES, 0, 0)
            assert gateway.status()["connections"] == 1, "who comes during it stays"
            # Each waits for about the window's length, so that the reconnects are as far apart as the closes.
            waits = [json.loads(said)["retry_after_ms"] for said, _ in ends]
            assert all(0 < wait <= WINDOW_S * 1000 + 5 for wait in waits), waits
            assert statistics.median(waits) > WINDOW_S * 1000 / 2, "told too late to be of use"
            assert gateway.events.wait(lambda: gateway.events.closed_count() == DEVICES, 30)
            closed = [record.closed for record in gateway.events.records() if record.closed]
            assert [event["reason"] for event in closed] == ["drained"] * DEVICES
            began = _seconds(drain["began_at"])
            after = sorted(_seconds(event["at"]) - began for event in closed)
            # By the gateway's own clock. None is early by more than a few turns; a busy machine makes some late.
            turn = WINDOW_S / DEVICES
            for number, each in enumerate(after):
                assert (number - 3) * turn < each < number * turn + 5, f"end {number} of {DEVICES}: {after}"
            shown = verb(gateway, "--status")
            assert shown.stdout.startswith(f"done: all over 12s; {DEVICES} of {DEVICES} ended"), shown
        assert verb(gateway, "--cancel").returncode == 0
        assert gateway.request("GET", "/readyz")[0] == 200


def test_what_had_arrived_is_delivered_and_wait_waits():
    with Gateway() as gateway:
        devices = connect(gateway, 10)
        for number, device in enumerate(devices):
            device.sendall(f'{{"ip":"last-{number}"}}\n'.encode())
        done = verb(gateway, "--over", "1s", "--peer", "127.0.0.0/8", "--wait")
        assert done.returncode == 0 and done.stdout.startswith("done: 127.0.0.0/8 over 1s; 10 of 10 ended"), done
        assert gateway.request("GET", "/readyz")[0] == 200, "a part of the devices says nothing of the gateway"
        assert all(json.loads(last_words(device)[0]) == {"retry_after_ms": 0} for device in devices)
        assert gateway.events.wait(lambda: gateway.events.closed_count() == 10, 30)
        keys = {item.key for record in gateway.events.records() for item in record.items}
        assert {f"last-{number}" for number in range(10)} <= keys


def _seconds(at):
    return datetime.datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp()
