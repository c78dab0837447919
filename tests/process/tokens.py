"""A tokens_file for tests, made by the command itself."""

import json
import os
import pathlib
import tempfile

from gateway import run

_DIRECTORY = tempfile.TemporaryDirectory(prefix="holdfast-tokens-")
FILE = pathlib.Path(_DIRECTORY.name) / "devices.tokens"
FILE.write_text("", encoding="utf-8")
os.chmod(FILE, 0o600)


def add(file, id):
    """Returns the device's new token."""
    done = run("token", "add", "--file", str(file), id)
    assert done.returncode == 0 and "holdfast reload" in done.stderr, done
    return done.stdout.strip()


def hello(id, token, **more):
    return json.dumps({"hello": {"id": id, "token": token, **more}}, separators=(",", ":")).encode() + b"\n"
