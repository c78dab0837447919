#!/usr/bin/env python3
"""Checks the style that a compiler does not check: includes, length of files and functions, formatting, comments, links,
sentences in the docs, commit subjects.

Exits 1 and names each place."""

import collections
import itertools
import pathlib
import re
import shutil
import subprocess
import sys

from comments import comment_faults
from functions import long_functions
from links import dead_links
from prose import commit_faults, page_faults

ROOT = pathlib.Path(__file__).resolve().parents[1]


def module_table():
    """Returns what each folder of src/ may include: the DEPENDS of its holdfast_module() in the CMake files."""
    table = {}
    for path in (ROOT / "CMakeLists.txt", ROOT / "cmake" / "daemon.cmake"):
        for name, words in re.findall(r"^holdfast_module\((\w+)([^)]*)\)", path.read_text(), re.M):
            of = re.search(r"DEPENDS ([^A-Z]*)", words)
            table[name] = set(of[1].split()) if of else set()
    return table


MAY_INCLUDE = module_table()
# The folder whose words a public header speaks; the others are of model.
PUBLIC = {"result.h": "base", "visibility.h": "base", "endpoint.h": "net", "server.h": "server", "c.h": "capi", "testing.h": "harness",
          "gateway.h": "embed"}
# Folders above conn that must not see a connection: config may use the checks of a ServerConfig, and nothing else.
ONLY = {("config", "server"): {"server/validate.h"}, ("detect", "tcp"): {"tcp/route.h"}, ("watch", "tcp"): {"tcp/route.h"}}
MAX_LINES = 450
ONE_FILE = {"sdk/c/holdfast_device.c"}  # a firmware copies one file
LENGTHS = {"src/conn/shard.h": 150}  # wires the parts of a shard, and does nothing itself
# A shorter module (header and source) joins its only user.
MIN_LINES = 50
SHORT = {"src/conn/parts": "shard.h would exceed its length"}
# Former names: docs/GLOSSARY.md has those that replaced them.
RETIRED = re.compile(r"(?i)\b(?:\w*(?:patience|stranger)\w*|bury\w*|reaper|told_lines|puzzles|mind_memory|LandingBuffer|TextCell|AcceptBucket)\b")
# Headers that take seconds to compile, and the only file that may include each.
ONE_UNIT = {"CLI/": "src/cli/command_line.cc", "toml++/": "src/config/read_toml.cc", "spdlog/": "src/daemon/log.cc"}


def sources():
    for folder in ("src", "include", "examples", "bench", "tests"):
        yield from sorted(p for p in (ROOT / folder).rglob("*") if p.suffix in (".h", ".cc"))
    yield from sorted((ROOT / "sdk").rglob("*.[ch]"))


