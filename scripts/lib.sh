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

# missing_of: of the lines "PACKAGE COMMAND" on standard input, the packages whose command fails.
missing_of() {
  local package check
  while read -r package check; do
    eval "$check" >/dev/null 2>&1 </dev/null || printf '%s\n' "$package"
  done
}

# apt_install COMPLAIN PACKAGE...: installs Debian packages. What keeps it from that it tells
# COMPLAIN: `die`, or `warn` where one can do without.
apt_install() {
  local complain="$1" sudo=() log
  shift
  local by_hand="apt-get install -y $*"
  have apt-get || {
    "$complain" "missing: $* (Debian's names). Install them with your system's package manager and try again."
    return
  }
  if [[ $EUID -ne 0 ]]; then
    have sudo && sudo -n true 2>/dev/null || {
      "$complain" "missing system packages. Install them and try again:  sudo $by_hand"
      return
    }
    sudo=(sudo -n)
  fi
  say "installing Debian packages, about 2 minutes: $*"
  # As an array: `sudo` resets the environment, so the variable is set behind it.
  local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
  log="$(mktemp)"
  if { "${apt[@]}" update && "${apt[@]}" install --no-install-recommends "$@"; } >"$log" 2>&1 </dev/null; then
    rm -f "$log"
  else
    tail -n 20 "$log" >&2
    "$complain" "the packages could not be installed (log: $log). By hand:  $by_hand"
  fi
}

# npm_ci COMPLAIN FOLDER: installs its Node modules when its lock file changed; COMPLAIN as above.
# Half an installation is none.
npm_ci() {
  local complain="$1" folder="$2" digest
  local stamp="$folder/node_modules/.vbranch-lock"
  digest="$(sha256sum "$folder/package-lock.json" | cut -d' ' -f1) node $(node --version)"
  stamped "$stamp" "$digest" && return
  say "installing Node modules of $folder, about half a minute"
  if npm ci --prefix "$folder" --no-audit --no-fund --loglevel=error </dev/null; then
    printf '%s' "$digest" >"$stamp"
  else
    rm -rf "$folder/node_modules"
    "$complain" "the Node modules of $folder could not be installed"
  fi
}

# python_venv COMPLAIN VENV REQUIREMENTS: installs Python packages when their list changed;
# COMPLAIN as above. Half an installation is none.
python_venv() {
  local complain="$1" venv="$2" requirements="$3" digest
  # With those beside it, which it may name.
  digest="$(cat "${requirements%/*}"/requirements*.txt | sha256sum | cut -d' ' -f1) $(python3 --version 2>&1)"
  stamped "$venv/.vbranch-lock" "$digest" && return
  say "installing $requirements, about half a minute"
  rm -rf "$venv"
  if python3 -m venv "$venv" && "$venv/bin/pip" install -q --only-binary :all: -r "$requirements"; then
    printf '%s' "$digest" >"$venv/.vbranch-lock"
  else
    rm -rf "$venv"
    "$complain" "the Python packages of $requirements could not be installed"
  fi
}
