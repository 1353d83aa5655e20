# Shared by the scripts beside it; sourced, not run. Expects bash.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
TOOLS="${XDG_CACHE_HOME:-$HOME/.cache}/vbranch/tools"

MIN_RUST=1.95.0
MIN_NODE=20.0.0

if [[ -t 1 ]]; then BOLD=$'\e[1m' RED=$'\e[31m' PLAIN=$'\e[0m'; else BOLD='' RED='' PLAIN=''; fi

say() { printf '%s==>%s %s\n' "$BOLD" "$PLAIN" "$*"; }
warn() { printf '%s==> note:%s %s\n' "$BOLD" "$PLAIN" "$*" >&2; }
die() {
  printf '%s==> stopped:%s %s\n' "$RED" "$PLAIN" "$*" >&2
  exit 2
}

have() { command -v "$1" >/dev/null 2>&1; }

# at_least 1.95.0 1.96.1: is the second version the same as the first or newer?
at_least() { [[ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n1)" == "$1" ]]; }

# digest_of PATH...: one hash over names and contents of the files under the paths, without
# what is generated there.
digest_of() {
  find "$@" \( -name node_modules -o -name dist -o -name test-results -o -name screenshots \) -prune \
    -o -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
}

# stamped FILE DIGEST: does the stamp file hold this digest?
stamped() { [[ -f "$1" && "$(cat "$1")" == "$2" ]]; }
