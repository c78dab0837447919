#!/usr/bin/env python3
"""Measures the lines that the fuzzers' inputs reach of the code that each is for, by clang's source-based coverage.

    tests/fuzz/coverage.py [FOUND]

Builds the fuzzers in build/coverage, and runs each once over its seeds (tests/fuzz/corpus) and earlier findings. These
are in FOUND/<target>, by default build/fuzz/fuzz. Prints a table. Needs llvm-profdata and llvm-cov (Debian: llvm)."""

import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/coverage"
# The code between a target's input and the rest.
REACHES = {
    "fuzz_framing_ndjson": ["codec/framing.cc", "codec/block_masks.h"],
    "fuzz_framing_json": ["codec/framing.cc", "codec/json_scan.cc"],
    "fuzz_framing_length": ["codec/framing.cc"],
    "fuzz_framing_delimiter": ["codec/framing.cc"],
    "fuzz_item": ["codec/item.cc", "codec/one_line.cc", "codec/json_scan.cc", "text/printable.cc"],
    "fuzz_batch": ["codec/line_batch.cc", "codec/item.cc"],
    "fuzz_proxy": ["tcp/proxy_header.cc"],
    "fuzz_hello": ["pipeline/pipeline.cc", "pipeline/pipeline_devices.cc", "device/device_sessions.cc", "device/token_set.cc"],
    "fuzz_api": ["http_server/http_message.cc", "http_server/http_connection.cc", "net/url.cc",
                   "api/api_arguments.cc", "api/downlink_message.cc"],
    "fuzz_config": ["config/load.cc", "config/read_toml.cc", "config/checks.cc", "options/option.cc"],
    "fuzz_spool": ["spool/manifest.cc", "spool/database.cc", "spool/directory.cc", "spool/row.cc", "spool/segment_index.cc",
                   "spool/segment_file.cc", "spool/segment_reader.cc", "spool/session_table.cc", "spool/spool.cc"],
    "fuzz_tls_files": ["tls/device_certificate.cc", "tls/tls_context.cc", "tls/tls_file.cc",
                       "config/checks.cc", "device/token_set.cc"],
}


def build():
    subprocess.run(["cmake", "--preset", "fuzz", "-B", BUILD, "-DHOLDFAST_SANITIZE=",
                    "-DCMAKE_CXX_FLAGS=-fprofile-instr-generate -fcoverage-mapping"],
                   cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", BUILD, "--target", "fuzzers", "--", "--quiet"], cwd=ROOT, check=True)


def lines_reached(target, found):
    """Returns (lines reached, lines in all) of the target's code."""
    program = BUILD / "tests/fuzz" / target
    raw, merged = BUILD / f"{target}.profraw", BUILD / f"{target}.profdata"
    inputs = [path for path in (ROOT / "tests/fuzz/corpus" / target, found / target) if path.is_dir()]
    run = subprocess.run([program, "-runs=0", *inputs], env={"LLVM_PROFILE_FILE": str(raw)}, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"{target} failed on an input that it has:\n{run.stderr[-4000:]}")
    subprocess.run(["llvm-profdata", "merge", "-sparse", raw, "-o", merged], check=True)
    said = subprocess.run(["llvm-cov", "export", "-summary-only", f"-instr-profile={merged}", program],
                          check=True, capture_output=True, text=True)
    wanted = tuple(f"/src/{name}" for name in REACHES[target])
    lines = [file["summary"]["lines"] for file in json.loads(said.stdout)["data"][0]["files"] if file["filename"].endswith(wanted)]
    return sum(each["covered"] for each in lines), sum(each["count"] for each in lines)


def main():
    found = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build/fuzz/fuzz"
    missing = [name for names in REACHES.values() for name in names if not (ROOT / "src" / name).exists()]
    if missing:
        sys.exit(f"src/{missing[0]} is not there: correct REACHES in tests/fuzz/coverage.py")
    build()
    print("| target | inputs | lines reached | of |\n|---|---|---|---|")
    for target, names in REACHES.items():
        inputs = sum(1 for folder in (ROOT / "tests/fuzz/corpus" / target, found / target) if folder.is_dir()
                     for _ in folder.iterdir())
        reached, lines = lines_reached(target, found)
        print(f"| `{target}` | {inputs:,} | {reached:,} of {lines:,} ({100 * reached / lines:.0f} %) | "
              f"`{'`, `'.join(names)}` |")


if __name__ == "__main__":
    main()
