"""The command without a daemon: plan, check, version, wrong usage. Exit codes and texts as people and scripts see them."""

import json
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("HOLDFAST_BIN") or ROOT / "build/release/holdfast").resolve()


def holdfast(*arguments, cwd=None):
    return subprocess.run([BINARY, *arguments], cwd=cwd, capture_output=True, text=True, timeout=30)


def assert_refused(run, *lines, code=2):
    assert (run.returncode, run.stdout, run.stderr.splitlines()) == (code, "", list(lines))


# --- the command itself


def test_no_verb_prints_help_and_is_wrong_usage():
    run = holdfast()
    assert run.returncode == 2
    assert run.stdout == ""
    assert "Usage: holdfast" in run.stderr


def test_help_names_every_verb():
    run = holdfast("--help")
    assert run.returncode == 0
    for verb in ("serve", "check", "plan", "status", "top", "list", "show", "probe", "close", "send", "closed", "alarms",
                 "reload", "doctor", "load", "demo", "version"):
        assert f"\n  {verb} " in run.stdout


@pytest.mark.parametrize("verb", ["serve", "check", "plan", "doctor", "version"])
def test_every_verb_has_help(verb):
    run = holdfast(verb, "--help")
    assert run.returncode == 0
    assert f"Usage: holdfast {verb}" in run.stdout


def test_help_has_the_usual_ways():
    assert holdfast("-h").stdout == holdfast("--help").stdout == holdfast("help").stdout
    for verb in ("serve", "token", "help"):
        shown = holdfast("help", verb)
        assert (shown.returncode, shown.stderr) == (0, "")
        assert shown.stdout == holdfast(verb, "-h").stdout == holdfast(verb, "--help").stdout
        assert f"Usage: holdfast {verb}" in shown.stdout
    assert_refused(holdfast("help", "plam"), 'holdfast: unknown verb "plam"; did you mean plan?')
    assert_refused(holdfast("help", "", "add"), 'holdfast: unknown verb ""; see holdfast --help')


def test_help_shows_a_part_of_a_verb():
    for part in ("add", "list", "revoke"):
        shown = holdfast("help", "token", part)
        assert (shown.returncode, shown.stderr) == (0, "")
        assert shown.stdout == holdfast("token", part, "--help").stdout
        assert f"Usage: holdfast token {part} " in shown.stdout
    assert_refused(holdfast("help", "token", "ad"), 'holdfast: unknown verb "ad"; did you mean add?')
    assert_refused(holdfast("help", "serve", "add"), 'holdfast: unknown verb "add"; see holdfast serve --help')


def test_an_unknown_verb_names_the_nearest():
    assert_refused(holdfast("plam"), 'holdfast: unknown verb "plam"; did you mean plan?')
    assert_refused(holdfast("xyzzy"), 'holdfast: unknown verb "xyzzy"; see holdfast --help')
    assert_refused(holdfast("a\nb"), 'holdfast: unknown verb "a\\nb"; see holdfast --help')


def test_an_unknown_flag_names_the_nearest():
    assert_refused(
        holdfast("serve", "--detect-witin", "30s"),
        'holdfast: serve does not accept "--detect-witin"; did you mean --detect-within?',
    )
    assert_refused(
        holdfast("version", "extra"),
        'holdfast: version does not accept "extra"; see holdfast version --help',
    )


def test_an_incomplete_command_line_names_what_is_missing():
    assert_refused(holdfast("token"), "holdfast: token is incomplete; write one of these behind it: add, list, revoke")
    assert_refused(holdfast("token", "ad"), 'holdfast: token does not accept "ad"; did you mean add?')
    assert_refused(holdfast("token", "add"), "holdfast: --file is required; see holdfast token add --help")
    assert_refused(holdfast("token", "add", "--fil", "x"), 'holdfast: token add does not accept "--fil"; did you mean --file?')
    assert_refused(holdfast("drain", "--over"), "holdfast: --over has no value; write --over DURATION")
    assert_refused(holdfast("plan", "--json", "--detect-within"),
                   "holdfast: --detect-within has no value; write --detect-within DURATION")
    assert_refused(holdfast("list", "--limit", "3", "--limit", "4"), "holdfast: --limit is given more than once; give it once")
    assert_refused(holdfast("--json", "status"), 'holdfast: holdfast does not accept "--json"; write flags behind the verb')
    missing = "holdfast: the device or the message is missing; write send ID JSON, or send --id DEVICE [--wait DURATION] JSON"
    for words in ((), ("7f2c91a0-1",), ("--id", "van"), ("--id", "van", "7f2c91a0-1", "{}")):
        assert_refused(holdfast("send", *words), missing)


