#!/usr/bin/env bash
# Chromium to Chromium through the media plane, one of them on a bad network. Keeps
# docs/benchmarks/bad-network.{md,svg,json}; fails when a target is missed.
#
#   scripts/bench-bad-network.sh [--only NAME,…] [--codec H264|VP8]
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$ROOT"

cargo build --release --locked -p vbranch-load --bins
[[ -d web-client/node_modules ]] || npm ci --prefix web-client
node load-tests/browser/bad-network.mjs \
  --bin "${CARGO_TARGET_DIR:-target}/release" --out docs/benchmarks "$@"