def commented():
    """Yields the files whose comments are checked."""
    yield from (path for path in sources() if path.suffix != ".c")
    yield ROOT / "CMakeLists.txt"
    for folder in ("bench", "cmake", "examples", "lab", "script", "sdk", "src", "tests"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix == ".go" and folder == "sdk" or path.suffix in (".c", ".py", ".js", ".css", ".cmake", ".sh") or path.name == "CMakeLists.txt" or path.parent.name == "script":
                yield path


def include_faults(path):
    parts = path.relative_to(ROOT).parts
    if parts[0] == "include":
        module = PUBLIC.get(path.name, "model")
        for rest in re.findall(r"^#include <holdfast/(\w+\.h)>", path.read_text(), re.M):
            other = PUBLIC.get(rest, "model")
            if other != module and other not in MAY_INCLUDE[module]:
                yield f"{path.relative_to(ROOT)}: a header of {module} must not include holdfast/{rest}, which is of {other}"
        for line in path.read_text().splitlines():
            if line.startswith('#include "'):
                yield f"{path.relative_to(ROOT)}: a public header includes {line.split()[1]}, which is not installed"
        if re.search(r"^namespace holdfast \{\n(?!inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC \{\n)", path.read_text(), re.M):
            yield f"{path.relative_to(ROOT)}: open inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC, or the shared library hides it"
        return
    if parts[0] != "src":
        return
    module = parts[1]
    if path.stem.endswith("_test"):
        return
    for name in re.findall(r'^#include ["<](\w+/[\w/]+\.h)[">]', path.read_text(), re.M):
        folder, rest = name.split("/", 1)
        target = PUBLIC.get(rest, "model") if folder == "holdfast" else folder
        if target not in MAY_INCLUDE:
            continue
        allowed = target == module or target in MAY_INCLUDE.get(module, set())
        if not allowed or name not in ONLY.get((module, target), {name}):
            yield f"{path.relative_to(ROOT)}: {module} must not include {name}: see its DEPENDS in the CMake files"


def superfluous_dependencies():
    """Finds entries of DEPENDS that no source file and no public header of the module needs."""
    needed = collections.defaultdict(set)
    for path in (p for folder in ("src", "include") for p in (ROOT / folder).rglob("*") if p.suffix in (".h", ".cc")):
        parts = path.relative_to(ROOT).parts
        module = parts[1] if parts[0] == "src" else PUBLIC.get(path.name, "model")
        for folder, rest in re.findall(r'^#include ["<](\w+)/([\w/]+\.h)[">]', path.read_text(), re.M):
            needed[module].add(PUBLIC.get(rest, "model") if folder == "holdfast" else folder)
    for module in sorted(MAY_INCLUDE):
        for other in sorted(MAY_INCLUDE[module] - needed[module]):
            yield f"{module}: includes nothing of {other}: remove it from its DEPENDS in the CMake files"


def slow_headers(path):
    for name in re.findall(r"^#include <([^>]+)>", path.read_text(), re.M):
        for prefix, unit in ONE_UNIT.items():
            if name.startswith(prefix) and str(path.relative_to(ROOT)) != unit:
                yield f"{path.relative_to(ROOT)}: only {unit} includes <{name}>, which takes seconds to compile"


def data_path():
    """Returns the files on the way of a connection's bytes: conn, tls, the poller, and what conn includes of tcp."""
    included = {name for path in (ROOT / "src/conn").iterdir() for name in re.findall(r'"tcp/(\w+)\.h"', path.read_text())}
    of_tcp = [path for path in (ROOT / "src/tcp").iterdir() if path.stem in included]
    all_files = [*(ROOT / "src/conn").iterdir(), *(ROOT / "src/tls").iterdir(), ROOT / "src/reactor/poller.cc", *of_tcp]
    return sorted(path for path in all_files if not path.name.endswith("_test.cc"))


def direct_kernel_calls(path):
    """Finds calls of the kernel that bypass base/kernel.h, where a simulated kernel can replace it."""
    name = path.relative_to(ROOT)
    calls = "accept4?|recv(?:msg|from)?|send(?:msg|to)?|read|write|[gs]etsockopt|shutdown|close|poll|ioctl|epoll_ctl|epoll_wait"
    for call in re.findall(rf"(?<![\w:])::({calls})\(", re.sub(r"//.*", "", path.read_text())):
        yield f"{name}: calls {call}() directly: use holdfast::kernel::{call}() of base/kernel.h"


def short_modules(paths):
    """Finds modules of a few lines with one user, and test files without tests."""
    own = [path for path in paths if path.relative_to(ROOT).parts[0] == "src"]
    texts = {path: path.read_text() for path in paths}
    for header in (path for path in own if path.suffix == ".h"):
        name = str(header.relative_to(ROOT).with_suffix(""))
        source = header.with_suffix(".cc")
        lines = sum(text.count("\n") for path, text in texts.items() if path in (header, source))
        include = f'#include "{name.removeprefix("src/")}.h"'
        test = header.with_name(header.stem + "_test.cc")
        users = [path for path, text in texts.items() if include in text and path not in (source, test)]
        if lines < MIN_LINES and len(users) < 2 and name not in SHORT:
            yield f"{name}: {lines} lines, and {len(users)} user: merge it with {', '.join(str(path.relative_to(ROOT)) for path in users)}"
    for path in own:
        if path.name.endswith("_test.cc") and not re.search(r"\b(?:TYPED_)?TEST(?:_[FP])?\(", texts[path]):
            yield f"{path.relative_to(ROOT)}: has no test: helpers of tests belong to tests/testing"


def retired_names(paths):
    for path in paths:
        if path.relative_to(ROOT).parts[0] in ("src", "include", "sdk") and not path.name.endswith("_test.cc"):
            for name in RETIRED.findall(path.read_text()):
                yield f"{path.relative_to(ROOT)}: the name {name} is retired: see docs/GLOSSARY.md"


def unknown_folders():
    for folder in sorted(p.name for p in (ROOT / "src").iterdir() if p.is_dir()):
        if folder not in MAY_INCLUDE:
            yield f"src/{folder}: not a holdfast_module() of the CMake files"


def floor_faults():
    """Checks the picture of the floors in docs/ARCHITECTURE.md: each folder once, behind all that it may include."""
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    places = {}
    for number, line in re.findall(r"^    (\d)  (.*)$", page, re.M):
        for column, folder in enumerate(line.split("   ")[0].split()):
            if folder in places:
                yield f"docs/ARCHITECTURE.md: {folder} is on two floors"
            places[folder] = int(number), column
    for folder in MAY_INCLUDE:
        if folder not in places:
            yield f"docs/ARCHITECTURE.md: the picture of the floors lacks {folder}"
            continue
        for other in MAY_INCLUDE[folder]:
            if places[folder] <= places.get(other, (-1, 0)):
                yield f"docs/ARCHITECTURE.md: {folder} may include {other}, which is neither lower nor to the left"
        if f"\n| `{folder}` |" not in page:
            yield f"docs/ARCHITECTURE.md: the table of folders lacks {folder}"


def names_in_two_headers(paths):
    """Finds two types of one name. They are undefined behaviour that no linker reports: it takes either one's members."""
    places = collections.defaultdict(set)
    for path in paths:
        if path.suffix == ".h" and not path.stem.endswith("_test") and path.relative_to(ROOT).parts[0] in ("src", "include"):
            for name in re.findall(r"^(?:class|struct|enum class) (?:HOLDFAST_INTERNAL )?(?!HOLDFAST_)(\w+)\b(?!::)[^;{]*\{", path.read_text(), re.M):
                places[name].add(str(path.relative_to(ROOT)))
    for name, where in sorted(places.items()):
        if len(where) > 1:
            yield f"{name} is a type of {' and of '.join(sorted(where))}: rename one"


def places_not_listed(paths, table, pattern, advice):
    """Compares the places of a pattern with a table, which has their number per file, and the reason."""
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
        count = len(re.findall(pattern, re.sub(r"//.*", "", path.read_text())))
        if count:
            found[name] = count
    for name in sorted(found.keys() | allowed.keys()):
        if found.get(name, 0) != allowed.get(name, 0):
            yield f"{name}: {found.get(name, 0)} places {advice}, {table} allows {allowed.get(name, 0)}"


def places_that_abort(paths):
    yield from places_not_listed(
        paths, "tests/checks_allowed.txt", r"\bHOLDFAST_CHECK\(|(?<!static_)\bassert\(|\babort\(\)|\bterminate\(\)",
        "end the process (return a Result for what a file, a library, the kernel or a peer can cause; else list it with the reason)")


def places_that_throw(paths):
    yield from places_not_listed(
        paths, "tests/exceptions_allowed.txt", r"\bthrow\b(?! when)|\bthrow_errno\(|\bcatch \(",
        "throw or catch (return a Result; else list it with the reason, docs/decisions/0028)")


def decisions_with_one_number():
    names = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("*.md"))
    for name, after in itertools.pairwise(names):
        if name[:4] == after[:4]:
            yield f"docs/decisions: {name} and {after} have one number: give the newer one the next free"


