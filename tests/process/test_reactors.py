"""Four reactors: connections are spread, and queries and commands reach them on any reactor."""

import collections
import concurrent.futures
import contextlib
import pathlib
import threading
import time

import pytest

from gateway import PATIENCE, Gateway, listener, until
from lab import device
from population import connect_all, disconnect_all

pytestmark = pytest.mark.tsan

CONFIG = "reactors = 4\n" + listener(read_idle="off", detect_within="30s")


@pytest.fixture
def gateway():
    with Gateway(config=CONFIG) as made:
        assert made.status()["reactors"] == 4
        yield made


def reactor_shares(gateway, work):
    """Returns each reactor thread's share of their CPU time while `work` ran."""
    def read():
        tasks = pathlib.Path(f"/proc/{gateway.process.pid}/task").iterdir()
        names = {task: (task / "comm").read_text(encoding="ascii").strip() for task in tasks}
        return {name: int((task / "schedstat").read_text(encoding="ascii").split()[0])
                for task, name in names.items() if name.startswith("reactor-")}
    before = read()
    work()
    spent = {name: used - before[name] for name, used in read().items()}
    return {name: used / sum(spent.values()) for name, used in spent.items()}


def test_connections_are_spread(gateway):
    members = connect_all(gateway, 200)

    def work():
        for _ in range(30):
            for member in members:
                member.sock.sendall(device.item("10.0.0.1") * 50)
        wanted = 200 * 30 * 50
        assert gateway.events.wait(lambda: gateway.events.item_count == wanted, 60), gateway.events.item_count

    shares = reactor_shares(gateway, work)
    assert len(shares) == 4 and min(shares.values()) > 0.05, f"the work was not shared by 4 reactors: {shares}"
    disconnect_all(members)


def test_list_show_probe_send_and_close_reach_all(gateway):
    members = connect_all(gateway, 200, first_item=True)
    ids = {member.record.conn for member in members}
    assert len(ids) == 200
    pages = [gateway.ask("GET", f"/v1/connections?limit=70&offset={offset}") for offset in (0, 70, 140)]
    assert all(page["total"] == 200 for page in pages)
    listed = [row["conn"] for page in pages for row in page["connections"]]
    assert len(listed) == 200 and set(listed) == ids, "each on one page, none twice"
    time.sleep(1.1)
    assert gateway.probe_all()["alive"] == 200
    for number, member in enumerate(members):
        conn = member.record.conn
        shown = gateway.ask("GET", f"/v1/connections/{conn}")
        assert shown["conn"] == conn and shown["peer"] == member.record.peer and shown["items"] == 1, shown
        assert gateway.send(conn, {"number": number}) == 202
        member.sock.settimeout(10)
        assert f'"number":{number}'.encode() in member.sock.recv(1000).replace(b" ", b"")
    for member in members[:50]:
        assert gateway.close_connection(member.record.conn) == 200
    for member in members[:50]:
        assert gateway.closed(member.record).reason == "kicked"
    assert gateway.ask("DELETE", "/v1/connections?peer=127.0.0.0/8")["closed"] == 150
    for member in members:
        assert gateway.closed(member.record).reason == "kicked"
    assert until(lambda: gateway.status()["connections"] == 0)
    history = gateway.ask("GET", "/v1/closed?limit=1000&reason=kicked")["closed"]
    assert {life["conn"] for life in history} == ids
    disconnect_all(members)


def test_queries_and_commands_while_connections_open_and_close(gateway):
    """Admin threads query without pause while devices connect, write and close: every answer is sound, and no item is
    lost."""
    stop = threading.Event()

    def visit(number):
        for _ in range(40):
            with contextlib.suppress(ConnectionError), device.connect(gateway.address) as sock:
                sock.sendall(device.item(f"10.0.0.{number}") * 3)  # it may be kicked at any moment
                time.sleep(0.005)

    def question():
        answers = collections.Counter()
        while not stop.is_set():
            for row in gateway.ask("GET", "/v1/connections?limit=50&sort=idle")["connections"]:
                answers[gateway.request("GET", f"/v1/connections/{row['conn']}")[0]] += 1
                answers[gateway.close_connection(row["conn"])] += 1
            gateway.status()
            gateway.ask("GET", "/metrics")
            gateway.ask("GET", "/v1/closed?limit=20")
        return answers

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        questions = [pool.submit(question) for _ in range(3)]
        visits = [pool.submit(visit, number) for number in range(12)]
        try:
            for one in visits:
                one.result(120)
        finally:
            stop.set()
        answers = sum((one.result(60) for one in questions), collections.Counter())
    assert set(answers) <= {200, 404}, answers
    assert until(lambda: gateway.status()["connections"] == 0), gateway.status()
    accepted = gateway.status()["accepted"]
    by_id = gateway.events.by_id  # events come a moment after the count
    assert gateway.events.wait(lambda: len(by_id) == accepted and all(record.closed for record in by_id.values()), PATIENCE), \
        f"{len(gateway.events.open_ids())} of {len(by_id)} records are open, {accepted} accepted{gateway.tail()}"
    status = gateway.status()
    assert status["accepted"] == sum(status["closed"].values()) == len(gateway.events.records()), status
    assert set(record.reason for record in gateway.events.records()) <= {"peer_closed", "peer_reset", "kicked"}
    assert status["items"] == gateway.events.item_count
