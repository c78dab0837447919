"""Every state of the spool's files after a power cut opens and keeps the promises of docs/explanation/delivery.md. The explorer of these
states finds a disk that ignores syncs.

HOLDFAST_POWER_STATES: the number of states; tests/power/run.sh opens more of them."""

import os

import pytest

import explorer
from gateway import Gateway
from spool_files import read_all, spool_flags, status

STATES = int(os.environ.get("HOLDFAST_POWER_STATES") or 2000)
GATEWAY_STATES = 16
BLIND_DISKS, BLIND_STATES = 4, 50


@pytest.fixture(scope="module")
def checker():
    return explorer.checker_program()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, seed):
    """Records a gateway's lives from its first start on, as its files saw them."""
    return explorer.make_recording(tmp_path_factory.mktemp("power") / "recording", seed)


def explore(recorded, checker, seed, states, ignored=0.0):
    result = explorer.explore_side_by_side(recorded, checker, seed, list(range(states)), ignored)
    print(result)
    return result


def test_no_power_cut_breaks_a_promise(recorded, checker, seed, record_property):
    result = explore(recorded, checker, seed, STATES)
    record_property("power cuts", len(result.moments))
    record_property("states of the disk", result.states)
    record_property("violations", len(result.violations))
    explorer.report(result, recorded, seed)
    assert not result.violations, f"{result}: {sorted(result.violations)[:3]}"
    assert result.first_starts > STATES / 10 and result.recoveries > STATES / 50, result
    assert result.events > 100 * STATES, result


def test_ignored_syncs_are_found(recorded, checker, seed):
    """A disk that ignores half of the syncs breaks the promises; the explorer must report that."""
    total = explorer.Result()
    for n in range(BLIND_DISKS):  # each ignores other syncs
        total.add(explore(recorded, checker, f"{seed}-{n}", BLIND_STATES, ignored=0.5))
    assert len(total.violations) > BLIND_DISKS * BLIND_STATES / 10, total
    lost = [sentence for _, _, sentences in total.violations for sentence in sentences if "acknowledged up to" in sentence]
    assert lost, total.violations[:5]


class WholeGateway:
    """Judges a state by a start of the gateway."""

    def judge(self, job):
        _, directory, identity, seen, removable, *_ = job.split()
        with Gateway(*spool_flags(directory)) as gateway:
            events, missing = read_all(gateway)
            spool = status(gateway)
            gateway.ask("GET", "/readyz")
        violations = [str(gap) for gap in missing if gap["last"] > int(removable)]
        if spool["quarantined_events"] or spool["last_position"] < int(seen) or identity not in ("-", spool["id"]):
            violations.append(f"{spool} with id {identity} and {seen} events seen")
        return len(events), violations


def test_the_gateway_starts_after_a_power_cut(recorded, seed):
    with explorer.scratch() as work:
        result = explorer.Explorer(recorded, WholeGateway(), seed, work).run(range(GATEWAY_STATES))
    print(result)
    assert result.states == GATEWAY_STATES and not result.violations, f"{result}: {result.violations[:3]}"
