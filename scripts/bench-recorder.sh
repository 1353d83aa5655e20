#!/usr/bin/env bash
# What recording costs: how many two-party calls one core records without a gap, and by how much
# more of the core than not recording them. Run it on a quiet machine with two cores: a build beside
# it makes gaps that are the build's.
#
#   scripts/bench-recorder.sh [CALLS] [SECONDS]
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$ROOT"

calls="${1:-100}" seconds="${2:-60}"
cargo build --release --locked -p vbranch-load --bins
load="${CARGO_TARGET_DIR:-target}/release/vbranch-load"
for record in off on; do
  echo "== $calls calls, recording $record"
  "$load" calls --count "$calls" --seconds "$seconds" --record "$record"
done
echo "Recording costs the difference of the two lines 'server CPU'; it should be under a quarter of the first."
