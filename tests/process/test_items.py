"""Items over real sockets: three framings, any split, bad items, last words, and slow, absent or file sinks."""

import contextlib
import json
import os
import random
import socket
import time

import pytest

from gateway import Gateway, listener, until
from lab import device
from lab.netlab import GATEWAY4

pytestmark = pytest.mark.asan

ALL_FRAMINGS = "".join(listener(framing, framing=framing) for framing in ("ndjson", "json", "length"))
# Device objects as devices write them: white space, escapes, numbers and key spellings must arrive unchanged.
OBJECTS = [
    b'{"ip":"10.20.30.40","status":"online"}',
    b'{ "status" : "a\\u00e9\\n\\"b" , "IP" : "10.20.30.41" }',
    b'{"ip":"10.20.30.42","n":1.0e+3,"big":123456789012345678901234567890,"s":"}{\\\\"}',
    '{"Ip":"höhe","list":[1,[2,{"a":null}]],"t":"日本語"}'.encode(),
    b'{"ip":"10.20.30.43","pad":"' + b"x" * 3000 + b'"}',
]
KEYS = ["10.20.30.40", "10.20.30.41", "10.20.30.42", "höhe", "10.20.30.43"]
BAD = {
    "not_json": [b'{"ip":"1"', b'{"ip":1.2.3}', b"hello", b'{"ip":"x",}'],
    "not_object": [b"[1,2]", b'"10.0.0.1"', b"17", b"null"],
    "no_key": [b"{}", b'{"status":"online"}', b'{"ip":7}', b'{"ip":""}', b'{"a":{"ip":"10.0.0.1"}}'],
    "bad_utf8": [b'{"ip":"\xff\xfe"}', b'{"ip":"10.0.0.1","s":"\xc3("}'],
    "too_deep": [b'{"ip":"10.0.0.1","a":' + b"[" * 70 + b"]" * 70 + b"}"],
}


def stream(framing, objects):
    if framing == "length":
        return b"".join(device.length_framed(one) for one in objects)
    if framing == "ndjson":
        ends = (b"\n", b"\r\n", b"\n\n \t\r\n")  # blank lines are skipped
        return b"".join(one + ends[number % 3] for number, one in enumerate(objects))
    gaps = (b"", b"\n", b" \r\n\t")
    return b"".join(one + gaps[number % 3] for number, one in enumerate(objects))


def expect_items(gateway, record, objects, timeout=30):
    assert gateway.events.wait(lambda: len(record.items) >= len(objects) or record.closed, timeout), \
        f"{len(record.items)} of {len(objects)} items{gateway.tail()}"
    assert [item.raw for item in record.items] == objects


def connect(gateway, framing="ndjson"):
    sock = device.connect(gateway.ports[framing])
    return sock, gateway.connected(device.name_of(sock))


@pytest.mark.parametrize("framing", ["ndjson", "json", "length"])
@pytest.mark.parametrize("write", ["coalesced", "bytewise", "random"])
def test_any_split_gives_the_same_items(framing, write, seed):
    dice = random.Random(f"{seed}-{framing}")
    objects = OBJECTS * (2 if write == "bytewise" else 40)
    raw = stream(framing, objects)
    sizes = {"coalesced": lambda: len(raw), "bytewise": lambda: 1, "random": lambda: dice.randrange(1, 5000)}[write]
    with Gateway(config=ALL_FRAMINGS) as gateway:
        sock, record = connect(gateway, framing)
        with sock:
            start = 0
            while start < len(raw):
                size = sizes()
                sock.sendall(raw[start:start + size])
                start += size
            expect_items(gateway, record, objects)
        assert [item.key for item in record.items[:5]] == KEYS, f"HOLDFAST_SEED={seed}"
        gateway.closed(record)
        assert record.closed["bytes_in"] == len(raw)
        assert record.reason == "peer_closed"


