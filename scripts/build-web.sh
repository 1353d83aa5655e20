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
stamp=web-client/node_modules/.vbranch-dist
[[ -f web-client/dist/index.html ]] && stamped "$stamp" "$digest" && exit
say "building the web client, about half a minute"
npm run build --prefix web-client --silent </dev/null
printf '%s' "$digest" >"$stamp"
