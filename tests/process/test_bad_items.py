"""Bad items can be found: by connection, in the ring of the latest, in the log and by `holdfast bad`."""

import json
import ssl
import subprocess

import pytest

import tokens
from certificates import Authority
from gateway import PATIENCE, SANITIZER_WORDS, Gateway, binary, listener, run, until
from lab import device
from sse import Follower
from test_claims import hello

pytestmark = pytest.mark.asan

GOOD = b'{"ip":"10.0.0.1"}\n'


def open_one(gateway, name="devices"):
    sock = device.connect(gateway.ports[name])
    return sock, gateway.connected(device.name_of(sock), listener=name)


def rows(gateway, question="", count=1):
    """Waits until the ring has at least `count` matching rows; returns the latest first."""
    found = []

    def enough():
        found[:] = gateway.ask("GET", "/v1/bad" + question)["bad_items"]
        return len(found) >= count
    assert until(enough), f"{found}{gateway.tail()}"
    return found


def test_a_bad_item_is_found_by_its_connection_and_in_the_ring():
    with Gateway(config=listener()) as gateway:
        sock, record = open_one(gateway)
        with sock:
            sock.sendall(hello("device-17") + GOOD + b"hel\x1b[31m\xe2\x80\xaelo\xff\n[1]\n" + GOOD + b"{}\n")
            latest, array, noise = rows(gateway, count=3)
            assert (noise["kind"], array["kind"], latest["kind"]) == ("bad_utf8", "not_object", "no_key")
            before = len(hello("device-17")) + len(GOOD)
            assert (noise["position"], noise["bytes"], noise["head"]) == \
                (before, 14, "hel\\x1b[31m\\xe2\\x80\\xaelo\\xff")
            assert (array["position"], array["head"]) == (before + 15, "[1]") and "array" in array["detail"]
            assert noise["conn"] == record.conn and noise["id"] == "device-17" and noise["authenticated"] is False
            assert [noise["number"], array["number"], latest["number"]] == [1, 2, 3]
            counts = {"not_object": 1, "no_key": 1, "bad_utf8": 1}
            shown = gateway.ask("GET", f"/v1/connections/{record.conn}")
            assert shown["bad_items"] == counts and shown["last_bad_item"]["head"] == "{}"
            listed = gateway.ask("GET", "/v1/connections?sort=bad_items")["connections"][0]
            assert listed["bad_items"] == counts
            text = run("show", record.conn, "--admin", gateway.admin_flag()).stdout
            assert "no_key" in text and "{}" in text
        closed = gateway.closed(record).closed
        assert closed["bad_items"] == counts
        assert closed["last_bad_item"] == {key: latest[key] for key in ("kind", "position", "bytes", "head", "at")}
        life = gateway.ask("GET", "/v1/closed")["closed"][0]
        assert life["bad_items"] == counts and life["last_bad_item"] == closed["last_bad_item"]
        line = gateway.wait_for_log("bad item received", "bad_utf8")[0]
        assert "device-17" in line and "\x1b" not in line and "\u202e" not in line and "hel" in line, line


def test_lists_sort_by_bad_items_and_connections_without_any_do_not_have_them():
    with Gateway(config=listener()) as gateway:
        socks = [open_one(gateway) for _ in range(3)]
        for number, (sock, _) in enumerate(socks):
            sock.sendall(b"x\n" * number)
        rows(gateway, count=3)
        listed = gateway.ask("GET", "/v1/connections?sort=bad_items")["connections"]
        assert [row.get("bad_items") for row in listed] == [{"not_json": 2}, {"not_json": 1}, None]
        table = run("list", "--sort", "bad_items", "--admin", gateway.admin_flag()).stdout.splitlines()
        assert "BAD ITEMS" in table[0] and "2 not_json" in table[1]
        for sock, record in socks:
            sock.close()
            gateway.closed(record)
        assert "bad_items" not in socks[0][1].closed and "last_bad_item" not in socks[0][1].closed


