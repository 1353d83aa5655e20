#!/usr/bin/env bash
# `make fuzz`: looks for inputs that break a parser, guided by coverage. Installs what it needs.
#
#   scripts/fuzz.sh                    every target, a minute each
#   scripts/fuzz.sh 600                every target, ten minutes each
#   scripts/fuzz.sh 600 stun rtp       these only
#
# What it learns is kept under fuzz/target, out of the repository. An input that breaks something
# ends up in fuzz/artifacts: mend what it breaks and move it to fuzz/corpus/TARGET under a name
# that says what it is; `make test` tries it ever after.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$ROOT"

SECONDS_EACH="${1:-60}"
[[ "$SECONDS_EACH" =~ ^[0-9]+$ ]] || die "usage: scripts/fuzz.sh [SECONDS [TARGET…]]"
shift || true
FUZZ="$TOOLS/cargo-fuzz-0.13.2"
export PATH="$FUZZ/bin:$PATH" CARGO_TERM_PROGRESS_WHEN=never

main() {
  install
  local targets=("$@") target failed=()
  [[ ${#targets[@]} -gt 0 ]] || mapfile -t targets < <(cargo +nightly fuzz list --fuzz-dir fuzz)
  say "building (the first time about 5 minutes)"
  cargo +nightly fuzz build --fuzz-dir fuzz >"$FUZZ/build.log" 2>&1 || { tail -n 40 "$FUZZ/build.log"; die "the fuzz targets do not build"; }
  for target in "${targets[@]}"; do
    run "$target" || failed+=("$target")
  done
  if [[ ${#failed[@]} -gt 0 ]]; then
    warn "found something: ${failed[*]} (fuzz/artifacts)"
    return 1
  fi
  say "nothing found"
}

install() {
  rustup toolchain list 2>/dev/null | grep -q '^nightly' ||
    { say "installing a nightly compiler"; rustup toolchain install nightly --profile minimal >/dev/null; }
  [[ -x "$FUZZ/bin/cargo-fuzz" ]] && return
  say "installing cargo-fuzz, about a minute"
  cargo install -q --locked --root "$FUZZ" cargo-fuzz@0.13.2 </dev/null || die "cargo-fuzz could not be installed"
}

# New inputs go to the first folder; the seeds in the second are only read.
run() {
  local learnt="fuzz/target/learnt/$1" log="$FUZZ/$1.log" status=0
  mkdir -p "$learnt"
  say "$1: $SECONDS_EACH s"
  cargo +nightly fuzz run --fuzz-dir fuzz "$1" "$learnt" "fuzz/corpus/$1" -- \
    -max_total_time="$SECONDS_EACH" -max_len=8192 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    >"$log" 2>&1 || status=$?
  grep -E 'stat::number_of_executed_units|SUMMARY|panicked at' "$log" | sed 's/^/    /' || true
  grep -E 'cov: ' "$log" | tail -n 1 | cut -c1-100 | sed 's/^/    /' || true
  return $status
}

main "$@"
