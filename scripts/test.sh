#!/usr/bin/env bash
# `make test`: every check there is, cheap ones first, stopping at the first stage that fails.
# Ends with a table of the stages and `N passed, N failed`.
#
#   scripts/test.sh            everything
#   scripts/test.sh e2e        only the stages named (see `stages` below)
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$ROOT"

LOGS="$ROOT/target/test-logs"
# How often a long stage says what it is at.
HEARTBEAT_S=30

export CI="${CI:-true}" NO_COLOR=1 CARGO_TERM_COLOR=never CARGO_TERM_PROGRESS_WHEN=never
# Warnings are denied through clippy and rustdoc below and not through RUSTFLAGS, which would
# make `make run` and `make test` compile everything separately.

# name | about how long on two cores, the first time | what it does
stages() {
  cat <<'LIST'
setup      | 1 min  | install what the tests need
format     | 1 s    | rustfmt
web        | 1 min  | web client: types, ESLint, Prettier, unit tests, build
audit      | 5 s    | licences, sources and known vulnerabilities of all dependencies
lint       | 8 min  | clippy and rustdoc, warnings denied
build      | 15 min | compile server and tests
models     | 1 min  | fetch the face models
unit       | 5 min  | Rust tests
evidence   | 2 min  | our verifier of evidence against the independent one, on damaged bundles
interop    | 2 min  | other people's WebRTC clients, WHIP and WHEP
e2e        | 12 min | whole visits in Chromium
LIST
}

stage_setup() { scripts/setup.sh test; }

stage_format() { cargo fmt --all --check; }

stage_web() {
  local npm=(npm run --silent --prefix web-client)
  "${npm[@]}" typecheck
  "${npm[@]}" lint
  "${npm[@]}" format:check
  npm run --silent --prefix web-client/e2e check
  (cd web-client && npx vitest run --reporter=default --reporter=json --outputFile.json="$LOGS/vitest.json")
  scripts/build-web.sh
}

stage_audit() {
  local deny=cargo-deny
  have cargo-deny || deny="$TOOLS/cargo-deny-0.20.2/bin/cargo-deny"
  "$deny" check bans licenses sources
  # Lists of known vulnerabilities come from the network. Where they cannot be had, the rest of
  # the tests is still worth running.
  if timeout 30 "$deny" fetch db; then
    "$deny" check advisories
  else
    echo "NOTE: Rust advisories were not checked: the advisory database cannot be reached"
  fi
  local folder
  for folder in web-client web-client/e2e; do
    npm audit --prefix "$folder" --json --audit-level=high >"$LOGS/npm-audit.json" && continue
    if grep -q '"vulnerabilities"' "$LOGS/npm-audit.json"; then
      npm audit --prefix "$folder" --audit-level=high
    else
      echo "NOTE: npm advisories of $folder were not checked: the registry does not answer"
    fi
  done
}

# clippy and rustdoc share their metadata of the dependencies; `build` cannot use it, so these
# two cost some minutes of their own the first time.
stage_lint() {
  cargo clippy --workspace --all-targets --locked -- -D warnings
  RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
}

# Binary and tests in one go: apart, the features that only tests ask for would have a score of
# crates compiled twice.
stage_build() { cargo build --workspace --all-targets --locked; }

# The S3 server that the stores' tests start is in the second environment.
stage_unit() {
  VBRANCH_S3_PYTHON="$TOOLS/s3-venv/bin/python" cargo test --workspace --no-fail-fast --locked
}

# Unit tests run a few hundred of these where Python has what it takes. The whole workspace is named
# because a single crate would have dependencies compiled anew, with other features.
stage_evidence() {
  local venv="$TOOLS/verifier-venv"
  "$venv/bin/ruff" check --quiet recorder/verifier recorder/s3-server
  "$venv/bin/ruff" format --quiet --check recorder/verifier recorder/s3-server
  VBRANCH_PYTHON="$venv/bin/python" VBRANCH_MUTANTS=10000 \
    cargo test --workspace --lib --locked differential -- --nocapture
}

stage_models() {
  target/debug/vbranch kyc models fetch ||
    echo "NOTE: some face models are missing; what needs them is skipped"
}