def test_the_ring_is_filtered():
    with Gateway(config=listener() + listener("other", framing="json")) as gateway:
        for name, texts in (("devices", hello("a") + b"x\n"), ("devices", hello("b") + b"{}\n"), ("other", b"[1]\n")):
            with open_one(gateway, name)[0] as sock:
                sock.sendall(texts)
                rows(gateway, f"?listener={name}")
        assert len(rows(gateway, count=3)) == 3
        assert [row["id"] for row in rows(gateway, "?kind=no_key")] == ["b"]
        assert [row["kind"] for row in rows(gateway, "?id=a")] == ["not_json"]
        assert [row["listener"] for row in rows(gateway, "?listener=other")] == ["other"]
        assert len(rows(gateway, "?peer=127.0.0.0/8", 3)) == 3
        assert gateway.ask("GET", "/v1/bad?peer=10.0.0.0/8")["bad_items"] == []
        assert [row["number"] for row in rows(gateway, "?after=1&limit=1")] == [3]
        error = gateway.ask("GET", "/v1/bad?kind=nonsense", expect=400)["error"]
        assert "not_json" in error["message"]


def test_one_device_cannot_displace_the_others_and_all_are_counted():
    with Gateway("--reactors", "1", config=listener(max_bad_items=65_535)) as gateway:
        with open_one(gateway)[0] as sock:
            sock.sendall(b"only one\n")
            rows(gateway)
        with open_one(gateway)[0] as flood:
            flood.sendall(b"x\n" * 20_000)
            status = gateway.wait_status(lambda status: status["bad_items"]["not_json"] == 20_001)
        page = gateway.ask("GET", "/v1/bad?limit=10000")
        kept = len(page["bad_items"])
        assert kept + page["left_out"] == status["bad_items"]["not_json"] and page["left_out"] > 0
        assert page["bad_items"][-1]["head"] == "only one"
        assert len(gateway.log_lines("bad item received")) <= 2, "a line for each device and kind a minute"


def test_a_bad_item_is_an_event_if_the_sink_wants_it():
    with Gateway(config=listener() + "[sink]\nbad_items = true\n") as gateway:
        sock, record = open_one(gateway)
        with sock:
            sock.sendall(hello("device-17") + GOOD + b"hel\x1blo\n")
        assert until(lambda: record.closed), gateway.tail()
        bad, = record.bad
        assert (bad["kind"], bad["id"], bad["items"]) == ("not_json", "device-17", 1)
        assert bad["head"] == "hel\\x1blo" and bad["position"] == len(hello("device-17") + GOOD)
        assert record.closed["bad_items"] == {"not_json": 1} and len(record.items) == 1


def test_the_live_feed_has_bad_items_without_the_sink():
    with Gateway(config=listener()) as gateway, Follower(gateway, "bad_item,closed") as follower:
        sock, record = open_one(gateway)
        with sock:
            sock.sendall(b"[1]\n")
        assert follower.wait(lambda: follower.of("closed"))
        bad, = follower.of("bad_item")
        assert (bad["conn"], bad["kind"], bad["head"]) == (record.conn, "not_object", "[1]")
        assert until(lambda: record.closed) and record.bad == []


