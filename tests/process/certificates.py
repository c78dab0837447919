"""Authorities, certificates and revocation lists, made by openssl(1) for a test in a directory of its own."""

import functools
import pathlib
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
        """(certificate, key) for a name; `alternative` as openssl has it: "DNS:localhost,IP:127.0.0.1"."""
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
    """(certificate, key) of a server; the certificate is its own authority."""
    certificate, key = folder / f"{name}.pem", _key(folder / f"{name}.key")
    _openssl("req", "-x509", "-new", "-key", key, "-subj", f"/CN={name}", "-days", "30", "-out", certificate, "-addext",
             f"subjectAltName={names}")
    return certificate, key


@functools.cache
def _own():
    folder = tempfile.TemporaryDirectory(prefix="holdfast-pki-")
    return folder, self_signed(pathlib.Path(folder.name))


def own_listener():
    """The options of a listener with TLS, for tests that look at no certificate."""
    certificate, key = _own()[1]
    return {"tls_certificate": str(certificate), "tls_key": str(key)}


def _key(path, kind="ec"):
    how = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if kind == "rsa" else \
        ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    _openssl("genpkey", *how, "-out", path)
    path.chmod(0o600)
    return path


def _openssl(*words):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"openssl {words[0]}: {done.stderr}"