stage_interop() { scripts/interop.sh --json "$LOGS/interop.json"; }

stage_e2e() {
  (cd web-client/e2e && PLAYWRIGHT_JSON_OUTPUT_NAME="$LOGS/playwright.json" npx playwright test --reporter=list,json)
}

# ---------------------------------------------------------------------------------------------

TABLE=()
PASSED=0 FAILED=0 SKIPPED=0
FAILURES=()
CHILD=0

main() {
  local only=("$@") name about what started=$SECONDS status=0
  rm -rf "$LOGS"
  mkdir -p "$LOGS"
  while IFS='|' read -r name about what <&3; do
    name="${name// /}"
    [[ ${#only[@]} -eq 0 || " ${only[*]} " == *" $name "* ]] || continue
    run_stage "$name" "$(trim "$about")" "$(trim "$what")" || { status=1; break; }
  done 3< <(stages)
  count_tests
  # A stage can fail without a failed test; the closing line must not look like a pass.
  [[ $status -eq 0 || $FAILED -gt 0 ]] || FAILED=1
  report_notes
  [[ ${#FAILURES[@]} -eq 0 ]] || printf '\nFAILED: %s' "${FAILURES[@]}"
  printf '\n%-8s %-7s %s\n' stage result time
  printf '%s\n' "${TABLE[@]}"
  printf '%-8s %-7s %s\n\n' total "$([[ $status -eq 0 ]] && echo ok || echo FAILED)" "$(duration $((SECONDS - started)))"
  if [[ $SKIPPED -gt 0 ]]; then
    printf '%d passed, %d failed, %d skipped\n' "$PASSED" "$FAILED" "$SKIPPED"
  else
    printf '%d passed, %d failed\n' "$PASSED" "$FAILED"
  fi
  return $status
}

trim() { local text="$1"; text="${text#"${text%%[! ]*}"}"; printf '%s' "${text%"${text##*[! ]}"}"; }

duration() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# run_stage NAME ABOUT WHAT: runs stage_NAME into its log, in a process group of its own so that
# an interrupt ends all of it.
run_stage() {
  local name="$1" log="$LOGS/$1.log" began=$SECONDS beat=$SECONDS result=ok
  say "$name: $3 (the first time about $2)"
  set -m
  # A process of its own: `set -e` would have no effect in a subshell of a tested command.
  bash scripts/test.sh --stage "$name" >"$log" 2>&1 </dev/null &
  CHILD=$!
  set +m
  while kill -0 "$CHILD" 2>/dev/null; do
    sleep 0.2
    if ((SECONDS - beat >= HEARTBEAT_S)); then
      beat=$SECONDS
      printf '    %s  %s\n' "$(duration $((SECONDS - began)))" "$(tail -n 1 "$log" | cut -c1-110)"
    fi
  done
  wait "$CHILD" || result=FAILED
  CHILD=0
  TABLE+=("$(printf '%-8s %-7s %s' "$name" "$result" "$(duration $((SECONDS - began)))")")
  [[ $result == ok ]] && return
  printf '\n%s%s failed.%s The end of %s:\n\n' "$RED" "$name" "$PLAIN" "${log#"$ROOT"/}"
  tail -n 150 "$log"
  return 1
}

interrupted() {
  [[ $CHILD -eq 0 ]] || kill -TERM -- "-$CHILD" 2>/dev/null || true
  exit 130
}

count_tests() {
  local lines
  mapfile -t lines < <(node scripts/count-tests.mjs "$LOGS")
  read -r PASSED FAILED SKIPPED <<<"${lines[0]}"
  FAILURES=("${lines[@]:1}")
}

# What was left out, and the figures that tests print (`NOTE:` and `FIGURE:` lines).
report_notes() {
  local lines
  lines="$(grep -hoE '(NOTE|FIGURE|SKIP(PED)?):? .*' "$LOGS"/*.log 2>/dev/null | sort -u || true)"
  [[ -z "$lines" ]] || printf '\n%s\n' "$lines"
}

if [[ "${1:-}" == --stage ]]; then
  "stage_$2"
else
  trap interrupted INT TERM
  main "$@"
fi
