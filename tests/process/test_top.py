"""`holdfast top`, in a terminal and without one."""

import contextlib
import json
import re
import signal
import subprocess
import time

import pytest

from gateway import Gateway, binary, run
from lab import device
from ports import free_address
from terminal import Terminal

LEAVE_ALTERNATE_SCREEN = b"\x1b[?1049l"
SHOW_CURSOR = b"\x1b[?25h"


@pytest.fixture(scope="module")
def gateway():
    """Yields a gateway with eight devices: keys 10.9.0.0 to 10.9.0.7, the first with one item, the last with eight."""
    with Gateway() as made, contextlib.ExitStack() as stack:
        for number in range(8):
            sock = stack.enter_context(device.connect(made.address))
            sock.sendall(device.item(f"10.9.0.{number}") * (number + 1))
            record = made.connected(device.name_of(sock))
            assert made.events.wait(lambda one=record, n=number: len(one.items) == n + 1, 30)
        yield made


def top(gateway, *words, **options):
    return Terminal(binary(), "top", "--admin", gateway.admin_flag(), "--interval", "200ms", *words, **options)


def keys_shown(lines):
    """Returns the devices' numbers, in the order of the table."""
    return [int(word[7:]) for line in lines for word in line.split() if word.startswith("10.9.0.")]


def restored(terminal):
    return (terminal.modes() == terminal.modes_before and LEAVE_ALTERNATE_SCREEN in terminal.raw
            and terminal.raw.rindex(SHOW_CURSOR) > terminal.raw.index(b"\x1b[?1049h"))


@pytest.mark.asan
def test_it_shows_the_gateway_live_and_quits(gateway):
    with top(gateway) as terminal:
        terminal.shows("8 of at most")
        terminal.shows("CONN")
        assert terminal.wait(lambda lines: sorted(keys_shown(lines)) == list(range(8))), terminal.lines()
        with device.connect(gateway.address):
            terminal.shows("9 of at most")
        terminal.shows("8 of at most")
        terminal.shows("per second:")
        terminal.shows("closed in 10 min: 1 peer_closed")
        terminal.press("q")
        assert terminal.wait_exit() == (0, "")
        assert restored(terminal)


def test_sorting(gateway):
    with top(gateway) as terminal:
        terminal.press("n")
        assert terminal.wait(lambda lines: keys_shown(lines) == [7, 6, 5, 4, 3, 2, 1, 0]), terminal.lines()
        terminal.shows("s sort: items")
        terminal.press("r")
        assert terminal.wait(lambda lines: keys_shown(lines) == [0, 1, 2, 3, 4, 5, 6, 7]), terminal.lines()
        terminal.shows("items reversed")
        terminal.press("rs")
        terminal.shows("s sort: bytes_in")
        assert terminal.wait(lambda lines: keys_shown(lines) == [7, 6, 5, 4, 3, 2, 1, 0]), terminal.lines()
        terminal.press("k")
        assert terminal.wait(lambda lines: keys_shown(lines) == list(range(8))), terminal.lines()


def test_filtering(gateway):
    # pyte sometimes loses a row in the way "screen" moves rows; "linux" redraws them.
    with top(gateway, env={"TERM": "linux"}) as terminal:
        terminal.shows("10.9.0.7")
        terminal.press("/10.9.0.8\x7f")
        terminal.shows("(Enter applies, Esc cancels): 10.9.0.")
        terminal.press("3\r")
        assert terminal.wait(lambda lines: keys_shown(lines[:-1]) == [3]), terminal.lines()
        terminal.shows("/ filter: 10.9.0.3 (1)")
        terminal.press("/nobody\x1b")  # cancelled
        terminal.shows("/ filter: 10.9.0.3 (1)")
        terminal.press("/" + "\x7f" * 8 + "127.0.0.0/8\r")
        terminal.shows("/ filter: 127.0.0.0/8 (8)")
        terminal.press("/" + "\x7f" * 11 + "10.0.0.0/8\r")
        terminal.shows("no connection matches the filter")
        terminal.press("/" + "\x7f" * 10 + "\r")
        terminal.shows("/ filter: none")
        assert terminal.wait(lambda lines: len(keys_shown(lines)) == 8), terminal.lines()


def test_pause(gateway):
    with top(gateway) as terminal:
        terminal.shows("8 of at most")
        terminal.press("p")
        terminal.shows("PAUSED")
        time.sleep(1)  # a fetch may be under way; no event can confirm that none is
        with device.connect(gateway.address) as sock:
            gateway.connected(device.name_of(sock))
            # Five intervals bring nothing; keys are still accepted.
            assert not terminal.wait(lambda lines: any("9 of at most" in line for line in lines), timeout=1.0)
            terminal.press("p")
            terminal.shows("9 of at most")
        terminal.shows("8 of at most")