def test_a_bad_value_is_refused_before_a_gateway_is_contacted():
    for words, said in ((("drain", "--over", "1y"), 'over="1y" is not a time; write e.g. 500ms or 3s'),
                        (("list", "--limit", "abc"), 'limit="abc" is not a whole number from 0 to 10000'),
                        (("list", "--sort", "colour"),
                         'sort="colour" is not a sort; allowed are age, idle, items, bad_items, bytes_in, bytes_out, peer, key')):
        assert_refused(holdfast(*words, "--admin", "127.0.0.1:1"), f"holdfast: {said}")


def test_version():
    run = holdfast("version")
    word, number = run.stdout.split()
    assert (run.returncode, word) == (0, "holdfast")
    assert all(part.isdigit() for part in number.split("."))
    assert holdfast("--version").stdout == holdfast("-V").stdout == run.stdout
    assert json.loads(holdfast("version", "--json").stdout) == {"version": number}


def test_output_that_cannot_be_written_is_an_error():
    with open("/dev/full", "w") as full:
        run = subprocess.run([BINARY, "version"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30)
    assert run.returncode == 1
    assert run.stderr == "holdfast: standard output cannot be written; redirect it to a writable place\n"


# --- plan


def test_plan_shows_options_worst_cases_and_reasons():
    run = holdfast("plan", "--detect-within", "30s")
    assert (run.returncode, run.stderr) == (0, "")
    cells = {line.split()[0]: line.split() for line in run.stdout.splitlines() if line.strip()}
    assert cells["TCP_KEEPIDLE"][1] == "10s"
    assert cells["TCP_KEEPINTVL"][1] == "1s"
    assert cells["TCP_KEEPCNT"][1] == "16"
    assert cells["TCP_RTO_MAX_MS"][1] == "2000"
    for word in ("TCP_USER_TIMEOUT", "sweep period", "silence limit", "15 lost probes in a row", "of 10,000 living idle connections",
                 "loses every packet (an outage)", "has a long round trip", "loses packets, each way", "12%"):
        assert word in run.stdout
    for reason in ("peer_closed", "peer_reset", "keepalive_expired", "retransmit_expired", "window_stalled"):
        assert reason in run.stdout
    assert max(map(len, run.stdout.splitlines())) <= 120


@pytest.mark.parametrize("text, ms", [("3s", 3000), ("15s", 15_000), ("30s", 30_000), ("2.5m", 150_000), ("1h", 3_600_000)])
def test_plan_as_json_keeps_the_bound(text, ms):
    run = holdfast("plan", "--detect-within", text, "--json")
    assert run.returncode == 0
    plan = json.loads(run.stdout)
    assert set(plan) == {
        "detect_within_ms", "idle_s", "interval_s", "count", "user_timeout_ms", "rto_max_ms", "sweep_period_ms",
        "silence_limit_ms", "lost_probes_tolerated", "worst_case_ms", "safe_outage_ms", "safe_round_trip_ms",
        "safe_packet_loss_percent", "false_deaths_of_10000_per_day_at_1_percent_loss",
    }  # fmt: skip
    assert plan["detect_within_ms"] == ms
    assert set(plan["worst_case_ms"]) == {"fin_or_reset", "idle", "in_flight", "probing", "zero_window"}
    assert all(0 < worst <= ms for worst in plan["worst_case_ms"].values())
    assert plan["lost_probes_tolerated"] >= (4 if ms >= 10_000 else 0)
    outage = plan["safe_outage_ms"]
    assert set(outage) == {"idle", "in_flight", "in_flight_uncapped"}
    assert 0 <= outage["in_flight_uncapped"] <= outage["in_flight"] < ms and 0 <= outage["idle"] < ms
    assert 0 < plan["safe_round_trip_ms"] < ms
    assert 0 <= plan["safe_packet_loss_percent"] < 50
    if ms == 30_000:
        assert min(outage["idle"], outage["in_flight"]) >= 15_000 and plan["safe_round_trip_ms"] >= 4_000
        assert plan["safe_packet_loss_percent"] >= 10
    assert 0 <= plan["false_deaths_of_10000_per_day_at_1_percent_loss"] <= 10_000


def test_the_table_of_safe_values_equals_the_plan():
    """docs/explanation/liveness.md rounds down, so that its figures are safe."""
    text = (ROOT / "docs" / "explanation" / "liveness.md").read_text(encoding="utf-8")
    section = text.split("## What a living connection bears")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\d+ (?:s|min)) \| (.+) \|$", section, re.M)
    assert len(rows) >= 5, rows
    for bound, cells in rows:
        option = bound.replace(" ", "").replace("min", "m")
        plan = json.loads(holdfast("plan", "--detect-within", option, "--json").stdout)
        outage = plan["safe_outage_ms"]
        figures = [outage["idle"], outage["in_flight"], outage["in_flight_uncapped"], plan["safe_round_trip_ms"]]
        figures = [figure / 1000 for figure in figures] + [plan["safe_packet_loss_percent"]]
        for cell, figure in zip(cells.split(" | "), figures, strict=True):
            said = 0.0 if cell == "none" else float(cell.split()[0])
            assert said <= figure < said + 1 and figure - said <= max(0.1, 0.1 * figure), (bound, cell, figure)


