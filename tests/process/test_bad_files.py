"""Faulty files of a listener: certificates, keys, revocation lists, ids, tokens. `check`, the start and a reload refuse
each with a line that names the file and the remedy. A reload ends no connection of any listener."""

import os
import pathlib
import re
import socket
import ssl
import stat
import subprocess
import types

import pytest

from certificates import Authority, self_made, self_signed, signed_with_sha1, with_malformed_date
from gateway import Gateway, binary, listener, run
from lab import device
from test_reload import config, hang_up, sends

TOKEN_LINE = "00" * 16 + " " + "11" * 32 + " device-1\n"


def chain(extra):
    """Returns a row whose listener shows its own certificate and then others."""
    return lambda files: {"tls_certificate": files.text("chain.pem", files.own.read_text() + extra(files))}


def authority(text):
    return lambda files: {"tls_client": "required", "tls_client_ca": files.text("ca.pem", text(files))}


def revoked(text):
    return lambda files: {"tls_client": "required", "tls_client_ca": str(files.authority.certificate),
                          "tls_client_crl": files.text("ca.crl", text(files))}


def key(make):
    return lambda files: {"tls_key": make(files)}


def tokens(text):
    return lambda files: {"tokens_file": files.text("tokens", text)}


def encrypted_key(files):
    path = files.folder / "secret.key"
    subprocess.run(["openssl", "pkey", "-in", files.own_key, "-aes256", "-passout", "pass:secret", "-out", path], check=True)
    path.chmod(0o600)
    return str(path)


def encrypted_by_header(pem):
    return pem.replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\n", 1)


def fifo(files):
    path = files.folder / "fifo"
    if not path.exists():
        os.mkfifo(path, 0o600)
    return str(path)


def der(files):
    return ssl.PEM_cert_to_DER_cert(files.own.read_text())


