#!/usr/bin/env bash
# Makes the film that an attacker plays in place of the customer's camera in browser tests: a real
# face that blinks and turns to both sides within 13 seconds, so that in a loop it shows these
# gestures in whatever order they are asked for. The liveness check must refuse it.
#
#   make-camera-film.sh OUT.y4m [FACE-FILM]
#
# FACE-FILM is d3.mp4 of the test faces (VBRANCH_SHARED, or ../shared beside the repository). They
# are not part of the repository: where they are missing this exits with status 3.
# The cuts below belong to that film:
#   0.80-2.53 s  the head comes back from one side and blinks twice; slowed down by half
#   6.50-10.2 s  the head turns far to the person's left and back
# and the whole is followed by its mirror image, which turns to the right.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: make-camera-film.sh OUT.y4m [FACE-FILM]}
film=${2:-${VBRANCH_SHARED:-$here/../../shared}/data/faces/d3.mp4}

if [ ! -f "$film" ]; then
    echo "no face film at $film" >&2
    exit 3
fi

# Written beside and renamed, so that a film is there whole or not at all.
part="$out.part"
trap 'rm -f "$part"' EXIT
ffmpeg -hide_banner -loglevel error -nostdin -y -i "$film" -an -filter_complex "
    [0:v]split[a][b];
    [a]trim=0.80:2.53,setpts=1.5*(PTS-STARTPTS),fps=25[blink];
    [b]trim=6.50:10.20,setpts=PTS-STARTPTS,fps=25[turn];
    [blink][turn]concat=n=2,scale=480:480,pad=640:480:-1:-1:color=gray,split[plain][copy];
    [copy]hflip[mirrored];
    [plain][mirrored]concat=n=2,format=yuv420p[film]" \
    -map '[film]' -r 25 -f yuv4mpegpipe "$part"
mv "$part" "$out"