def test_the_verb_prints_and_follows():
    with Gateway(config=listener()) as gateway, open_one(gateway)[0] as sock:
        assert run("bad", "--admin", gateway.admin_flag()).stdout == "no bad item matches\n"
        sock.sendall(b"\x00\x01\n")
        rows(gateway)
        listed = run("bad", "--kind", "not_json", "--admin", gateway.admin_flag())
        assert listed.returncode == 0 and "not_json, 2 bytes at byte 0: \\x00\\x01" in listed.stdout, listed
        assert json.loads(run("bad", "--json", "--admin", gateway.admin_flag()).stdout)["bad_items"][0]["head"] == "\\x00\\x01"
        with subprocess.Popen([binary(), "bad", "--follow", "--admin", gateway.admin_flag()], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as process:
            assert "\\x00\\x01" in process.stdout.readline()
            sock.sendall(b"next\n")
            assert "next" in process.stdout.readline()
            process.terminate()  # a shell starts background jobs with an ignored SIGINT
            process.wait(PATIENCE)
            errors = process.stderr.read()
        assert not any(word in errors for word in SANITIZER_WORDS), errors


def test_a_close_over_bad_items_says_what_came():
    config = (listener(max_bad_items=3, read_idle="30s") + listener("idle", read_idle="1s") +
              listener("counted", framing="length") + "[item]\nmax_bytes = 1024\n")
    with Gateway(config=config) as gateway:
        sock, record = open_one(gateway)
        with sock:
            sock.sendall(GOOD + b"a\nb\nhello there\n")
            closed = gateway.closed(record).closed
        assert closed["reason"] == "too_many_bad_items"
        assert "3 bad items in a row" in closed["detail"] and '"hello there"' in closed["detail"], closed
        sock, record = open_one(gateway, "idle")
        with sock:
            sock.sendall(b"{}\n")
            closed = gateway.closed(record).closed
        assert closed["reason"] == "read_idle" and "no_key" in closed["detail"] and '"{}"' in closed["detail"], closed
        sock, record = open_one(gateway, "counted")
        with sock:
            sock.sendall(GOOD)
            closed = gateway.closed(record).closed
        assert closed["reason"] == "item_too_large" and "no length precedes the object" in closed["detail"], closed
        assert closed["last_bad_item"]["kind"] == "too_large"


@pytest.mark.parametrize("first, what", [(b"PROXY TCP4 10.1.2.3 10.1.2.4 5000 7000\r\n", "proxy_protocol"),
                                         (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18\r\n\r\n", "HTTP")])
def test_the_protocol_of_the_first_bytes_is_named_at_the_end_behind_items(first, what):
    with Gateway(config=listener()) as gateway:
        sock, record = open_one(gateway)
        with sock:
            sock.sendall(first + GOOD)
            assert until(lambda: record.items), gateway.tail()
        closed = gateway.closed(record).closed
    assert closed["bad_items"] and what in closed["detail"], closed


@pytest.mark.parametrize("options, sent, what", [
    ({"delimiter": "\0"}, GOOD * 2, "end with a line feed"),
    ({"delimiter": "\r\n"}, GOOD, "end with a line feed"),
    ({"delimiter": "\0"}, b"[" + GOOD[:-1] + b"]\0", "set arrays = true"),
    ({"delimiter": "\0"}, b"\0\0\0\x12" + GOOD, "framing = \"length\""),
    ({"delimiter": "\r\n"}, GOOD[:-1] + b"\r" + GOOD[:-1] + b"\r", "end with CR"),
    ({"arrays": True}, b"[\n " + GOOD + b"]\n", "framing = \"json\""),
    ({"arrays": True}, b"[" + GOOD[:-1] + b",\n" + GOOD[:-1] + b"]\n", "framing = \"json\""),
    ({}, GOOD.decode().encode("utf-32"), "UTF-32"),
    ({}, b'{"ip":"\\ud800"}\n', "lone_surrogates = \"replace\""),
    ({}, b'{"ip":17}\n', "numeric_key = true")])
def test_a_mistake_is_named_with_its_option(options, sent, what):
    with Gateway(config=listener(**options)) as gateway:
        sock, record = open_one(gateway)
        sock.sendall(sent)
        gateway.wait_status(lambda status: status["listeners"][0]["received_bytes"] >= len(sent))
        device.reset(sock)
        closed = json.dumps([gateway.closed(record).closed, gateway.ask("GET", "/v1/bad")])
        assert what.replace('"', '\\"') in closed, closed


@pytest.mark.parametrize("oversize", ["close", "drop"])
def test_an_oversized_frame_shows_its_length(oversize):
    with Gateway(config=listener(framing="length", oversize=oversize)) as gateway:
        for sent, head in ((b"\x00\x01\x86\xa0", "\\x00\\x01\\x86\\xa0"), (b"NaN\n", "NaN\\n"),
                           (b"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\\x0d\\n\\x0d\\n"),
                           (b"\x11\x00" + GOOD[:-1], "\\x11\\x00" + GOOD[:-1].decode())):
            sock, record = open_one(gateway)
            with sock:
                sock.sendall(sent)
            closed = gateway.closed(record).closed
            bad = rows(gateway)[0]
            assert (bad["kind"], bad["position"], bad["bytes"], bad["head"]) == ("too_large", 0, len(sent), head), bad
            said = "HTTP" if b"HTTP" in sent else "2 bytes" if b"ip" in sent else \
                f"announces {int.from_bytes(sent[:4], 'big')} bytes; "
            assert said in bad["detail"] and said in json.dumps(closed), (bad, closed)


@pytest.mark.parametrize("framing", ["ndjson", "json", "length"])
def test_a_listener_with_arrays_is_not_told_to_take_arrays(framing):
    config = listener(framing=framing, arrays=True) + "[item]\nmax_bytes = 1024\n"
    arrays = b'[{"ip":"1"},{"ip":"2"}', b'[{"ip":"1"},]\n', b"[[[[", b'["' + b"x" * 2_000, b'[{"hello":{"id":"d"}}]\n'
    with Gateway(config=config) as gateway:
        for text in arrays:
            for end in (lambda sock: sock.close(), device.reset):
                sock, record = open_one(gateway)
                sock.sendall(device.length_framed(text) if framing == "length" else text)
                end(sock)
                closed = gateway.closed(record).closed
                assert "set arrays" not in json.dumps(closed), closed
        assert "set arrays" not in json.dumps(gateway.ask("GET", "/v1/bad"))
        assert any("no element of an array" in row.get("detail", "") for row in rows(gateway))


def test_a_token_is_in_no_output():
    with Gateway(config=listener()) as gateway:
        sock, record = open_one(gateway)
        with sock:
            sock.sendall(GOOD + b'{"hello":{"id":"d","token":"SECRET-1"}}\n{"hello":{"token":"SECRET-2"}\n')
            assert len(rows(gateway, count=2)) == 2
        gateway.closed(record)
        gateway.wait_for_log("bad item received", "not_json")
        shown = json.dumps([record.closed, gateway.ask("GET", "/v1/bad"), gateway.ask("GET", "/v1/closed")])
        assert "SECRET" not in shown and not gateway.log_lines("SECRET")


@pytest.mark.parametrize("text", [
    b'{"TOKEN":"SECRET-1"\n', b'{"\\u0074oken":"SECRET-1"\n', b"{'token':'SECRET-1'}\n", b"token=SECRET-1\n",
    b"Authorization: Bearer SECRET-1\r\n", b"bearer SECRET-1\n", b'{"password":"SECRET-1",}\n', b"Client-Secret: SECRET-1\n",
    '{"token":"SECRET-1"'.encode("utf-16-be") + b"\n"])
def test_no_writing_of_a_secret_is_in_an_output(text):
    with Gateway(config=listener(max_bad_items=1)) as gateway:
        sock, record = open_one(gateway)
        with sock:
            sock.sendall(text)
            gateway.closed(record)
        gateway.wait_for_log("bad item received")
        shown = json.dumps([record.closed, rows(gateway), gateway.ask("GET", "/v1/closed")]).replace("\\\\x00", "")
        assert "SECRET" not in shown and not gateway.log_lines("SECRET"), shown


FIRST_BYTES = {
    "TLS ClientHello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64 + b"\n",
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "MQTT": b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04abcd",
    "SIP": b"REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP a\r\n\r\n",
    "proxy_protocol": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x7f\x00\x00\x01\x7f\x00\x00\x01\x00\x01\x00\x02",
    "UTF-16": '{"ip":"10.0.0.1"}\n'.encode("utf-16"),
    'framing = \\"json\\"': b'{\n  "ip": "10.0.0.1"\n}\n',
    "NUL": b'{"ip":"10.0.0.1"}\0{"ip":"10.0.0.1"}\0',
    "ASCII digits": b'17{"ip":"10.0.0.1"}\n',
    "little-endian": b'\x11\0\0\0{"ip":"10.0.0.1"}',
}


@pytest.mark.parametrize("what", FIRST_BYTES)
def test_the_first_bytes_of_another_protocol_are_named(what):
    """In the bad items if there are any, else in the detail of the close."""
    with Gateway(config=listener()) as gateway:
        sock, record = open_one(gateway)
        with sock:
            sock.sendall(FIRST_BYTES[what])
        closed = json.dumps(gateway.closed(record).closed)
        assert what in closed, closed


def test_plain_text_before_a_token_is_named(tmp_path):
    tokens.add(tokens.FILE, "named")
    with Gateway(config=listener(tokens_file=str(tokens.FILE))) as gateway:
        with device.connect(gateway.address) as sock:
            name = device.name_of(sock)
            sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            closed = gateway.closed(gateway.connected(name)).closed
        assert closed["reason"] == "unauthenticated" and "HTTP" in closed["detail"], closed


def test_tls_inside_tls_is_named(tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.sign("gateway", alternative="DNS:localhost,IP:127.0.0.1")
    context = ssl.create_default_context(cafile=str(authority.certificate))
    with Gateway(config=listener(tls_certificate=str(certificate), tls_key=str(key))) as gateway:
        raw = device.connect(gateway.address)
        name = device.name_of(raw)
        with context.wrap_socket(raw, server_hostname="127.0.0.1") as tls:
            record = gateway.connected(name)
            tls.sendall(FIRST_BYTES["TLS ClientHello"])
            assert "inside TLS" in rows(gateway)[0]["detail"]
        gateway.closed(record)
