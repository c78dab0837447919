"""The ways in to the admin API of the real daemon: tokens, TLS and the unix socket; and what a crowd before it changes for
devices, or devices for it."""

import contextlib
import json
import os
import secrets
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

from certificates import self_signed
from gateway import PATIENCE, Gateway, binary, listener, run, until
from hostile_tls import HostileTls, send, tiny_records
from lab import device


def secret(path, *tokens):
    """A file of tokens as it has to be."""
    path.touch(mode=0o600)
    path.write_text("".join(f"{token}\n" for token in tokens), encoding="ascii")
    return path


class Keys:
    """The files of a closed door, and how a configuration and a command name them."""

    def __init__(self, directory):
        self.write, self.read = secrets.token_hex(16), secrets.token_hex(16)
        self.write_file = secret(directory / "write", self.write)
        self.read_file = secret(directory / "read", self.read)
        self.certificate, self.key = self_signed(directory)

    def config(self, **more):
        keys = {"token_file": self.write_file, "read_token_file": self.read_file, "tls_certificate": self.certificate,
                "tls_key": self.key, **more}
        return listener() + "[admin]\n" + "".join(f"{name} = {json.dumps(value, default=str)}\n" for name, value in keys.items())


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path)


def ask(gateway, *words, token_file=None, ca=None, admin=None):
    flags = ["--admin", admin or "https://" + gateway.admin_flag()]
    flags += ["--admin-ca", str(ca)] if ca else []
    flags += ["--admin-token-file", str(token_file)] if token_file else []
    return run(*words, *flags)


def connections(unix):
    return json.loads(run("list", "--json", "--admin", f"unix:{unix}").stdout)


# Shut unless opened


def test_an_open_address_is_refused_with_its_place(tmp_path, keys):
    path = tmp_path / "open.toml"
    path.write_text('[admin]\naddress = "0.0.0.0:0"\n', encoding="ascii")
    for verb, code in (("check", 1), ("serve", 2)):
        done = run(verb, "--config", str(path))
        assert done.returncode == code and f"{path}:2: address in [admin]: 0.0.0.0:0 is not loopback" in done.stderr, done
        assert "add token_file, tls_certificate and tls_key" in done.stderr
    for missing in ("token_file", "tls_certificate", "tls_key"):
        path.write_text(keys.config(address="[::]:0", **{missing: ""}), encoding="ascii")
        assert run("check", "--config", str(path)).returncode == 1, missing
    path.write_text(keys.config(address="[::]:0"), encoding="ascii")
    done = run("check", "--config", str(path))
    assert done.returncode == 0, done.stderr
    assert keys.write not in done.stdout and keys.read not in done.stdout


def test_what_cannot_be_loaded_is_an_error_with_its_line(tmp_path, keys):
    path = tmp_path / "bad.toml"

    def refused(config, *words):
        path.write_text(config, encoding="ascii")
        done = run("check", "--config", str(path))
        assert done.returncode == 1 and all(word in done.stderr for word in words), (words, done.stderr)
        assert run("serve", "--config", str(path)).returncode == 2

    place = f"{path}:"
    keys.write_file.chmod(0o644)
    refused(keys.config(), place, "token_file in [admin]: the token file", "mode 0644): chmod 0600 it")
    keys.write_file.chmod(0o600)
    refused(keys.config(read_token_file=tmp_path / "none"), place, "read_token_file in [admin]", "No such file")
    refused(keys.config(token_file=secret(tmp_path / "short", "0123456789")), "line 1: a token is 16 to 256")
    other = self_signed(tmp_path, "other")
    refused(keys.config(tls_key=other[1]), place, "tls_key in [admin]")
    keys.key.chmod(0o644)
    refused(keys.config(), place, "tls_key in [admin]")
    keys.key.chmod(0o600)
    refused(keys.config(hosts=["a b"]), place, "hosts in [admin]")
    refused(keys.config(token_file=""), place, "read_token_file in [admin]: without token_file nobody could")


