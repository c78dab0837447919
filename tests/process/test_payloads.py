"""Items that are not JSON, and binary protocols with a length in their header."""

import base64
import json

from gateway import Gateway, listener, run
from lab import device

MODBUS = bytes.fromhex("0001000000060103006b0003000100000005010302022b")


def connect(gateway):
    sock = device.connect(gateway.address)
    return sock, gateway.connected(device.name_of(sock))


def expect_items(gateway, record, count):
    assert gateway.events.wait(lambda: len(record.items) >= count, 30), record
    return [json.loads(item.raw) for item in record.items]


def test_modbus_frames_are_items_however_they_arrive():
    config = listener(framing="length-field", length_field_offset=4, length_field_width=2, payload="base64")
    with Gateway(config=config) as gateway:
        for size in (len(MODBUS), 1, 7):
            sock, record = connect(gateway)
            with sock:
                for at in range(0, len(MODBUS), size):
                    sock.sendall(MODBUS[at:at + size])
                items = expect_items(gateway, record, 2)
            assert [base64.b64decode(item) for item in items] == [MODBUS[:12], MODBUS[12:]]
            assert {item.key for item in record.items} == {"127.0.0.1"}


def test_lines_of_text_keep_their_bytes():
    with Gateway(config=listener(payload="text", max_bad_items=2)) as gateway:
        sock, record = connect(gateway)
        with sock:
            sock.sendall(b' 23.5 \xc2\xb0C "warm"\r\n\n\\\t{"ip":1}\n')
            assert expect_items(gateway, record, 2) == [' 23.5 \u00b0C "warm"', '\\\t{"ip":1}']
            sock.sendall(b"\xff\n\xfe\n")
            gateway.closed(record)
        assert record.reason == "too_many_bad_items" and gateway.status()["listeners"][0]["bad_items"]["bad_utf8"] == 2


def test_a_length_that_no_frame_has_is_malformed_and_explained():
    config = listener(framing="length-field", length_field_width=2, length_field_adjustment=-2, payload="base64",
                      oversize="drop") + '[item]\nmax_bytes = "1KiB"\n'
    with Gateway(config=config) as gateway:
        sock, record = connect(gateway)
        with sock:
            sock.sendall(b"\x00\x01" + b"\x00\x03a" + b"\xff\xff" + bytes(65533) + b"\x00\x03b")
            assert [base64.b64decode(item) for item in expect_items(gateway, record, 2)] == [b"\x00\x03a", b"\x00\x03b"]
        bad = {row["kind"]: row for row in gateway.ask("GET", "/v1/bad")["bad_items"]}
        assert set(bad) == {"malformed", "too_large"}
        assert "announces 65535 bytes; compare the length_field options" in bad["too_large"]["detail"], bad


def test_options_that_contradict_each_other_are_named(tmp_path):
    for options, words in [
            ({"payload": "text", "acks": True}, "acks: needs payload"),
            ({"payload": "base64", "arrays": True}, "arrays: needs payload"),
            ({"payload": "base64", "framing": "json"}, "framing: \"json\" needs payload"),
            ({"length_field_offset": 4}, "the length_field options are without effect"),
            ({"framing": "length-field", "length_field_width": 5}, "length_field_width: 5 is no width"),
            ({"framing": "length-field", "length_field_width": 8, "length_field_offset": 60}, "the header is too long"),
            ({"framing": "length-field", "length_field_adjustment": -70000}, "-65536 to 65536"),
    ]:
        path = tmp_path / "holdfast.toml"
        path.write_text(listener(**options))
        done = run("check", path)
        assert done.returncode != 0 and words in done.stderr + done.stdout, (options, done)


def test_a_downlink_has_the_payload_of_its_listener():
    config = listener("text", payload="text") + listener("base64", payload="base64", framing="length")
    with Gateway(config=config) as gateway:
        for name, good, expected, bad in [
                ("text", {"text": "set 21.5\u00b0"}, "set 21.5\u00b0\n".encode(), {"base64": "AAE="}),
                ("base64", {"base64": "AAH/"}, b"\0\0\0\3\0\1\xff", {"base64": "no"}),
        ]:
            sock = device.connect(gateway.ports[name])
            record = gateway.connected(device.name_of(sock))
            with sock:
                status, answer = gateway.request("POST", f"/v1/connections/{record.conn}/messages", bad)
                assert status == 400 and answer["error"]["code"] == "wrong_payload", answer
                assert gateway.send(record.conn, good) == 202
                assert sock.recv(100) == expected
