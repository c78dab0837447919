#!/usr/bin/env bash
# Runs every fuzzer for SECONDS side by side, from its seed corpus; fails if any fails. Builds nothing:
#   cmake --preset fuzz && cmake --build --preset fuzz
#   tests/fuzz/run.sh 60 [BUILD_DIRECTORY]
# New inputs are kept in BUILD_DIRECTORY/fuzz, and the input that failed with its log.
set -euo pipefail

if [[ ! ${1:-} =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: tests/fuzz/run.sh SECONDS [BUILD_DIRECTORY]" >&2
    exit 2
fi
seconds=$1
here=$(cd "$(dirname "$0")" && pwd)
build=${2:-$here/../../build/fuzz}
targets=(fuzz_framing_ndjson fuzz_framing_json fuzz_framing_length fuzz_framing_length_field fuzz_framing_delimiter
         fuzz_item fuzz_batch fuzz_proxy fuzz_hello fuzz_api fuzz_config fuzz_spool fuzz_tls_files)

declare -A pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true' INT TERM
for target in "${targets[@]}"; do
    program=$build/tests/fuzz/$target
    if [[ ! -x $program ]]; then
        echo "$program is missing: build it with cmake --preset fuzz && cmake --build --preset fuzz" >&2
        exit 2
    fi
done
for target in "${targets[@]}"; do
    mkdir -p "$build/fuzz/$target"
    dictionary=$here/json.dict
    [[ -f $here/$target.dict ]] && dictionary=$here/$target.dict
    "$build/tests/fuzz/$target" -max_total_time="$seconds" -max_len=2048 -timeout=10 -print_final_stats=1 \
        -dict="$dictionary" -artifact_prefix="$build/fuzz/$target-" \
        "$build/fuzz/$target" "$here/corpus/$target" >"$build/fuzz/$target.log" 2>&1 &
    pids[$target]=$!
done

failed=0
for target in "${targets[@]}"; do
    if wait "${pids[$target]}"; then
        echo "$target: clean, $(sed -n 's/^stat::number_of_executed_units: *//p' "$build/fuzz/$target.log") runs"
    else
        failed=1
        echo "$target: FAILED, see $build/fuzz/$target.log:" >&2
        tail -n 40 "$build/fuzz/$target.log" >&2
    fi
done
exit $failed
