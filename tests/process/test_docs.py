"""Names on the pages exist: verbs and flags, options, tests."""

import functools
import re
import shlex

from conftest import ROOT
from gateway import run

PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]


def code_of(page):
    """Returns the blocks of code of a page: indented by four, or fenced."""
    text = page.read_text(encoding="utf-8")
    indented = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", text, re.M)
    return [re.sub(r"^ {4}", "", block, flags=re.M) for block in indented] + re.findall(r"^```\w+\n(.*?)^```", text, re.M | re.S)


@functools.cache
def flags_of(*verb):
    """Returns the long flags of a verb, or None if there is no such verb."""
    shown = run(*verb, "--help")
    return set(re.findall(r"--[a-z-]+", shown.stdout)) if shown.returncode == 0 else None


def commands_of(block):
    """Yields (verb, flags) of each command line."""
    for line in block.splitlines():
        for words in re.findall(r"(?:^|[$&|] *|sudo )holdfast ([a-z][^|&#]*)", line):
            words = shlex.split(words)
            length = 2 if words[0] in ("token", "spool") else 1
            yield words[:length], {word for word in words[length:] if word.startswith("--")}


def test_every_command_in_a_page_exists():
    commands = [(page.name, *command) for page in PAGES for block in code_of(page) for command in commands_of(block)]
    assert len(commands) > 50
    for page, verb, flags in commands:
        known = flags_of(*verb)
        assert known is not None, f"{page}: there is no holdfast {' '.join(verb)}"
        assert not flags - known, f"{page}: holdfast {' '.join(verb)} has no {flags - known}"


def test_every_option_in_a_page_exists(tmp_path):
    """A configuration of a page is refused for missing files and addresses only."""
    blocks = [(page.name, block) for page in PAGES for block in code_of(page) if re.search(r"^\[\[?[a-z]+\]", block, re.M)]
    blocks = [(page, block) for page, block in blocks if "Service]" not in block]
    assert len(blocks) >= 8
    for page, block in blocks:
        block = "".join(re.findall(r"^(?:\[|\w+ = ).*\n", block, re.M))
        file = tmp_path / "page.toml"
        file.write_text(block, encoding="utf-8")
        said = run("check", "--config", str(file)).stderr
        assert "unknown" not in said and "must be" not in said, f"{page}: {said}"


def test_every_test_that_a_page_names_exists():
    named = [(page.name, *words) for page in PAGES
             for words in re.findall(r"`(?:tests/process/)?(test_\w+\.py)(?:::(test_\w+))?`", page.read_text(encoding="utf-8"))]
    assert len(named) > 40
    for page, file, name in named:
        path = ROOT / "tests" / "process" / file
        assert path.exists(), f"{page} names {file}"
        assert not name or f"\ndef {name}(" in path.read_text(encoding="utf-8"), f"{page} names {file}::{name}"


def test_every_unit_test_and_file_that_a_page_names_exists():
    tests = {path.stem for path in (ROOT / "src").rglob("*_test.cc")} | {f"{path.name}_test" for path in (ROOT / "src").iterdir()}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"`(\w+_test)`", text):
            assert name in tests, f"{page.name} names {name}"
        for name in re.findall(r"`((?:bench|cmake|deploy|include|lab|script|src|tests)/[\w./-]+)`", text):
            assert (ROOT / name).exists() or list(ROOT.glob(f"{name}.*")), f"{page.name} names {name}"


def test_the_runbook_has_every_alarm():
    kinds = re.search(r"enum class AlarmKind[^{]*\{(.*?)\};", (ROOT / "src/alarm/alarm.h").read_text(encoding="utf-8"), re.S)[1]
    words = re.findall(r"^ +(\w+),", kinds, re.M)
    assert words == re.findall(r'"(\w+)"', (ROOT / "src/alarm/alarm.cc").read_text(encoding="utf-8")), "in the order of the enumerators"
    headings = re.findall(r"^## (\w+_\w+)$", (ROOT / "docs/tasks/alarms.md").read_text(encoding="utf-8"), re.M)
    assert len(words) > 15 and sorted(words) == sorted(headings)
