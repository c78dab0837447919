"""The generated pages of docs/reference: each fact of them stands in one place of the source."""

import re

import pytest

from conftest import ROOT
from gateway import run

REFERENCE = ROOT / "docs" / "reference"
# Words of reasons with another use in the source.
OTHER_WORDS = {
    "read_idle": "an option", "item_deadline": "an option", "gateway_lost": "a field", "unreachable": "a way of `holdfast prove`", "internal_error": "an error of the admin API",
}


def pages():
    listed = run("describe")
    assert listed.returncode == 0 and listed.stdout, listed.stderr
    return listed.stdout.split()


def files_with(word):
    """Returns source files with `word` as a literal, tests and comments aside."""
    found = set()
    for path in [*(ROOT / "src").rglob("*"), *(ROOT / "include").rglob("*")]:
        if path.suffix not in (".cc", ".h", ".js", ".css") or path.stem.endswith("_test"):
            continue
        code = re.sub(r"//.*", "", path.read_text(encoding="utf-8"))
        if f'"{word}"' in code or f"'{word}'" in code:
            found.add(str(path.relative_to(ROOT)))
    return found


def test_the_pages_are_those_that_the_command_prints():
    for page in pages():
        printed = run("describe", page)
        assert printed.returncode == 0, printed.stderr
        file = page if "." in page else f"{page}.md"
        assert printed.stdout == (REFERENCE / file).read_text(encoding="utf-8"), f"{file} is old: run script/docs"


def test_an_unknown_page_is_refused():
    refused = run("describe", "nothing")
    assert refused.returncode == 2 and "take one from `holdfast describe`" in refused.stderr
    assert "describe" not in run("--help").stdout, "it is for developers"


def reason_words():
    words = re.findall(r"^## (\w+)$", (REFERENCE / "reasons.md").read_text(encoding="utf-8"), re.M)
    assert len(words) > 20
    return words


@pytest.mark.parametrize("word", reason_words())
def test_a_reason_stands_in_one_file(word):
    assert word in OTHER_WORDS or files_with(word) == {"src/model/reason.cc"}


def metric_names():
    text = (REFERENCE / "metrics.md").read_text(encoding="utf-8")
    names = re.findall(r"^\| `((?:holdfast|process)_\w+)", text, re.M)
    assert len(names) > 80 and len(names) == len(set(names))
    return names


def test_a_metric_stands_in_one_file():
    places = {name: files_with(name) for name in metric_names()}
    assert set.union(*places.values()) == {"src/model/counter_rows.h", "src/api/metric_table.h"}
    assert not {name: files for name, files in places.items() if len(files) != 1}


def test_rules_and_panels_use_metrics_that_exist():
    """Without a gateway; test_prometheus.py checks labels and values, too."""
    known = {name + part for name in metric_names() for part in ("", "_bucket", "_sum", "_count")}
    for file in ("prometheus/holdfast.rules.yml", "prometheus/holdfast.rules.test.yml", "grafana/holdfast.json"):
        used = set(re.findall(r"\b(?:holdfast|process)_\w+", (ROOT / "deploy" / file).read_text(encoding="utf-8")))
        assert used and used <= known, f"{file}: {used - known}"


def test_a_verb_stands_in_two_files_and_its_own():
    declared = re.findall(r"\bmake_(\w+)_verb\(\)", (ROOT / "src/cli/verbs.h").read_text(encoding="utf-8"))
    assert len(declared) > 20
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.[ch]*")}
    for verb in declared:
        places = {name for name, text in texts.items() if f"make_{verb}_verb(" in text and not name.endswith("_test.cc")}
        assert {"src/cli/verbs.h", "src/cli/cli.cc"} < places and len(places) == 3, f"{verb}: {places}"
