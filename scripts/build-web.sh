#!/usr/bin/env bash
# Builds the web client into web-client/dist when its sources changed since the last build.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$ROOT"

# The browser tests lie in the same folder and are no part of the build.
sources=()
for entry in web-client/*; do
  case "${entry##*/}" in
    e2e | node_modules | dist | test-results | screenshots) ;;
    *) sources+=("$entry") ;;
  esac
done

digest="$(digest_of "${sources[@]}")"
stamped web-client/dist/.vbranch-sources "$digest" && exit
say "building the web client, about half a minute"
npm run build --prefix web-client --silent </dev/null
printf '%s' "$digest" >web-client/dist/.vbranch-sources
