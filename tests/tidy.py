#!/usr/bin/env python3
"""The style that a compiler does not check: the direction of includes, the length of files, formatting, links and sentences in the docs,
subjects of commits.

Exits 1 and names each place."""

import collections
import pathlib
import re
import shutil
import subprocess
import sys

from links import dead_links
from prose import commit_faults, page_faults

ROOT = pathlib.Path(__file__).resolve().parents[1]
# What each folder of src/ may include from; docs/ARCHITECTURE.md has the reasons.
MAY_INCLUDE = {
    "base": set(),
    "testing": {"base"},  # help for tests: no part of the library or the command includes it
    "options": {"base"},
    "tcp": {"base"},
    "reactor": {"base"},
    "tls": {"base"},
    "conn": {"base", "reactor", "tcp", "tls"},
    "codec": {"base"},
    "tokens": {"base", "codec"},
    "server": {"base", "options", "reactor", "tcp", "tls", "conn", "codec", "tokens"},
    "spool": {"base", "codec"},
    "sink": {"base", "codec", "spool"},
    "nats": {"base", "codec", "spool"},
    "fleet": {"base", "codec", "nats", "spool"},
    "config": {"base", "options", "server", "tls", "tokens"},
    "http": {"base"},
    "trend": {"base"},
    "detect": {"base", "tcp"},
    "alarm": {"base", "detect", "http"},
    "watch": {"base", "alarm", "detect", "trend", "tcp"},
    "http_server": {"base", "tcp", "tls"},
    "admin": {"base", "http_server", "codec", "nats", "sink", "spool", "tcp", "tls", "alarm", "trend", "watch"},
    "load": {"base", "reactor", "tcp", "tls", "codec"},
    "doctor": {"base", "tcp"},
    "app": {"base", "options", "http", "codec", "spool", "sink", "nats", "fleet", "config", "alarm", "trend", "watch", "http_server", "admin", "load", "tls", "doctor", "tokens", "app"},
}
# Folders above conn that must not see a connection: config may use the checks of a ServerConfig, and nothing else.
ONLY = {("config", "server"): {"server/validate.h"}, ("detect", "tcp"): {"tcp/route.h"}, ("watch", "tcp"): {"tcp/route.h"}}
MAX_LINES = 450
# Headers that take seconds to compile, and the only file that may include each.
ONE_UNIT = {"CLI/": "src/app/command_line.cc", "toml++/": "src/config/read_toml.cc", "spdlog/": "src/app/log.cc"}


def sources():
    for folder in ("src", "include", "examples", "bench", "tests"):
        yield from sorted(p for p in (ROOT / folder).rglob("*") if p.suffix in (".h", ".cc"))


def include_faults(path):
    parts = path.relative_to(ROOT).parts
    if parts[0] == "include":
        for line in path.read_text().splitlines():
            if line.startswith('#include "'):
                yield f"{path.relative_to(ROOT)}: a public header includes {line.split()[1]}, which is not installed"
        if re.search(r"^namespace holdfast \{", path.read_text(), re.M):
            yield f"{path.relative_to(ROOT)}: write namespace holdfast HOLDFAST_PUBLIC, or the shared library hides it"
        return
    if parts[0] != "src":
        return
    module = parts[1]
    for name in re.findall(r'^#include "([^"]+)"', path.read_text(), re.M):
        target = name.split("/")[0]
        if target == "testing" and path.stem.endswith("_test"):
            continue
        allowed = target == module or target in MAY_INCLUDE.get(module, set())
        if not allowed or name not in ONLY.get((module, target), {name}):
            yield f"{path.relative_to(ROOT)}: {module} must not include {name}"


def slow_headers(path):
    for name in re.findall(r"^#include <([^>]+)>", path.read_text(), re.M):
        for prefix, unit in ONE_UNIT.items():
            if name.startswith(prefix) and str(path.relative_to(ROOT)) != unit:
                yield f"{path.relative_to(ROOT)}: only {unit} includes <{name}>, which takes seconds to compile"


def data_path():
    """The files on the way of a connection's bytes: conn, tls, the poller, and what conn includes of tcp."""
    included = {name for path in (ROOT / "src/conn").iterdir() for name in re.findall(r'"tcp/(\w+)\.h"', path.read_text())}
    of_tcp = [path for path in (ROOT / "src/tcp").iterdir() if path.stem in included]
    all_files = [*(ROOT / "src/conn").iterdir(), *(ROOT / "src/tls").iterdir(), ROOT / "src/reactor/poller.cc", *of_tcp]
    return sorted(path for path in all_files if not path.name.endswith("_test.cc"))


def direct_kernel_calls(path):
    """The data path calls the kernel through base/kernel.h, so that a simulated one can stand in its place."""
    name = path.relative_to(ROOT)
    calls = "accept4?|recv(?:msg|from)?|send(?:msg|to)?|read|write|[gs]etsockopt|shutdown|close|poll|ioctl|epoll_ctl|epoll_wait"
    for call in re.findall(rf"(?<![\w:])::({calls})\(", re.sub(r"//.*", "", path.read_text())):
        yield f"{name}: calls {call}() directly: use holdfast::kernel::{call}() of base/kernel.h"


