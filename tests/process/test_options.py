"""Changes every option of docs/reference/options.md in a running gateway. The reload reports it in one line, and
applies it if and only if the page calls it live."""

import json
import re
import shutil

import pytest

import certificates
import tokens
from conftest import ROOT
from gateway import Gateway

PLACES = {"At the top": "", "[[listener]]": ' of listener "devices"'}


def options():
    """Yields (section, key, example, reload, sink types) of each entry."""
    section = None
    for part in re.split(r"^(?=##)", (ROOT / "docs/reference/options.md").read_text(), flags=re.M):
        heading, _, body = part.partition("\n")
        if heading.startswith("## "):
            section = heading[3:]
        elif heading.startswith("### "):
            facts = dict(re.findall(r"^- ([a-z ]+): (.*)$", body, re.M))
            example = re.fullmatch(r"`\w+ = (.*)`", facts["example"])[1]
            yield section, heading[4:], example, facts["reload"], re.findall(r"`(\w+)`", facts.get("sink types", ""))


def text_of(sections):
    top = "".join(f"{key} = {value}\n" for key, value in sections.get("At the top", {}).items())
    return top + "".join(f"{name}\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
                         for name, keys in sections.items() if name != "At the top")


class Files:
    """Copies of good files under other names, for options whose example names a file."""

    def __init__(self, folder):
        self.folder = folder
        authority = certificates.Authority(folder)
        certificate, key = authority.sign("gateway", alternative="IP:127.0.0.1")
        ids, bearer, more = folder / "ids", folder / "bearer", folder / "read"
        ids.write_text("device-1\n")
        bearer.write_text("0123456789abcdef0123456789abcdef\n")
        more.write_text("fedcba9876543210fedcba9876543210\n")
        tokens.add(folder / "tokens", "device-1")
        header = folder / "header"
        header.write_text("Authorization: Bearer 0123456789\n")
        for file in (bearer, more, header):
            file.chmod(0o600)
        self.of = {"tls_certificate": certificate, "tls_cert": certificate, "tls_key": key, "tls_client_ca": authority.certificate,
                   "tls_client_crl": authority.crl, "tls_ca": authority.certificate, "ids_file": ids, "tokens_file": folder / "tokens",
                   "token_file": bearer, "read_token_file": more, "credentials": bearer, "webhook_header_file": header}

    def value(self, key, copy=""):
        if copy:
            shutil.copy(self.of[key], self.folder / f"{key}-{copy}")
        return json.dumps(str(self.folder / f"{key}-{copy}" if copy else self.of[key]))


# Options that must change together, or the file is invalid.
TOGETHER = {("[[listener]]", "tls_certificate"): ["tls_key"], ("[[listener]]", "tls_key"): ["tls_certificate"],
            ("[[listener]]", "trusted_proxies"): ["proxy_protocol"], ("[[listener]]", "proxy_protocol"): ["trusted_proxies"],
            ("[admin]", "tls_certificate"): ["tls_key"], ("[admin]", "tls_key"): ["tls_certificate"],
            ("[admin]", "read_token_file"): ["token_file"], ("[sink]", "tls_cert"): ["tls_key"], ("[sink]", "tls_key"): ["tls_cert"]}
VALUES = {("[[listener]]", "address"): '"127.0.0.2:0"', ("[sink]", "type"): '"nats"'}
BY_CERTIFICATE = ("tls_client", "tls_client_ca", "tls_client_crl", "tls_id", "ids_file")
LEFT_OUT = {("[[listener]]", "name"),  # a listener of another name is another listener
            ("[admin]", "address")}    # the flag of the test wins


def bases(files, folder):
    """Yields (running configuration, which options are changed in it)."""
    plain = {"[[listener]]": {"name": '"devices"', "address": '"127.0.0.1:0"'}}
    with_tls = {"[[listener]]": {**plain["[[listener]]"], "tls_certificate": files.value("tls_certificate"), "tls_key": files.value("tls_key"),
                                 "tls_client": '"optional"', "tls_client_ca": files.value("tls_client_ca")}}
    spool = {**plain, "[sink]": {"type": '"spool"', "path": json.dumps(str(folder / "spool"))}}
    nats = {**plain, "[sink]": {"type": '"nats"', "path": json.dumps(str(folder / "nats")), "url": '"nats://127.0.0.1:1"'}}
    file = {**plain, "[sink]": {"type": '"file"', "path": json.dumps(str(folder / "events"))}}
    by_length = {"[[listener]]": {**plain["[[listener]]"], "framing": '"length-field"'}}
    yield by_length, lambda section, key, sinks: key.startswith("length_field_")
    elsewhere = lambda key: key in BY_CERTIFICATE or key.startswith("length_field_")
    yield spool, lambda section, key, sinks: not elsewhere(key) and (section != "[sink]" or not sinks or "spool" in sinks)
    yield nats, lambda section, key, sinks: sinks == ["nats"]
    yield file, lambda section, key, sinks: section == "[sink]" and key in ("path", "queue_bytes")
    yield with_tls, lambda section, key, sinks: section == "[[listener]]" and key.startswith(("tls_", "ids_"))


def changed(base, section, keys, files, examples):
    wanted = {name: dict(values) for name, values in base.items()}
    for key in keys:
        value = VALUES.get((section, key)) or (files.value(key, "copy") if key in files.of else examples[section, key])
        if wanted.get(section, {}).get(key) == value:
            value = '"required"' if key == "tls_client" else value
        wanted.setdefault(section, {})[key] = value
    if section == "[sink]" and keys == ["path"]:
        wanted[section]["path"] = json.dumps(json.loads(base[section]["path"]) + "-2")
    return wanted


def faults_of(gateway, base, section, keys, wanted, live):
    before = gateway.reload(text_of(base))
    assert before["needs_restart"] == [], before
    first = gateway.reload(text_of(wanted))
    again = gateway.reload(text_of(wanted))
    lines = first["applied"] + first["needs_restart"]
    place = PLACES.get(section, f" in {section}")
    for key in keys:
        if len([line for line in lines if line.startswith(f"{key}{place}: ")]) != 1:
            yield f"{section} {key}: not one line, but {lines}"
    if len(lines) != len(keys):
        yield f"{section} {keys}: {len(keys)} changed, the report has {lines}"
    if again["applied"] or again["needs_restart"] != first["needs_restart"]:
        yield f"{section} {keys}: {first} is followed by {again}"
    if live is not None and live != bool(first["applied"]):
        yield f"{section} {keys}: the page says {'live' if live else 'restart'}, the report {first}"


@pytest.mark.asan
def test_each_changed_option_is_one_line_and_applied_if_and_only_if_it_is_live(tmp_path):
    files = Files(tmp_path)
    all_options = list(options())
    assert len(all_options) > 70
    examples = {(section, key): example for section, key, example, _, _ in all_options}
    faults, seen = [], set(LEFT_OUT)
    for base, is_of in bases(files, tmp_path):
        with Gateway(config=text_of(base)) as gateway:
            for section, key, _, reload, sinks in all_options:
                if (section, key) in LEFT_OUT or not is_of(section, key, sinks):
                    continue
                seen.add((section, key))
                keys = [key, *TOGETHER.get((section, key), [])]
                if "tls_certificate" in base["[[listener]]"] or section == "[sink]" and "tls_cert" not in keys:
                    keys = [key]
                wanted = changed(base, section, keys, files, examples)
                live = None if "restart" in reload and not reload.startswith("needs") else not reload.startswith("needs")
                faults += faults_of(gateway, base, section, keys, wanted, live if len(keys) == 1 else None)
    assert not set(examples) - seen
    assert not faults, "\n".join(faults)
