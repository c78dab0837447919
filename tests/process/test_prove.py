"""`holdfast doctor --prove` on this host: as root, as a user with namespaces of his own, where neither is allowed, and when
it is disturbed."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from gateway import PATIENCE, binary, run, until

EXPECTED = {"fin": "peer_closed", "reset": "peer_reset", "idle": "keepalive_expired", "in_flight": "retransmit_expired",
            "probing": "retransmit_expired", "zero_window": "window_stalled", "unreachable": "unreachable",
            "quiet": None, "talking": None, "outage_idle": None, "outage_in_flight": None, "delay": None, "pause": None}
CONNECTIONS = {name: 4 if name == "unreachable" else 8 for name in EXPECTED}
OUTAGES = {"outage_idle", "outage_in_flight"}  # too short to be measured at 3 s; one that lasted too long does not count


def rows_of(output):
    return {row["id"]: row for row in json.loads(output)["rows"]}


def assert_kept(done, bound_ms):
    assert done.returncode == 0, (done.stdout, done.stderr)
    answer = json.loads(done.stdout)
    assert answer["kept"] and answer["detect_within_ms"] == bound_ms
    rows = rows_of(done.stdout)
    without = OUTAGES if bound_ms < 5000 else set()
    assert {name: row["expected"] for name, row in rows.items()} == {name: reason for name, reason in EXPECTED.items()
                                                                     if name not in without}
    for name, row in rows.items():
        assert row["kept"], row
        assert row["connections"] == CONNECTIONS[name] or (name in OUTAGES and row["connections"] > 0), row
        if EXPECTED[name] is None:
            assert row["found"] == 0 and row["worst_ms"] is None
            continue
        assert row["seen"] == {EXPECTED[name]: CONNECTIONS[name]}
        assert 0 < row["median_ms"] <= row["worst_ms"] <= row["promised_ms"] <= bound_ms
    # Silence cannot be known at once: what is found too soon was not silent.
    assert rows["idle"]["median_ms"] > answer["plan"]["idle_s"] * 1000
    assert rows["fin"]["promised_ms"] < 1000


@contextlib.contextmanager
def readable_binary():
    with tempfile.TemporaryDirectory(prefix="holdfast-prove-") as folder:
        os.chmod(folder, 0o755)
        copy = shutil.copy(binary(), folder)
        os.chmod(copy, 0o755)
        yield copy


AHEAD = ["nice", "-n", "-15"]


def prove(*flags, timeout=60):
    """One proof of the kernel's times, ahead of the other tests of this machine: their load is no fault of the kernel."""
    return subprocess.run([*AHEAD, binary(), "doctor", "--prove", *flags], capture_output=True, text=True, timeout=timeout,
                          check=False, stdin=subprocess.DEVNULL)


def as_user(*words, timeout=60):
    return subprocess.run([*AHEAD, "runuser", "-u", "nobody", "--", *words], capture_output=True, text=True, timeout=timeout,
                          check=False, stdin=subprocess.DEVNULL)


def user_may_have_namespaces():
    return as_user("unshare", "--user", "--map-root-user", "--net", "ip", "link").returncode == 0


@pytest.mark.parametrize("seconds", [3, 5])
def test_as_root(seconds):
    assert_kept(prove("--json", "--detect-within", f"{seconds}s"), seconds * 1000)


def test_the_text_shows_measured_beside_promised():
    done = prove("--detect-within", "3s")
    assert done.returncode == 0, (done.stdout, done.stderr)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("detect_within 3s, measured in two network namespaces on Linux ")
    for row in ("closes (FIN)", "vanishes while idle", "vanishes with data in flight", "lives and talks"):
        assert any(line.startswith(row) and line.endswith("kept") for line in lines), row
    assert lines[-1].startswith("Every promise was kept; it took ")


def test_as_a_user_without_rights():
    """Where the kernel gives users namespaces of their own it works; where it does not, the message says what to do."""
    allowed = user_may_have_namespaces()
    with readable_binary() as command:
        done = as_user(command, "doctor", "--prove", "--json")
    if allowed:
        assert_kept(done, 5000)
    else:
        assert (done.returncode, done.stdout) == (2, "")
        assert "sudo holdfast doctor --prove" in done.stderr


