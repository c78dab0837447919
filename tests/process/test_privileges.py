"""A gateway that root starts and that continues as another user: its rights, and the visibility of its files to others."""

import os
import pathlib
import pwd
import re
import resource
import signal
import socket
import subprocess
import tempfile

import pytest

from gateway import Gateway, binary, run, until

USER = "nobody"
BIND = 1 << 10  # CAP_NET_BIND_SERVICE


@pytest.fixture
def directory():
    """Yields a directory that the user may write to; pytest's own are closed to all but root."""
    with tempfile.TemporaryDirectory(prefix="holdfast-user-") as made:
        os.chown(made, pwd.getpwnam(USER).pw_uid, -1)
        os.chmod(made, 0o755)
        yield pathlib.Path(made)


def field(gateway, name):
    text = pathlib.Path(f"/proc/{gateway.process.pid}/status").read_text()
    return re.search(rf"^{name}:\s*(.*)$", text, re.M)[1].split()


def capabilities(gateway):
    return {name: int(field(gateway, name)[0], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}


def core_limit(gateway):
    return resource.prlimit(gateway.process.pid, resource.RLIMIT_CORE)


def free_low_port():
    for port in range(1023, 600, -1):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no port below 1024 is free")


def test_the_gateway_changes_its_user_for_good(directory):
    events = directory / "events.ndjson"
    with Gateway("--sink", f"file:{events}", "--user", USER) as gateway:
        user = pwd.getpwnam(USER)
        assert set(field(gateway, "Uid")) == {str(user.pw_uid)} and set(field(gateway, "Gid")) == {str(user.pw_gid)}
        assert set(field(gateway, "Groups")) <= {str(user.pw_gid)}, "root's groups were kept"
        assert capabilities(gateway) == {"CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapBnd": 0, "CapAmb": 0}
        threads = pathlib.Path(f"/proc/{gateway.process.pid}/task").iterdir()
        states = [(each / "status").read_text() for each in threads]
        assert len(states) > 3 and all(re.search(r"^NoNewPrivs:\s1$", each, re.M) for each in states)
        assert all(re.search(r"^CapEff:\s0+$", each, re.M) for each in states), "a thread has root's rights"
        with socket.create_connection(gateway.address) as device:
            device.sendall(b'{"ip":"10.0.0.1"}\n')
            assert until(lambda: events.exists() and '"event":"item"' in events.read_text())
        assert events.stat().st_uid == user.pw_uid and events.stat().st_mode & 0o007 == 0, "anybody may read it"
        # Files that it opens later get the same rights.
        assert until(lambda: gateway.status()["connections"] == 0)
        events.rename(directory / "old")
        gateway.process.send_signal(signal.SIGHUP)
        gateway.wait_for_log(" reload")
        with socket.create_connection(gateway.address) as device:
            device.sendall(b'{"ip":"10.0.0.2"}\n')
            assert until(lambda: events.exists() and '"key":"10.0.0.2"' in events.read_text())
        assert events.stat().st_uid == user.pw_uid


def test_a_port_below_1024_is_bound_and_can_be_bound_again():
    port, other = free_low_port(), None
    config = '[process]\nuser = "{}"\n[admin]\naddress = "127.0.0.1:0"\n[[listener]]\naddress = "127.0.0.1:{}"\n'
    with Gateway(config=config.format(USER, port)) as gateway:
        assert capabilities(gateway) == {"CapInh": 0, "CapPrm": BIND, "CapEff": BIND, "CapBnd": BIND, "CapAmb": 0}
        os.chmod(gateway.config_path.parent, 0o755)
        other = free_low_port()
        gateway.reload(config.format(USER, other))
        with socket.create_connection(("127.0.0.1", other)):
            assert until(lambda: gateway.status()["connections"] == 1)


def test_without_a_low_port_at_the_start_a_reload_to_one_is_refused_with_the_reason():
    config = '[process]\nuser = "{}"\n[admin]\naddress = "127.0.0.1:0"\n[[listener]]\naddress = "127.0.0.1:{}"\n'
    with Gateway(config=config.format(USER, 0)) as gateway:
        os.chmod(gateway.config_path.parent, 0o755)
        answer = gateway.reload(config.format(USER, free_low_port()), expect=422)
        assert "CAP_NET_BIND_SERVICE" in answer["error"]["message"] and "restart" in answer["error"]["message"], answer


def test_a_configuration_that_a_reload_cannot_read_is_reported():
    with Gateway(config=f'[process]\nuser = "{USER}"\n[[listener]]\naddress = "127.0.0.1:0"\n') as gateway:
        assert gateway.log_lines("warn a reload cannot read the configuration"), "its directory is root's"


def test_memory_is_kept_secret_where_there_are_keys():
    secret = '[alarm]\nwebhook = "http://127.0.0.1:9/a-secret-path"\n[[listener]]\naddress = "127.0.0.1:0"\n'
    plain = '[[listener]]\naddress = "127.0.0.1:0"\n'
    for config, may_dump in ((plain, True), (secret, False)):
        with Gateway(config=config) as gateway:
            if not may_dump:
                assert core_limit(gateway) == (0, 0)
                assert pathlib.Path(f"/proc/{gateway.process.pid}/environ").stat().st_uid == 0
            gateway.configure(secret)
            assert gateway.ask("POST", "/v1/reload")
            assert core_limit(gateway) == (0, 0), "after the reload it has keys"


def test_without_the_right_to_change_its_user_no_gateway_starts():
    done = run("serve", "--listen", "127.0.0.1:0", "--admin", "off", "--user", "nobody-of-that-name")
    assert done.returncode == 2 and 'unknown user "nobody-of-that-name"' in done.stderr, done


def test_a_gateway_that_cannot_bound_its_capabilities_does_not_start():
    done = subprocess.run(["setpriv", "--bounding-set=-setpcap", binary(), "serve", "--listen", "127.0.0.1:0", "--admin", "off",
                           "--user", USER], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2 and f'cannot become user "{USER}": Operation not permitted' in done.stderr, done