# (name, options with the faulty file, words of the error)
ROWS = [
    ("RSA of 1024 bits in the chain", chain(lambda f: f.weak.read_text()), ("chain.pem", "certificate 2 (\"CN=weak\")", "replace it")),
    ("a SHA-1 signature in the chain", chain(lambda f: f.sha1.read_text()), ("chain.pem", "certificate 2 (\"CN=sha1\")", "replace it")),
    ("a malformed date in the chain", chain(lambda f: with_malformed_date(f.weak.read_text())), ("chain.pem", "certificate 2", "date is malformed")),
    ("a malformed own date", lambda f: {"tls_certificate": f.text("own.pem", with_malformed_date(f.own.read_text()))},
     ("own.pem", "certificate 1", "date is malformed")),
    ("an authority with a malformed date", authority(lambda f: f.authority.certificate.read_text() + with_malformed_date(f.weak.read_text())),
     ("ca.pem", "certificate 2 (\"CN=weak\")", "date is malformed")),
    ("an encrypted authority", authority(lambda f: encrypted_by_header(f.weak.read_text())), ("ca.pem", "encrypted certificate", "without encryption")),
    ("a list with a malformed date", revoked(lambda f: with_malformed_date(f.authority.crl.read_text())), ("ca.crl", "list 1", "date is malformed")),
    ("a list of another issuer", revoked(lambda f: f.foreign.crl.read_text()), ("ca.crl", "contains no list signed by", "append its list")),
    ("half a list", revoked(lambda f: f.authority.crl.read_text()[:150]), ("ca.crl", "malformed revocation list")),
    ("the key of another", key(lambda f: str(f.weak_key)), ("weak.key", "is not the key of the certificate")),
    ("an encrypted key", key(encrypted_key), ("secret.key", "is encrypted")),
    ("a curve without a name", lambda f: dict(zip(("tls_certificate", "tls_key"), map(str, f.unnamed))), ("unnamed.pem", "curve without a name")),
    ("an empty certificate", lambda f: {"tls_certificate": f.text("empty.pem", "")}, ("empty.pem", "contains no certificate")),
    ("a directory", lambda f: {"tls_certificate": str(f.folder)}, ("is not a regular file",)),
    ("a FIFO", key(fifo), ("fifo", "is not a regular file")),
    ("a huge file", lambda f: {"tls_certificate": f.text("huge.pem", "\n" * (2 << 20))}, ("huge.pem", "is larger than")),
    ("NUL bytes", lambda f: {"tls_certificate": f.text("nul.pem", f.own.read_text().replace("M", "\0", 1))}, ("nul.pem", "malformed certificate")),
    ("DER", lambda f: {"tls_certificate": f.text("own.der", der(f))}, ("own.der", "DER")),
    ("a bad line of tokens", tokens(TOKEN_LINE + "device-2:secret\n"), ("tokens:2: ", "malformed line")),
    ("a token with a NUL", tokens(TOKEN_LINE[:-1] + "\0\n"), ("tokens:1: ", "malformed line")),
    ("a huge line of tokens", tokens("0" * 300_000), ("tokens:1: ", "malformed line")),
    ("five tokens of one id", tokens(TOKEN_LINE * 5), ("tokens:5: ", "more than 4 tokens")),
]
# Accepted with a warning: `check` and the reload show it.
TAKEN = [
    ("a weak authority", authority(lambda f: f.authority.certificate.read_text() + f.weak_authority.read_text()), "too weak"),
    ("an authority twice", authority(lambda f: f.authority.certificate.read_text() * 2), None),
    ("Ed25519", lambda f: dict(zip(("tls_certificate", "tls_key"), map(str, f.ed25519))), None),
    ("RSA-PSS", lambda f: dict(zip(("tls_certificate", "tls_key"), map(str, f.rsa_pss))), None),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    made = types.SimpleNamespace(folder=folder, authority=Authority(folder), foreign=Authority(folder, "foreign"))
    made.own, made.own_key = self_signed(folder)
    made.weak, made.weak_key = self_made(folder, "weak", kind="rsa1024")
    made.weak_authority, _ = self_made(folder, "weak-authority", kind="rsa1024", authority=True)
    made.sha1 = signed_with_sha1(folder, made.authority)
    made.unnamed = self_made(folder, "unnamed", kind="ec_explicit")
    made.ed25519 = self_made(folder, "ed25519", kind="ed25519")
    made.rsa_pss = self_made(folder, "pss", kind="rsa_pss")

    def text(name, content):
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(0o600)
        return str(path)

    made.text = text
    return made


def with_files(files, options):
    """Returns a listener whose files are good except for `options`."""
    own = {} if "tokens_file" in options else {"tls_certificate": str(files.own), "tls_key": str(files.own_key)}
    return listener("bad", **{**own, **options})


def fed_fifo(folder, text):
    """Returns a FIFO to which a writer gives the text, and the writer."""
    path = folder / "fed"
    os.mkfifo(path, 0o600)
    return path, subprocess.Popen(["sh", "-c", 'printf %s "$1" > "$0"', path, text])


# Each file that the command opens itself: (arguments that name the path, code, words of the error)
OPENED = {
    "--config": (lambda path: ["check", "--config", path], 2, "cannot be read"),
    "serve --config": (lambda path: ["serve", "--config", path], 2, "cannot be read"),
    "--sink": (lambda path: ["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--sink", f"file:{path}"], 2, "cannot open the sink's file"),
    "--admin-ca": (lambda path: ["status", "--admin", "https://127.0.0.1:9", "--admin-ca", path], 3, "cannot be used"),
    "--admin-token-file": (lambda path: ["status", "--admin", "https://127.0.0.1:9", "--admin-token-file", path], 3, "is not a regular file"),
    "token list": (lambda path: ["token", "list", "--file", path], 1, "is not a regular file"),
}


@pytest.mark.parametrize("name", OPENED)
def test_a_fifo_without_its_other_end_holds_no_command_up(tmp_path, name):
    os.mkfifo(tmp_path / "fifo", 0o600)
    arguments, code, words = OPENED[name]
    done = run(*arguments(str(tmp_path / "fifo")))
    assert done.returncode == code and words in done.stderr, done


@pytest.mark.parametrize("special", ["/dev/zero", "/dev/full", "/"])
def test_a_special_file_is_no_configuration(special):
    done = run("check", "--config", special)
    assert done.returncode == 2 and "cannot be read" in done.stderr, done


def test_a_configuration_may_come_from_a_pipe(tmp_path):
    path, writer = fed_fifo(tmp_path, listener())
    done = run("check", "--config", str(path))
    assert writer.wait() == 0 and done.returncode == 0, done


@pytest.mark.parametrize("option", ["credentials", "tls_ca", "tls_cert", "tls_key"])
def test_a_file_that_nats_opens_is_a_regular_file(files, tmp_path, option):
    path = tmp_path / "holdfast.toml"
    good = {"tls_cert": str(files.own), "tls_key": str(files.own_key)}
    options = "".join(f'{key} = "{value}"\n' for key, value in (good | {option: fifo(files)}).items())
    path.write_text(listener() + f'[sink]\ntype = "nats"\npath = "{tmp_path}/spool"\nurl = "tls://127.0.0.1:9"\n' + options)
    done = run("check", "--config", str(path))
    assert done.returncode == 1 and f"{option} in [sink]" in done.stderr and "is not a regular file" in done.stderr, done


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.mknod(path, 0o600 | stat.S_IFSOCK)],
                         ids=["FIFO", "directory", "socket"])
def test_a_state_file_that_is_no_regular_file_is_refused_and_stays(tmp_path, make):
    state, path = tmp_path / "state", tmp_path / "holdfast.toml"
    make(state)
    kind = stat.S_IFMT(state.stat().st_mode)
    path.write_text(listener() + f'[process]\nstate_file = "{state}"\n')
    for verb, code in (("check", 1), ("serve", 2)):
        done = run(verb, "--config", str(path))
        assert done.returncode == code and "state_file in [process]" in done.stderr, (verb, done)
        assert "is not a regular file; name another file" in done.stderr, done
    assert stat.S_IFMT(state.stat().st_mode) == kind


