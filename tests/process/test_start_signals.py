"""Signals that arrive while the gateway starts: none kills it, none is lost."""

import contextlib
import os
import signal
import socket
import subprocess

import pytest

from gateway import PATIENCE, Gateway, binary, until

STOPS = [signal.SIGTERM, signal.SIGINT]


class SlowStart(Gateway):
    """A gateway whose configuration is a FIFO: it starts when the test has written it."""

    def __init__(self, tmp_path):
        self.fifo = tmp_path / "holdfast.toml"
        os.mkfifo(self.fifo)
        super().__init__("--config", str(self.fifo), "--listen", "127.0.0.1:0")
        self.config_path = self.fifo


def opened(gateway):
    """Returns a descriptor for writing, once the gateway waits for its configuration."""
    def try_it():
        with contextlib.suppress(OSError):  # no reader
            return os.open(gateway.fifo, os.O_WRONLY | os.O_NONBLOCK)

    end = until(try_it)
    assert end, gateway.tail()
    return end


@pytest.mark.parametrize("stop", STOPS)
def test_a_stop_during_the_start_is_kept(tmp_path, stop):
    gateway = SlowStart(tmp_path)
    try:
        end = opened(gateway)
        gateway.process.send_signal(stop)
        os.close(end)
        assert gateway.wait_exit() == 0, gateway.tail()
        gateway.wait_for_log("stopped")
        gateway.check_reports()
    finally:
        gateway.kill()


def test_a_reload_during_the_start_is_done_after_it(tmp_path):
    gateway = SlowStart(tmp_path)
    try:
        end = opened(gateway)
        gateway.process.send_signal(signal.SIGHUP)
        gateway.configure('drain_time = "4s"\n')  # in the FIFO's place, for the reload
        os.close(end)
        gateway.wait_ready()
        assert until(lambda: gateway.status()["reloads"]["applied"] == 1), gateway.tail()
        gateway.stop()
    finally:
        gateway.kill()


def test_other_verbs_end_by_a_signal_as_ever():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = "%s:%d" % server.getsockname()
        for stop in (*STOPS, signal.SIGHUP):
            verb = subprocess.Popen([binary(), "status", "--admin", address], stdin=subprocess.DEVNULL,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            connection, _ = server.accept()  # it waits for an answer
            with connection:
                verb.send_signal(stop)
                assert verb.wait(PATIENCE) == -stop