def test_verbs_come_in_by_token_under_tls(keys):
    with Gateway(config=keys.config()) as gateway:
        device_ = device.connect(gateway.address)
        conn = gateway.connected(device.name_of(device_)).conn
        shown = ask(gateway, "status", ca=keys.certificate, token_file=keys.write_file)
        assert shown.returncode == 0 and "devices" in shown.stdout, shown
        refused = ask(gateway, "status", ca=keys.certificate)
        assert refused.returncode == 2 and "asks for a token" in refused.stderr and "--admin-token-file" in refused.stderr
        looked = ask(gateway, "list", ca=keys.certificate, token_file=keys.read_file)
        assert looked.returncode == 0 and conn in looked.stdout, looked
        kept = ask(gateway, "close", conn, ca=keys.certificate, token_file=keys.read_file)
        assert kept.returncode == 2 and "may look and not change" in kept.stderr, kept
        assert ask(gateway, "top", "--once", ca=keys.certificate, token_file=keys.read_file).returncode == 0
        stranger = ask(gateway, "status", token_file=keys.write_file)
        assert stranger.returncode == 3 and "--admin-ca" in stranger.stderr, stranger
        plain = ask(gateway, "status", token_file=keys.write_file, admin=gateway.admin_flag())
        assert plain.returncode == 3 and "https://" in plain.stderr, plain
        closed = ask(gateway, "close", conn, ca=keys.certificate, token_file=keys.write_file)
        assert closed.returncode == 0, closed
        device_.close()
        gateway.wait_for_log("warn", "without a right token", "peer=127.0.0.1:")
    assert not [line for line in gateway.stderr if keys.write in line or keys.read in line]


def test_tls_without_an_end_is_ended_at_the_admin_door(keys):
    """A thread of the door gives a handshake and a request its time, and no more: whatever the records bring."""
    with Gateway(config=keys.config()) as gateway:
        address = tuple(gateway.admin)
        request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

        def answer_after(updates):
            with HostileTls(address) as client:
                send(client.sock, client.key_updates(updates) + client.records(request))
                return client.received()

        assert answer_after(32).startswith(b"HTTP/1.1 200 ")
        assert answer_after(33) == b"", "it ends before it reads a request"
        with socket.create_connection(address, timeout=20) as endless:
            send(endless, tiny_records(b"\x01\x01\xff\xff" + bytes(16_000)))
            began = time.monotonic()
            assert ended(endless) and time.monotonic() < began + 10
        floods = []
        with contextlib.ExitStack() as stack:
            for _ in range(12):
                client = stack.enter_context(HostileTls(address))
                floods.append((client, client.key_updates(3_000)))
            for client, flood in floods:
                send(client.sock, flood)
            done = ask(gateway, "status", token_file=keys.read_file, ca=keys.certificate)
            assert done.returncode == 0, done.stderr


def ended(sock):
    """Waits for the peer's end. Returns False if there is none for 20 s."""
    try:
        while sock.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


def test_a_token_is_not_sent_where_it_can_be_read(keys):
    done = run("status", "--admin", "http://192.0.2.1:7080", "--admin-token-file", str(keys.write_file))
    assert done.returncode == 3 and "write https:// before the address" in done.stderr, done
    done = run("load", "--to", "10.0.0.1:7000", "--downlinks-per-second", "1", "--admin", "10.0.0.1:7080",
               "--admin-token-file", str(keys.write_file))
    assert done.returncode == 2 and "write https:// before the address" in done.stderr, done


@pytest.mark.parametrize("door", ["tls", "unix"])
def test_a_load_asks_for_downlinks_through_either_door(tmp_path, keys, door):
    unix = tmp_path / "admin.sock"
    with Gateway(config=keys.config(socket=unix)) as gateway:
        admin = f"unix:{unix}" if door == "unix" else "https://" + gateway.admin_flag()
        done = ask(gateway, "load", "--to", "%s:%d" % gateway.address, "--connections", "20", "--downlinks-per-second", "50",
                   "--duration", "1s", "--json", ca=keys.certificate, token_file=keys.write_file, admin=admin)
        assert done.returncode == 0, done.stderr
        downlinks = json.loads(done.stdout)["downlinks"]
        assert downlinks["asked"] == downlinks["arrived"] >= 5, downlinks


