"""The files of a spool and the gateway's view of them: for tests that read, fill or damage them."""

import contextlib
import pathlib
import subprocess

from gateway import until


def spool_flags(directory):
    return ("--sink", f"spool:{directory}")


def segments(directory):
    return sorted(pathlib.Path(directory).glob("events-*.db"))


def status(gateway):
    return gateway.status()["sink"]["spool"]


def read_all(gateway, after=0, limit=10_000):
    """Returns ([(position, event)], [missing range])."""
    events, missing = [], []
    while True:
        page = gateway.ask("GET", f"/v1/spool?after={after}&limit={limit}")
        missing += page["missing"]
        if page["events"]:
            assert page["last"] - page["first"] + 1 == len(page["events"]), page["first"]
            events += zip(range(page["first"], page["last"] + 1), page["events"])
        if page["next_after"] == after:
            return events, missing
        after = page["next_after"]


def items_of(events):
    """Returns the items' objects by connection, in the order of their positions; `n` must count from 1 without a gap."""
    items = {}
    for _, event in events:
        if event["event"] == "item":
            of = items.setdefault(event["conn"], [])
            of.append(event["item"])
            assert event["n"] == len(of), f"item {event['n']} of {event['conn']} after {len(of) - 1}"
    return items


def wait_durable(gateway, events, timeout=60):
    """Waits until so many events are durable."""
    assert until(lambda: status(gateway)["last_position"] >= events, timeout), status(gateway)


def shell(file, query):
    """Returns the output of sqlite3."""
    done = subprocess.run(["sqlite3", "-readonly", str(file), query], capture_output=True, text=True, check=True)
    return done.stdout


class SmallDisk:
    """A mount namespace in which `directory` is a file system of its own, of so many bytes; for Gateway(namespace=)."""

    def __init__(self, directory, size):
        self._directory = directory
        self._size = size

    def command(self, *words):
        script = f'mount -t tmpfs -o size={self._size},mode=0700 none "$0" && exec "$@"'
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(self._directory), *words]

    def entered(self):
        return contextlib.nullcontext()

    def seen_from_here(self, gateway):
        return pathlib.Path(f"/proc/{gateway.process.pid}/root{self._directory}")


FAILING_SYNC = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int fails(void) { return access(getenv("SYNC_FAILS_WHILE"), F_OK) == 0; }

int fsync(int fd) {
  if (fails()) { errno = EIO; return -1; }
  return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}

int fdatasync(int fd) {
  if (fails()) { errno = EIO; return -1; }
  return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
"""


def failing_sync(directory):
    """Returns an environment in which fsync(2) and fdatasync(2) fail with EIO while the returned file exists."""
    source, library, switch = (pathlib.Path(directory) / name for name in ("sync.c", "sync.so", "fails"))
    source.write_text(FAILING_SYNC, encoding="ascii")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return {"LD_PRELOAD": str(library), "SYNC_FAILS_WHILE": str(switch),
            "ASAN_OPTIONS": "verify_asan_link_order=0"}, switch
