"""Events by their schema: real ones are valid, and a field is named in one place of the source."""

import json
import re
import socket

import pytest

from conftest import ROOT
from events import KINDS, kind_in_schema
from gateway import PATIENCE, Gateway, listener, until

# Files that write or store events, and the names that some of them read or use in another format.
FOLDERS = ("codec", "sink", "spool", "forward")
OTHER_USES = {"event_line.cc": {"at", "conn"},  # reads lines
              "item.cc": {"id", "seq", "session"},  # the device protocol
              "manifest_file.cc": {"id"}, "writer.cc": {"spool"},  # of the spool itself
              "ack_inbox.cc": {"error", "seq"},  # JetStream's
              "message.cc": {"item"}}  # the kind


def test_every_kind_of_one_gateway_is_valid(tmp_path):
    path = tmp_path / "events"
    config = listener("devices") + listener("numbered")
    with Gateway("--sink", f"file:{path}", config=config, read_events=False) as gateway:
        for hello in (b"", b'{"hello":{"id":"d \\"1\\"","session":"boot"}}\n'):
            with socket.create_connection(gateway.ports["devices"], timeout=PATIENCE) as sock:
                sock.sendall(hello + b'{"ip":"10.0.0.1","seq":1}\n{"ip')
                sock.shutdown(socket.SHUT_WR)
                assert sock.recv(1) == b""
        assert until(lambda: path.read_bytes().count(b'"closed"') == 2)
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert {kind_in_schema(event) for event in events} >= {"connected", "item", "closed"}


def test_a_wrong_event_is_not_valid():
    event = {"event": "connected", "conn": "7f2c91a0-1", "listener": "devices", "peer": "10.2.0.9:51514",
             "at": "2026-11-22T08:00:00.123Z"}
    assert kind_in_schema(event) == "connected"
    for wrong in ({"conn": "x"}, {"peer": 5}, {"unknown": 1}, {"authenticated": "yes"}, {"at": "2026"}, {"event": "other"}):
        with pytest.raises(AssertionError):
            kind_in_schema(event | wrong)


def test_a_field_is_named_in_one_place():
    names = {name for kind in KINDS.values() for name in kind["properties"]} - {"event"}
    found = {}
    for path in (path for folder in FOLDERS for path in (ROOT / "src" / folder).iterdir()):
        if path.name == "event_fields.h" or "test" in path.name:
            continue
        code = re.sub(r"//.*", "", path.read_text()).replace('\\"', '"')
        used = {name for name in names if f'"{name}"' in code} - OTHER_USES.get(path.name, set())
        if used:
            found[path.name] = used
    assert not found, "write by the table in codec/event_fields.h"


def test_a_type_of_sink_is_named_in_two_files():
    """Beside its default in sinks.h, the checks of its keys, and the types that holdfast/gateway.h offers."""
    files = (path for path in (ROOT / "src").rglob("*.[hc]*") if path.suffix in (".h", ".cc") and "test" not in path.name)
    named = {path.name for path in files if "SinkType::" in path.read_text()}
    assert named - {"sinks.h", "sink_check.cc", "load.cc", "gateway_config.cc"} == {"daemon_config.h", "sinks.cc"}
