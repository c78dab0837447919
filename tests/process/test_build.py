"""The messages of the build before it compiles anything."""

import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def check_simdjson(version):
    command = ["cmake", f"-DVERSION={version}", "-P", ROOT / "cmake/simdjson.cmake"]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_simdjson_that_was_not_tested_is_refused_with_the_remedy():
    assert check_simdjson("3.0.1").returncode == 0
    for version in ("3.0.0", "3.0.10", "13.0.1", "4.0.0"):
        refused = check_simdjson(version)
        message = " ".join(refused.stderr.split())
        assert refused.returncode != 0, version
        assert f"simdjson {version} cannot be used" in message
        assert "tested with 3.0.1 only; install that version (libsimdjson-dev of Debian 12)" in message
