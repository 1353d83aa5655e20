#!/usr/bin/env bash
# Recorded calls over a bad network, one round after the other, that end with reconciliation: every
# call must have its whole recording in both stores, and every bundle must verify. Prints what was
# lost on the way, and keeps it in docs/benchmarks/soak.md. `make soak`; not part of `make test`.
#
# Needs what `make test` has built.
#
#   scripts/soak.sh [MINUTES] [LOSS %] [ROUND TRIP ms]
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$ROOT"

minutes="${1:-30}" loss="${2:-10}" rtt="${3:-100}"
# Seconds of each round's calls.
ROUND=60

[[ -x target/debug/vbranch ]] || die "run \`make test\` first"
cargo build --release --locked -p vbranch-load --bins
vbranch=target/debug/vbranch load="${CARGO_TARGET_DIR:-target}/release/vbranch-load"

work="$(mktemp -d)" server=''
finish() {
  if [[ -n "$server" ]]; then kill "$server" 2>/dev/null && wait "$server" || true; fi
  rm -rf "$work"
}
trap finish EXIT

port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
export VBRANCH_DATA_DIR="$work/data" VBRANCH_HTTP_LISTEN="127.0.0.1:$port"
export VBRANCH_MEDIA_LISTEN=127.0.0.1:0 VBRANCH_KYC_MODELS_DIR="${VBRANCH_KYC_MODELS_DIR:-data/models}"
"$vbranch" serve --demo >"$work/log" 2>&1 &
server=$!
branch="http://127.0.0.1:$port"
for _ in $(seq 100); do
  curl -fs "$branch/metrics" >/dev/null && break
  kill -0 "$server" || { cat "$work/log"; die "the branch did not start"; }
  sleep 0.1
done

days=("$(date -u +%F)")
until=$((SECONDS + minutes * 60)) rounds=0 given_up=0
while ((SECONDS < until)); do
  "$load" calls --branch "$branch" --pid "$server" --seconds "$ROUND" --loss "$loss" --rtt "$rtt" \
    --seed "$((rounds + 1))" --staff staff:staff-demo --staff supervisor:supervisor-demo >"$work/round" && came=yes || came=no
  rounds=$((rounds + 1))
  # What was recorded of it counts all the same.
  [[ $came == yes ]] || { given_up=$((given_up + 1)); warn "round $rounds was given up"; continue; }
  say "round $rounds"
  grep -E 'delivered|memory' "$work/round" | tee "$work/last"
done
memory="$(sed -n 's/^| server memory *| *\(.*[^ ]\) *|$/\1/p' "$work/last")"
kill "$server"
wait "$server" || die "the branch did not stop in order"
server=''

today="$(date -u +%F)"
[[ "$today" == "${days[0]}" ]] || days+=("$today")
for day in "${days[@]}"; do "$vbranch" reconcile --day "$day"; done
for folder in "$work"/data/recordings/*/; do
  recording="$(basename "$folder")"
  "$vbranch" export "$recording" --out "$work/bundles/$recording" >/dev/null
  "$vbranch" verify "$work/bundles/$recording" --key "$work/data/keys/evidence.pub" >"$work/verified" ||
    { cat "$work/verified"; die "$recording does not verify"; }
done

{
  cat <<END
# Soak

Rounds of two calls of $ROUND s, each party at 1 Mbit/s and sound, $loss % of all packets lost on each way to the server and back, ${rtt} ms
round trip, recorded into two stores by a development build of the server. Every call was found whole in both stores afterwards
(\`vbranch reconcile\`), and every bundle verified.

END
  python3 - "$work"/bundles/*/manifest.json <<'END'
import collections, json, sys

lost, length = collections.Counter(), collections.Counter()
for name in sys.argv[1:]:
    with open(name) as file:
        manifest = json.load(file)
    for track in manifest["tracks"]:
        micros = sum(segment["duration_us"] for segment in track["segments"])
        for kind in {codec["kind"] for init in track["inits"] for codec in init["codecs"]}:
            length[kind] += micros
    for gap in manifest["gaps"]:
        lost[gap["kind"], gap["cause"]] += gap["duration_us"]
print(f"| Recordings | {len(sys.argv) - 1} |\n|---|---|")
for kind, micros in sorted(length.items()):
    print(f"| {kind} recorded | {micros / 6e7:.1f} min |")
for (kind, cause), micros in sorted(lost.items()):
    print(f"| {kind} missing and declared, {cause} | {micros / 1e6:.1f} s, {100 * micros / length[kind]:.2f} % |")
END
  cat <<END
| rounds; given up, as somebody could not connect in 20 s | $rounds; $given_up |
| server's memory in the last round | $memory |

Sound is not sent again by these clients, so what the network loses of it stays lost; pictures are. Made with \`scripts/soak.sh $minutes $loss $rtt\`.
END
} >docs/benchmarks/soak.md
cat docs/benchmarks/soak.md