def test_a_window_that_changes_its_size(gateway):
    with top(gateway, columns=120, lines=30) as terminal:
        terminal.shows("LISTENER")
        assert terminal.wait(lambda lines: lines[29].startswith("q quit")), terminal.lines()
        terminal.resize(60, 12)
        assert terminal.wait(lambda lines: lines[11].startswith("q quit") and "LISTENER" not in "".join(lines)
                             and any("KEY" in line for line in lines)
                             and 0 < len(keys_shown(lines)) < 8), terminal.lines()
        terminal.resize(140, 40)
        assert terminal.wait(lambda lines: lines[39].startswith("q quit") and len(keys_shown(lines)) == 8), \
            terminal.lines()
        terminal.shows("LISTENER")
        terminal.resize(3, 1)
        assert terminal.wait(lambda lines: lines == ["q q"]), terminal.lines()
        terminal.press("q")
        assert terminal.wait_exit()[0] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_puts_the_terminal_back(gateway, number):
    with top(gateway) as terminal:
        terminal.shows("8 of at most")
        assert not restored(terminal)
        terminal.signal(number)
        assert terminal.wait_exit() == (0, "")
        assert restored(terminal)


def test_control_c_puts_the_terminal_back(gateway):
    with top(gateway) as terminal:
        terminal.shows("8 of at most")
        terminal.press("\x03")
        assert terminal.wait_exit() == (0, "")
        assert restored(terminal)


def test_a_lost_gateway_is_reported_and_a_restarted_one_shown():
    address = free_address()
    with Gateway("--admin", address) as first:
        with Terminal(binary(), "top", "--admin", address, "--interval", "200ms") as terminal:
            terminal.shows("0 of at most")
            first.stop()
            terminal.shows("! no gateway answers at " + address)
            terminal.shows("! not known since ")
            with Gateway("--admin", address) as second, device.connect(second.address):
                terminal.shows("1 of at most")
                assert terminal.wait(lambda lines: not any("no gateway" in line for line in lines))
            terminal.shows("! no gateway answers at " + address)
            terminal.press("q")
            code, error = terminal.wait_exit()
            assert code == 3 and error.startswith("holdfast: no gateway answers at " + address)
            assert restored(terminal)


def colors(terminal):
    """Returns the foreground colours that the program selected."""
    return {int(number) for words in re.findall(rb"\x1b\[([0-9;]*)m", terminal.raw) for number in words.split(b";")
            if re.fullmatch(rb"3[0-7]", number)}


def test_colors_unless_no_color_is_set(gateway):
    for no_color, colored in (("", True), ("1", False)):
        with top(gateway, env={"TERM": "screen", "NO_COLOR": no_color}) as terminal:
            terminal.shows("8 of at most")
            terminal.press("q")
            assert terminal.wait_exit() == (0, "")
            assert bool(colors(terminal)) == colored, f"NO_COLOR={no_color!r}: {terminal.raw[:400]}"


def test_bytes_of_a_device_cannot_control_the_terminal(gateway):
    with device.connect(gateway.address) as sock:
        sock.sendall(b'{"ip":"\\u001b[2J\\u001b]0;owned\\u0007"}\n')
        with top(gateway) as terminal:
            terminal.shows(r"\x1b[2J\x1b]0;owned\x07")
            assert b"\x1b]0;owned" not in terminal.raw
            terminal.press("q")
            terminal.wait_exit()


def test_a_terminal_without_utf8_gets_none(gateway):
    with device.connect(gateway.address) as sock:
        sock.sendall('{"ip":"schlüssel"}\n'.encode())
        with top(gateway, env={"LC_ALL": "C"}) as terminal:
            terminal.shows("schl")
            terminal.shows("in 10 min")
            terminal.press("q")
            assert terminal.wait_exit()[0] == 0
            assert max(terminal.raw) < 0x80, terminal.raw


def test_an_unknown_terminal(gateway):
    with top(gateway, env={"TERM": "nonsense"}) as terminal:
        code, error = terminal.wait_exit()
        assert code == 2 and "set TERM" in error
        assert terminal.modes() == terminal.modes_before


def test_once(gateway):
    gateway.wait_status(lambda status: status["connections"] == 8)
    shown = run("top", "--once", "--sort", "items", "--admin", gateway.admin_flag())
    assert shown.returncode == 0 and shown.stderr == ""
    assert "\x1b" not in shown.stdout
    lines = shown.stdout.splitlines()
    assert lines[0].startswith("holdfast ") and lines[1].startswith("8 of at most ")
    assert keys_shown(lines) == [7, 6, 5, 4, 3, 2, 1, 0]
    assert all(len(line) <= 120 for line in lines) and len(lines) <= 40
    narrow = subprocess.run([binary(), "top", "--once", "--admin", gateway.admin_flag()], capture_output=True, text=True,
                            timeout=30, check=True, env={"COLUMNS": "40", "LINES": "8"})
    assert all(len(line) <= 40 for line in narrow.stdout.splitlines()) and len(narrow.stdout.splitlines()) == 8


def test_once_as_json(gateway):
    gateway.wait_status(lambda status: status["connections"] == 8)
    shown = json.loads(run("top", "--once", "--json", "--filter", "10.9.0.5", "--admin", gateway.admin_flag()).stdout)
    assert set(shown) == {"status", "trend", "recent", "alarms", "connections"}
    assert shown["status"]["connections"] == 8
    assert [one["key"] for one in shown["connections"]["connections"]] == ["10.9.0.5"]
    assert shown["recent"]["step_s"] == 1 and shown["alarms"]["active"] == []


def test_without_a_terminal_the_error_says_so(gateway):
    refused = run("top", "--admin", gateway.admin_flag())
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "holdfast: standard output is not a terminal; use --once\n"
