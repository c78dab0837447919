"""Listeners on sockets that the gateway inherits: address = "fd:3" and "fd:NAME"."""

import contextlib
import socket
import sys

import pytest

from gateway import PATIENCE, Gateway, listener, run, until
from lab import device

# Opens what the words say as descriptors 3 and so on, and becomes the gateway with the environment of sd_listen_fds(3).
STARTER = """
import os, socket, sys
kinds, names, *command = sys.argv[1:]
def opened(kind):
    if kind == "tcp":
        return socket.create_server(("127.0.0.1", 0)).detach()
    if kind == "unix":
        made = socket.socket(socket.AF_UNIX); made.bind("\\0holdfast-%d" % os.getpid()); made.listen()
        return made.detach()
    if kind == "udp":
        return socket.socket(type=socket.SOCK_DGRAM).detach()
    if kind == "idle":
        return socket.socket().detach()
    return os.open("/dev/null", os.O_RDONLY)
kinds = kinds.split(",")
for place, kind in enumerate(kinds):
    os.dup2(opened(kind), 100 + place)
for place in range(len(kinds)):
    os.dup2(100 + place, 3 + place)
    os.close(100 + place)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(kinds)), LISTEN_FDNAMES=names)
os.execv(command[0], command)
"""


class Starter:
    """Stands before a gateway's command, as a network namespace does."""

    def __init__(self, kinds, names=""):
        self.words = [sys.executable, "-c", STARTER, kinds, names]

    def command(self, *words):
        return [*self.words, *words]

    def entered(self):
        return contextlib.nullcontext()


def config(*addresses):
    return "reactors = 2\n" + "".join(listener(f"l{n}", address) for n, address in enumerate(addresses))


def sends(gateway, name, key):
    with socket.create_connection(gateway.ports[name], timeout=PATIENCE) as sock:
        record = gateway.connected(device.name_of(sock))
        sock.sendall(device.item(key))
        assert gateway.events.wait(lambda: record.items, PATIENCE), gateway.tail()
    assert gateway.events.wait(lambda: record.closed, PATIENCE), gateway.tail()


@pytest.mark.parametrize("addresses", [("fd:3", "fd:4"), ("fd:devices", "fd:meters"), ("fd:meters", "127.0.0.1:0")])
def test_a_listener_has_the_socket_of_the_starter(addresses):
    with Gateway(config=config(*addresses), namespace=Starter("tcp,tcp", "devices:meters")) as gateway:
        for name in ("l0", "l1"):
            sends(gateway, name, "10.0.0.1")


MISTAKES = {
    "a file": ("file", "fd:3", "descriptor 3 is no socket; pass a listening TCP socket"),
    "a unix socket": ("unix", "fd:3", "descriptor 3 is a socket of another protocol; pass a listening TCP socket"),
    "a datagram socket": ("udp", "fd:3", "descriptor 3 is a socket of another protocol; pass a listening TCP socket"),
    "a socket that does not listen": ("idle", "fd:3", "descriptor 3 does not listen; pass a listening TCP socket"),
    "a number that nobody passed on": ("tcp", "fd:7", "descriptor 7 was not open when the gateway was started; let a systemd .socket unit"),
    "a name that nobody passed on": ("tcp", "fd:other", 'no inherited descriptor is named "other" but "devices"; let a systemd .socket unit'),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_no_listening_socket_ends_the_start(mistake, tmp_path):
    kinds, address, message = MISTAKES[mistake]
    file = tmp_path / "holdfast.toml"
    file.write_text(config(address))
    ended = run("serve", "--config", file, "--admin", "off", command=Starter(kinds, "devices").words)
    assert ended.returncode != 0 and message in ended.stderr, ended.stderr


@pytest.mark.parametrize("address", ["fd:", "fd:0", "fd:2", "fd:12345678901", "fd:a:b", "fd:a b"])
def test_the_form_of_an_address_is_checked_without_the_sockets(address, tmp_path):
    file = tmp_path / "holdfast.toml"
    file.write_text(config(address))
    ended = run("check", file)
    assert ended.returncode != 0 and "write fd:3 or a larger number, or fd:NAME" in ended.stdout + ended.stderr
    file.write_text(config("fd:3", "fd:devices"))
    assert run("check", file).returncode == 0
    file.write_text(config("fd:3", "fd:3"))
    assert "give each its own socket" in run("check", file).stderr


def test_a_reload_adds_and_removes_inherited_sockets_and_exchanges_none():
    with Gateway(config=config("fd:3"), namespace=Starter("tcp,tcp")) as gateway:
        sends(gateway, "l0", "10.0.0.1")
        report = gateway.reload(config("fd:3", "fd:4"))
        assert not report["needs_restart"] and "l1" in report["applied"][0], report
        assert until(lambda: "l1" in gateway.ports)
        sends(gateway, "l1", "10.0.0.2")
        for address in ("127.0.0.1:0", "fd:4"):
            report = gateway.reload(config(address))
            [line] = report["needs_restart"]
            assert line.startswith('address of listener "l0": runs with "fd:3"'), report
            sends(gateway, "l0", "10.0.0.3")
        error = gateway.reload(config("fd:3", "fd:9"), expect=422)
        assert "descriptor 9 was not open" in str(error), error
        sends(gateway, "l0", "10.0.0.4")
