"""A start on a full disk: the gateway starts, reports what is missing, and continues by itself."""

import contextlib
import signal

import pytest

from gateway import Gateway, listener, until
from lab import device
from spool_files import SmallDisk, read_all, segments, status, wait_durable


class FullDisk(SmallDisk):
    """A file system of its own on `directory`, with a copy of `content` and no space left."""

    def __init__(self, directory, size="16m", content=None, inodes=None):
        super().__init__(directory, size)
        self.content, self.inodes = content, inodes

    def command(self, *words):
        directory = str(self._directory)
        options = f"size={self._size},mode=0700" + (f",nr_inodes={self.inodes}" if self.inodes else "")
        copy = f'cp -a "{self.content}"/. "{directory}"/ && ' if self.content else ""
        fill = (f'i=0; while : > "{directory}/lost+found/$i"; do i=$((i+1)); done' if self.inodes
                else f'cat /dev/zero > "{directory}/lost+found/filler"')
        script = (f'mount -t tmpfs -o {options} none "{directory}" && {copy} mkdir "{directory}/lost+found" && '
                  f'( {fill} ) 2>/dev/null; exec "$@"')
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *words]

    def free(self, gateway):
        for path in (self.seen_from_here(gateway) / "lost+found").iterdir():
            path.unlink()


def items(first, last, fill=10):
    return b"".join(b'{"ip":"10.0.0.1","number":%d,"fill":"%s"}\n' % (n, b"x" * fill) for n in range(first, last + 1))


def send(gateway, first, last, fill=10):
    with contextlib.closing(device.connect(gateway.address)) as sock:
        sock.sendall(items(first, last, fill))


def numbers(gateway):
    events, missing = read_all(gateway)
    return [event["item"]["number"] for _, event in events if event["event"] == "item"], missing


@contextlib.contextmanager
def in_trouble(directory, disk, word, **sink):
    """Yields a gateway that has started and reports its trouble."""
    options = "".join(f'{key} = "{value}"\n' for key, value in sink.items())
    config = listener() + f'[sink]\ntype = "spool"\npath = "{directory}"\n{options}'
    gateway = Gateway(config=config, namespace=disk)
    try:
        assert until(lambda: gateway.admin or gateway.process.poll() is not None) and gateway.admin, gateway.tail()
        for path in ("/healthz", "/readyz"):
            code, answer = gateway.request("GET", path)
            assert code == 503 and word in answer["error"]["message"], answer
        assert word in gateway.status()["sink"]["error"]
        alarm, = gateway.ask("GET", "/v1/alarms")["active"]
        assert alarm["alarm"] == "sink_lag" and word in alarm["summary"], alarm
        assert "holdfast_sink_failed 1" in gateway.ask("GET", "/metrics")
        gateway.wait_for_log("waiting for disk space", word)
        assert not gateway.ports, "no listener is open"
        yield gateway
    finally:
        gateway.kill()


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "spool").mkdir()
    return tmp_path / "spool"


@pytest.fixture
def filled(tmp_path):
    """Yields a spool with 100 items."""
    path = tmp_path / "filled"
    with Gateway("--sink", f"spool:{path}") as gateway:
        send(gateway, 1, 100)
        wait_durable(gateway, 102)
    return path


@pytest.mark.parametrize("inodes", [None, 40])
@pytest.mark.parametrize("before", [False, True])
def test_a_start_in_trouble_continues_by_itself(directory, filled, inodes, before):
    disk = FullDisk(directory, content=filled if before else None, inodes=inodes)
    with in_trouble(directory, disk, "no inodes" if inodes else "is full") as gateway:
        gateway.admin = None  # port 0: the admin API gets another one when the gateway starts as usual
        disk.free(gateway)
        gateway.wait_ready()
        assert until(lambda: gateway.request("GET", "/readyz")[0] == 200), gateway.tail()
        send(gateway, 101, 110)
        wait_durable(gateway, (102 if before else 0) + 12)
        assert numbers(gateway) == (list(range(1 if before else 101, 111)), [])
        assert not gateway.ask("GET", "/v1/alarms")["active"]
        gateway.stop()


def test_retention_comes_first(directory, tmp_path):
    content = tmp_path / "large"
    config = listener() + f'[sink]\ntype = "spool"\npath = "{content}"\nretain_bytes = "16MiB"\n'
    with Gateway(config=config) as gateway:
        send(gateway, 1, 8_000, fill=1000)
        wait_durable(gateway, 8_002)
    assert len(segments(content)) > 4
    disk = FullDisk(directory, content=content)
    config = listener() + f'[sink]\ntype = "spool"\npath = "{directory}"\nretain_bytes = "4MiB"\n'
    with Gateway(config=config, namespace=disk) as gateway:
        gateway.wait_for_log("removed spool files by retention")
        assert status(gateway)["first_position"] > 2_000
        send(gateway, 8_001, 8_010)
        got, missing = numbers(gateway) if until(lambda: status(gateway)["last_position"] == 8_014) else None
        assert got[-1] == 8_010 and got == list(range(got[0], 8_011)), got[:3]
        assert [gap["why"] for gap in missing] == ["removed by retention"]
        assert status(gateway)["quarantined_events"] == 0


def test_a_required_group_keeps_its_events_on_a_full_disk(directory, tmp_path):
    content = tmp_path / "large"
    with Gateway(config=listener() + f'[sink]\ntype = "spool"\npath = "{content}"\nretain_bytes = "16MiB"\n') as gateway:
        send(gateway, 1, 8_000, fill=1000)
        wait_durable(gateway, 8_002)
    files = len(segments(content))
    disk = FullDisk(directory, content=content)
    with in_trouble(directory, disk, "is full", retain_bytes="4MiB", required_groups="billing") as gateway:
        assert len(segments(disk.seen_from_here(gateway))) == files


def test_a_signal_ends_the_wait(directory):
    disk = FullDisk(directory)
    with in_trouble(directory, disk, "is full") as gateway:
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.wait_exit() == 0, gateway.tail()
