#!/usr/bin/env bash
# Measures Penstock beside bare Pingora and nginx on this machine: `benches/run.sh` or `benches/run.sh quick`.
# What the lines mean is in benches/README.md; the work is done in benches/harness.
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in python3 taskset cargo; do
    command -v "$tool" > /dev/null || { echo "run.sh: $tool is missing" >&2; exit 1; }
done
exec python3 benches/harness/main.py "$@"