@pytest.mark.parametrize("bytes_sent", [b"HTTP/1.1 200 " + b"x" * 1_000_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
                                        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1_000_000, b"\0" * 1_000_000],
                         ids=["long status", "headers without end", "zeros"])
def test_a_verb_survives_what_answers_in_a_gateways_place(bytes_sent):
    def answer(stranger):
        client, _ = stranger.accept()
        with client, contextlib.suppress(OSError):
            client.recv(65536)
            client.sendall(bytes_sent)

    with socket.create_server(("127.0.0.1", 0)) as stranger:
        thread = threading.Thread(target=answer, args=(stranger,))
        thread.start()
        done = run("status", "--admin", "127.0.0.1:%d" % stranger.getsockname()[1])
        thread.join()
    assert done.returncode == 3 and len(done.stderr.splitlines()) == 1, done.stderr[:300]


def test_secrets_are_read_anew_and_a_bad_file_changes_nothing(tmp_path, keys):
    with Gateway(config=keys.config()) as gateway:
        def status_with(token_file):
            return ask(gateway, "status", ca=keys.certificate, token_file=token_file).returncode

        before, after = secret(tmp_path / "before", keys.write), secret(tmp_path / "after", secrets.token_hex(16))
        keys.write_file.write_text(after.read_text(encoding="ascii"), encoding="ascii")
        assert status_with(before) == 0
        gateway.process.send_signal(signal.SIGHUP)
        assert until(lambda: status_with(after) == 0) and status_with(before) == 2
        gateway.wait_for_log("tokens in [admin]: read anew")

        keys.write_file.write_text("short\n", encoding="ascii")
        gateway.process.send_signal(signal.SIGHUP)
        gateway.wait_for_log("reload refused", "token_file in [admin]")
        assert status_with(after) == 0

        keys.write_file.write_text(after.read_text(encoding="ascii"), encoding="ascii")
        fresh, fresh_key = self_signed(tmp_path, "fresh")
        keys.certificate.write_text(fresh.read_text(encoding="ascii"), encoding="ascii")
        keys.key.write_text(fresh_key.read_text(encoding="ascii"), encoding="ascii")
        gateway.process.send_signal(signal.SIGHUP)
        gateway.wait_for_log("certificate in [admin]: read anew")
        assert ask(gateway, "status", ca=fresh, token_file=after).returncode == 0


# The unix socket


def test_the_socket_is_for_its_user_only_and_is_taken_over_from_the_dead(tmp_path):
    path = tmp_path / "admin.sock"
    config = listener() + f'[admin]\nsocket = "{path}"\n'
    with Gateway(config=config) as gateway:
        mode = os.lstat(path).st_mode
        assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
        assert connections(path) == {"total": 0, "connections": []}
        second = run("serve", "--listen", "127.0.0.1:0", "--config", str(gateway.config_path), "--admin", "127.0.0.1:0")
        assert second.returncode == 2 and "is in use by a running gateway" in second.stderr, second
        assert connections(path)["total"] == 0
        gateway.process.kill()
        gateway.wait_exit()
        assert path.exists()
        with Gateway(config=config):
            assert connections(path)["total"] == 0
    assert not path.exists()
    gone = run("status", "--admin", f"unix:{path}")
    assert gone.returncode == 3 and "No such file or directory" in gone.stderr, gone
    path.write_text("precious", encoding="ascii")
    refused = run("serve", "--listen", "127.0.0.1:0", "--config", str(_written(tmp_path, config)), "--admin", "off")
    assert refused.returncode == 2 and "is a file of another kind" in refused.stderr
    assert path.read_text(encoding="ascii") == "precious"


def _written(directory, config):
    path = directory / "gateway.toml"
    path.write_text(config, encoding="ascii")
    return path


def test_under_a_service_manager_the_socket_is_in_its_runtime_directory(tmp_path):
    with Gateway(config=listener(), env={"RUNTIME_DIRECTORY": str(tmp_path)}):
        assert connections(tmp_path / "admin.sock")["total"] == 0
    with Gateway(config=listener() + '[admin]\nsocket = "off"\n', env={"RUNTIME_DIRECTORY": str(tmp_path)}):
        assert not (tmp_path / "admin.sock").exists()