@pytest.mark.parametrize(
    "text, words",
    [
        ("2999ms", ("2999 ms", "3s or more")),
        ("0s", ("3s or more",)),
        ("61m", ("1 h", "1h or less")),
        ("30", ('"30" has no unit', '"30s"')),
        ("soon", ('"soon" is not a duration',)),
        ("99999999999999999999h", ("too long",)),
    ],
)
def test_plan_refuses_in_one_line(text, words):
    run = holdfast("plan", "--detect-within", text)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("holdfast: ") and run.stderr.count("\n") == 1
    for word in words:
        assert word in run.stderr


def test_plan_takes_the_bound_without_its_flag():
    named = holdfast("plan", "--detect-within", "30s")
    assert named.returncode == 0
    assert holdfast("plan", "30s").stdout == named.stdout
    both = holdfast("plan", "30s", "--detect-within", "30s")
    assert (both.returncode, both.stdout) == (2, "") and both.stderr.startswith("holdfast: --detect-within excludes DURATION")


def test_plan_wants_a_bound():
    assert_refused(holdfast("plan"), "holdfast: the DURATION is missing; write e.g. holdfast plan 30s")


# --- check


def test_check_takes_the_file_without_its_flag(tmp_path):
    file = tmp_path / "gateway.toml"
    file.write_text('[[listener]]\ndetect_within = "45s"\n')
    named = holdfast("check", "--config", file)
    assert named.returncode == 0 and "45s" in named.stdout
    assert holdfast("check", file).stdout == holdfast("check", "-c", file).stdout == named.stdout
    assert holdfast("check", file, "-c", file).returncode == 2
    file.write_text("nonsense = 1\n")
    assert holdfast("check", file).returncode == 1


def rows(run):
    """Returns option name -> [value, from] of the table that check prints."""
    out = {}
    for line in run.stdout.split("\n\n")[0].splitlines()[1:]:
        name, *rest = line[14:].split(None, 1)
        out.setdefault(name, rest[0].rsplit(None, 1))
    return out


def test_check_of_nothing_shows_the_defaults():
    run = holdfast("check")
    assert (run.returncode, run.stderr) == (0, "")
    shown = rows(run)
    assert shown["detect_within"] == ["30s", "default"]
    assert shown["write_stall"] == ["detect_within", "default"]
    assert [word.strip() for word in shown["reactors"]] == ["0: one per core", "default"]
    assert run.stdout.endswith("the configuration is valid\n")