def options_named_twice():
    """Finds general code that names an option, which is a member and a row of the table (docs/CONTRIBUTING.md, "Add an
    option")."""
    general = [path for folder in ("options", "config") for path in sorted((ROOT / "src" / folder).glob("*.cc"))]
    general += [ROOT / "src" / name for name in ("daemon/reload.cc", "cli/serve_options.cc", "cli/manual.cc", "server/reconfiguration.cc")]
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


def glossary_faults(paths):
    """Finds names of the glossary that the source has not, and terms with two entries."""
    page = (ROOT / "docs" / "GLOSSARY.md").read_text()
    terms = re.findall(r"^- \*\*([^*]+)\*\*:", page, re.M)
    for term, count in collections.Counter(terms).items():
        if count > 1:
            yield f"docs/GLOSSARY.md: {term} has {count} entries"
    source = "\n".join(path.read_text() for path in paths if path.relative_to(ROOT).parts[0] in ("src", "include"))
    for name in re.findall(r"^- \*\*(\w*(?:[A-Z]|_)\w*)\*\*:", page.partition("## Names in the source")[2], re.M):
        if not re.search(rf"\b{name}", source):
            yield f"docs/GLOSSARY.md: no source file has the name {name}"


def dashboard_circles():
    """Reports a module of the dashboard that imports itself, over others."""
    imports = {path.name: set(re.findall(r"from '\./([\w.]+)'", path.read_text()))
               for path in (ROOT / "src" / "api" / "dashboard").glob("*.js")}
    for name in sorted(imports):
        reached, left = set(), list(imports[name])
        while left:
            other = left.pop()
            if other not in reached:
                reached.add(other)
                left += imports.get(other, ())
        if name in reached:
            yield f"src/api/dashboard/{name}: imports itself, over others"