@pytest.mark.parametrize("framing", ["ndjson", "length"])
def test_bad_items_are_counted_by_kind_and_the_next_starts_clean(framing):
    good = OBJECTS[0]
    with Gateway(config=ALL_FRAMINGS) as gateway:
        sock, record = connect(gateway, framing)
        with sock:
            count = 0
            for bad in (one for ones in BAD.values() for one in ones):
                sock.sendall(stream(framing, [bad, good]))
                count += 1
            expect_items(gateway, record, [good] * count)
            counted = gateway.status()["bad_items"]
            assert counted == {kind: len(BAD.get(kind, ())) for kind in counted}, counted
            assert set(counted) == set(BAD) | {"too_large", "bad_hello", "bad_seq", "malformed"}
            assert not record.closed, "bad items with good ones between them do not end a connection"


def test_json_framing_resumes_after_a_malformed_object():
    good = OBJECTS[0]
    with Gateway(config=ALL_FRAMINGS) as gateway:
        sock, record = connect(gateway, "json")
        with sock:
            sock.sendall(b'{"ip":nonsense, }}} 12 \n' + good)
            expect_items(gateway, record, [good])
            bad = gateway.status()["bad_items"]
            assert sum(bad.values()) >= 1 and not record.closed, bad


def test_a_line_break_inside_an_object_becomes_a_space():
    with Gateway(config=ALL_FRAMINGS) as gateway:
        for framing in ("json", "length"):
            sock, record = connect(gateway, framing)
            with sock:
                sock.sendall(stream(framing, [b'{\r\n"ip":"10.0.0.1",\n"a":1}']))
                expect_items(gateway, record, [b'{  "ip":"10.0.0.1", "a":1}'])


@pytest.mark.parametrize("framing", ["ndjson", "json", "length"])
def test_an_item_too_large_ends_the_connection(framing):
    with Gateway(config=ALL_FRAMINGS) as gateway:
        sock, record = connect(gateway, framing)
        with sock:
            large = b'{"ip":"10.0.0.1","pad":"' + b"x" * 70_000 + b'"}'
            with contextlib.suppress(ConnectionError):  # the gateway may be faster
                sock.sendall(stream(framing, [OBJECTS[0], large]))
            gateway.closed(record)
        assert record.reason == "item_too_large"
        assert [item.raw for item in record.items] == [OBJECTS[0]]
        assert gateway.status()["bad_items"]["too_large"] == 1


@pytest.mark.parametrize("framing", ["ndjson", "json", "length"])
def test_a_downlink_is_framed_as_the_listener_says(framing):
    message = {"do": "report", "text": "zwölf"}
    with Gateway(config=ALL_FRAMINGS) as gateway:
        sock, record = connect(gateway, framing)
        with sock:
            assert gateway.send(record.conn, message) == 202
            received = b""
            while True:
                received += sock.recv(1000)
                body = received[4:] if framing == "length" else received
                try:
                    assert json.loads(body) == message
                    break
                except ValueError:
                    continue
            if framing == "length":
                assert received == device.length_framed(received[4:])
            if framing == "ndjson" and not received.endswith(b"\n"):
                received += sock.recv(1)
                assert received.endswith(b"\n")
        assert gateway.send("ffffffff-1", message) == 404
        gateway.closed(record)
        assert record.closed["bytes_out"] == len(received)
        assert gateway.send(record.conn, message) == 404


def test_messages_that_are_no_object_or_too_long_are_refused():
    with Gateway() as gateway:
        sock = device.connect(gateway.address)
        with sock:
            record = gateway.connected(device.name_of(sock))
            assert gateway.send(record.conn, {"pad": "x" * 70_000}) == 413
            for body in (b"", b"[1]", b"{", b'{"a":1} {"b":2}', b'{"a":"\xff"}'):
                assert gateway.send(record.conn, body) == 400, body
            sock.settimeout(0.3)
            with pytest.raises(TimeoutError):
                sock.recv(1)


@pytest.mark.parametrize("end", ["fin", "rst"])
def test_last_words_are_delivered_before_the_end(end):
    """Many connections, each with a burst and then its end at the same moment: all items, then closed."""
    burst = [OBJECTS[number % 5] for number in range(20)]
    with Gateway() as gateway:
        records = []
        for _ in range(100):
            since = time.monotonic()
            sock = device.connect(gateway.address)
            name = device.name_of(sock)
            sock.sendall(stream("ndjson", burst))
            device.reset(sock) if end == "rst" else sock.close()
            records.append(gateway.connected(name, since))
        for record in records:
            gateway.closed(record)
            assert [item.raw for item in record.items] == burst, record.closed
            assert record.reason == ("peer_reset" if end == "rst" else "peer_closed")


