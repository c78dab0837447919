"""Attacks at their full size with HOLDFAST_ATTACK_SCALE=1, beside 50 well-behaved devices: docs/explanation/security.md
has the figures. `-s` prints a row for each."""

import contextlib
import http.client
import json
import os
import pathlib
import random
import re
import socket
import ssl
import subprocess
import time

import pytest

import certificates
from attacks import DEVICES, SANITIZED, SCALE, Crowd, Scene, WallClock, ended, size, source
from certificates import own_listener
from gateway import listener, until
from hostile_tls import HostileTls, send, tiny_records
from lab import device
from lab.netlab import GATEWAY4
from packets import ACK, RST, SYN, Wire, segment, spoofed
from witness import UnixConnection

ITEM = device.item("10.0.0.66")


def config(limits="", tls=None, item="", **options):
    return listener(**options, **(tls or {})) + limits + item


# Silent connections


def test_silence():
    """Each costs a slot and a descriptor until read_idle."""
    count = size(19_000, 500)
    with Scene("connect and say nothing", config(read_idle="5s")) as scene, Crowd(scene.gateway) as crowd:
        with scene.attack(count):
            for _ in range(count):
                crowd.connect()
            scene.closed(read_idle=count)
        assert scene.grown_mib() < 16 + count * 256 / 2**20, "a silent connection has no buffer"


def test_silence_from_one_address():
    """The attacker has its share, and is refused beyond it; no other peer is."""
    count, share = size(19_000, 500), 100
    limits = f"[limits]\nmax_connections_per_peer = {share}\n"
    with Scene("the same from one address", config(limits, read_idle="5s")) as scene, \
            Crowd(scene.gateway, from_one_address="127.99.0.1") as crowd:
        with scene.attack(count):
            for number in range(count):
                crowd.connect()
                if number % 100 == 0:
                    assert scene.gateway.status()["connections"] <= DEVICES + share, "more than its share at once"
            status = all_told(scene, count)
        refused = status["refused"]["max_connections_per_peer"]
        assert refused > 0.9 * (count - share), "some come in anew, where connecting takes longer than read_idle"
        scene.closed(read_idle=count - refused)


def all_told(scene, count):
    """Returns the status once all of `count` were refused, or have ended."""
    return scene.gateway.wait_status(lambda status: sum(status["closed"].values()) + sum(status["refused"].values()) == count)


def refused_handshakes(status):
    """Returns the number of handshakes that had no place, or that a busy gateway could not begin in time."""
    return status["refused"]["max_handshakes"] + status["refused"]["handshake_wait"]


# Hostile bytes

MOST = 1 << 20  # of an item here, so that a depth of 100,000 is rejected for its depth
UTF8 = {"overlong": b"\xc0\xaf", "overlong of three": b"\xe0\x80\xaf", "surrogate": b"\xed\xa0\x80", "above U+10FFFF": b"\xf4\x90\x80\x80",
        "five bytes": b"\xf8\x88\x80\x80\x80", "a lone continuation": b"\x80", "cut short": b"\xe2\x82", "0xFE": b"\xfe", "0xFF": b"\xff"}
