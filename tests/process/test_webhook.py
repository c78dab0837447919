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
        self.authorizations = []
        self._answers = list(answers)
        self._over = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.authorizations.append(self.headers["Authorization"])
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


def config_of(url, **options):
    alarm = "".join(f"{key} = {json.dumps(str(value))}\n" for key, value in {"webhook": url, **options}.items())
    return listener() + f"[alarm]\n{alarm}[admin]\naddress = \"127.0.0.1:0\"\n[fleet]\nname = \"gateway-1\"\n"


def gateway_of(url, **options):
    return Gateway(config=config_of(url, **options))


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


def test_the_own_form_names_the_gateway_and_links_to_the_dashboard():
    with Receiver() as receiver, gateway_of(receiver.url) as gateway, contextlib.ExitStack() as stack:
        drop(gateway, stack)
        alarm = drop_told(receiver)[2]
        assert (alarm["gateway"], alarm["status"], alarm["severity"]) == ("gateway-1", "firing", "critical")
        assert alarm["url"] == f"http://{gateway.admin_flag()}/#/alarms/{alarm['id']}"
        assert gateway.ask("GET", f"/v1/alarms/{alarm['id']}")["id"] == alarm["id"]


def test_alertmanager_gets_alerts_and_slack_a_text():
    with Receiver() as receiver, contextlib.ExitStack() as stack:
        link = "https://gateway.example"
        with gateway_of(receiver.url, webhook_form="alertmanager", dashboard_url=link) as gateway:
            drop(gateway, stack)
            alerts = receiver.bodies.get(timeout=PATIENCE)[2]
            assert isinstance(alerts, list) and alerts
            for alert in alerts:  # the schema of Alertmanager's API v2: postableAlert
                labels = alert["labels"]
                assert labels["alertname"].startswith("Holdfast") and labels["gateway"] == "gateway-1"
                assert all(isinstance(text, str) for text in {**labels, **alert["annotations"]}.values())
                assert alert["startsAt"] < alert["endsAt"]
                assert alert["generatorURL"] == f"{link}/#/alarms/{labels['alarm_id']}"
            gateway.reload(config_of(receiver.url, webhook_form="slack"))
            report_again(gateway)
            told = until(lambda: next((body for _, _, body in iter_queue(receiver.bodies) if isinstance(body, dict)), None))
            assert set(told) == {"text"} and told["text"].startswith("*[FIRING] ") and "gateway-1" in told["text"]


def report_again(gateway):
    """Changes an alarm without an effect but its message."""
    alarm = gateway.ask("GET", "/v1/alarms")["active"][0]
    assert gateway.ask("DELETE", f"/v1/alarms/{alarm['id']}/acknowledgement")["acknowledged"] is False


def iter_queue(bodies):
    with contextlib.suppress(queue.Empty):
        while True:
            yield bodies.get_nowait()


def test_a_header_from_a_file_authenticates_and_is_shown_nowhere(tmp_path):
    header = tmp_path / "header"
    header.write_text("Authorization: Bearer 0123456789abcdef\n", encoding="ascii")
    header.chmod(0o600)
    with Receiver(401) as receiver, contextlib.ExitStack() as stack:
        with gateway_of(receiver.url, webhook_header_file=header) as gateway:
            drop(gateway, stack)
            receiver.bodies.get(timeout=PATIENCE)
            assert receiver.authorizations[0] == "Bearer 0123456789abcdef"
            gateway.wait_for_log("the response was 401")
            header.write_text("Authorization: Bearer fedcba9876543210\n", encoding="ascii")
            gateway.reload()
            report_again(gateway)
            assert until(lambda: receiver.authorizations[-1] == "Bearer fedcba9876543210")
            shown = [gateway.ask("GET", path) for path in ("/v1/status", "/v1/alarms", "/v1", "/metrics")]
            assert not [one for one in (*shown, gateway.tail(2000)) if "0123456789abcdef" in str(one) or "fedcba98" in str(one)]
            header.write_text("no header", encoding="ascii")
            assert "webhook_header_file" in gateway.reload(expect=422)["error"]["message"]


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
