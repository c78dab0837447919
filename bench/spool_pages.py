#!/usr/bin/env python3
"""Justifies a spool's page size and log length: commits as the spool makes them, by page size and by the log's length
at a checkpoint. Needs no holdfast; run it on the disk in question, with --in DIR."""

import argparse
import os
import pathlib
import shutil
import sqlite3
import tempfile
import time

TABLE = "CREATE TABLE batch (position INTEGER PRIMARY KEY, events, at, listeners, sessions, crc, lines TEXT)"


def commits(directory, page, log_bytes, row_bytes, total_bytes):
    """Returns (seconds, slowest commit with its checkpoint in ms, bytes written per byte, file bytes per byte)."""
    path = pathlib.Path(directory) / "pages.db"
    for old in path.parent.glob("pages.db*"):
        old.unlink()
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in (f"page_size = {page}", "journal_mode = WAL", "synchronous = FULL", "secure_delete = OFF",
                   f"wal_autocheckpoint = {log_bytes // page}"):
        database.execute(f"PRAGMA {pragma}")
    database.execute(TABLE)
    text, slowest, written = "x" * row_bytes, 0.0, written_bytes()
    began = time.monotonic()
    for number in range(total_bytes // row_bytes):
        one = time.monotonic()
        database.execute("INSERT INTO batch VALUES (?, 1, 1, '[]', '[]', 1, ?)", (number * 1000, text))
        slowest = max(slowest, time.monotonic() - one)
    took = time.monotonic() - began
    written = written_bytes() - written
    size = path.stat().st_size
    database.close()
    return took, slowest * 1e3, written / total_bytes, size / total_bytes


def written_bytes():
    fields = dict(line.split(": ") for line in pathlib.Path("/proc/self/io").read_text().splitlines())
    return int(fields["wchar"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--in", dest="where", default=os.getcwd())
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="spool-pages-", dir=options.where)
    print("| row | page | log | MB/s | commit, mean ms | slowest ms | written, x | file, x |\n|--|--|--|--|--|--|--|--|")
    try:
        for row, total in ((256 << 10, 128 << 20), (2 << 10, 2 << 20)):
            for log in (1 << 20, 4 << 20, 8 << 20, 32 << 20):
                for page in (4096, 8192, 16384, 32768):
                    runs = sorted(commits(directory, page, log, row, total) for _ in range(options.rounds))
                    took, slowest, written, size = runs[len(runs) // 2]
                    print(f"| {row >> 10} KiB | {page >> 10} KiB | {log >> 20} MiB | {total / took / 1e6:.1f} "
                          f"| {took / (total // row) * 1e3:.2f} | {slowest:.0f} | {written:.2f} | {size:.2f} |", flush=True)
    finally:
        shutil.rmtree(directory)


main()