def format_faults(paths):
    tool = shutil.which("clang-format")
    if tool is None:
        return ["clang-format is missing; run apt-get install clang-format"]
    run = subprocess.run([tool, "--dry-run", "-Werror", *map(str, paths)], cwd=ROOT, capture_output=True, text=True)
    lines = [line for line in run.stderr.splitlines() if "error:" in line]
    return [line.replace(str(ROOT) + "/", "") for line in lines]


def main():
    paths = list(sources())
    faults = [*unknown_folders(), *floor_faults(), *superfluous_dependencies(), *dashboard_circles()]
    for path in paths:
        faults += include_faults(path)
        faults += slow_headers(path)
        lines = path.read_text().count("\n")
        max_lines = LENGTHS.get(str(path.relative_to(ROOT)), MAX_LINES)
        if lines > max_lines and str(path.relative_to(ROOT)) not in ONE_FILE:
            faults.append(f"{path.relative_to(ROOT)}: {lines} lines, more than {max_lines}: is there more than one idea in it?")
    for path in data_path():
        faults += direct_kernel_calls(path)
    faults += long_functions(ROOT, paths)
    faults += places_that_abort(paths)
    faults += places_that_throw(paths)
    faults += decisions_with_one_number()
    faults += dead_links(ROOT)
    faults += page_faults(ROOT)
    faults += comment_faults(ROOT, commented())
    faults += commit_faults(ROOT)
    faults += names_in_two_headers(paths)
    faults += short_modules(paths)
    faults += retired_names(paths)
    faults += glossary_faults(paths)
    faults += options_named_twice()
    faults += format_faults(paths)
    print("\n".join(faults[:40]) if faults else f"{len(paths)} files: includes, lengths and formatting as agreed")
    return 1 if faults else 0


sys.exit(main())