def test_half_an_item_at_the_end_is_no_item():
    with Gateway(config=ALL_FRAMINGS) as gateway:
        for framing in ("ndjson", "json", "length"):
            sock, record = connect(gateway, framing)
            sock.sendall(stream(framing, [OBJECTS[0]]) + stream(framing, [OBJECTS[1]])[:-5])
            sock.close()
            gateway.closed(record)
            assert [item.raw for item in record.items] == [OBJECTS[0]]


# Rules of a listener beside its framing

LARGE = b'{"ip":"10.0.0.9","pad":"' + b"x" * 70_000 + b'"}'


def bad_items(gateway, name):
    status = next(one for one in gateway.status()["listeners"] if one["name"] == name)
    return {kind: count for kind, count in status["bad_items"].items() if count}


def expect_over(gateway, name, objects, *writes):
    """Expects these items of the writes, each of which is read alone, and a connection that goes on."""
    sock, record = connect(gateway, name)
    with sock:
        for raw in writes:
            sock.sendall(raw)
        expect_items(gateway, record, objects)
        assert not record.closed, record.closed
    return record


@pytest.mark.parametrize("framing", ["ndjson", "json", "length"])
def test_a_byte_order_mark_starts_a_stream(framing):
    raw = stream(framing, OBJECTS[:2])
    with Gateway(config=ALL_FRAMINGS) as gateway:
        for writes in ([b"\xef\xbb\xbf" + raw], [b"\xef\xbb\xbf", raw], [b"\xef", b"\xbb\xbf" + raw]):
            expect_over(gateway, framing, OBJECTS[:2], *writes)
        assert not bad_items(gateway, framing)


def test_empty_frames_are_skipped():
    heartbeat = bytes(4)
    with Gateway(config=ALL_FRAMINGS) as gateway:
        raw = heartbeat + device.length_framed(OBJECTS[0]) + heartbeat * 3 + device.length_framed(OBJECTS[1]) + heartbeat
        expect_over(gateway, "length", OBJECTS[:2], raw)
        assert not bad_items(gateway, "length")


@pytest.mark.parametrize("delimiter", ["\0", ";;", "\r\n", "\x1e"])
def test_a_delimiter_ends_an_item(delimiter):
    end = delimiter.encode()
    message = {"do": "report"}
    with Gateway(config=listener("ndjson", delimiter=delimiter)) as gateway:
        sock, record = connect(gateway)
        with sock:
            sock.sendall(end + OBJECTS[0] + end + end + OBJECTS[3] + end[:1])
            sock.sendall(end[1:] + b"{}" + end + OBJECTS[1])
            expect_items(gateway, record, [OBJECTS[0], OBJECTS[3]])
            assert gateway.send(record.conn, message) == 202
            received = b""
            while not received.endswith(end):
                received += sock.recv(1000)
            assert json.loads(received.removesuffix(end)) == message
            sock.shutdown(socket.SHUT_WR)
            gateway.closed(record)
        assert [item.raw for item in record.items] == [OBJECTS[0], OBJECTS[3], OBJECTS[1]], "the last needs no delimiter"
        assert bad_items(gateway, "ndjson") == {"no_key": 1}


@pytest.mark.parametrize("framing", ["ndjson", "json", "length"])
def test_an_array_is_a_batch(framing):
    batch = b"[" + b" , ".join(OBJECTS[:3]) + b"]"
    raw = stream(framing, [batch, OBJECTS[4], b"[]", b'[{"a":1},17,' + OBJECTS[0] + b"]"])
    with Gateway(config=listener(framing, framing=framing, arrays=True)) as gateway:
        expected = [*OBJECTS[:3], OBJECTS[4], OBJECTS[0]]
        expect_over(gateway, framing, expected, raw)
        expect_over(gateway, framing, expected, *(raw[at:at + 1] for at in range(len(raw))))
        assert bad_items(gateway, framing) == {"no_key": 2, "not_object": 2}


