"""`holdfast demo`: the whole story as an ordinary user, and no process left however it ends."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading

import pytest

from gateway import PATIENCE, SANITIZER_WORDS, binary, gone, run, until
from terminal import Terminal

DEMO_PATIENCE = 180  # it takes about 40 s where nothing else runs
ESTABLISHED, LISTENS = "01", "0A"  # states in /proc/net/tcp


class Demo:
    """Owns one demo and reads its output. `with` ends it, and the gateway that it started."""

    def __init__(self, *flags, command=None, directory=None):
        self.process = subprocess.Popen([*(command or [binary()]), "demo", *flags], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL, cwd=directory)
        self.out, self.error = [], []
        self._readers = [threading.Thread(target=lines.extend, args=(pipe,), daemon=True)
                         for lines, pipe in ((self.out, self.process.stdout), (self.error, self.process.stderr))]
        for reader in self._readers:
            reader.start()
        self.gateway = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.end()

    def find_gateway(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        self.gateway = until(lambda: next(iter(map(int, children.read_text().split())), None), PATIENCE)
        assert self.gateway, "the demo has started no gateway"

    def wait_for(self, text):
        found = until(lambda: text in self.text() or self.process.poll() is not None, DEMO_PATIENCE)
        assert found and text in self.text(), (self.text(), "".join(self.error))

    def end(self):
        self.process.wait(DEMO_PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return self.process.returncode

    def text(self):
        return "".join(list(self.out))


@contextlib.contextmanager
def ordinary_user():
    """Yields a directory that user 65534 can write, and the words that run a copy of the command there as that user."""
    with tempfile.TemporaryDirectory(prefix="holdfast-demo-") as folder:
        os.chmod(folder, 0o777)
        copy = shutil.copy(binary(), folder)
        os.chmod(copy, 0o755)
        yield folder, ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy]


def sockets_on(port):
    """Returns the listener on this port and both ends of its devices' connections, from the kernel's IPv4 table: names by
    their states. Another demo's device may have this port as its own, and another gateway may listen on it later."""
    gateway_end = f"0100007F:{port:04X}"
    found = {}
    for line in pathlib.Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        local, remote, state, inode = (line.split()[i] for i in (1, 2, 3, 9))
        if local == gateway_end and state == LISTENS:
            found[(local, inode)] = state
        elif gateway_end in (local, remote) and any(end[4:8] in ("017F", "027F") for end in (local, remote)):
            found[(local, remote)] = state
    return found


def test_the_whole_story_as_an_ordinary_user():
    with ordinary_user() as (folder, command), Demo(command=command, directory=folder) as demo:
        demo.find_gateway()
        code = demo.end()
        assert (code, demo.error) == (0, []), demo.text()
        assert gone(demo.gateway)
        assert os.listdir(folder) == [os.path.basename(binary())]
    story = demo.text()
    expected = ("120 devices are connected: 60 from 127.1.0.0/16, 60 from 127.2.0.0/16",
                "peers_silent on listener devices", "60 fell silent together", "all of 127.2.0.0/16: a partition", "advice ",
                "The alarm is cleared: 60 of 60 answered again", "All 120 connections are open",
                "The gateway has closed the silent connections", "60 keepalive_expired.",
                "population_drop on listener devices", "all keepalive_expired, all of 127.2.0.0/16: a partition", "advice ",
                "its devices have reconnected: 120 connections", "No process, port or file is left")
    assert max(map(len, story.splitlines())) <= 120, "a terminal of 120 columns shows every line whole"
    place = 0
    for text in expected:
        assert text in story[place:], (text, story)
        place = story.index(text, place) + len(text)


def assert_ends_with_nothing_left(number, code):
    with Demo() as demo:
        demo.find_gateway()
        demo.wait_for("The demo cuts off 127.2.0.0/16")  # some devices have vanished: the worst moment to stop
        port = int(re.search(r"listens on 127\.0\.0\.1:(\d+)", demo.text())[1])
        sockets = {name for name, state in sockets_on(port).items() if state in (ESTABLISHED, LISTENS)}
        assert len(sockets) > 240, "listeners, and two ends of 120 connections"
        demo.process.send_signal(number)
        assert demo.end() == code, (demo.text(), demo.error)
        assert until(lambda: gone(demo.gateway), PATIENCE), "the gateway of the demo still runs"
        assert not any(word in line for line in demo.error for word in SANITIZER_WORDS), demo.error
        return demo, lambda: sockets & sockets_on(port).keys()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(number):
    demo, sockets_left = assert_ends_with_nothing_left(number, 1)
    assert demo.error == []
    assert until(lambda: not sockets_left(), PATIENCE), sockets_left()  # the gateway may be reading a RST still
    assert demo.text().rstrip().endswith("Interrupted. The gateway and the devices have ended. No process, port or file is left.")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_the_gateway_ends_with_the_demo(number):
    assert_ends_with_nothing_left(number, -number)


def test_keep_runs_until_a_signal_and_the_dashboard_shows_the_alarm():
    with Demo("--keep") as demo:
        demo.find_gateway()
        demo.wait_for("keep running until Ctrl-C")
        admin = re.search(r"export HOLDFAST_ADMIN=(\S+)", demo.text()).group(1)
        recent = run("alarms", "--recent", "--admin", admin)
        assert "population_drop" in recent.stdout and "peers_silent" in recent.stdout
        assert json.loads(run("status", "--json", "--admin", admin).stdout)["connections"] == 120
        demo.process.send_signal(signal.SIGINT)
        assert (demo.end(), demo.error) == (0, [])
        assert gone(demo.gateway)


def test_the_story_fits_a_terminal_of_80_columns():
    with Terminal(str(binary()), "demo", columns=80) as demo:
        assert demo.wait(lambda _: b"  where " in demo.raw, DEMO_PATIENCE), "the first alarm"
        demo.press("\x03")
        assert demo.wait_exit() == (1, "")
    lines = demo.raw.decode().replace("\r", "").splitlines()
    assert any("peers_silent on listener devices" in line for line in lines)
    assert max(map(len, lines)) <= 80, max(lines, key=len)


def test_a_gateway_that_ends_is_an_error():
    with Demo() as demo:
        demo.find_gateway()
        demo.wait_for("120 devices are connected")
        os.kill(demo.gateway, signal.SIGKILL)
        assert demo.end() == 1
    assert len(demo.error) == 1 and demo.error[0].startswith("holdfast: the gateway of the demo ended")


def test_without_a_loopback_interface_the_error_names_the_remedy():
    done = subprocess.run(["unshare", "--net", binary(), "demo"], capture_output=True, text=True, timeout=PATIENCE,
                          check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "ip link set lo up" in done.stderr


@pytest.mark.parametrize("flags, message", [(["--kep"], "did you mean --keep?"), (["fast"], "see holdfast demo --help")])
def test_wrong_flags_start_nothing(flags, message):
    done = run("demo", *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_output_that_ends_early_ends_the_demo():
    with subprocess.Popen([binary(), "demo"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
        assert any("120 devices are connected" in line for line in process.stdout)
        gateway = int(children.read_text())
        process.stdout.close()
        assert process.wait(DEMO_PATIENCE) == -signal.SIGPIPE
    assert until(lambda: gone(gateway), PATIENCE), "the gateway of the demo still runs"


def test_too_few_descriptors_are_an_error_with_the_remedy():
    done = subprocess.run(["prlimit", "--nofile=100:100", binary(), "demo"], capture_output=True, text=True,
                          timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "ulimit -n" in done.stderr
