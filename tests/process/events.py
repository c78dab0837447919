"""Parses the events of a gateway line by line and checks the contract: per connection `connected`, items numbered from
1, exactly one `closed`."""

import dataclasses
import datetime
import json
import pathlib
import re
import threading
import time

import jsonschema

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SCHEMA = json.loads((pathlib.Path(__file__).resolve().parents[2] / "docs/reference/events.schema.json").read_text())
KINDS = SCHEMA["$defs"]
EVIDENCE = set(KINDS["evidence"]["required"])


def kind_in_schema(event):
    """Returns the name of the event's kind in the schema, which has all its fields and types."""
    for name, kind in KINDS.items():
        if kind["properties"].get("event", {}).get("const") == event["event"] and set(event) <= set(kind["properties"]):
            if jsonschema.Draft202012Validator({**kind, "$defs": KINDS}).is_valid(event):
                return name
    raise AssertionError(f"no kind of events.schema.json has {event}")


def _clock_difference():
    """Returns how far the wall clock is ahead of the monotonic one, measured without a stall in between."""
    measured = []
    for _ in range(20):
        before = time.monotonic()
        wall = time.time()
        after = time.monotonic()
        measured.append((after - before, wall - before))
    return min(measured)[1]


CLOCK_DIFFERENCE = _clock_difference()


def time_of(event):
    """Returns the event's own time on the monotonic clock: its arrival may be late on a busy machine."""
    return datetime.datetime.fromisoformat(event["at"].replace("Z", "+00:00")).timestamp() - CLOCK_DIFFERENCE


@dataclasses.dataclass
class Item:
    n: int
    key: str
    raw: bytes  # the device's object as it stands in the event
    at: float


@dataclasses.dataclass
class Record:
    """One connection by its events. `connected_at` is a monotonic arrival time; `opened_at` and `closed_at` are the
    events' own times, see time_of()."""
    conn: str
    listener: str
    peer: str
    connected_at: float
    opened_at: float
    id: str = None  # of the device
    items: list = dataclasses.field(default_factory=list)
    bad: list = dataclasses.field(default_factory=list)  # its `bad_item` events
    closed: dict = None
    closed_at: float = None

    @property
    def reason(self):
        return self.closed and self.closed["reason"]


class EventLog:
    """All records so far. One thread fills it; wait() lets others wait for a predicate."""

    def __init__(self):
        self.by_id = {}
        self.by_peer = {}  # the latest connection of each
        self.by_listener = {}  # the same, by (listener, peer): one port can lead to two listeners at once
        self.violations = []
        self.item_count = 0
        self._changed = threading.Condition()

    def add(self, lines, now):
        with self._changed:
            for line in lines:
                try:
                    self._take(line, json.loads(line), now)
                except (ValueError, KeyError, TypeError) as error:
                    self.violations.append(f"{error!r} in {line[:300]!r}")
            self._changed.notify_all()

    def violate(self, text):
        with self._changed:
            self.violations.append(text)

    def wait(self, predicate, timeout):
        with self._changed:
            self._changed.wait_for(predicate, timeout)
            return predicate()

    def records(self):
        with self._changed:
            return list(self.by_id.values())

    def open_ids(self):
        with self._changed:
            return {record.conn for record in self.by_id.values() if not record.closed}

    def closed_count(self):
        with self._changed:
            return sum(1 for record in self.by_id.values() if record.closed)

    def _take(self, line, event, now):
        kind = event["event"]
        if not set(KINDS[kind]["required"]) <= set(event) <= set(KINDS[kind]["properties"]) or not TIME.fullmatch(event["at"]):
            raise ValueError(f"fields {sorted(event)}")
        if ("id" in event) != (event.get("authenticated") in (True, False)):
            raise ValueError("an id and whether it is proved come together")
        if kind == "connected":
            if event["conn"] in self.by_id:
                raise ValueError("connected twice")
            record = Record(event["conn"], event["listener"], event["peer"], now, time_of(event), event.get("id"))
            self.by_id[record.conn] = self.by_peer[record.peer] = record
            self.by_listener[record.listener, record.peer] = record
            return
        record = self.by_id[event["conn"]]
        if record.closed:
            raise ValueError("an event after `closed`")
        if record.peer != event["peer"]:
            raise ValueError(f"the peer was {record.peer} before")
        if kind == "identified":
            record.id = event["id"]
        if record.id != event.get("id"):
            raise ValueError(f"the device was {record.id} before")
        if kind == "item":
            self._take_item(record, line, event)
        elif kind == "bad_item":
            self._take_bad_item(record, event)
        elif kind == "closed":
            self._take_closed(record, event)

    def _take_item(self, record, line, event):
        # The key precedes the item and `at` follows it, so the first and the last of these are not the device's.
        raw = line[line.index(b',"item":') + 8:line.rindex(b',"at":"')]
        record.items.append(Item(event["n"], event["key"], raw, time_of(event)))
        self.item_count += 1
        if event["n"] != len(record.items):
            raise ValueError(f"item number {event['n']} after {len(record.items) - 1}")

    def _take_bad_item(self, record, event):
        record.bad.append(event)
        if event["items"] != len(record.items):
            raise ValueError(f"a bad item after {event['items']} items, not {len(record.items)}")

    def _take_closed(self, record, event):
        record.closed_at = time_of(event)
        record.closed = event
        if set(event["evidence"]) != EVIDENCE or not all(type(v) is int and v >= 0 for v in event["evidence"].values()):
            raise ValueError(f"evidence {event['evidence']}")
        if event["items"] != len(record.items):
            raise ValueError(f"closed counts {event['items']} items, {len(record.items)} came")
