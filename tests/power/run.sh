#!/usr/bin/env bash
# Opens STATES states of the disk after a power cut; fails if one breaks a promise of docs/explanation/delivery.md. The gateway is
# HOLDFAST_BIN, or build/release/holdfast; power_check is built beside it.
#   tests/power/run.sh STATES [SEED]
set -euo pipefail
exec /usr/bin/python3 "$(dirname "$0")/explorer.py" "$@"