def test_check_names_where_each_value_comes_from(tmp_path):
    (tmp_path / "gateway.toml").write_text('[[listener]]\nname = "fleet"\ndetect_within = "1m"\n[item]\nkey = "serial"\n')
    run = holdfast("check", "--config", "gateway.toml", "--key", "mac", "--json", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    answer = json.loads(run.stdout)
    options = {(o["section"], o["name"]): o for o in answer["options"]}
    assert answer["valid"] is True and answer["warnings"] == []
    assert options["listener", "detect_within"] == {
        "section": "listener", "listener": "fleet", "name": "detect_within", "value": "1m", "from": "gateway.toml:3",
    }  # fmt: skip
    assert options["item", "key"]["value"] == "mac" and options["item", "key"]["from"] == "--key"
    assert options["admin", "address"]["from"] == "default"
    assert [plan["listener"] for plan in answer["plans"]] == ["fleet"]
    assert answer["plans"][0]["detect_within_ms"] == 60_000


WRONG = """[[listener]]
name = "a"
detect_witin = "30s"
[sink]
type = "kafka"
[admin]
address = "0.0.0.0:7080"
"""
WRONG_LINES = (
    'gateway.toml:3: unknown key "detect_witin" in [[listener]]; did you mean "detect_within"?',
    'gateway.toml:5: type in [sink]: "kafka" is unknown; write "stdout", "file", "none", "spool" or "nats"',
    "gateway.toml:7: address in [admin]: 0.0.0.0:7080 is not loopback, and any client that reaches it could control "
    "the gateway; add token_file, tls_certificate and tls_key, or listen on 127.0.0.1",
)


def test_a_wrong_file_is_the_answer_no_for_check_and_wrong_usage_for_serve(tmp_path):
    (tmp_path / "gateway.toml").write_text(WRONG)
    assert_refused(holdfast("check", "--config", "gateway.toml", cwd=tmp_path), *WRONG_LINES, code=1)
    assert_refused(holdfast("serve", "--config", "gateway.toml", cwd=tmp_path), *WRONG_LINES, code=2)
    as_json = holdfast("check", "--config", "gateway.toml", "--json", cwd=tmp_path)
    assert as_json.returncode == 1
    assert json.loads(as_json.stdout) == {"valid": False, "errors": list(WRONG_LINES)}


def test_a_missing_file_or_invalid_toml(tmp_path):
    assert_refused(
        holdfast("check", "--config", "gateway.toml", cwd=tmp_path),
        'holdfast: configuration "gateway.toml" cannot be read: No such file or directory; name another file with --config',
    )
    (tmp_path / "gateway.toml").write_text("[item]\nkey = \n")
    run = holdfast("check", "--config", "gateway.toml", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr.startswith("gateway.toml:2: this is not TOML: ") and run.stderr.count("\n") == 1


@pytest.mark.parametrize("verb", ["check", "serve"])
def test_wrong_flags_start_nothing(verb):
    assert_refused(
        holdfast(verb, "--detect-within", "30", "--sink", "kafka"),
        'holdfast: --detect-within: "30" has no unit; write a number and its unit, e.g. "500ms", "30s", "5m" or "1h"',
        'holdfast: --sink: "kafka" is unknown; write "stdout", "file", "none", "spool" or "nats"',
    )
    assert_refused(
        holdfast(verb, "--sink", "file:/nonexistent/events"),
        'holdfast: --sink: path in [sink]: "/nonexistent/events" cannot be created in its directory: '
        "No such file or directory; create the directory, change its rights or name another file",
    )


def test_listen_may_be_repeated():
    run = holdfast("check", "--listen", "127.0.0.1:8001", "--listen", "[::1]:8001", "--json")
    assert run.returncode == 0
    addresses = [o["value"] for o in json.loads(run.stdout)["options"] if (o["section"], o["name"]) == ("listener", "address")]
    assert addresses == ["127.0.0.1:8001", "[::1]:8001"]


def test_check_warns_of_unusual_values():
    run = holdfast("check", "--detect-within", "5s", "--write-stall", "10s")
    assert run.returncode == 0
    warnings = run.stderr.splitlines()
    assert len(warnings) == 2 and all(line.startswith("holdfast: warning: --") for line in warnings)
    assert "write_stall 10s is longer than detect_within 5s" in warnings[0]
    assert "of 10,000 living idle connections a day are closed" in warnings[1]


def test_a_read_idle_shorter_than_detect_within_is_warned_of():
    run = holdfast("check", "--detect-within", "30s", "--read-idle", "10s")
    assert run.returncode == 0
    assert "read_idle 10s is shorter than detect_within 30s" in run.stderr
    assert "holdfast: warning: the default read_idle 5m is shorter than detect_within 10m" in holdfast("plan", "10m").stderr
    for words in (["check", "--read-idle", "30s"], ["check", "--read-idle", "off"], ["plan", "5m"]):
        assert holdfast(*words).stderr == ""


def test_check_warns_of_a_public_admin_address(tmp_path):
    file = tmp_path / "gateway.toml"
    file.write_text('[[listener]]\naddress = "0.0.0.0:7000"\nproxy_protocol = "v2"\ntrusted_proxies = ["0.0.0.0/0"]\n')
    warnings = holdfast("check", "--config", file).stderr.splitlines()
    assert len(warnings) == 2, warnings
    assert warnings[0].startswith(f'holdfast: warning: {file}:4: listener "devices": "0.0.0.0/0" trusts every peer')
    assert warnings[1].startswith(f'holdfast: warning: {file}:2: listener "devices": 0.0.0.0:7000 is not private')


def test_check_shows_where_a_spool_is_and_no_password(tmp_path):
    run = holdfast("check", "--sink", "nats://gateway:hunter2@10.0.0.5:4222", "--acks", "--json", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    options = {(o["section"], o["name"]): o["value"] for o in json.loads(run.stdout)["options"]}
    assert options["sink", "path"] == "holdfast-spool" and options["listener", "acks"] == "true"
    assert options["sink", "url"] == "nats://***@10.0.0.5:4222"
    assert "hunter2" not in run.stdout + run.stderr + holdfast("check", "--sink", "nats:u:hunter2@:x").stderr
    assert list(tmp_path.iterdir()) == []


def test_check_makes_no_file(tmp_path):
    run = holdfast("check", "--sink", "file:events.ndjson", cwd=tmp_path)
    assert run.returncode == 0
    assert list(tmp_path.iterdir()) == []
