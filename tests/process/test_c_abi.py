"""The C interface of the library (include/holdfast/c.h), from Python and from Go, and as C99."""

import contextlib
import os
import signal
import socket
import subprocess
import threading

import pytest

from build import build_target
from conftest import ROOT
from gateway import PATIENCE

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def library():
    return build_target("holdfast_shared").parent / "libholdfast.so"


@pytest.fixture(scope="module")
def programs(library, tmp_path_factory):
    made = tmp_path_factory.mktemp("go")
    go = {**os.environ, "CGO_CFLAGS": f"-I{ROOT}/include", "CGO_LDFLAGS": f"-L{library.parent} -Wl,-rpath,{library.parent} -lholdfast",
          "GOCACHE": str(made / "cache"), "GOFLAGS": "-mod=mod", "GOPROXY": "off"}
    done = subprocess.run(["go", "build", "-o", made / "gateway", "."], cwd=EXAMPLES / "go_cgo", env=go, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {"python": ["/usr/bin/python3", EXAMPLES / "python_ctypes.py", library], "go": [made / "gateway"]}


@contextlib.contextmanager
def running(command):
    with subprocess.Popen([*command, "127.0.0.1:0"], stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        late = threading.Timer(2 * PATIENCE, process.kill)  # a line that does not come is empty then
        late.start()
        try:
            host, _, port = process.stdout.readline().split()[-1].rpartition(":")
            yield process, (host, int(port))
        finally:
            late.cancel()
            process.kill()


@pytest.mark.parametrize("language", ["python", "go"])
def test_a_gateway_in_another_language(language, programs):
    with running(programs[language]) as (process, address):
        heard = lambda: process.stdout.readline().strip()
        with socket.create_connection(address, timeout=PATIENCE) as device, device.makefile("r") as lines:
            device.sendall(b'{"hello":{"id":"door-1"}}\n{"ip":"10.0.0.1","text":"\xc3\xbc"}\n{"ip":"10.0.0.2"}\n')
            assert heard() == "door-1 is here"
            assert heard() == '10.0.0.1 sent {"ip":"10.0.0.1","text":"ü"}'
            assert heard() == '10.0.0.2 sent {"ip":"10.0.0.2"}'
            assert [lines.readline() for _ in range(2)] == ['{"received":1}\n', '{"received":2}\n']
        assert heard() == "closed: peer_closed after 2 items"
        with socket.create_connection(address, timeout=PATIENCE) as device:
            device.sendall(b'{"ip":"10.0.0.3"}\n')
            assert heard() == '10.0.0.3 sent {"ip":"10.0.0.3"}'
            process.send_signal(signal.SIGTERM)
            with device.makefile("rb") as rest:
                rest.read()  # to the gateway's FIN
        assert heard() == "closed: shutdown after 1 items"
        assert heard() == "" and process.wait(PATIENCE) == 0


@pytest.mark.parametrize("language", ["python", "go"])
def test_an_error_has_its_text(language, programs):
    done = subprocess.run([*programs[language], "nowhere"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1 and "write e.g. 127.0.0.1:7000" in done.stderr.splitlines()[-1], done.stderr


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_header_is_c99(compiler, tmp_path):
    source = tmp_path / "user.c"
    source.write_text("#include <holdfast/c.h>\n"
                      "typedef char version_1_has[HF_ABI_VERSION == 1 && sizeof(hf_event) == 184 && sizeof(hf_stats) == 80 ? 1 : -1];\n"
                      "int main(void) { return hf_abi_version() != HF_ABI_VERSION || sizeof(version_1_has) != 1; }\n")
    subprocess.run([compiler, "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-fsyntax-only", f"-I{ROOT}/include", source],
                   check=True)


def test_the_library_exports_each_function_of_the_header(library):
    words = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout.split()
    header = (ROOT / "include/holdfast/c.h").read_text()
    declared = {line.split("(")[0].split()[-1] for line in header.splitlines() if line.startswith("HF_API ")}
    assert len(declared) == 17 and declared == {word for word in words if word.startswith("hf_")}