@pytest.mark.parametrize("framing", ["ndjson", "json", "length"])
def test_an_item_too_large_is_dropped_alone(framing):
    raw = stream(framing, [OBJECTS[0], LARGE, OBJECTS[1], LARGE * 20 if framing == "length" else LARGE, OBJECTS[0]])
    with Gateway(config=listener(framing, framing=framing, oversize="drop")) as gateway:
        expected = [OBJECTS[0], OBJECTS[1], OBJECTS[0]]
        expect_over(gateway, framing, expected, raw)
        expect_over(gateway, framing, expected, *(raw[at:at + 1_000] for at in range(0, len(raw), 1_000)))
        assert bad_items(gateway, framing) == {"too_large": 4}


def test_batches_and_dropped_items_keep_the_numbers(tmp_path):
    """Each element has its own number; a dropped item uses up the next one, and an ack covers it."""
    config = listener(acks=True, arrays=True, oversize="drop") + f'[sink]\ntype = "spool"\npath = "{tmp_path}/spool"\n'
    with Gateway(config=config) as gateway, device.connect(gateway.address) as sock, sock.makefile("rb") as answers:
        numbered = [device.item("10.0.0.1", seq=seq).rstrip(b"\n") for seq in range(1, 7)]

        def answered(*writes, last):
            sock.sendall(b"".join(write + b"\n" for write in writes))
            found = [json.loads(answers.readline())]
            while found[-1] != last:
                found.append(json.loads(answers.readline()))
            return found

        answered(b'{"hello":{"id":"d","session":"s"}}', last={"resume": 0})
        answered(b"[" + b",".join(numbered[:2]) + b"]", last={"ack": 2})
        found = answered(LARGE, numbered[3], last={"ack": 4})
        assert {"nack": 3, "reason": "too_large"} in found, found
        found = answered(b"[" + numbered[4] + b',{"a":1},' + numbered[1] + b"]", last={"ack": 6})
        assert {"nack": 6, "reason": "no_key"} in found, found


def test_an_endless_item_ends_at_its_deadline():
    with Gateway(config=listener("ndjson", oversize="drop", item_deadline="1s", max_bad_items=1_000)) as gateway:
        sock, record = connect(gateway)
        with sock:
            sock.settimeout(0.02)
            while not record.closed:
                with contextlib.suppress(OSError):
                    sock.sendall(b"x" * 10_000)
                gateway.events.wait(lambda: record.closed, 0.01)
        assert record.reason == "item_deadline" and "max_bytes" in record.closed["detail"], record.closed
        assert bad_items(gateway, "ndjson") == {"too_large": 1}


def test_the_key_may_be_a_path_or_a_number():
    with Gateway(config=listener("ndjson") + '[item]\nkey = "device.id"\nnumeric_key = true\n') as gateway:
        objects = [b'{"device":{"id":17}}', b'{"Device":{"a":1,"ID":"x"}}', b'{"device.id":"y","device":{"id":"z"}}']
        record = expect_over(gateway, "ndjson", objects, stream("ndjson", [*objects, b'{"id":17}', b'{"device":{"id":1.5}}']))
        assert [item.key for item in record.items] == ["17", "x", "y"]
        gateway.wait_status(lambda status: status["bad_items"]["no_key"] == 2)


def test_a_device_id_stands_in_for_the_key():
    with Gateway(config=listener("ndjson") + '[item]\nkey = ""\n') as gateway:
        sock, record = connect(gateway)
        with sock:
            sock.sendall(b'\xef\xbb\xbf{"hello":{"id":"meter-7"}}\n{"v":1}\n{"hello":{"id":"meter-7"}}\n{"v":2}\n')
            expect_items(gateway, record, [b'{"v":1}', b'{"v":2}'])
            assert [item.key for item in record.items] == ["meter-7"] * 2
        assert bad_items(gateway, "ndjson") == {"bad_hello": 1}
        sock, record = connect(gateway)
        with sock:
            sock.sendall(b'{"v":1}\n')
            gateway.wait_status(lambda status: status["bad_items"]["no_key"] == 1)


