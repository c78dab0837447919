"""Makes the files of a nats-server with accounts: an operator, an account with JetStream, and a user's credentials
file, with which a gateway logs in. The openssl command makes keys and signatures; the encodings are those of nkeys and
JWT."""

import base64
import hashlib
import json
import subprocess
import time

PREFIXES = {"operator": 14 << 3, "account": 0, "user": 20 << 3, "seed": 18 << 3}


def _crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc.to_bytes(2, "little")


def _base32(data):
    return base64.b32encode(data + _crc16(data)).decode().rstrip("=")


def _base64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Key:
    """An ed25519 key as nkeys names them."""

    def __init__(self, directory, kind, name=None):
        self.kind = kind
        self._file = directory / f"{name or kind}.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", self._file], check=True)
        private = subprocess.run(["openssl", "pkey", "-in", self._file, "-outform", "DER"], check=True,
                                 capture_output=True).stdout[-32:]
        public = subprocess.run(["openssl", "pkey", "-in", self._file, "-pubout", "-outform", "DER"], check=True,
                                capture_output=True).stdout[-32:]
        prefix = PREFIXES[kind]
        self.public = _base32(bytes([prefix]) + public)
        self.seed = _base32(bytes([PREFIXES["seed"] | prefix >> 5, (prefix & 31) << 3]) + private)

    def sign(self, data, directory):
        source = directory / "to-sign"
        source.write_bytes(data)
        return subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self._file, "-in", source], check=True,
                              capture_output=True).stdout

    def jwt(self, directory, subject, name, nats):
        """Returns the JWT of `subject`, a key, signed by this one."""
        claims = {"iat": int(time.time()), "iss": self.public, "name": name, "sub": subject.public,
                  "nats": {**nats, "type": subject.kind, "version": 2}}
        claims["jti"] = base64.b32encode(hashlib.sha256(json.dumps(claims).encode()).digest()).decode().rstrip("=")
        text = _base64(b'{"typ":"JWT","alg":"ed25519-nkey"}') + "." + _base64(json.dumps(claims).encode())
        return text + "." + _base64(self.sign(text.encode(), directory))


def make_accounts(directory):
    """Returns (the server's configuration, the user's credentials as a text)."""
    operator, account, user = (Key(directory, kind) for kind in ("operator", "account", "user"))
    system = Key(directory, "account", "system")
    limits = {name: -1 for name in ("subs", "data", "payload", "imports", "exports", "conn", "leaf", "mem_storage",
                                    "disk_storage", "streams", "consumer")}
    operator_jwt = operator.jwt(directory, operator, "test", {})
    account_jwt = operator.jwt(directory, account, "gateways", {"limits": {**limits, "wildcards": True}})
    system_jwt = operator.jwt(directory, system, "SYS", {})
    user_jwt = account.jwt(directory, user, "gateway", {"subs": -1, "data": -1, "payload": -1, "pub": {}, "sub": {}})
    config = (f"operator: {operator_jwt}\nsystem_account: {system.public}\nresolver: MEMORY\n"
              f"resolver_preload: {{ {account.public}: {account_jwt}, {system.public}: {system_jwt} }}\n")
    credentials = (f"-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n"
                   f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n")
    return config, credentials


def make_certificates(directory, name="127.0.0.1"):
    """Makes a CA (ca.pem) and, signed by it, server.pem and client.pem with their keys; the server is `name`."""
    def openssl(*words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, cwd=directory)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out",
            "ca.pem", "-days", 2, "-subj", "/CN=test ca")
    kind = "IP" if name.replace(".", "").isdigit() else "DNS"
    for who, alternative in (("server", f"{kind}:{name}"), ("client", "DNS:gateway")):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{who}.key", "-out",
                f"{who}.csr", "-subj", f"/CN={who}")
        (directory / f"{who}.ext").write_text(f"subjectAltName={alternative}\n", encoding="ascii")
        openssl("x509", "-req", "-in", f"{who}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out",
                f"{who}.pem", "-days", 2, "-extfile", f"{who}.ext")
