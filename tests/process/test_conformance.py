"""`holdfast conformance`: a good client passes, and each planted defect fails the rule that it breaks."""

import concurrent.futures
import contextlib
import json
import re
import subprocess
import threading
import time

import pytest

from conftest import ROOT
from gateway import PATIENCE, binary, run
from test_device_sdk import LANGUAGES, clients  # noqa: F401

DEFECTIVE = ROOT / "tests/process/defective_device.py"
TOKEN = "red-fox-17"
RULES = re.findall(r"^    (\w+),$", (ROOT / "src/conformance/rules.h").read_text().partition("enum class Rule ")[2].partition("};")[0], re.M)


def feed(stdin):
    """Writes an item every 10 ms until the device ends."""
    with contextlib.suppress(OSError), stdin:
        for n in range(1, 100_000):
            stdin.write(b'{"ip":"10.0.0.1","n":%d}\n' % n)
            stdin.flush()
            time.sleep(0.01)


def examine(command, *flags):
    """Runs the verb, and a device by `command`, a function of the port. Returns the exit code and the report."""
    with subprocess.Popen([binary(), "conformance", "--to", "127.0.0.1:0", "--token", TOKEN, "--json", *flags],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as verb:
        port = re.match(r"listening on 127\.0\.0\.1:(\d+);", verb.stderr.readline())[1]
        device = subprocess.Popen(command(port), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        feeder = threading.Thread(target=feed, args=(device.stdin,))
        feeder.start()
        try:
            report = json.loads(verb.communicate(timeout=8 * PATIENCE)[0])
        finally:
            verb.kill()
            device.kill()
            device.wait()
            feeder.join()
    return verb.returncode, report


def in_parallel(jobs):
    """Runs the jobs side by side, since they mostly wait. Returns their results by name."""
    with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
        futures = {name: pool.submit(job) for name, job in jobs.items()}
        return {name: future.result() for name, future in futures.items()}


def defective(*defect):
    return lambda port: ["/usr/bin/python3", str(DEFECTIVE), port, TOKEN, *defect]


def failed(report):
    return {row["rule"]: (row["result"], row.get("expected"), row.get("seen")) for row in report["rules"] if row["result"] != "pass"}


def test_a_defect_fails_its_rule():
    assert len(RULES) == 31
    results = in_parallel({rule: lambda rule=rule: examine(defective(rule), "--timeout", "3s") for rule in RULES})
    for rule, (code, report) in results.items():
        row = next(row for row in report["rules"] if row["rule"] == rule)
        assert (code, report["conforms"], row["result"]) == (1, False, "fail"), f"{rule}: {failed(report)}"
        assert row["expected"] and row["seen"]
    # Most defects break no other rule.
    alone = [rule for rule, (_, report) in results.items() if set(failed(report)) == {rule}]
    assert len(alone) >= 15, f"alone: {alone}"


@pytest.mark.asan
def test_good_clients_conform(clients):  # noqa: F811
    jobs = {(language, framing): lambda language=language, framing=framing: examine(
        lambda port: clients[language](port, "device-17", framing, TOKEN), "--timeout", "20s", *(["--length"] if framing == "length" else []))
        for language in LANGUAGES for framing in ("lines", "length")}
    jobs["specimen"] = lambda: examine(defective(), "--timeout", "20s")
    for name, (code, report) in in_parallel(jobs).items():
        assert (code, failed(report)) == (0, {}), name


def test_the_rules_are_those_of_the_protocol():
    """Each rule names a section of the page, and the rows have the order of the enumerators."""
    page = (ROOT / "docs/reference/protocol.md").read_text()
    sections = set(re.findall(r"^#+ (.*)$", page, re.M))
    rows = re.findall(r'\{Rule::(\w+), "(\w+)", "([^"]+)"', (ROOT / "src/conformance/rules.cc").read_text())
    assert [rule for rule, _, _ in rows] == RULES
    for rule, name, section in rows:
        assert rule == name and section in sections, rule


def test_without_a_device_no_rule_is_checked():
    done = run("conformance", "--to", "127.0.0.1:0", "--timeout", "1s")
    lines = done.stdout.splitlines()
    assert done.returncode == 1 and lines[-1] == "the device does not conform"
    assert lines[:3] == ["fail        hello_first     each connection begins with a hello (Hello)", "            expected: a connection within 1s",
                         "            seen: none"]
    assert sum(line.startswith("not_checked") for line in lines) == len(RULES) - 1


def test_wrong_flags_have_a_remedy():
    for flags, text in ((["--to", "nowhere"], "--to: "), (["--to", "127.0.0.1:0", "--timeout", "1ms"], "--timeout: "),
                        (["--to", "192.0.2.1:1"], "give --to a free address of this host")):
        done = run("conformance", *flags)
        assert done.returncode == 2 and text in done.stderr