@pytest.mark.parametrize("config, items", [("", []), ('[item]\nlone_surrogates = "replace"\n', [b'{"ip":"a\\ufffd"}'])])
def test_a_lone_surrogate_is_rejected_or_replaced(config, items):
    with Gateway(config=listener("ndjson") + config) as gateway:
        expect_over(gateway, "ndjson", [*items, OBJECTS[0]], b'{"ip":"a\\ud800"}\n' + OBJECTS[0] + b"\n")
        assert bad_items(gateway, "ndjson") == ({} if items else {"not_json": 1})


# Sinks

class Flood:
    """Devices that write numbered items as fast as possible. finish() sends what a blocked device could not send."""

    def __init__(self, socks):
        self.socks = socks
        self.names = [device.name_of(sock) for sock in socks]
        self.written = [0] * len(socks)
        self._pending = [b""] * len(socks)

    def until_blocked(self, limit):
        refused = 0
        while refused < 100:  # rounds in a row, of 10 ms at least
            if any([self._push(number, sock) for number, sock in enumerate(self.socks)]):
                refused = 0
                assert sum(self.written) < limit, f"{limit} items went in and no device was ever held back"
            else:
                refused += 1
                time.sleep(0.01)

    def _push(self, number, sock):
        if not self._pending[number]:
            start = self.written[number]
            self.written[number] += 50
            self._pending[number] = b"".join(device.item(f"10.0.0.{number}", seq=seq, pad="p" * 200)
                                             for seq in range(start, start + 50))
        sock.setblocking(False)
        try:
            sent = sock.send(self._pending[number])
        except BlockingIOError:
            return False
        self._pending[number] = self._pending[number][sent:]
        return True

    def finish(self):
        for number, sock in enumerate(self.socks):
            sock.settimeout(60)
            sock.sendall(self._pending[number])

    def close(self):
        for sock in self.socks:
            sock.close()


def test_a_slow_sink_holds_devices_back_and_loses_nothing():
    """No consumer reads the events. Devices' sends block, and the daemon's memory stays bounded; later all events
    arrive, in order."""
    with Gateway(config=listener(read_idle="off", item_deadline="10m"), read_events=False) as gateway:
        before = gateway.resident_kib()
        flood = Flood([device.connect(gateway.address) for _ in range(20)])
        flood.until_blocked(limit=1_000_000)
        assert until(lambda: gateway.status()["reading_paused"]), gateway.status()
        grown = gateway.resident_kib() - before
        assert grown < 128 * 1024, f"{grown} KiB more while the sink takes nothing: a queue without bound"
        spent = gateway.cpu_seconds()
        time.sleep(2)
        assert gateway.cpu_seconds() - spent < 0.5, "a paused gateway must not spin"
        gateway.resume_reading()
        flood.finish()
        assert gateway.events.wait(lambda: gateway.events.item_count >= sum(flood.written), 60), \
            f"{gateway.events.item_count} of {sum(flood.written)} items came{gateway.tail()}"
        for number, name in enumerate(flood.names):
            sequence = [json.loads(item.raw)["seq"] for item in gateway.connected(name).items]
            assert sequence == list(range(flood.written[number])), f"device {number}: lost or out of order"
        assert until(lambda: not gateway.status()["reading_paused"], 10)
        flood.close()