@pytest.mark.parametrize("what, make, words", ROWS, ids=[row[0] for row in ROWS])
def test_check_and_start_refuse_a_bad_file(files, tmp_path, what, make, words):
    path = tmp_path / "holdfast.toml"
    path.write_text(with_files(files, make(files)))
    for verb, code in (("check", 1), ("serve", 2)):
        done = run(verb, "--config", str(path), start_new_session=True)  # without a terminal to ask for a passphrase
        assert done.returncode == code, (verb, done)
        assert "defect" not in done.stderr and "terminate" not in done.stderr, done.stderr
        for word in words:
            assert word in done.stderr, (word, done.stderr)


def test_a_reload_refuses_each_and_ends_no_connection(files):
    plain, secured = listener("plain"), listener("secured", tls_certificate=str(files.own), tls_key=str(files.own_key))
    with Gateway(config=config(plain, secured)) as gateway:
        context = ssl.create_default_context(cafile=str(files.own))
        here = device.connect(gateway.ports["plain"])
        there = context.wrap_socket(socket.create_connection(gateway.ports["secured"], timeout=30), server_hostname="localhost")
        living = [(sock, gateway.connected(device.name_of(sock))) for sock in (here, there)]
        for refused, (what, make, words) in enumerate(ROWS, start=1):
            options = make(files)
            answer = gateway.reload(config(plain, secured, with_files(files, options)), expect=422)
            for word in words:
                assert word in answer["error"]["message"], (what, answer)
            same = {**{"tls_certificate": str(files.own), "tls_key": str(files.own_key)}, **options}
            if "tokens_file" not in options:  # of a listener that has living connections, too
                gateway.reload(config(plain, listener("secured", **same)), expect=422)
            for sock, record in living:
                sends(gateway, sock, record, f"10.0.0.{refused}")
                assert not record.closed, (what, record.closed)
            assert gateway.status()["reloads"]["refused"] >= refused
        hang_up(gateway, "rejected a reload, and nothing has changed", "more than 4 tokens")
        status = gateway.status()["reloads"]
        assert "more than 4 tokens" in status["last_error"], status
        assert f'holdfast_reloads_total{{outcome="refused"}} {status["refused"]}' in gateway.ask("GET", "/metrics")
        assert "holdfast_config_last_reload_successful 0" in gateway.ask("GET", "/metrics")
        for what, make, warning in TAKEN:
            answer = gateway.reload(config(plain, secured, with_files(files, make(files))))
            assert warning is None or any(warning in line for line in answer["warnings"]), (what, answer)
            assert gateway.status()["reloads"]["last_error"] is None
        assert "holdfast_config_last_reload_successful 1" in gateway.ask("GET", "/metrics")
        for sock, record in living:
            sends(gateway, sock, record, "10.0.1.1")
            sock.close()


def test_a_file_that_changes_continuously_harms_no_connection(files):
    """Reloads while another process writes the certificate's file in place, in pieces."""
    own = files.text("changing.pem", files.own.read_text())
    text = config(listener("plain"), listener("secured", tls_certificate=own, tls_key=str(files.own_key)))
    with Gateway(config=text) as gateway:
        sock = device.connect(gateway.ports["plain"])
        record = gateway.connected(device.name_of(sock))
        whole, outcomes = files.own.read_text(), set()
        for cut in (0, 1, 27, 60, len(whole) // 2, len(whole) - 30, len(whole)):
            pathlib.Path(own).write_text(whole[:cut])
            outcomes.add(gateway.request("POST", "/v1/reload")[0])
            sends(gateway, sock, record, "10.0.0.1")
        assert outcomes == {200, 422}
        sock.close()


def test_too_few_descriptors_are_an_error_or_enough():
    """A refusal of the kernel at the start (epoll, eventfd, timerfd, sockets) is an error, whichever of them comes
    last."""
    refused = 0
    for descriptors in range(4, 40):
        process = subprocess.Popen(["prlimit", f"--nofile={descriptors}:{descriptors}", binary(), "serve", "--listen", "127.0.0.1:0",
                                    "--admin", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True)
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "admin address=" in line:
                process.terminate()
        code = process.wait(30)
        said = "".join(lines)
        process.stderr.close()
        assert code in (0, 2, 127), (descriptors, code, said)  # 127: the loader itself has too few
        assert "defect" not in said and "terminate called" not in said, (descriptors, said)
        if code == 2:
            refused += 1
            assert re.search(r"too many open files|descriptors", said, re.I), (descriptors, said)
        if code == 0:
            break
    assert refused > 0 and code == 0, f"{refused} refused, the last code {code}"


def test_an_openssl_without_algorithms_is_an_error(files, tmp_path):
    """A configuration of OpenSSL that turns its providers off."""
    broken = tmp_path / "openssl.cnf"
    broken.write_text("openssl_conf = all\n[all]\nproviders = those\n[those]\nnull = one\n[one]\nactivate = 1\n")
    path = tmp_path / "holdfast.toml"
    path.write_text(with_files(files, {}))
    for verb, code in (("check", 1), ("serve", 2)):
        done = run(verb, "--config", str(path), env={**os.environ, "OPENSSL_CONF": str(broken)})
        assert done.returncode == code, (verb, done)
        assert "defect" not in done.stderr and "OpenSSL" in done.stderr, done.stderr
