"""Authorities, certificates and revocation lists, made by openssl(1) for a test in a directory of its own."""

import base64
import functools
import pathlib
import re
import subprocess
import tempfile


class Authority:
    """Signs certificates and revokes them. Every file is PEM, below `folder`."""

    def __init__(self, folder, name="authority"):
        self.folder = pathlib.Path(folder)
        self.name = name
        self.index = self.folder / f"{name}.index"
        self.index.write_text("")
        (self.folder / f"{name}.index.attr").write_text("unique_subject = no\n")
        self.config = self.folder / f"{name}.cnf"
        self.config.write_text(f"[ca]\ndefault_ca = own\n[own]\ndatabase = {self.index}\nserial = {self.folder}/{name}.serial\n"
                               f"new_certs_dir = {self.folder}\ndefault_md = sha256\npolicy = any\ncopy_extensions = copy\n"
                               "default_days = 30\ndefault_crl_days = 30\n[any]\ncommonName = optional\n")
        self.certificate = self.folder / f"{name}.crt"
        self.key = _key(self.folder / f"{name}.key")
        _openssl("req", "-x509", "-new", "-key", self.key, "-subj", f"/CN={name}", "-days", "30", "-out", self.certificate,
                 "-addext", "basicConstraints=critical,CA:TRUE")
        self.crl = self.folder / f"{name}.crl"
        self.list_revoked()

    def sign(self, name, subject=None, alternative=None, kind="ec"):
        """Returns (certificate, key) for a name; `alternative` as openssl has it: "DNS:localhost,IP:127.0.0.1"."""
        stem = name.replace("/", "_")
        certificate, key = self.folder / f"{stem}.crt", _key(self.folder / f"{stem}.key", kind)
        request = self.folder / f"{stem}.csr"
        more = ["-addext", f"subjectAltName={alternative}"] if alternative else []
        _openssl("req", "-new", "-key", key, "-subj", subject or f"/CN={name}", "-out", request, *more)
        _openssl("ca", "-batch", "-config", self.config, "-rand_serial", "-notext", "-cert", self.certificate, "-keyfile", self.key, "-in", request,
                 "-out", certificate)
        return certificate, key

    def revoke(self, certificate):
        _openssl("ca", "-config", self.config, "-cert", self.certificate, "-keyfile", self.key, "-revoke", certificate)
        self.list_revoked()

    def list_revoked(self):
        """Writes the list, also an empty one."""
        _openssl("ca", "-config", self.config, "-cert", self.certificate, "-keyfile", self.key, "-gencrl", "-out", self.crl)


def self_signed(folder, name="gateway", names="IP:127.0.0.1,DNS:localhost"):
    """Returns (certificate, key) of a server; the certificate is its own authority."""
    certificate, key = folder / f"{name}.pem", _key(folder / f"{name}.key")
    _openssl("req", "-x509", "-new", "-key", key, "-subj", f"/CN={name}", "-days", "30", "-out", certificate, "-addext",
             f"subjectAltName={names}")
    return certificate, key


@functools.cache
def _own():
    folder = tempfile.TemporaryDirectory(prefix="holdfast-pki-")
    return folder, self_signed(pathlib.Path(folder.name))


def own_listener():
    """Returns the options of a listener with TLS, for tests that check no certificate."""
    certificate, key = _own()[1]
    return {"tls_certificate": str(certificate), "tls_key": str(key)}


KEYS = {
    "ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "ec_explicit": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"],
    "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "rsa1024": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
    "rsa_pss": ["-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"],
    "ed25519": ["-algorithm", "ED25519"],
}


def _key(path, kind="ec"):
    _openssl("genpkey", *KEYS[kind], "-out", path)
    path.chmod(0o600)
    return path


def _openssl(*words):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"openssl {words[0]}: {done.stderr}"


# Files that a listener must refuse, or accept with a warning

def self_made(folder, name, *words, kind="ec", authority=False):
    """Returns (certificate, key) of a certificate that is its own issuer, with more words for `openssl req`."""
    certificate, key = folder / f"{name}.pem", _key(folder / f"{name}.key", kind)
    more = ["-addext", "basicConstraints=critical,CA:TRUE"] if authority else []
    _openssl("req", "-x509", "-new", "-key", key, "-subj", f"/CN={name}", "-days", "30", "-out", certificate, *more, *words)
    return certificate, key


def signed_with_sha1(folder, authority, name="sha1"):
    """Returns a certificate of `authority` whose signature is too weak for OpenSSL's security level 2."""
    certificate, key = folder / f"{name}.pem", _key(folder / f"{name}.key")
    request = folder / f"{name}.csr"
    _openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
    _openssl("x509", "-req", "-in", request, "-CA", authority.certificate, "-CAkey", authority.key, "-sha1", "-days", "30", "-out", certificate)
    return certificate


def with_malformed_date(pem, which=-1):
    """Returns the text of a PEM file whose UTCTime number `which` is no date."""
    kind = pem.split("-----BEGIN ", 1)[1].split("-----", 1)[0]
    body = pem.split(f"-----BEGIN {kind}-----", 1)[1].split("-----END", 1)[0]
    der = bytearray(base64.b64decode(body))
    places = [match.start() for match in re.finditer(rb"\x17\x0d\d{12}Z", der)]
    der[places[which] + 2:places[which] + 15] = b"no date at al"
    text = base64.encodebytes(bytes(der)).decode()
    return f"-----BEGIN {kind}-----\n{text}-----END {kind}-----\n"
