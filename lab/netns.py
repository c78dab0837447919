"""Network namespaces by name, and entering one within `with`. Needs root."""

import contextlib
import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(RuntimeError):
    """The lab cannot be built here: the message has the cause and the remedy."""


def ip(*words):
    """Runs one `ip` command; iproute2 has no stable C interface, so the command is the interface."""
    try:
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise LabError("the command `ip` is missing; run apt-get install iproute2") from error
    if done.returncode != 0:
        hint = " (network namespaces need root: run as root or with sudo)" if os.geteuid() != 0 else ""
        raise LabError(f"`ip {' '.join(words)}` failed: {done.stderr.strip()}{hint}")
    return done.stdout


def _set_namespace(descriptor):
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise LabError(f"setns failed: {os.strerror(ctypes.get_errno())} (needs root)")


class Namespace:
    """One named network namespace. Owns its name under /run/netns and a descriptor of it; delete() ends both. A socket
    always belongs to the namespace of its creation; a thread can change its own (setns is per thread)."""

    def __init__(self, name):
        self.name = name
        ip("netns", "add", name)
        self._descriptor = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)

    @contextlib.contextmanager
    def entered(self):
        """Runs this thread inside the namespace until the block ends."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _set_namespace(self._descriptor)
            try:
                yield self
            finally:
                _set_namespace(before)
        finally:
            os.close(before)

    def enter_for_good(self):
        """Keeps this thread inside: for worker threads that use this side only."""
        _set_namespace(self._descriptor)

    def sysctl(self, name, value):
        with self.entered(), open(f"/proc/sys/{name.replace('.', '/')}", "w", encoding="ascii") as file:
            file.write(str(value))

    def command(self, *words):
        """Returns a command line that runs `words` inside; `ip netns exec` becomes the program, and the pid stays."""
        return ["ip", "netns", "exec", self.name, *words]

    def delete(self):
        if self._descriptor < 0:
            return
        os.close(self._descriptor)
        self._descriptor = -1
        ip("netns", "delete", self.name)
