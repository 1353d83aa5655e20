#!/usr/bin/env bash
# How fast films are made. Keeps docs/benchmarks/composite.md. Needs one core for itself.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$ROOT"

figures="$(cargo test --release --locked -p vbranch-recorder --lib composite_speed -- --ignored --nocapture |
  sed -n 's/.*FIGURE: \(.*\)/- \1/p')"
[[ -n "$figures" ]] || die "nothing was measured"

cat >docs/benchmarks/composite.md <<END
# Films

How many times faster than real time one thread makes a film of a made-up call of two parties, 640x480 in H.264 and Opus: reading,
opening, decoding, fitting, drawing, mixing, coding, writing. Aim: 10 times, for an hour-long call in six minutes of a core.

$figures

Made with \`scripts/bench-composite.sh\` (release build), on a virtual core of $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1).
END
cat docs/benchmarks/composite.md
