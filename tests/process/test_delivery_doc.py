"""docs/explanation/delivery.md names the test of each promise: these tests exist."""

import re

from conftest import ROOT


def test_every_test_that_is_named_exists():
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", (ROOT / "docs" / "explanation" / "delivery.md").read_text(encoding="utf-8"))
    assert len(named) > 15
    for file, test in named:
        source = (ROOT / "tests" / "process" / file).read_text(encoding="utf-8")
        assert f"\ndef {test}(" in source, f"{file} has no {test}"
