"""The kernel's behaviour that holdfast relies on, measured again with plain sockets: every row of the tables in
docs/explanation/liveness.md. No gateway is involved. The measured table is printed and written to build/facts.md."""

import time

import pytest

import facts
from conftest import ROOT
from sidebyside import run_all

# Timers are jiffies on a wheel that is up to an eighth late, and the machine may be busy.
LATE = 3.0


@pytest.fixture(scope="module")
def measured(module_lab):
    samples = run_all({name: (lambda row=row: row(module_lab)) for name, row in facts.ROWS.items()}, within=60)
    rows = {name: sample.value(time.monotonic()) for name, sample in samples.items()}
    text = facts.as_markdown(rows)
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "facts.md").write_text(text, encoding="utf-8")
    print(text)
    return rows


def near(row, seconds):
    assert seconds - 0.1 <= row.seconds <= seconds + LATE, row


# Deaths: epoll bits, what read says in turn, TCP_INFO.

def test_fin_is_in_and_rdhup_then_the_rest_then_zero(measured):
    row = measured["fin"]
    assert row.epoll == {"IN", "RDHUP"}, row
    assert row.reads == [5, 0], row
    assert row.seconds < LATE, row


@pytest.mark.parametrize("name", ["rst", "rst_with_bytes_unread_by_the_peer"])
def test_rst_delivers_the_rest_then_econnreset_once(measured, name):
    row = measured[name]
    assert row.epoll == {"IN", "ERR", "HUP", "RDHUP"}, row
    assert row.reads == [5, "ECONNRESET", 0], row
    assert row.seconds < LATE, row


def test_idle_silence_shows_probes_and_no_retransmits(measured):
    row = measured["silent_idle"]
    assert {"ERR", "HUP", "RDHUP"} <= row.epoll, row
    assert row.reads == ["ETIMEDOUT", 0], row
    assert row.info.probes > 0 and row.info.retransmits == 0, row
    assert row.info.bytes_sent == row.info.bytes_acked, row


def test_idle_silence_delivers_unread_bytes_first(measured):
    row = measured["silent_idle_with_bytes_unread"]
    assert row.reads == [5, "ETIMEDOUT", 0], row
    assert row.info.probes > 0 and row.info.retransmits == 0, row


def test_silence_with_data_in_flight_shows_retransmits(measured):
    row = measured["silent_in_flight"]
    assert {"ERR", "HUP", "RDHUP"} <= row.epoll, row
    assert row.reads == ["ETIMEDOUT", 0], row
    assert row.info.probes == 0 and row.info.retransmits > 0, row
    assert row.info.bytes_sent > row.info.bytes_acked, row
    assert row.info.unacked == 0 and row.info.backoff == 0, "already reset at death: not to be used as evidence"
    near(row, 2.0)


@pytest.mark.parametrize("name, error", [("icmp_no_host_in_flight", "EHOSTUNREACH"),
                                         ("icmp_no_route_in_flight", "ENETUNREACH")])
def test_icmp_names_the_errno_of_a_death_in_flight(measured, name, error):
    row = measured[name]
    assert row.reads == [error, 0], row
    assert row.info.retransmits > 0, row
    near(row, 2.0)


def test_icmp_about_a_keepalive_probe_is_not_believed(measured):
    """A probe carries a sequence number below snd_una, so the kernel takes ICMP about it for forged."""
    row = measured["icmp_no_host_idle"]
    assert row.reads == ["ETIMEDOUT", 0], row
    assert row.info.probes > 0 and row.info.retransmits == 0, row


def test_zero_window_dies_of_the_user_timeout_with_fresh_acks(measured):
    row = measured["zero_window"]
    assert {"ERR", "HUP", "RDHUP"} <= row.epoll, row
    assert row.reads == ["ETIMEDOUT", 0], row
    assert row.info.snd_wnd == 0 and row.info.notsent_bytes > 0, row
    # Window probes were answered: the last one, which was some 3 s after the beginning.
    assert row.info.last_ack_recv < (row.seconds - 1) * 1000, row
    near(row, 5.0)


@pytest.mark.parametrize("name, instead", [("so_error_after_rst", "ECONNRESET"),
                                           ("so_error_after_keepalive", "ETIMEDOUT")])
def test_the_errno_can_be_taken_once(measured, name, instead):
    row = measured[name]
    assert row.note == instead, row
    assert row.reads == [0], "a death whose errno was taken looks like an orderly FIN"


# Clocks.

def test_options_set_on_the_listener_are_inherited(measured):
    assert measured["inherited"].note == {"keepalive": 1, "idle": 7, "interval": 3, "count": 6, "user_timeout": 12_345,
                                          "nodelay": 1}


@pytest.mark.parametrize("name", facts.IDLE_PLANS)
def test_idle_death_follows_the_formula(measured, name):
    near(measured[name], facts.idle_death(*facts.IDLE_PLANS[name]))


def test_the_user_timeout_ignores_the_count(measured):
    count_is_2 = measured["idle 1/1/2, UT 5.5"]
    assert count_is_2.seconds > 5.0, f"count 2 alone would have ended it after 3 s: {count_is_2}"
    one_probe = measured["idle 3/4/9, UT 3.5"]
    assert one_probe.info.probes == 1, f"one lost probe is enough when UT is short: {one_probe}"


@pytest.mark.parametrize("written", facts.WRITES_AFTER_DEATH)
def test_a_write_after_the_death_restarts_the_clock(measured, written):
    row = measured[f"written {written} s after death"]
    near(row, written + 6.5)
    assert row.info.retransmits > 0, row
    if written > 3:
        assert row.info.probes > 0, f"probes sent before the write stay counted: look at retransmits first: {row}"


@pytest.mark.parametrize("name", ["in_flight_without_user_timeout", "zero_window_without_user_timeout"])
def test_keepalive_alone_does_not_see_unacknowledged_data(measured, name):
    row = measured[name]
    assert row.epoll == set(), f"keep-alive 1/1/3 would have ended an idle one after 4 s; this one lives: {row}"
    assert row.seconds >= 20, row


def test_a_route_that_is_gone_looks_like_probes_with_data_unsent(measured):
    """Nothing could be sent, so nothing is retransmitted: probes alone must not be read as an idle death."""
    row = measured["own_route_gone_in_flight"]
    assert row.reads == ["ETIMEDOUT", 0], row
    assert row.info.probes > 0 and row.info.retransmits == 0 and row.info.notsent_bytes > 0, row
    near(row, 2.0)


# Probing now.

def test_lowering_keepidle_probes_at_once(measured):
    row = measured["forced_probe"]
    assert row.note["heard_before_ms"] >= 1400, row
    assert row.seconds < 1.0, f"the answer came after {row.seconds * 1000:.1f} ms"


def test_a_silent_peer_does_not_answer_a_forced_probe(measured):
    assert measured["forced_probe_silent"].epoll == set()
    assert measured["forced_probe_silent"].note["last_ack_ms"] >= 2000


def test_a_receiver_answers_one_forced_probe_in_500_ms(measured):
    note = measured["forced_probe_rate_limit"].note
    assert note["asked"] >= 10, note
    assert note["answered"] <= 6, f"20 probes 100 ms apart: {note}"


def test_forced_probes_count_towards_the_death(measured):
    row = measured["forced_probes_kill"]
    assert row.reads == ["ETIMEDOUT", 0], row
    assert 2.0 <= row.seconds <= 2.6 + LATE, row
