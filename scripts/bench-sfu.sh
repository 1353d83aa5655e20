#!/usr/bin/env bash
# How much the media plane forwards on one core, and what a peer costs, side by side with other
# bench servers. Keeps docs/benchmarks/media-plane.{md,svg,json}. Needs two cores and nothing else
# running on them.
#
#   scripts/bench-sfu.sh [ARGUMENT…]                 arguments go to `vbranch-load sfu-compare`
#   BENCH_SERVERS=DIR scripts/bench-sfu.sh           DIR holds srv_core and srv_rtc
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$ROOT"

cargo build --release --locked -p vbranch-load --bins
against=()
for server in srv_core srv_rtc; do
  if [[ -n "${BENCH_SERVERS:-}" && -x "$BENCH_SERVERS/$server" ]]; then
    against+=(--against "$BENCH_SERVERS/$server --gso 1")
  fi
done
mkdir -p docs/benchmarks
"${CARGO_TARGET_DIR:-target}/release/vbranch-load" sfu-compare \
  ${against[@]+"${against[@]}"} --out docs/benchmarks "$@"
