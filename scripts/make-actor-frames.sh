#!/usr/bin/env bash
# Takes the pictures out of a film of a real face from which the actor of the browser tests plays
# a live person (web-client/e2e/support/actor.ts): numbered like the film's own frames, from 0.
#
#   make-actor-frames.sh OUT-DIR [FACE-FILM]
#
# FACE-FILM is d3.mp4 of the test faces (VBRANCH_SHARED, or ../shared beside the repository). They
# are not part of the repository: where they are missing this exits with status 3.
# The cuts below belong to that film (30 frames a second):
#   54-60    the eyes shut
#   96-123   the head goes down
#   186-200  the face at rest, eyes open
#   264-303  the head comes back from far to the person's left, then the mouth opens
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: make-actor-frames.sh OUT-DIR [FACE-FILM]}
film=${2:-${VBRANCH_SHARED:-$here/../../shared}/data/faces/d3.mp4}

if [ ! -f "$film" ]; then
    echo "no face film at $film" >&2
    exit 3
fi

# Written beside and renamed, so that the pictures are there all or not at all.
part="$out.part"
trap 'rm -rf "$part"' EXIT
rm -rf "$part"
mkdir -p "$part"
cut() {
    ffmpeg -hide_banner -loglevel error -nostdin -y -i "$film" -an \
        -vf "select='between(n,$1,$2)',scale=480:480" -fps_mode passthrough \
        -start_number "$1" -q:v 2 "$part/%03d.jpg"
}
cut 54 60
cut 96 123
cut 186 200
cut 264 303
mv "$part" "$out"
