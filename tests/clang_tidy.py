#!/usr/bin/env python3
"""Runs the checks of .clang-tidy over src/. Files of a folder are read together, so that their headers are parsed once; files whose own
names collide are read apart.

    tests/clang_tidy.py               the folders that changed latest first, and no new ones after BUDGET seconds
    tests/clang_tidy.py FOLDER ...    these folders of src/, however long it takes

Exits 1 and names each finding."""

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUDGET = 60
TOGETHER = 12  # files at most
FLAGS = ["-std=c++20", f"-I{ROOT}/include", f"-I{ROOT}/src", '-DHOLDFAST_VERSION="0"', "-DBOOST_ASIO_SEPARATE_COMPILATION",
         "-DBOOST_BEAST_SEPARATE_COMPILATION"]


def run_on(files, *command):
    with tempfile.NamedTemporaryFile("w", suffix=".cc") as unit:
        unit.writelines(f'#include "{file}"\n' for file in files)
        unit.flush()
        return subprocess.run([word if word != "UNIT" else unit.name for word in command], capture_output=True, text=True)


def findings_of(files):
    if len(files) > 1 and run_on(files, "clang++", "-fsyntax-only", "-w", "-ferror-limit=1", *FLAGS, "UNIT").returncode != 0:
        middle = len(files) // 2
        return findings_of(files[:middle]) | findings_of(files[middle:])
    run = run_on(files, "clang-tidy", "--quiet", f"--config-file={ROOT}/.clang-tidy", "UNIT", "--", *FLAGS)
    found = re.findall(r"^\S+: (?:error|warning): .*$", run.stdout, re.M)
    if run.returncode != 0 and not found:
        found = [f"{files[0]}: clang-tidy failed: {run.stderr.strip()[-300:]}"]
    return {line.replace(f"{ROOT}/", "") for line in found}


def groups_of(folder):
    files = [file for file in sorted(folder.rglob("*.cc")) if not file.stem.endswith("_test")]
    return [files[first:first + TOGETHER] for first in range(0, len(files), TOGETHER)]


def changed_at(folder):
    log = subprocess.run(["git", "log", "-1", "--format=%ct", "--", str(folder)], cwd=ROOT, capture_output=True, text=True)
    return int(log.stdout or 0)


def main():
    if shutil.which("clang-tidy") is None:
        print("clang-tidy is missing; run apt-get install clang-tidy")
        return 1
    named = [ROOT / "src" / name for name in sys.argv[1:]]
    folders = named or sorted((path for path in (ROOT / "src").iterdir() if path.is_dir()), key=changed_at, reverse=True)
    ends_at = time.monotonic() + (float("inf") if named else BUDGET)
    groups = [group for folder in folders for group in groups_of(folder)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda group: findings_of(group) if time.monotonic() < ends_at else None, groups))
    read = [group for group, result in zip(groups, results) if result is not None]
    found = sorted(set().union(*(result for result in results if result is not None)))
    print("\n".join(found) if found else f"{sum(map(len, read))} of {sum(map(len, groups))} files: clang-tidy has no finding")
    if len(read) < len(groups):
        left = sorted({group[0].parent.name for group, result in zip(groups, results) if result is None})
        print(f"not read within {BUDGET} s: {' '.join(left)}")
    return 1 if found else 0


sys.exit(main())
