"""A new user's first minute: the lines of `serve`, the first item, and equal words for equal failures."""

import http.server
import json
import subprocess
import threading

import pytest

from browser import Browser
from gateway import Gateway, run, until


def line_with(gateway, text):
    return until(lambda: next((line for line in gateway.log_lines(text)), None))


def test_serve_prints_the_dashboard_and_a_command_that_sends_an_item():
    with Gateway() as gateway:
        host, port = gateway.admin
        assert f"url=http://{host}:{port}/" in line_with(gateway, "dashboard")
        command = line_with(gateway, "first item, from bash: ").split("first item, from bash: ", 1)[1]
        assert command == gateway.status()["first_item_command"]
        subprocess.run(["bash", "-c", command], check=True, timeout=10)
        until(lambda: gateway.status()["items"] == 1)


def test_no_command_where_an_item_needs_a_token(tmp_path):
    tokens = tmp_path / "tokens"
    run("token", "add", "--file", str(tokens), "van")
    with Gateway(config=f'[[listener]]\naddress = "127.0.0.1:0"\ntokens_file = "{tokens}"\n') as gateway:
        assert "first_item_command" not in gateway.status()
        assert not gateway.log_lines("first item, from bash: ")


def test_an_empty_dashboard_says_how_to_send_the_first_item():
    with Gateway() as gateway, Browser() as page:
        page.open("http://%s:%d/" % gateway.admin)
        command = gateway.status()["first_item_command"]
        page.wait(lambda: page.text("#first-item-command") == command, "the command for a first item")
        subprocess.run(["bash", "-c", command], check=True, timeout=10)
        page.wait(lambda: page.text("#first-item-command") == "", "the hint goes with the first connection")


@pytest.mark.parametrize("address", ["127.0.0.1:9", "unix:/nonexistent/admin.sock"])
def test_doctor_and_status_agree_on_an_absent_gateway(address):
    status = run("status", "--admin", address)
    doctor = run("doctor", "--admin", address)
    assert (status.returncode, doctor.returncode) == (3, 3)
    assert doctor.stderr == status.stderr and status.stderr.startswith("holdfast: no gateway answers at " + address)


def test_doctor_and_status_agree_on_a_wrong_token(tmp_path):
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("0123456789abcdef0123456789abcdef\n")
    wrong.write_text("f123456789abcdef0123456789abcdef\n")
    for file in (right, wrong):
        file.chmod(0o600)
    with Gateway(config=f'[admin]\naddress = "127.0.0.1:0"\ntoken_file = "{right}"\n') as gateway:
        flags = ("--admin", "%s:%d" % gateway.admin, "--admin-token-file", str(wrong))
        status, doctor = run("status", *flags), run("doctor", *flags)
        assert status.stderr and doctor.stderr == status.stderr


@pytest.mark.parametrize("body", [b"hello", b"{}", json.dumps({"status": "ok"}).encode()])
def test_doctor_and_status_agree_on_another_server(body):
    class Stranger(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = "127.0.0.1:%d" % server.server_address[1]
        status, doctor = run("status", "--admin", address), run("doctor", "--admin", address)
        server.shutdown()
    assert (status.returncode, doctor.returncode, status.stdout, doctor.stdout) == (3, 3, "", "")
    assert doctor.stderr == status.stderr and f"the server at {address} is not a holdfast gateway" in status.stderr


def test_doctor_and_status_agree_on_a_sink_that_cannot_write():
    with Gateway("--sink", "file:/dev/full") as gateway:
        subprocess.run(["bash", "-c", gateway.status()["first_item_command"]], check=True, timeout=10)
        assert until(lambda: gateway.status()["sink"]["error"])
        status = run("status", "--admin", gateway.admin_flag())
        findings = json.loads(run("doctor", "--json", "--admin", gateway.admin_flag()).stdout)["findings"]
        cause = until(lambda: [alarm["cause"] for alarm in gateway.ask("GET", "/v1/alarms")["active"] if alarm["alarm"] == "sink_lag"])
        gateway.kill()  # a stop would wait for the sink
    sentence = next(line[2:] for line in status.stdout.splitlines() if line.startswith("! the sink cannot write: "))
    assert [one["found"] for one in findings if one["id"] == "sink"] == [sentence]
    assert cause == [sentence[0].upper() + sentence[1:] + "."]
