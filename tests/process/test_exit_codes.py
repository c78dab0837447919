"""Verbs that send a request to a gateway: the same failure gives the same error and the same exit code, as
docs/reference/exit-codes.md has it."""

import concurrent.futures
import contextlib
import json
import re
import socket
import threading

import pytest

from certificates import self_signed
from conftest import ROOT
from gateway import Gateway, listener, run

# `load` is not here: it reports a failure in its summary, and goes on.
VERBS = [("status",), ("doctor",), ("list",), ("list", "--fleet"), ("show", "1-1"), ("closed",), ("probe", "1-1"),
         ("close", "1-1"), ("send", "1-1", "{}"), ("drain", "--wait"), ("alarms",), ("reload",), ("trend",),
         ("top", "--once"), ("consume",), ("spool", "backup", "nowhere")]
# These wait for an answer for 30 s and longer.
PATIENT = [("reload",), ("consume",)]


def documented():
    """Returns the rows of the page's table as {failure: (error, code)}."""
    page = (ROOT / "docs/reference/exit-codes.md").read_text(encoding="utf-8")
    section = page.split("## By failure of a request", 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")]
    return {failure: (error.strip("`"), int(code)) for failure, error, code in rows[2:]}


def failures_of(address, *, verbs, at_once, command):
    """Runs the verbs, a few side by side. Returns {verb: (code, error)}, without the remedy that `spool` adds."""
    def outcome(verb):
        done = run(*verb, "--admin", address, timeout=60, command=command)
        assert done.stdout == "", (verb, done)
        return done.returncode, done.stderr.replace("; name the directory with --spool\n", "\n")

    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        return dict(zip(verbs, pool.map(outcome, verbs), strict=True))


def check(failure, address, message=None, *, verbs=VERBS, at_once=4, command=()):
    """Checks that all verbs fail at `address` with one error, and that the page has the error and the code."""
    error, code = documented()[failure]
    found = failures_of(address, verbs=verbs, at_once=at_once, command=command)
    times = re.compile(r"within [0-9a-z]+")
    assert len({(code, times.sub("", text)) for code, text in found.values()}) == 1, found
    assert found["status",][0] == code, found
    assert (message or error) in found["status",][1], found
    assert len(found["status",][1].splitlines()) == 1, found


@contextlib.contextmanager
def server(answer):
    """Yields the address of a server that sends `answer` to each request and closes; with None it sends nothing."""
    def serve(peer):
        with peer, contextlib.suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request and (piece := peer.recv(4096)):
                request += piece
            if answer is None:
                over.wait()
                return
            head, _, body = request.partition(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", head, re.I)
            while length and len(body) < int(length[1]) and (piece := peer.recv(4096)):
                body += piece
            peer.sendall(answer)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threads.append(threading.Thread(target=serve, args=(door.accept()[0],)))
                threads[-1].start()

    over, threads = threading.Event(), []
    with socket.create_server(("127.0.0.1", 0), backlog=100) as door:
        threads.append(threading.Thread(target=accept))
        threads[0].start()
        try:
            yield "127.0.0.1:%d" % door.getsockname()[1]
        finally:
            over.set()
            door.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def http(status, body, length=None):
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, length or len(body), body)


def test_every_failure_of_the_page_is_planted_here():
    source = (ROOT / "tests/process/test_exit_codes.py").read_text(encoding="utf-8")
    assert len(documented()) == 14
    assert not [failure for failure in documented() if f'"{failure}"' not in source]


def test_no_server(tmp_path):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        check("nothing listens", "127.0.0.1:%d" % bound.getsockname()[1])
    check("the unix socket is missing", f"unix:{tmp_path}/absent.sock")


def test_a_unix_socket_of_another_user(tmp_path):
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        door.listen()
        path.chmod(0)
        check("the unix socket belongs to another user", f"unix:{path}",
              command=("setpriv", "--bounding-set=-dac_override,-dac_read_search"))


def test_a_host_that_does_not_answer():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as stack:
        for _ in range(4):  # more than the backlog takes
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        check("the host does not answer", "127.0.0.1:%d" % full.getsockname()[1], at_once=len(VERBS))


def test_a_server_without_an_answer():
    with server(None) as address:
        check("no answer in time", address, verbs=[verb for verb in VERBS if verb not in PATIENT], at_once=len(VERBS))


def test_a_server_with_another_protocol(tmp_path):
    with server(http(200, b'{"pid":', length=1000)) as address:
        check("the answer is cut off", address)
    with server(b"SSH-2.0-x\r\n") as address:
        check("the server does not speak HTTP", address)
    with Gateway() as gateway:
        check("TLS to an address without TLS", "https://" + gateway.admin_flag())
    certificate, key = self_signed(tmp_path)
    with Gateway(config=listener() + f'[admin]\ntls_certificate = "{certificate}"\ntls_key = "{key}"\n') as gateway:
        check("HTTP to an address with TLS", gateway.admin_flag())
        check("an unknown authority", "https://" + gateway.admin_flag())


@pytest.mark.parametrize("status", [200, 302, 401, 403, 404, 429, 503])
def test_another_server(status):
    with server(http(status, b"<html>")) as address:
        check("any status without an error of the API", address)


@pytest.mark.parametrize("failure, status", [
    ("400, 401 or 403", 400), ("400, 401 or 403", 401), ("400, 401 or 403", 403), ("503", 503),
    *[("any other error, such as 404, 409, 429", status) for status in (404, 409, 422, 429, 500)]])
def test_an_error_of_the_api(failure, status):
    body = json.dumps({"error": {"code": "planted", "message": "planted; mend it"}}).encode()
    with server(http(status, body)) as address:
        check(failure, address, message="holdfast: planted; mend it\n")
