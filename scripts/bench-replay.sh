#!/usr/bin/env bash
# How long an auditor waits for pictures. Keeps docs/benchmarks/replay.md. Needs what `make test` has
# built for the browser, and nothing else running on the machine.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$ROOT"

[[ -d web-client/e2e/node_modules && -x target/debug/vbranch ]] || die "run \`make test\` first"
figures="$(cd web-client/e2e && VBRANCH_BENCH=1 npx playwright test --reporter=list tests/replay.e2e.ts |
  sed -n 's/.*FIGURE: \(.*\)/- \1/p')"
[[ -n "$figures" ]] || die "nothing was measured"

cat >docs/benchmarks/replay.md <<END
# Replay

A call of 70 s between two Chromiums, replayed in a third on the same machine, with a development build of the server. Seeks go here
and there over the whole recording, while paused. Aims: 1 s to the first picture, 500 ms for a seek.

$figures

$(nproc) virtual cores. Made with \`scripts/bench-replay.sh\`.
END
cat docs/benchmarks/replay.md
