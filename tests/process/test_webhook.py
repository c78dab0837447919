"""[alarm] webhook: the daemon POSTs each alarm, tries again when the receiver fails, and is not delayed by a receiver
that hangs."""

import contextlib
import http.server
import json
import queue
import threading

from gateway import PATIENCE, Gateway, listener, until
from lab import device


class Receiver:
    """Answers one POST after another with `answers`, then 204; a number is a status, None hangs until the block ends."""

    def __init__(self, *answers):
        self.bodies = queue.Queue()
        self._answers = list(answers)
        self._over = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = receiver._answers.pop(0) if receiver._answers else 204
                receiver.bodies.put((self.path, self.headers["Content-Type"], json.loads(body)))
                if answer is None:
                    receiver._over.wait(PATIENCE)
                    return
                self.send_response(answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}/hooks/holdfast"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._over.set()
        self._server.shutdown()
        self._server.server_close()


def gateway_of(url):
    return Gateway(config=listener() + f"[alarm]\nwebhook = {json.dumps(url)}\n[admin]\naddress = \"127.0.0.1:0\"\n")


def drop(gateway, stack):
    made = [stack.enter_context(device.connect(gateway.address)) for _ in range(120)]
    # The alarm needs to see the population before the drop.
    assert until(lambda: [p["connections"] for p in gateway.ask("GET", "/v1/trend?window=5s&step=1s")["points"]].count(120) >= 2)
    for sock in made[:60]:
        device.reset(sock)
    assert until(lambda: gateway.ask("GET", "/v1/alarms")["active"]), gateway.tail()


def drop_told(receiver):
    """Returns the drop's own alarm, whatever other alarms come with it."""
    while True:
        path, kind, alarm = receiver.bodies.get(timeout=PATIENCE)
        if alarm["alarm"] == "population_drop":
            return path, kind, alarm


def test_an_alarm_is_posted_and_tried_again_after_a_failure():
    with Receiver(500) as receiver, gateway_of(receiver.url) as gateway, contextlib.ExitStack() as stack:
        drop(gateway, stack)
        path, kind, first = receiver.bodies.get(timeout=PATIENCE)
        assert path == "/hooks/holdfast" and kind.startswith("application/json")
        again = receiver.bodies.get(timeout=PATIENCE)[2]
        assert again["id"] == first["id"], "what failed comes first"
        receiver.bodies.put((path, kind, again))
        alarm = drop_told(receiver)[2]
        # Evaluated once a second, the drop may be raised from the 20th end on.
        assert 20 <= alarm["count"] <= 60 and alarm["reasons"] == {"peer_reset": alarm["count"]}
        assert alarm["cleared_at"] is None


def test_a_receiver_that_hangs_delays_nothing():
    with Receiver(None) as receiver, gateway_of(receiver.url) as gateway, contextlib.ExitStack() as stack:
        drop(gateway, stack)
        receiver.bodies.get(timeout=PATIENCE)
        sock = stack.enter_context(device.connect(gateway.address))
        record = gateway.connected(device.name_of(sock))
        sock.sendall(device.item("10.0.0.1"))
        assert gateway.events.wait(lambda: record.items, PATIENCE)
        # Leaving the block ends the gateway while the receiver still hangs: Gateway asserts a clean end.
        assert gateway.stop() < 5


def test_an_absent_receiver_harms_nothing():
    with gateway_of("http://127.0.0.1:9/nobody") as gateway, contextlib.ExitStack() as stack:
        drop(gateway, stack)
        assert gateway.status()["alarms_active"] >= 1