BAD = [("bad_utf8", b'{"ip":"%s"}\n' % bytes_) for bytes_ in UTF8.values()] + [
    ("bad_utf8", b'{"ip":"10.0.0.66","%s":1}\n' % UTF8["surrogate"]),
    ("not_json", b'{"ip":"a\0b"}\n'), ("not_json", b'{"ip":"10.0.0.66"}\0\n'), ("not_json", b"\0\n"),
    ("not_json", b'{"ip":"a\x01\x1f\x1b[2Jb"}\n'), ("not_json", b'{"ip":"a\tb"}\n'), ("not_json", b'{"ip":"\\ud800"}\n'),
    ("not_json", b'{"ip":"10.0.0.66",}\n'), ("too_deep", b'{"ip":"1","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"),
    ("too_deep", b'{"ip":"1","a":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}\n"),
]


@pytest.mark.asan
def test_hostile_bytes():
    """All kinds at once: a byte a second, items without an end, and bad ones of every class, a hundred times each."""
    rounds = size(100, 4)
    slow, giant = size(1000, 20), size(100, 5)
    text = config(item=f'[item]\nmax_bytes = "{MOST}B"\n', item_deadline="5s", max_bad_items=100)
    with Scene("hostile bytes", text) as scene, Crowd(scene.gateway) as crowd:
        with scene.attack(slow + giant + 1 + len(BAD) * rounds):
            dripping = [crowd.connect(b"{") for _ in range(slow)]
            hurl(crowd, giant, b'{"ip":"' + b"x" * MOST)
            for _, bytes_ in BAD:
                stranger = crowd.connect()
                for _ in range(rounds):
                    stranger.sendall(bytes_ + ITEM)  # a good one between them: not a hundred in a row
            hundred = crowd.connect(BAD[0][1] * 100)
            for byte in b'"ip"':
                drip(dripping, bytes([byte]))
                time.sleep(1)
            # Only these ended: bad items with good ones between them end no connection.
            scene.closed(item_deadline=slow, item_too_large=giant, too_many_bad_items=1)
            assert ended(hundred)
        expected = {kind: sum(rounds for one, _ in BAD if one == kind) for kind, _ in BAD}
        expected |= {"bad_utf8": expected["bad_utf8"] + 100, "too_large": giant}
        counted = {kind: count for kind, count in scene.gateway.status()["bad_items"].items() if count}
        assert counted == expected
        assert scene.grown_mib() < 300, "256 MiB of buffers, and what a reactor lands in"


def hurl(crowd, count, bytes_):
    for _ in range(count):
        with contextlib.suppress(ConnectionError):  # the connection ends before all was sent
            crowd.connect().sendall(bytes_)


def drip(socks, byte):
    for sock in socks:
        with contextlib.suppress(ConnectionError):
            sock.send(byte)


# TLS


def client_hello(version=ssl.TLSVersion.TLSv1_3):
    """Returns a ClientHello, as a device would send it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = version
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()


def newcomer(gateway):
    """Connects a device over TLS that sends an item and closes. Returns the time that it took, or None if it was
    refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    since = time.monotonic()
    with contextlib.suppress(ConnectionError, ssl.SSLError), socket.create_connection(gateway.address, timeout=20) as raw:
        with context.wrap_socket(raw) as tls:
            tls.sendall(ITEM)
            tls.unwrap()
            return time.monotonic() - since
    return None


@pytest.mark.asan
def test_half_open_handshakes():
    """As many as max_handshakes are held, for 5 s; stalled ones are closed before that, and new devices are accepted."""
    count, places = size(10_000, 300), size(1024, 100)
    limits = f"[limits]\nmax_handshakes = {places}\n"
    with Scene("half-open TLS handshakes", config(limits, own_listener()), tls=True) as scene, Crowd(scene.gateway) as crowd:
        hello = client_hello()
        with scene.attack(count):
            for _ in range(count):
                crowd.connect(hello)
            began = time.monotonic()
            tried, took = 1, newcomer(scene.gateway)
            while took is None and time.monotonic() < began + 30:
                time.sleep(0.1)
                tried, took = tried + 1, newcomer(scene.gateway)
            waited = time.monotonic() - began
            over = scene.gateway.status()["closed"]["tls_failed"]
            status = all_told(scene, count + tried)
        refused = refused_handshakes(status) - (tried - 1)
        scene.closed(tls_failed=count - refused, peer_closed=1)
        print(f"{count - refused} of {count} were held for 5 s; a newcomer was in after {waited:.1f} s, at attempt {tried}")
        assert over < count - refused, "it need not wait for the end of their five seconds"
        assert refused >= (count - places if count < 2 * places else 1)
        assert scene.grown_mib() < 16 + places * 64 / 1024, "64 KiB a handshake at most"


def test_half_open_handshakes_from_one_address():
    """With max_connections_per_peer, such handshakes do not exclude others: a new peer is accepted at once."""
    count, share = size(10_000, 300), 50
    limits = f"[limits]\nmax_handshakes = {share + DEVICES + 20}\nmax_connections_per_peer = {share + 20}\n"
    with Scene("the same from one address", config(limits, own_listener()), tls=True) as scene, \
            Crowd(scene.gateway, from_one_address="127.99.0.1") as crowd:
        hello = client_hello()
        with scene.attack(count):
            took = []
            for number in range(count):
                crowd.connect(hello)
                if number % (count // 10) == 0:
                    took.append(newcomer(scene.gateway))
            assert None not in took, took
            status = all_told(scene, count + len(took))
            refused = status["refused"]["max_connections_per_peer"]
            scene.closed(tls_failed=count - refused, peer_closed=len(took))
        print(f"{refused} of {count} were turned away; {len(took)} newcomers were in, the last to be after {max(took):.2f} s")
        assert refused > 0


@pytest.mark.asan
def test_renegotiation():
    """A device over TLS 1.2 that requests it receives no_renegotiation, and no handshake is computed."""
    count = size(200, 4)
    with Scene("TLS renegotiation asked for", config(tls=own_listener()), tls=True) as scene:
        with scene.attack(count):
            for first in range(0, count, 20):
                clients = [renegotiating(scene.gateway) for _ in range(first, min(first + 20, count))]
                for client in clients:
                    client.wait(30)
                    output = client.stdout.read()
                    assert "RENEGOTIATING" in output and "no renegotiation" in output, output
                    client.stdout.close()
        scene.closed(tls_failed=count)
        assert scene.gateway.status()["listeners"][0]["tls"]["full"] == DEVICES + count, "not one more"


@pytest.mark.asan
def test_key_updates_without_an_end():
    """Each costs the gateway a derivation of keys; after 32 without data between them the connection ends."""
    count, updates = size(40, 4), size(400_000, 12_000)
    with Scene("KeyUpdates without an end", config(tls=own_listener()), tls=True) as scene, contextlib.ExitStack() as stack:
        strangers = [stack.enter_context(HostileTls(scene.gateway.address)) for _ in range(count)]
        floods = [stranger.key_updates(updates // count) for stranger in strangers]
        with scene.attack(updates):
            for stranger, flood in zip(strangers, floods):
                send(stranger.sock, flood)
            scene.closed(tls_failed=count)
        assert scene.causes("tls_failed") == {"more than 32 KeyUpdates arrived without application data between them"}


@pytest.mark.asan
def test_key_updates_with_a_byte_between_them():
    """Allowed and costly: the connection has its share of each turn, and no other connection waits for it."""
    rounds = size(20_000, 2_000)
    with Scene("a KeyUpdate before each byte", config(tls=own_listener()), tls=True) as scene, \
            HostileTls(scene.gateway.address, source=source(0)) as stranger:
        flood = b"".join(stranger.key_updates(1) + stranger.records(b" ") for _ in range(rounds))
        with scene.attack(rounds):
            send(stranger.sock, flood)
            send(stranger.sock, stranger.records(ITEM))
            assert until(lambda: items_from(scene, source(0)) == 1), "what came behind them is taken in its turn"
            stranger.sock.close()
            scene.closed(peer_reset=1)  # it has not read its ticket


@pytest.mark.asan
def test_tiny_records():
    """A record for each byte of items, from several connections at once."""
    count, items = size(200, 8), size(200, 40)
    with Scene("records of one byte", config(tls=own_listener()), tls=True) as scene, contextlib.ExitStack() as stack:
        strangers = [stack.enter_context(HostileTls(scene.gateway.address, source=source(0))) for _ in range(count)]
        floods = [stranger.records(*(bytes([byte]) for byte in ITEM * items)) for stranger in strangers]
        with scene.attack(count * items * len(ITEM)):
            for stranger, flood in zip(strangers, floods):
                send(stranger.sock, flood)
            assert until(lambda: items_from(scene, source(0)) == count * items)
            for stranger in strangers:
                stranger.sock.close()
            scene.closed(peer_reset=count)  # they have not read their tickets


@pytest.mark.asan
def test_client_hellos_without_an_end():
    """In records of one byte, and in records as large as may be: neither is read to its end."""
    count = size(200, 20)
    endless = b"\x01\x01\xff\xff" + bytes(60_000)
    tiny = tiny_records(endless[:16_000])
    large = b"".join(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part
                     for part in (endless[at:at + 16_384] for at in range(0, len(endless), 16_384)))
    with Scene("ClientHellos without an end", config(tls=own_listener()), tls=True) as scene, Crowd(scene.gateway) as crowd:
        with scene.attack(2 * count):
            for number in range(2 * count):
                sock = crowd.connect()
                send(sock, large if number % 2 else tiny)
            scene.closed(or_refused=True, tls_failed=2 * count)
        assert scene.causes("tls_failed") == {"the TLS handshake took more than 512 records",
                                              "the ClientHello is longer than 48 KiB"}


def renegotiating(gateway):
    """Starts openssl(1), which as a client takes a line "R" as the order to renegotiate."""
    words = ["openssl", "s_client", "-tls1_2", "-connect", "%s:%d" % gateway.address]
    client = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in client.stdout:
        if "Verify return code" in line:
            break
    client.stdin.write("R\n")
    client.stdin.close()
    return client


# Memory


@pytest.mark.asan
def test_peers_that_never_read(lab):
    """Thousands of downlinks for them. Each receives as much as its queue holds, then 429, and ends for its closed
    window."""
    count, patience = size(500, 10), "3s"
    limits = '[limits]\ndownlink_queue = "64KiB"\n'
    text = config(limits, address=f"{GATEWAY4}:0", write_stall=patience, read_idle="off")
    with Scene("never read the downlink", text, lab=lab) as scene, Crowd(scene.gateway, lab=lab) as crowd:
        with scene.attack(count):
            names = {device.name_of(crowd.connect(receive_buffer=2048)) for _ in range(count)}
            rows = rows_of(scene.gateway, count + DEVICES)
            taken = fill([row["conn"] for row in rows if row["peer"] in names], scene)
            held, kernel = scene.gateway.status()["buffers"]["bytes"], kernel_mib(lab)
            scene.closed(window_stalled=count)
        print(f"{taken} downlinks of 8 KiB were taken for {count} peers; {held / 2**20:.1f} MiB waited in the gateway, "
              f"{kernel:.1f} in the machine's kernel")
        assert held <= (count + DEVICES) * 64 * 1024
        assert scene.grown_mib() < 16 + count * 80 / 1024, "the queue of each, and what an allocator rounds up"


def kernel_mib(lab):
    """Returns the memory of TCP's queues, of all network namespaces."""
    with lab.gateway_side():
        text = pathlib.Path("/proc/thread-self/net/sockstat").read_text(encoding="ascii")
    return int(re.search(r"TCP:.* mem (\d+)", text)[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def rows_of(gateway, count):
    assert until(lambda: gateway.status()["connections"] == count)
    return gateway.ask("GET", "/v1/connections?limit=10000")["connections"]


def fill(conns, scene):
    """Sends to each until its queue is full; how many were taken."""
    body, taken = json.dumps({"pad": "x" * 8192}), 0
    admin = UnixConnection(str(scene.socket))
    for conn in conns:
        status = 202
        while status == 202:
            try:
                admin.request("POST", f"/v1/connections/{conn}/messages", body, {"Content-Type": "application/json"})
                answer = admin.getresponse()
                answer.read()
            except http.client.HTTPException:  # a server may close between two requests
                admin.close()
                continue
            status = answer.status
            taken += status == 202
        assert status in (429, 404), status
    admin.close()
    return taken


@pytest.mark.asan
def test_half_items_beyond_the_budget():
    """Reading of connections with large items pauses; then those of the largest holders are shed. New devices are
    accepted."""
    count, budget = size(4000, 300), 16 if SCALE >= 0.5 else 4
    half = b'{"ip":"10.0.0.66","more":"' + b"x" * 30_000
    limits = f'[limits]\nbuffer_budget = "{budget}MiB"\n'
    with Scene("half items, beyond the buffer budget", config(limits)) as scene, Crowd(scene.gateway) as crowd:
        with scene.attack(count, lasts=3):
            hoarders = [sock for sock in (crowd.connect() for _ in range(count)) if sock]
            most = 0
            for number, sock in enumerate(hoarders):
                sock.setblocking(False)
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    sock.send(half)
                if number % 50 == 0:
                    most = max(most, scene.gateway.status()["buffers"]["bytes"])
        status = scene.gateway.status()
        grown = scene.grown_mib()
        for sock in crowd.socks:
            sock.close()
        scene.gateway.wait_status(lambda status: status["connections"] == DEVICES)
        shed = scene.gateway.status()["closed"]["shed"]
        print(f"at most {most / 2**20:.1f} MiB of {budget} in buffers; {shed} were shed, "
              f"{status['refused']['buffer_budget']} turned away")
        assert shed > 0 and most <= budget << 20
        assert grown < budget + 24, "the budget, the events of so many connections, and slots"


def unproven(folder, count):
    """Returns the options of a listener, and the contexts of devices without proof."""
    return own_listener(), [ssl._create_unverified_context()] * count


def certified(folder, count):
    """Returns the options of a listener that requests client certificates, and the contexts of devices with one each."""
    pki = certificates.Authority(folder)
    certificate, key = pki.sign("gateway", alternative="IP:127.0.0.1")
    contexts = []
    for number in range(count):
        contexts.append(ssl._create_unverified_context())
        contexts[-1].load_cert_chain(*pki.sign(f"device-{number}"))
    return {"tls_certificate": str(certificate), "tls_key": str(key), "tls_client": "optional",
            "tls_client_ca": str(pki.certificate)}, contexts


def open_session(stack, scene, context, address):
    raw = stack.enter_context(device.connect(scene.gateway.address, source=address))
    return stack.enter_context(context.wrap_socket(raw))


@pytest.mark.asan
@pytest.mark.parametrize("kind, full", [(unproven, 300), (certified, 120)])
def test_idle_sessions_outlive_strangers_with_half_items(kind, full, tmp_path):
    """Idle devices under TLS hold more memory than the attackers beside them, and have been idle for longer. The
    attackers' connections end."""
    idle, count = size(full, full // 5), size(850, 150)
    budget = (idle + DEVICES) * 32_000
    options, contexts = kind(tmp_path, idle)
    limits = f'[limits]\nbuffer_budget = "{budget}B"\n'
    half = b'{"ip":"10.0.0.66","more":"' + b"x" * 9_000
    with Scene("half items beside idle sessions", config(limits, options), tls=True) as scene, \
            contextlib.ExitStack() as stack:
        honest = [open_session(stack, scene, context, "127.9.0.1") for context in contexts]
        scene.gateway.wait_status(lambda status: status["connections"] - status["opening"] == DEVICES + idle)
        with scene.attack(count, lasts=2):
            for number in range(count):
                with contextlib.suppress(ConnectionError):
                    stranger = stack.enter_context(HostileTls(scene.gateway.address, source=source(number)))
                    send(stranger.sock, stranger.records(half))
            shed = until(lambda: scene.gateway.status()["closed"]["shed"])
        assert shed, "the budget was never short: the test shows nothing"
        rows = scene.gateway.ask("GET", "/v1/closed?reason=shed&limit=10000")["closed"]
        ours = [row["peer"] for row in rows if row["peer"].startswith("127.9.0.1:")]
        assert not ours, f"{len(ours)} of {idle} idle sessions were shed, and {len(rows)} altogether"
        print(f"{len(rows)} of {count} strangers were shed, {len(ours)} of {idle} idle sessions")
        for device_ in honest:
            device_.sendall(ITEM)
        assert until(lambda: items_from(scene, "127.9.0.1") == idle), "each of them still speaks"


def items_from(scene, address):
    """Counts the items of the connections that exist."""
    return sum(row["items"] for row in scene.gateway.ask("GET", f"/v1/connections?peer={address}&limit=10000")["connections"])


@pytest.mark.asan
@pytest.mark.parametrize("tls", [False, True])
def test_small_halves_exclude_no_device(tls):
    """Many connections that hold a little each fill the budget. New devices are accepted and served."""
    count, newcomers = size(2_000, 250), 20
    half = b'{"ip":"10.0.0.66","more":"' + b"x" * 8_000
    limits = '[limits]\nbuffer_budget = "2MiB"\n'
    with Scene("small halves", config(limits, own_listener() if tls else None), tls=tls) as scene, \
            Crowd(scene.gateway) as crowd, contextlib.ExitStack() as stack:
        with scene.attack(count):
            for number in range(count):
                with contextlib.suppress(ConnectionError):
                    if tls:
                        stranger = stack.enter_context(HostileTls(scene.gateway.address, source=source(number)))
                        send(stranger.sock, stranger.records(half))
                    else:
                        crowd.connect(half)
            assert until(lambda: scene.gateway.status()["closed"]["shed"]), "the budget was never short"
            before = scene.gateway.status()
            for _ in range(newcomers):
                assert (newcomer(scene.gateway) if tls else plain_newcomer(scene.gateway)) is not None
            assert scene.strangers_items(newcomers)
        status = scene.gateway.wait_status(lambda status: status["closed"]["peer_closed"] >= newcomers)
        print(f"{before['buffers']}; {status['closed']['shed']} of {count} were shed, {newcomers} newcomers were in")
        assert sum(status["refused"].values()) == 0, status["refused"]


def plain_newcomer(gateway):
    """As newcomer(), without TLS."""
    since = time.monotonic()
    with contextlib.suppress(ConnectionError), socket.create_connection(gateway.address, timeout=20) as sock:
        sock.sendall(ITEM)
        sock.shutdown(socket.SHUT_WR)
        return time.monotonic() - since if sock.recv(1) == b"" else None
    return None


def test_large_halves_that_keep_the_budget_at_its_first_stage():
    """Later connections are not read and cannot finish: item_deadline ends them all the same. An honest device's large
    item, which waited beside them, arrives."""
    budget, half = 8, b'{"ip":"10.0.0.66","more":"' + b"x" * 40_000
    count = int(0.72 * budget * 2**20 / len(half))
    text = config(f'[limits]\nbuffer_budget = "{budget}MiB"\n', item_deadline="12s")
    with Scene("large halves, up to the first stage", text) as scene, Crowd(scene.gateway) as crowd:
        with scene.attack(2 * count):
            first = [crowd.connect(half) for _ in range(count)]
            scene.gateway.wait_status(lambda status: status["buffers"]["stage"] == 1)
            for sock in first:  # each is replaced by a connection that arrives under memory pressure
                peer = device.name_of(crowd.connect(half))
                assert until(lambda peer=peer: row_of(scene.gateway, peer, bytes_in=len(half))), scene.gateway.status()["buffers"]
                sock.close()
            honest = crowd.connect(half + b'"}')
            assert scene.gateway.status()["buffers"]["stage"] == 1, "else this shows nothing"
            time.sleep(0.2)
            honest.sendall(b"\n")
            honest_row = until(lambda: row_of(scene.gateway, device.name_of(honest), items=1), 40)
            assert honest_row, scene.gateway.status()["buffers"]
        scene.gateway.wait_status(lambda status: status["buffers"]["bytes"] == 0)
        closed = scene.gateway.status()["closed"]
        print(f"{closed['shed']} were shed, {closed['item_deadline']} ended in their own time")
        assert closed["shed"] > 0


def row_of(gateway, peer, **values):
    """Returns the row of this peer, or None if there is none with these values."""
    rows = gateway.ask("GET", "/v1/connections?limit=10000")["connections"]
    return next((row for row in rows if row["peer"] == peer and values.items() <= row.items()), None)


# Floods of packets

NOBODY = "10.250.0.0/16"  # addresses of the lab without a host


def test_syn_flood(lab, seed):
    """SYNs from addresses that never answer: the kernel's SYN cookies replace them, and new peers are accepted."""
    count, dice = size(200_000, 10_000), random.Random(seed)
    lab.deafen(NOBODY)
    with Scene("SYN flood", config(address=f"{GATEWAY4}:0"), lab=lab) as scene, Crowd(scene.gateway, lab=lab) as crowd, \
            Wire(lab) as wire:
        frames = [segment(spoofed(NOBODY, dice), scene.gateway.address, SYN, dice.randrange(2**32)) for _ in range(count)]
        with scene.attack(count):
            took = []
            for start in range(0, count, count // 20):
                wire.send(frames[start:start + count // 20])
                began = time.monotonic()
                assert crowd.connect(ITEM), scene.gateway.tail()
                took.append(time.monotonic() - began)
            lasted = time.monotonic() - scene.began
            scene.gateway.wait_status(lambda status: status["connections"] == DEVICES + len(took))
        status = scene.gateway.status()
        assert status["accepted"] == DEVICES + len(took), "nobody else came in"
        print(f"{count / lasted:,.0f} SYNs a second; {len(took)} newcomers were in, after {1e3 * max(took):.1f} ms at most; "
              f"{half_open(lab)} half-open in the kernel")
        for sock in crowd.socks:
            sock.close()


def half_open(lab):
    with lab.gateway_side():
        text = pathlib.Path("/proc/thread-self/net/tcp").read_text(encoding="ascii")
    return sum(line.split()[3] == "03" for line in text.splitlines()[1:])


def test_rst_storm_of_strangers(lab, seed):
    """Forged RSTs and SYNs with the addresses of connected devices, with guessed sequence numbers: no connection ends
    (RFC 5961)."""
    count, dice = size(200_000, 10_000), random.Random(seed)
    with Scene("RSTs and SYNs in devices' names", config(address=f"{GATEWAY4}:0"), lab=lab) as scene, Wire(lab) as wire:
        rows = scene.gateway.ask("GET", "/v1/connections?limit=1000")["connections"]
        names = [(host, int(port)) for host, port in (row["peer"].rsplit(":", 1) for row in rows)]
        flags = [RST, RST | ACK, SYN]
        frames = [segment(dice.choice(names), scene.gateway.address, dice.choice(flags), dice.randrange(2**32),
                          dice.randrange(2**32)) for _ in range(count)]
        with scene.attack(count):
            wire.send(frames)
        scene.closed()


def test_rst_storm_of_devices():
    """Attackers connect, send an item and reset, as fast as possible: each item arrives, each end is peer_reset."""
    count = size(20_000, 1_000)
    with Scene("connect, send an item, reset", config()) as scene, Crowd(scene.gateway) as crowd:
        with scene.attack(count):
            for _ in range(count):
                device.reset(crowd.connect(ITEM))
            scene.closed(peer_reset=count)
        assert scene.strangers_items(count)


# Descriptors


@pytest.mark.skipif(SANITIZED, reason="UBSan looks at memory through a pipe, for which there is no descriptor then")
def test_descriptors_that_run_out():
    """max_connections is set above the descriptor limit. Connected devices are served; queued ones are accepted when
    others close."""
    count, allowed = size(4_000, 300), size(1_000, 200)
    limits = "[limits]\nmax_connections = 100000\n"
    with Scene("descriptors exhausted", config(limits, read_idle="5s"), descriptors=allowed) as scene, \
            Crowd(scene.gateway) as crowd:
        with scene.attack(count, lasts=2):
            for _ in range(count):
                assert crowd.connect()
            assert until(lambda: scene.gateway.log_lines("accepting paused")), scene.gateway.tail()
        # All are accepted in time, and end for their silence.
        scene.closed(read_idle=count, within=60)
        status = scene.gateway.wait_status(lambda status: not status["listeners"][0]["accept_paused"])
        print(f"accepting paused {status['refused']['descriptors']} times for want of descriptors")
        assert status["refused"]["descriptors"] >= 1


# Memory


def test_failed_allocations():
    """Without a budget, and with less than half the items need, the gateway sheds on its reserve. No other device
    notices."""
    if SANITIZED:
        pytest.skip("a sanitizer's own memory is what the limit would meet")
    count, half = size(8_000, 800), b'{"ip":"10.0.0.66","more":"' + b"x" * 60_000
    with Scene("memory exhausted", config("[limits]\nbuffer_budget = 0\n")) as scene, Crowd(scene.gateway) as crowd:
        scene.gateway.allow_memory(beyond_now=24 << 20)
        with scene.attack(count, lasts=2):
            for _ in range(count):
                sock = crowd.connect()
                if sock:
                    with contextlib.suppress(BlockingIOError, ConnectionError):
                        sock.send(half)
            assert until(lambda: scene.gateway.log_lines("the system refused memory")), scene.gateway.tail()
        for sock in crowd.socks:
            sock.close()
        status = scene.gateway.status_when_it_answers(lambda status: status["connections"] == DEVICES)
        print(f"{status['buffers']}; {status['closed']['shed']} were shed, {status['refused']['buffer_budget']} turned away")
        assert status["buffers"]["exhausted"] > 0 and status["closed"]["shed"] > 0
        assert 0 < status["buffers"]["budget"] < count * len(half)


# Time


def test_a_wall_clock_that_jumps(tmp_path):
    """A day forward and back: no connection is closed, silence is judged as before, and the history continues."""
    if SANITIZED:
        pytest.skip("a sanitizer wants to be the first library that is loaded")
    clock = WallClock(tmp_path)
    day = 86_400
    with Scene("the wall clock jumps by a day", config(read_idle="5s"), env=clock.env) as scene, Crowd(scene.gateway) as crowd:
        jumps = [day, -day, 0, -2 * day, 2 * day, 0]
        with scene.attack(len(jumps)):
            for jump in jumps:
                clock.jump(jump)
                began = time.monotonic()
                silent = crowd.connect(ITEM)
                assert until(lambda sock=silent: ended(sock), 20), "silence is found, whatever the wall clock says"
                lasted = time.monotonic() - began
                assert lasted >= 4.9, f"after {lasted:.1f} s: not by the wall clock either"
                trend = scene.gateway.ask("GET", "/v1/trend?window=1m")
                assert trend, trend
        scene.closed(read_idle=len(jumps))
        assert not scene.gateway.ask("GET", "/v1/alarms")["active"]
