"""The installed files of deploy/: the unit, the example configuration and the kernel settings. The documentation
explains every name in them."""

import pathlib
import re
import subprocess

import pytest

from conftest import ROOT
from gateway import Gateway, binary

DEPLOY = ROOT / "deploy"


# The unit

@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Yields the install tree; the unit names the command in it."""
    tree = tmp_path_factory.mktemp("tree")
    subprocess.run(["cmake", "--install", str(ROOT / "build" / "release"), "--prefix", str(tree), "--component", "holdfast"], check=True, capture_output=True)
    return tree


@pytest.fixture(scope="module")
def unit(installed):
    path = installed / "lib" / "systemd" / "system" / "holdfast.service"
    assert "@" not in re.sub(r"@(service|system-service|privileged|resources|obsolete|keyring|memlock)", "", path.read_text())
    return path


def settings(unit):
    pairs = re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.M)
    return {name: [value for key, value in pairs if key == name] for name, _ in pairs}


def test_systemd_takes_the_unit_without_a_word(unit):
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr and not done.stdout, done.stderr + done.stdout


def exposure(unit):
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager", str(unit)], capture_output=True, text=True,
                          check=True)
    return float(re.search(r"Overall exposure level for holdfast.service: ([\d.]+)", done.stdout)[1])


def test_the_unit_is_hardened_as_the_documentation_says(unit):
    measured = exposure(unit)
    for name in ("tasks/deploy.md", "explanation/security.md"):
        said = re.search(r"systemd-analyze security` rates it ([\d.]+)", (ROOT / "docs" / name).read_text())[1]
        assert measured == float(said) <= 1.5, name


def test_the_unit_outlasts_the_drain_and_watches(unit):
    of = settings(unit)
    drain = re.search(r'^drain_time = "(\d+)s"', (DEPLOY / "holdfast.toml").read_text(), re.M)[1]
    assert int(of["TimeoutStopSec"][0]) > int(drain)
    assert int(of["WatchdogSec"][0]) >= 20, "a reactor is given 10 s"
    assert of["Restart"] == ["on-failure"] and int(of["LimitNOFILE"][0]) > 1_000_000


# The example configuration

def test_the_example_configuration_is_accepted_without_a_warning():
    """/var/log/holdfast is what LogsDirectory= makes: here an empty one, in a mount namespace of the test's own."""
    words = f"mount -t tmpfs none /var/log && mkdir /var/log/holdfast && exec {binary()} check --json --config {DEPLOY / 'holdfast.toml'}"
    done = subprocess.run(["unshare", "--mount", "sh", "-c", words], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert '"warnings":[]' in done.stdout


# Kernel settings and documentation

def test_every_kernel_setting_exists_and_is_explained():
    text = (DEPLOY / "sysctl.d" / "90-holdfast.conf").read_text()
    settings = re.findall(r"^([a-z0-9_.-]+) = (\d+)$", text, re.M)
    assert len(settings) >= 7 and len(settings) == len(re.findall(r"^[^#\n]", text, re.M))
    page = (ROOT / "docs" / "tasks" / "tune-a-host.md").read_text()
    for name, _ in settings:
        assert pathlib.Path("/proc/sys", *name.split(".")).exists(), f"this kernel knows no {name}"
        assert name.rsplit(".", 1)[1] in page or name == "fs.file-max", f"tune-a-host.md does not explain {name}"


def test_every_reason_alert_and_alarm_is_explained():
    pages = {name: (ROOT / "docs" / "tasks" / f"{name}.md").read_text() for name in ("monitoring", "alarms")}
    with Gateway() as gateway:
        metrics = gateway.ask("GET", "/metrics")
    reasons = set(re.findall(r'holdfast_connections_closed_total{[^}]*reason="(\w+)"', metrics))
    reference = (ROOT / "docs" / "reference" / "reasons.md").read_text()
    assert len(reasons) >= 14 and not reasons - set(re.findall(r"^## (\w+)$", reference, re.M))
    alerts = re.findall(r"- alert: (\w+)", (DEPLOY / "prometheus" / "holdfast.rules.yml").read_text())
    assert f"{len(alerts)} alerts" in pages["monitoring"]
    assert not [alert for alert in alerts if f"`{alert}`" not in pages["monitoring"]]
    alarms = set(re.findall(r'holdfast_alarm_active{alarm="(\w+)"', metrics))
    entries = re.split(r"^## (\w+)$", pages["alarms"], flags=re.M)
    explained = {name for name, entry in zip(entries[1::2], entries[2::2]) if all(f"**{part}**" in entry for part in ("Raised", "Cleared", "Do"))}
    assert len(alarms) >= 19 and not alarms - explained, alarms - explained
