"""A program in a terminal: a pty, and a screen that interprets its output (pyte)."""

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import threading
import time

import pyte

from gateway import PATIENCE


class Terminal:
    """Owns the pty and the program, whose controlling terminal it is, as in a shell. `with` ends it."""

    def __init__(self, *command, columns=120, lines=30, env=None):
        self._lock = threading.Lock()
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        self._master, self._slave = os.openpty()
        self._set_size(columns, lines)
        self.modes_before = self.modes()
        # pyte lacks xterm's repetition of a character (REP); the entry "screen" does not use it.
        self.process = subprocess.Popen(
            command, stdin=self._slave, stdout=self._slave, stderr=subprocess.PIPE, start_new_session=True,
            env={**os.environ, "TERM": "screen", "LC_ALL": "C.UTF-8", **(env or {})},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        self._ended = True
        self._thread.join(PATIENCE)
        os.close(self._master)
        os.close(self._slave)

    def modes(self):
        return termios.tcgetattr(self._slave)

    def resize(self, columns, lines):
        """Resizes the window: the kernel sends SIGWINCH."""
        with self._lock:
            self._screen.resize(lines, columns)
            self._screen.reset()
        self._set_size(columns, lines)

    def press(self, keys):
        os.write(self._master, keys.encode())

    def lines(self):
        with self._lock:
            return [line.rstrip() for line in self._screen.display]

    def wait(self, predicate, timeout=PATIENCE):
        """Waits until the predicate is true for the screen's lines; returns its value."""
        end = time.monotonic() + timeout
        while not (value := predicate(self.lines())) and time.monotonic() < end:
            time.sleep(0.02)
        return value

    def shows(self, text, timeout=PATIENCE):
        found = self.wait(lambda lines: any(text in line for line in lines), timeout)
        assert found, f"{text!r} is not on the screen:\n" + "\n".join(self.lines())

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait_exit(self):
        """Returns (exit code, standard error) after the end."""
        code = self.process.wait(PATIENCE)
        error = self.process.stderr.read().decode()
        self._ended = True
        self._thread.join(PATIENCE)
        return code, error

    def _set_size(self, columns, lines):
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def _read(self):
        while True:
            ready, _, _ = select.select([self._master], [], [], 0.05)
            if ready:
                chunk = os.read(self._master, 65536)
                with self._lock:
                    self.raw += chunk
                    self._stream.feed(chunk)
            elif self._ended:
                return
