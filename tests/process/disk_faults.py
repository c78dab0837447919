"""Faults of the disk under one gateway (lab/faults/disk_fault_shim.c), begun and ended by a test."""

from shims import compile_shim, preload


class Disk:
    """Owns the control file of the faults and the environment of the shim."""

    def __init__(self, directory, lines=()):
        self._file, self._hits, self._lines = directory / "faults", directory / "hits", lines
        self.environment = preload(compile_shim("disk_fault_shim", directory), HOLDFAST_DISK_ROOT=str(directory / "spool"),
                                   HOLDFAST_DISK_FAULTS=str(self._file), HOLDFAST_DISK_HITS=str(self._hits))

    def fail(self, *lines):
        """Begins the faults of these lines, or else of the constructor's."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text("\n".join(lines or self._lines), encoding="ascii")
        fresh.rename(self._file)

    def mend(self):
        self._file.unlink(missing_ok=True)

    def hits(self):
        return self._hits.stat().st_size if self._hits.exists() else 0
