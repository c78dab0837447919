"""Runs a command under the restrictions of deploy/holdfast.service.in, without systemd: as a script that execs it.
Needs root for the namespace; the command runs without root.

    as_the_unit.py --writable DIRECTORY [--kill] COMMAND...

--kill: a system call outside the unit's filter ends the process with SIGSYS, instead of the unit's EPERM."""

import argparse
import ctypes
import errno
import os
import pathlib
import re
import subprocess
import sys

import seccomp

UNIT = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "holdfast.service.in"
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
NOBODY = 65534
CLONE_NEWNS, MS_RDONLY, MS_BIND, MS_REMOUNT, MS_REC, MS_PRIVATE = 0x20000, 1, 4096, 32, 16384, 1 << 18
PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP = 38, 24
libc = ctypes.CDLL(None, use_errno=True)


def values(unit, name):
    return [value.strip() for value in re.findall(rf"^{name}=(.*)$", unit, re.M)]


def expand(word):
    """Returns a set's system calls, as systemd itself lists them."""
    if not word.startswith("@"):
        return {word}
    listed = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True).stdout
    words = [line.strip() for line in listed.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
    return set().union(*(expand(each) for each in words))


def allowed_calls(unit):
    """Returns the calls of the SystemCallFilter= lines in order: the first makes it an allow list, `~` removes."""
    allowed = expand("@default") | {"execve"}  # always, systemd.exec(5)
    for line in values(unit, "SystemCallFilter"):
        calls = set().union(*(expand(word) for word in line.lstrip("~").split()))
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    return allowed


def load_filter(calls, families, kill):
    rules = seccomp.SyscallFilter(seccomp.KILL_PROCESS if kill else seccomp.ERRNO(errno.EPERM))
    for call in calls - {"socket"}:
        try:
            rules.add_rule(seccomp.ALLOW, call)
        except (ValueError, RuntimeError):
            continue  # not of this architecture, or younger than libseccomp
    for family in families:
        rules.add_rule(seccomp.ALLOW, "socket", seccomp.Arg(0, seccomp.EQ, FAMILIES[family]))
    rules.load()


def check(outcome, what):
    if outcome != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, kind, flags, data=None):
    encoded = [None if each is None else str(each).encode() for each in (source, target, kind)]
    check(libc.mount(*encoded, ctypes.c_ulong(flags), None if data is None else data.encode()), f"mount {target}")


def restrict_files(writable):
    """Applies ProtectSystem=strict, ProtectProc=invisible and ProcSubset=pid."""
    check(libc.unshare(CLONE_NEWNS), "unshare")
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    mount(writable, writable, None, MS_BIND)
    mount(None, "/", None, MS_REMOUNT | MS_BIND | MS_RDONLY)
    mount("proc", "/proc", "proc", 0, "hidepid=invisible,subset=pid")


def drop_privileges():
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--writable", required=True)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("command", nargs="+")
    flags = parser.parse_args()
    unit = UNIT.read_text()
    calls = allowed_calls(unit)  # calls systemd-analyze while it is allowed
    os.chown(flags.writable, NOBODY, NOBODY)
    restrict_files(flags.writable)
    os.umask(int(values(unit, "UMask")[0], 8))
    drop_privileges()
    load_filter(calls, " ".join(values(unit, "RestrictAddressFamilies")).split(), flags.kill)
    os.execv(flags.command[0], flags.command)


sys.exit(main())