def test_bytes_that_wait_behind_a_slow_sink_outlive_their_connection(lab):
    """Reading is paused, devices write and die, some silently: their last items arrive first, then `closed`."""
    config = listener(address=f"{GATEWAY4}:0", detect_within="5s", read_idle="off", item_deadline="10m")
    with Gateway(config=config, namespace=lab.gateway, read_events=False) as gateway:
        flood = Flood([device.connect(gateway.address, lab=lab) for _ in range(4)])
        dying = {end: device.connect(gateway.address, lab=lab) for end in ("fin", "rst", "silence")}
        names = {end: device.name_of(sock) for end, sock in dying.items()}
        assert until(lambda: gateway.status()["connections"] == 7)
        flood.until_blocked(limit=1_000_000)
        assert until(lambda: gateway.status()["reading_paused"]), gateway.status()
        for end, sock in dying.items():
            sock.sendall(device.item(end))
        time.sleep(0.2)
        lab.silence(dying["silence"].getsockname())
        dying["fin"].close()
        device.reset(dying["rst"])
        time.sleep(7)
        gateway.resume_reading()
        for end, reason in {"fin": "peer_closed", "rst": "peer_reset", "silence": "keepalive_expired"}.items():
            record = gateway.closed(gateway.connected(names[end]))
            assert [item.key for item in record.items] == [end], record.closed
            assert record.reason == reason, record.closed
        flood.finish()
        assert not any(gateway.connected(name).closed for name in flood.names), "the living ones beside them stay"
        flood.close()
        dying["silence"].close()


def test_a_closed_stdout_ends_the_daemon_with_one_clear_line():
    reading, writing = os.pipe()
    gateway = Gateway(stdout=writing)
    try:
        os.close(writing)
        gateway.wait_ready()
        lines = len(gateway.stderr)
        os.close(reading)
        with contextlib.suppress(ConnectionError), device.connect(gateway.address) as sock:
            sock.sendall(device.item("10.0.0.1"))
        code = gateway.wait_exit(20)
        # The alarm about the sink may come in between, with the same content.
        said = [line for line in list(gateway.stderr)[lines:] if " error cannot write events to stdout" in line]
        assert len(said) == 1, f"one line about stdout: {said}{gateway.tail()}"
        gateway.check_reports()
    finally:
        gateway.kill()


def test_the_file_sink_writes_the_same_events(tmp_path):
    path = tmp_path / "events.ndjson"
    with Gateway("--sink", f"file:{path}") as gateway:
        with device.connect(gateway.address) as sock:
            for number in range(1000):
                sock.sendall(device.item("10.0.0.1", seq=number))
            name = device.name_of(sock)
        assert until(lambda: path.exists() and b'"closed"' in path.read_bytes()), gateway.tail()
        assert not gateway.events.records(), "nothing on stdout"
    events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [event["event"] for event in events] == ["connected"] + ["item"] * 1000 + ["closed"]
    assert [event["item"]["seq"] for event in events[1:-1]] == list(range(1000))
    assert events[0]["peer"] == name


def test_the_file_sink_begins_a_new_line_after_a_torn_one(tmp_path):
    """A crash in the middle of a write leaves half a line, which the events of the next start must not continue."""
    path = tmp_path / "events.ndjson"
    for torn in (b'{"event":"item","conn":"7f2c91a0-1","pe', b""):
        with open(path, "ab") as file:
            file.write(torn)
        with Gateway("--sink", f"file:{path}") as gateway, device.connect(gateway.address) as sock:
            sock.sendall(device.item("10.0.0.1"))
            assert gateway.wait_status(lambda status: status["items"] == 1)
    first, *lines = path.read_bytes().splitlines()
    assert first == b'{"event":"item","conn":"7f2c91a0-1","pe'
    assert [json.loads(line)["event"] for line in lines] == ["connected", "item", "closed"] * 2


def test_the_none_sink_accepts_everything_and_writes_nothing():
    with Gateway("--sink", "none") as gateway:
        with device.connect(gateway.address) as sock:
            sock.sendall(b"".join(device.item("10.0.0.1") for _ in range(5000)))
            assert until(lambda: gateway.status()["items"] == 5000), gateway.status()
        assert until(lambda: gateway.status()["closed"]["peer_closed"] == 1)
        assert not gateway.events.records()


def test_ipv6_and_dual_stack():
    with Gateway("--listen", "[::]:0") as gateway:
        port = gateway.address[1]
        for family, host in ((socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1")):
            with socket.socket(family) as sock:
                sock.connect((host, port))
                sock.sendall(device.item("10.0.0.1"))
                record = gateway.connected(device.name_of(sock))
                assert gateway.events.wait(lambda record=record: record.items, 10)
