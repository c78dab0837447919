"""Configures the process tests. Waits for real time run side by side: each file of long waits stays on one worker, and
the long ones start first. `pytest -n 6 tests/process`; without -n they run one after another."""

import collections
import os
import pathlib
import random
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(pathlib.Path(__file__).resolve().parent), str(ROOT / "tests" / "power")]

# Files whose tests share a costly or exclusive fixture: they stay on one worker.
TOGETHER = ("test_facts.py", "test_reasons.py", "test_slow_readers.py", "test_prometheus.py", "test_unit.py",
            "test_dashboard.py", "test_power.py")
# The longest waits start first; other tests run on any free worker.
FIRST = ("test_power.py", "test_no_idle_connection_is_closed_at_20", "test_no_living_connection", "test_slow_readers.py", "test_reasons.py",
         "test_every_silent_death", "test_facts.py", "test_churn.py")


def _file_of(nodeid):
    return nodeid.split("::", 1)[0].rsplit("/", 1)[-1]


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: next((n for n, name in enumerate(FIRST) if name in item.nodeid), len(FIRST)))


def pytest_terminal_summary(terminalreporter):
    """Prints the totals that the durability tests recorded with record_property()."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    totals = collections.Counter()
    for report in reports:
        totals.update(dict(report.user_properties))
    if totals:
        terminalreporter.write_line("durability: " + ", ".join(f"{count} {name}" for name, count in totals.items()))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler.loadscope import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return _file_of(nodeid) if _file_of(nodeid) in TOGETHER else nodeid

    return Scheduling(config, log)


@pytest.fixture(scope="module")
def seed():
    """Returns the seed, which is printed with each failure. HOLDFAST_SEED repeats a run."""
    value = int(os.environ.get("HOLDFAST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"HOLDFAST_SEED={value}")
    return value


@pytest.fixture(scope="module")
def module_lab():
    """Yields one lab for all samples of a file."""
    from lab.netlab import Lab

    with Lab() as made:
        yield made


@pytest.fixture
def lab():
    """Yields a lab of the test's own, in which silence may last."""
    from lab.netlab import Lab

    with Lab() as made:
        yield made
