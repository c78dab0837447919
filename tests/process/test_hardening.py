"""Checks the hardening of the release build by its ELF files: docs/explanation/security.md has the table. Always the
release build, with any binary under test."""

import pathlib
import platform
import re
import subprocess

import pytest

from conftest import ROOT

RELEASE = ROOT / "build/release"
COMMAND = RELEASE / "holdfast"
LIBRARY = RELEASE / "libholdfast.so"
# Archives with link-time optimisation: the program's content comes from their LTO sections.
HOT = ("model", "conn", "codec", "server", "spool")
ENDBR64 = b"\xf3\x0f\x1e\xfa"


def readelf(*words):
    done = subprocess.run(["readelf", *map(str, words)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def section(path, name):
    """Returns the bytes of a section."""
    found = re.search(rf"\] {re.escape(name)} +\S+ +[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+) ", readelf("-SW", path))
    assert found, f"{path} has no section {name}"
    offset, size = (int(digits, 16) for digits in found.groups())
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(size)


@pytest.fixture(params=(COMMAND, LIBRARY), ids=("command", "library"))
def elf(request):
    path = pathlib.Path(request.param)
    assert path.exists(), f"there is no {path}: run script/build --all"
    return path


def test_relocations_are_resolved_at_start_and_then_read_only(elf):
    segments, dynamic = readelf("-lW", elf), readelf("-dW", elf)
    assert re.search(r"^ +GNU_RELRO ", segments, re.M), segments
    assert re.search(r"\(FLAGS\).*BIND_NOW", dynamic) and re.search(r"\(FLAGS_1\).*\bNOW\b", dynamic), dynamic
    assert not re.search(r"\((RPATH|RUNPATH|TEXTREL)\)", dynamic), dynamic


def test_the_stack_and_data_are_not_executable(elf):
    segments = readelf("-lW", elf)
    assert re.search(r"^ +GNU_STACK .* RW +0x", segments, re.M), segments
    assert not re.search(r"^ +LOAD .* RWE ", segments, re.M), segments


def test_the_command_is_position_independent():
    assert COMMAND.exists(), f"there is no {COMMAND}: run script/build --all"
    assert "DYN" in re.search(r"Type: +(\S+)", readelf("-hW", COMMAND))[1]
    assert re.search(r"\(FLAGS_1\).*\bPIE\b", readelf("-dW", COMMAND))


def test_the_stack_is_protected_and_bounds_are_checked(elf):
    wanted = readelf("--dyn-syms", "-W", elf)
    assert re.search(r"UND __stack_chk_fail@", wanted), "built without -fstack-protector-strong"
    assert re.search(r"UND __(memcpy|snprintf|fprintf|read|recv)_chk@", wanted), "built without _FORTIFY_SOURCE"
    assert "__glibcxx_assert_fail" in wanted, "built without _GLIBCXX_ASSERTIONS"


def test_indirect_branches_have_their_targets(elf):
    """The mark of the whole file (NT_GNU_PROPERTY_TYPE_0) also needs a C library with it, which Debian 12 lacks."""
    if platform.machine() == "x86_64":
        assert section(elf, ".text").count(ENDBR64) > 500, "built without -fcf-protection"


@pytest.mark.parametrize("module", HOT)
def test_modules_with_link_time_optimisation_are_hardened(module):
    archive = RELEASE / f"libholdfast_{module}.a"
    assert archive.exists(), f"there is no {archive}: run script/build --all"
    options = archive.read_bytes()
    assert b".gnu.lto_" in options, f"{archive} has no LTO sections"
    for flag in (b"-fstack-protector-strong", b"-fstack-clash-protection", b"-fcf-protection"):
        if flag != b"-fcf-protection" or platform.machine() == "x86_64":
            assert flag in options, (archive, flag)
