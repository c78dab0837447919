"""No text from outside controls or deceives a terminal: devices, another gateway's answers, files and flags."""

import contextlib
import http.server
import json
import re
import threading
import time

import pytest

from gateway import PATIENCE, Gateway, binary, run
from lab import device
from terminal import Terminal

# One character of each kind: C0, DEL, C1, soft hyphen, zero width, marks, embeddings and isolates of direction, line separator, tag.
HOSTILE = "\x1b]0;owned\x07\x7f\x9b2J\u00ad\u200b\u200e\u202e\u2066\u2028\ufeff\U000e0041"
IN_JSON = HOSTILE[10:]  # JSON text may hold these without an escape
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e0fff]")
VERBS = (["status"], ["list"], ["closed"], ["alarms"], ["trend"], ["fleet"], ["duplicates"], ["probe", "--all"],
         ["drain", "--status"], ["reload"], ["doctor"], ["top", "--once"])


def assert_safe(raw):
    text = raw.decode() if isinstance(raw, bytes) else raw
    found = UNSAFE.search(text)
    assert not found, f"{found[0]!r} in {text[max(0, found.start() - 80):found.end() + 40]!r}"


def hostile(value):
    """Returns the answer with hostile text behind each of its strings."""
    if isinstance(value, str):
        return value + HOSTILE
    if isinstance(value, list):
        return [hostile(one) for one in value]
    return {name: hostile(one) for name, one in value.items()} if isinstance(value, dict) else value


@contextlib.contextmanager
def hostile_gateway(gateway):
    """Passes requests to a gateway and makes its answers hostile. Yields the address."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def pass_on(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
            status, answer = gateway.request(self.command, self.path, body)
            raw = answer.encode() if isinstance(answer, str) else json.dumps(hostile(answer), ensure_ascii=False).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_DELETE = pass_on

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()


@pytest.fixture(scope="module")
def gateway():
    with Gateway() as one:
        yield one


def item_of(key):
    return json.dumps({"ip": key}, ensure_ascii=False).encode() + b"\n"


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_another_gateways_answers(gateway, form):
    with device.connect(gateway.address) as sock, device.connect(gateway.address) as other:
        other.sendall(item_of("closed" + HOSTILE))
        assert gateway.closed(_closed_by_key(gateway, other)).reason
        sock.sendall(item_of("open" + HOSTILE))
        peer = "{}:{}".format(*sock.getsockname())
        record = gateway.connected(peer)
        with hostile_gateway(gateway) as address:
            shown = 0
            for words in (*VERBS, ["show", record.conn]):
                one = run(*words, "--admin", address, *form, timeout=60)
                assert_safe(one.stdout)
                assert_safe(one.stderr)
                shown += "owned" in one.stdout
            assert shown > 4, "the hostile text is shown, escaped"


def _closed_by_key(gateway, sock):
    record = gateway.connected("{}:{}".format(*sock.getsockname()))
    sock.close()
    return record


def test_events_on_a_terminal():
    with Terminal(binary(), "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", columns=200) as terminal:
        lines = iter(terminal.process.stderr.readline, b"")
        address = next(match for line in lines if (match := re.search(rb"listening .*address=127.0.0.1:(\d+)", line)))
        with device.connect(("127.0.0.1", int(address[1]))) as sock:
            sock.sendall(b'{"ip":"k' + IN_JSON.encode() + b'","raw":"' + IN_JSON.encode() + b'"}\n')
            deadline = time.monotonic() + PATIENCE
            while b'"item"' not in terminal.raw.replace(b"\r\n", b"\n"):
                assert time.monotonic() < deadline, terminal.raw
                time.sleep(0.02)
        terminal.process.terminate()
        terminal.process.stderr.read()
        assert_safe(terminal.raw.replace(b"\r\n", b"\n"))
        kinds = [json.loads(line) for line in terminal.raw.decode().splitlines() if line.startswith("{")]
        assert any(event.get("key") == "k" + IN_JSON for event in kinds), "the values stay"


def test_flags_and_files(tmp_path):
    file = tmp_path / "gateway.toml"
    file.write_text(f'[[listener]]\nname = "a{HOSTILE[11:]}"\nunknown{"x"} = 1\n', encoding="utf-8")
    for words in (["check", "--config", str(file)], ["list", "--admin", "host" + HOSTILE[9:]],
                  ["plan", "30" + HOSTILE], ["list", "--peer", HOSTILE], [HOSTILE], ["list", "--x" + HOSTILE],
                  ["check", "--config", str(tmp_path / ("no" + HOSTILE))], ["describe", HOSTILE]):
        one = run(*words)
        assert one.returncode != 0
        assert_safe(one.stdout)
        assert_safe(one.stderr)