def test_where_namespaces_are_forbidden():
    """The limit is set inside a user namespace of the test's own."""
    done = subprocess.run(["unshare", "--user", "--map-root-user", "sh", "-c",
                           'echo 0 > /proc/sys/user/max_net_namespaces && exec "$0" doctor --prove', binary()],
                          capture_output=True, text=True, timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "cannot make a network namespace: unshare: No space left on device" in done.stderr
    assert "sudo holdfast doctor --prove" in done.stderr and "user.max_net_namespaces" in done.stderr


def test_without_iproute2():
    places = sorted({os.path.realpath(path) for path in ("/bin/ip", "/usr/bin/ip", "/sbin/ip", "/usr/sbin/ip")
                     if os.path.exists(path)})
    hide = " && ".join(f"mount --bind /dev/null {place}" for place in places)
    done = subprocess.run(["unshare", "--mount", "sh", "-c", f'{hide} && exec "$0" doctor --prove', binary()],
                          capture_output=True, text=True, timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "holdfast: the command `ip` is missing: apt-get install iproute2\n"


def test_wrong_usage():
    for flags in (("--prove", "--detect-within", "1s"), ("--prove", "--detect-within", "x"), ("--detect-within", "5s"),
                  ("--prove", "--admin", "127.0.0.1:7080"), ("--prove", "--config", "/dev/null")):
        done = run("doctor", *flags)
        assert (done.returncode, done.stdout) == (2, ""), flags
        assert done.stderr.count("\n") == 1


class Running:
    """A proof under way: the command, and the process of its own that holds the namespaces."""

    def __init__(self, *command):
        self.command = subprocess.Popen([*(command or [binary()]), "doctor", "--prove", "--json"], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        self.worker = until(self._child)
        assert self.worker, "the command has no child"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in (self.command.pid, self.worker):
            if self.command.poll() is None:
                os.kill(pid, signal.SIGCONT)
        self.command.kill()
        self.command.communicate()

    def _child(self):
        return next(iter(map(int, pathlib.Path(f"/proc/{self.command.pid}/task/{self.command.pid}/children")
                             .read_text().split())), None)

    def connections(self):
        """Established ones in the gateway's namespace."""
        with contextlib.suppress(OSError):
            lines = pathlib.Path(f"/proc/{self.worker}/net/tcp").read_text().splitlines()[1:]
            return sum(line.split()[3] == "01" for line in lines)
        return 0

    def wait_for_deaths(self):
        everybody = sum(CONNECTIONS.values())
        assert until(lambda: self.connections() >= everybody), "the devices did not connect"
        assert until(lambda: self.connections() < everybody), "nothing died"


def gone(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_a_promise_that_is_not_kept_is_seen():
    """The gateway is stopped while the dead should be found."""
    with Running() as proof:
        proof.wait_for_deaths()
        time.sleep(1)
        os.kill(proof.worker, signal.SIGSTOP)
        time.sleep(5.5)
        os.kill(proof.worker, signal.SIGCONT)
        out, error = proof.command.communicate(timeout=PATIENCE)
        assert proof.command.returncode == 1, (out, error)
    answer, rows = json.loads(out), rows_of(out)
    assert not answer["kept"] and not rows["idle"]["kept"]
    assert rows["idle"]["worst_ms"] is None or rows["idle"]["worst_ms"] > 5000
    assert rows["fin"]["kept"]


def assert_nothing_is_left(proof, number):
    proof.wait_for_deaths()
    namespace = os.readlink(f"/proc/{proof.worker}/ns/net")
    assert namespace != os.readlink("/proc/self/ns/net")
    proof.command.send_signal(number)
    proof.command.wait(PATIENCE)
    # Long before it would have ended by itself.
    assert until(lambda: gone(proof.worker), 2), "the process with the namespaces lives on"
    holders = [path for path in pathlib.Path("/proc").glob("[0-9]*/ns/net") if _link(path) == namespace]
    assert not holders


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_behind(number):
    with Running() as proof:
        assert_nothing_is_left(proof, number)


def test_nothing_is_left_behind_of_a_user():
    """In a user namespace, too, whose making may clear the tie between parent and child."""
    if not user_may_have_namespaces():
        return  # then there is nothing to leave: test_as_a_user_without_rights has seen the refusal
    with readable_binary() as copy, Running("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy) as proof:
        assert_nothing_is_left(proof, signal.SIGKILL)


def _link(path):
    try:
        return os.readlink(path)
    except OSError:
        return None