def unknown_folders():
    for folder in sorted(p.name for p in (ROOT / "src").iterdir() if p.is_dir()):
        if folder not in MAY_INCLUDE:
            yield f"src/{folder}: not in the table of tests/tidy.py: say what it may include"


def floor_faults():
    """The picture of the floors in docs/ARCHITECTURE.md: each folder once, above all that it may include."""
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    floors = {}
    for number, line in re.findall(r"^    (\d)  (.*)$", page, re.M):
        for folder in re.split(r"  +", line):
            if folder in MAY_INCLUDE:
                if folder in floors:
                    yield f"docs/ARCHITECTURE.md: {folder} is on two floors"
                floors[folder] = int(number)
    for folder, others in MAY_INCLUDE.items():
        if folder not in floors:
            yield f"docs/ARCHITECTURE.md: the picture of the floors lacks {folder}"
        for other in others - {folder}:
            if floors.get(folder, 10) <= floors.get(other, -1):
                yield f"docs/ARCHITECTURE.md: {folder} may include {other}, which is not on a lower floor"
        if f"\n| `{folder}` |" not in page and folder != "testing":
            yield f"docs/ARCHITECTURE.md: the table of folders lacks {folder}"


def names_in_two_headers(paths):
    """Two types of one name are undefined behaviour that no linker reports: it takes either one's members."""
    places = collections.defaultdict(set)
    for path in paths:
        if path.suffix == ".h" and not path.stem.endswith("_test") and path.relative_to(ROOT).parts[0] in ("src", "include"):
            for name in re.findall(r"^(?:class|struct|enum class) (\w+)[^;{]*\{", path.read_text(), re.M):
                places[name].add(str(path.relative_to(ROOT)))
    for name, where in sorted(places.items()):
        if len(where) > 1:
            yield f"{name} is a type of {' and of '.join(sorted(where))}: rename one"


def places_that_abort(paths):
    """What ends the process is a decision each time: tests/checks_allowed.txt has the number for each file, and why no input
    reaches it."""
    table = "tests/checks_allowed.txt"
    allowed = {}
    for line in (ROOT / table).read_text().splitlines():
        if line and not line.startswith("#"):
            name, count, _reason = line.split(None, 2)
            allowed[name] = int(count)
    found = {}
    for path in paths:
        name = str(path.relative_to(ROOT))
        if not name.startswith(("src/", "include/")) or name.endswith("_test.cc"):
            continue
        code = re.sub(r"//.*", "", path.read_text())
        count = len(re.findall(r"\bHOLDFAST_CHECK\(|(?<!static_)\bassert\(|\babort\(\)|\bterminate\(\)", code))
        if count:
            found[name] = count
    for name in sorted(found.keys() | allowed.keys()):
        if found.get(name, 0) != allowed.get(name, 0):
            yield (f"{name}: {found.get(name, 0)} places end the process, {table} allows {allowed.get(name, 0)}: return a Result for what a "
                   "file, a library, the kernel or a peer can cause; else list it with the reason")


def options_named_twice():
    """An option is a member and a row of the table (docs/CONTRIBUTING.md, "Add an option"): code for options in general names none."""
    general = [path for folder in ("options", "config") for path in sorted((ROOT / "src" / folder).glob("*.cc"))]
    general += [ROOT / "src" / name for name in ("app/reload.cc", "app/serve_options.cc", "app/manual.cc", "server/apply.cc")]
    tables = {"server_options.cc", "daemon_options.cc"}
    keys = {key for path in general if path.name in tables for key in re.findall(r'\.key = "(\w+)"', path.read_text())}
    if len(keys) < 60:
        yield f"src/options: the tables have {len(keys)} keys: follow their new form here"
    for path in general:
        behaviour = "check" in path.stem and path.parent.name == "config" or path.name == "load.cc"  # load.cc: --listen and --sink
        if path.name in tables or path.stem.endswith("_test") or behaviour:
            continue
        for key in sorted(keys & set(re.findall(r'"(\w+)"', path.read_text()))):
            yield f"{path.relative_to(ROOT)}: names the option {key}: let it follow from the row"


def format_faults(paths):
    tool = shutil.which("clang-format")
    if tool is None:
        return ["clang-format is missing: apt-get install clang-format"]
    run = subprocess.run([tool, "--dry-run", "-Werror", *map(str, paths)], cwd=ROOT, capture_output=True, text=True)
    lines = [line for line in run.stderr.splitlines() if "error:" in line]
    return [line.replace(str(ROOT) + "/", "") for line in lines]


def main():
    paths = list(sources())
    faults = [*unknown_folders(), *floor_faults()]
    for path in paths:
        faults += include_faults(path)
        faults += slow_headers(path)
        lines = path.read_text().count("\n")
        if lines > MAX_LINES:
            faults.append(f"{path.relative_to(ROOT)}: {lines} lines, more than {MAX_LINES}: is there more than one idea in it?")
    for path in data_path():
        faults += direct_kernel_calls(path)
    faults += places_that_abort(paths)
    faults += dead_links(ROOT)
    faults += page_faults(ROOT)
    faults += commit_faults(ROOT)
    faults += names_in_two_headers(paths)
    faults += options_named_twice()
    faults += format_faults(paths)
    print("\n".join(faults[:40]) if faults else f"{len(paths)} files: includes, lengths and formatting as agreed")
    return 1 if faults else 0


sys.exit(main())
