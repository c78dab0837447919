#!/usr/bin/env python3
"""Measures the cost of TLS: the gateway's CPU time per handshake, by key, version and resumption, and its memory per
idle connection. Both are the gateway's own (/proc), so that a busy machine changes them little.

    bench/tls.py [--handshakes 500] [--connections 2000]      (HOLDFAST_BIN names another binary)
"""

import argparse
import itertools
import multiprocessing
import pathlib
import re
import resource
import socket
import ssl
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "process"))

from certificates import Authority  # noqa: E402
from gateway import Gateway, listener  # noqa: E402

ITEM = b'{"ip":"10.0.0.1"}\n'
VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}


def client(authority, version, device=None):
    context = ssl.create_default_context(cafile=str(authority))
    context.minimum_version = context.maximum_version = version
    if device:
        context.load_cert_chain(*device)
    return context


def connect(address, context, session=None):
    raw = socket.create_connection(address, timeout=30)
    return context.wrap_socket(raw, server_hostname="127.0.0.1", session=session)


def shake(address, authority, version, count, resumed, device):
    """Makes `count` handshakes, one after another, in a process of its own."""
    context = client(authority, version, device)
    session = None
    for _ in range(count):
        with connect(address, context, session) as sock:
            sock.sendall(ITEM)
            sock.settimeout(0.02)
            if resumed and session is None:
                try:
                    sock.recv(1)  # takes the ticket of TLS 1.3, which follows the handshake
                except TimeoutError:
                    pass
                session = sock.session


def outcomes(gateway):
    metrics = gateway.ask("GET", "/metrics")
    return {how: int(re.search(rf'tls_handshakes_total{{listener="devices",outcome="{how}"}} (\d+)', metrics)[1])
            for how in ("full", "resumed")}


def cpu_of_handshakes(config, authority, version, count, resumed, device):
    """Returns milliseconds of the gateway's CPU time each: accept, handshake, one item and close."""
    with Gateway("--sink", "none", config=config) as gateway:
        before, cpu = outcomes(gateway), gateway.cpu_seconds()
        worker = multiprocessing.Process(target=shake,
                                         args=(gateway.address, authority, version, count, resumed, device))
        worker.start()
        worker.join()
        spent, after = gateway.cpu_seconds() - cpu, outcomes(gateway)
        done = after["resumed" if resumed else "full"] - before["resumed" if resumed else "full"]
        assert done >= count - 1, (before, after)
        return 1000 * spent / count


def cpu_of_plain(count):
    with Gateway("--sink", "none", config=listener()) as gateway:
        cpu = gateway.cpu_seconds()
        for _ in range(count):
            with socket.create_connection(gateway.address) as sock:
                sock.sendall(ITEM)
        gateway.wait_status(lambda s: s["listeners"][0]["items"] >= count)
        return 1000 * (gateway.cpu_seconds() - cpu) / count


def anonymous_kib(gateway):
    text = pathlib.Path(f"/proc/{gateway.process.pid}/status").read_text(encoding="ascii")
    return int(re.search(r"RssAnon:\s+(\d+)", text)[1])


def memory(config, count, contexts):
    """Returns bytes of the gateway's own memory for an idle connection that has sent an item; each takes the next
    context."""
    with Gateway("--sink", "none", config=config) as gateway:
        def open_one():
            context = next(contexts)
            sock = connect(gateway.address, context) if context else socket.create_connection(gateway.address)
            sock.sendall(ITEM)
            return sock

        held = [open_one() for _ in range(20)]
        gateway.wait_status(lambda s: s["listeners"][0]["items"] == 20)
        before = anonymous_kib(gateway)
        held += [open_one() for _ in range(count)]
        gateway.wait_status(lambda s: s["listeners"][0]["items"] == 20 + count, within=120)
        each = 1024 * (anonymous_kib(gateway) - before) / count
        for sock in held:
            sock.close()
        return each


def memory_in_handshake(config, contexts, count):
    """Returns bytes for a connection whose ClientHello has been answered, and that sends nothing more."""
    with Gateway("--sink", "none", config=config) as gateway:
        def begin():
            sock = socket.create_connection(gateway.address, timeout=30)
            received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = next(contexts).wrap_bio(received, sent, server_hostname="127.0.0.1")
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                sock.sendall(sent.read())
            return sock

        def under_way(number):
            gateway.wait_status(lambda s: s["listeners"][0]["tls"]["handshakes"] == number)

        held = [begin() for _ in range(20)]
        under_way(20)
        before = anonymous_kib(gateway)
        held += [begin() for _ in range(count)]
        under_way(20 + count)
        each = 1024 * (anonymous_kib(gateway) - before) / count
        for sock in held:
            sock.close()
        return each


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--handshakes", type=int, default=500)
    parser.add_argument("--connections", type=int, default=2000)
    wishes = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        authority = Authority(folder)
        pairs = {kind: authority.sign(f"gateway-{kind}", alternative="IP:127.0.0.1", kind=kind) for kind in ("ec", "rsa")}
        devices = [tuple(map(str, authority.sign(f"device-{n}"))) for n in range(min(220, wishes.connections))]
        device = devices[0]
        plain = cpu_of_plain(wishes.handshakes)
        print(f"a plain connection, accept to close: {plain:.3f} ms of CPU")
        print(f"{'key':<12}{'version':<10}{'handshake':<24}{'ms of CPU':>10}{'a second and core':>20}")
        configs = {}
        for kind, name in (("ec", "ECDSA P-256"), ("rsa", "RSA 2048")):
            base = {"tls_certificate": str(pairs[kind][0]), "tls_key": str(pairs[kind][1])}
            configs[kind] = listener(**base)
            asking = listener(**base, tls_client="required", tls_client_ca=str(authority.certificate))
            configs.setdefault("mutual", asking)
            for version, number in VERSIONS.items():
                for how, config, shown, resumed in (("full", configs[kind], None, False), ("resumed", configs[kind], None, True),
                                                    ("full, device's certificate", asking, device, False)):
                    cost = cpu_of_handshakes(config, authority.certificate, number, wishes.handshakes, resumed, shown)
                    print(f"{name:<12}{version:<10}{how:<28}{cost:>6.3f}{1000 / cost:>20.0f}", flush=True)
        print(f"\n{'an idle connection':<40}{'bytes':>10}")
        ca, ec = authority.certificate, configs["ec"]
        for name, config, count, contexts in (
                ("plain", listener(), wishes.connections, itertools.repeat(None)),
                ("TLS 1.2", ec, wishes.connections, itertools.repeat(client(ca, VERSIONS["TLS 1.2"]))),
                ("TLS 1.3", ec, wishes.connections, itertools.repeat(client(ca, VERSIONS["TLS 1.3"]))),
                ("TLS 1.3, device's certificate", configs["mutual"], len(devices) - 20,
                 (client(ca, VERSIONS["TLS 1.3"], each) for each in devices))):
            print(f"{name:<40}{memory(config, count, contexts):>10.0f}", flush=True)
        for name, version in VERSIONS.items():
            bytes_each = memory_in_handshake(ec, itertools.repeat(client(ca, version)), 400)
            print(f"{name + ', in the handshake':<40}{bytes_each:>10.0f}", flush=True)


if __name__ == "__main__":
    main()