# Crowds


class Crowd:
    """Clients that ask without a pause, and ones that send a byte now and then. `with` ends them."""

    def __init__(self, gateway, askers, slow):
        self._admin = gateway.admin
        self._over = threading.Event()
        self.answers = {}
        self._threads = [threading.Thread(target=self._ask) for _ in range(askers)]
        self._threads += [threading.Thread(target=self._dawdle, args=(slow,))]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self):
        request = b"GET /v1/connections?limit=10000 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        while not self._over.is_set():
            try:
                with socket.create_connection(self._admin, timeout=PATIENCE) as sock:
                    sock.sendall(request)
                    word = sock.makefile("rb").readline().split(b" ")[1:2]
            except OSError:
                word = [b"ended"]
            key = (word or [b"ended"])[0].decode()
            self.answers[key] = self.answers.get(key, 0) + 1

    def _dawdle(self, count):
        socks = []
        while not self._over.is_set():
            while len(socks) < count:
                try:
                    socks.append(socket.create_connection(self._admin, timeout=1))
                except OSError:
                    break
            for sock in list(socks):
                try:
                    sock.send(b"G")
                except OSError:
                    sock.close()
                    socks.remove(sock)
            self._over.wait(0.2)
        for sock in socks:
            sock.close()


def latencies(gateway, socks, records, seconds):
    """Items from every device in turn, for so long; how many s each took to its event, sorted. None may be missing."""
    took, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        for sock, record in zip(socks, records):
            began, before = time.monotonic(), len(record.items)
            sock.sendall(device.item("10.0.0.1"))
            assert gateway.events.wait(lambda r=record, n=before: len(r.items) > n, PATIENCE), gateway.tail()
            took.append(time.monotonic() - began)
    return sorted(took)


def test_a_crowd_at_the_admin_door_does_not_touch_the_devices(tmp_path):
    path = tmp_path / "admin.sock"
    with Gateway(config=listener() + f'[admin]\nsocket = "{path}"\n') as gateway:
        socks = [device.connect(gateway.address) for _ in range(50)]
        records = [gateway.connected(device.name_of(sock)) for sock in socks]
        quiet = latencies(gateway, socks, records, 2)
        with Crowd(gateway, askers=24, slow=150) as crowd:
            assert until(lambda: crowd.answers.get("200", 0) > 100), crowd.answers
            busy = latencies(gateway, socks, records, 4)
            # Whoever looks after the gateway has a door of his own.
            began = time.monotonic()
            assert connections(path)["total"] == 50
            assert time.monotonic() - began < PATIENCE
        p99 = {name: times[int(len(times) * 0.99)] for name, times in (("quiet", quiet), ("busy", busy))}
        print(f"p99 of an item: {p99['quiet'] * 1e3:.1f} ms alone, {p99['busy'] * 1e3:.1f} ms with the crowd, "
              f"{len(busy)} items; answers {crowd.answers}")
        assert p99["busy"] < max(50 * p99["quiet"], 0.5), p99
        turned_away = [line for line in gateway.ask("GET", "/metrics").splitlines()
                       if line.startswith('holdfast_admin_requests_total{outcome="turned_away"}')]
        assert float(turned_away[0].split()[-1]) > 0, turned_away
        for sock in socks:
            sock.close()


def test_a_crowd_of_devices_does_not_shut_the_admin_door():
    with Gateway(config=listener(), read_events=True) as gateway:
        load = subprocess.Popen([binary(), "load", "--to", "%s:%d" % gateway.address, "--connections", "200", "--items-per-second",
                                 "200000", "--duration", "4s"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            assert until(lambda: gateway.status()["items"] > 1000)
            answered = 0
            while load.poll() is None:
                assert gateway.request("GET", "/healthz", timeout=10)[0] == 200
                assert gateway.request("GET", "/v1/status", timeout=10)[0] == 200
                answered += 2
            print(f"{answered} answers beside {gateway.status()['items']} items")
            assert answered >= 10
            gateway.wait_status(lambda status: status["sink"]["lag_events"] == 0)  # its stop waits 5 s at most
        finally:
            load.kill()
            load.wait()
