#!/usr/bin/env bash
# How many two-party calls one core carries, and how long a join takes in Chromium. Keeps
# docs/benchmarks/calls.md. Needs two cores and nothing else running on them, and what `make test`
# has built for the browser.
#
#   scripts/bench-calls.sh [ARGUMENT…]      arguments go to `vbranch-load calls`
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$ROOT"

[[ -d web-client/e2e/node_modules && -x target/debug/vbranch ]] || die "run \`make test\` first"
cargo build --release --locked -p vbranch-load --bins
calls="$("${CARGO_TARGET_DIR:-target}/release/vbranch-load" calls --count 150 --seconds 20 "$@")"
joins="$(cd web-client/e2e && npx playwright test --reporter=list -g "first picture" tests/media.e2e.ts |
  sed -n 's/.*FIGURE: \(.*\)/- \1/p')"
[[ -n "$joins" ]] || die "the joins were not measured"

cat >docs/benchmarks/calls.md <<END
# Calls

Two-party calls through one core of the media plane, not recorded: each party sends video of 1 Mbit/s and sound, and receives the
other's, on another core. Loss-free network.

$calls

Joins, one after the other, in Chromium on the same machine, with a development build of the server: from the click of the staff
member who takes a customer out of the queue to the first picture. The customer's comes later, as the staff member's camera is
opened, connected and shown first.

$joins

Made with \`scripts/bench-calls.sh\`.
END
cat docs/benchmarks/calls.md
