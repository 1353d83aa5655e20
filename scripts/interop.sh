#!/usr/bin/env bash
# Other people's WebRTC clients in calls of ours: installs what is missing, builds, and runs every
# pair of load-tests/interop. What cannot be installed is skipped, saying so.
#
#   scripts/interop.sh                 everything
#   scripts/interop.sh --only firefox  the pairs whose title has this text
#   scripts/interop.sh --list          the titles
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$ROOT"

HARNESS=load-tests/interop
export INTEROP_VENV="$TOOLS/interop-venv"
export CARGO_TERM_PROGRESS_WHEN=never

main() {
  install_browsers_and_gstreamer
  python_venv warn "$INTEROP_VENV" "$HARNESS/requirements.txt"
  npm_ci warn "$HARNESS"
  say "building the media plane, the server and the bot"
  # All of the workspace, as `make test` has built it: by themselves the two would have other features,
  # and a score of crates would be compiled again.
  cargo build --quiet --locked --workspace --all-targets
  say "running"
  exec node "$HARNESS/run.mjs" "$@"
}

# Each line: the Debian package, then the command that succeeds when what it brings is there.
wanted_packages() {
  cat <<'LIST'
chromium                     test -x /usr/bin/chromium
firefox-esr                  test -x /usr/bin/firefox-esr
gstreamer1.0-tools           gst-inspect-1.0 --version
gstreamer1.0-plugins-base    gst-inspect-1.0 opusenc
gstreamer1.0-plugins-good    gst-inspect-1.0 vp8enc
gstreamer1.0-plugins-bad     gst-inspect-1.0 webrtcbin
gstreamer1.0-plugins-ugly    gst-inspect-1.0 x264enc
gstreamer1.0-nice            gst-inspect-1.0 nicesrc
gstreamer1.0-libav           gst-inspect-1.0 avdec_h264
gir1.2-gst-plugins-base-1.0  /usr/bin/python3 -c "import gi; gi.require_version('GstSdp', '1.0')"
gir1.2-gst-plugins-bad-1.0   /usr/bin/python3 -c "import gi; gi.require_version('GstWebRTC', '1.0')"
python3-gst-1.0              /usr/bin/python3 -c "import gi; gi.require_version('Gst', '1.0'); from gi.repository import Gst"
LIST
}

# Unlike setup.sh this does not stop where it cannot install: the other clients are worth trying.
install_browsers_and_gstreamer() {
  local missing
  missing="$(wanted_packages | missing_of)"
  # Names of packages have no spaces.
  [[ -z "$missing" ]] || apt_install warn $missing
}

main "$@"
