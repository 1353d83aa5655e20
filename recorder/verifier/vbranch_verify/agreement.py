"""Whether a manifest agrees with itself (section 3 of the format)."""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Sequence
from itertools import accumulate

from .errors import Wrong
from .manifest import Gap, Manifest, Track

# A hole in a camera's media that need not be on the ledger of gaps.
SLACK_US = 100_000


def check_agreement(manifest: Manifest) -> None:
    """Fails at the first thing that contradicts another."""
    _no_twice("track", [track.name for track in manifest.tracks])
    _no_twice("artefact", [artifact.name for artifact in manifest.artifacts])
    for track in manifest.tracks:
        if track.participant not in manifest.roles:
            raise Wrong(f"has track {track.name}, whose participant is not listed")
    if manifest.is_lossy != (manifest.state == "recovered"):
        raise Wrong("should have a loss in state `recovered`, and only there")
    if manifest.offsets_us != sorted(manifest.offsets_us):
        raise Wrong("has a timeline out of order")
    gaps = _by_stream(manifest.gaps)
    for track in manifest.tracks:
        try:
            _check_inits(track)
            _check_chain(manifest.recording, track)
            _check_times(track, manifest.segment_ms * 1000)
            ledgers = [gaps.get((track.participant, kind), []) for kind in track.kinds]
            _check_lost(track, ledgers)
            # A screen is shared on and off, which leaves holes that are nothing missing.
            if not track.is_screen:
                _check_holes(track, ledgers)
        except Wrong as wrong:
            raise Wrong(f"has track {track.name}: {wrong}") from None


def _no_twice(what: str, names: Sequence[str]) -> None:
    seen = set()
    for name in names:
        if name in seen:
            raise Wrong(f"lists {what} {name} twice")
        seen.add(name)


def _check_inits(track: Track) -> None:
    names = [init.object.plain_sha256 for init in track.inits]
    _no_twice("init section", names)
    for init in track.inits:
        _no_twice("kind", init.kinds)
        if not init.kinds or not set(init.kinds) <= set(track.kinds):
            raise Wrong("an init section has kinds that the track has not")
    listed = set(names)
    for segment in track.kept():
        if segment.init not in listed:
            raise Wrong(f"segment {segment.sequence} needs an init section that is not listed")


def _check_chain(recording: str, track: Track) -> None:
    chain = hashlib.sha256(f"vbranch/v1/chain|{recording}|{track.name}".encode()).digest()
    for sequence, segment in enumerate(track.segments):
        if segment.sequence != sequence:
            raise Wrong(f"segment {segment.sequence} should be {sequence}")
        hashes = segment.object.sealed_sha256 + segment.object.plain_sha256
        link = chain + sequence.to_bytes(4, "big") + bytes.fromhex(hashes)
        chain = hashlib.sha256(link).digest()
        if chain.hex() != segment.chain:
            raise Wrong(f"the chain breaks at segment {sequence}")


def _check_times(track: Track, longest_us: int) -> None:
    for segment in track.segments:
        if segment.duration_us > longest_us:
            raise Wrong(f"segment {segment.sequence} is longer than the policy says")


def _check_lost(track: Track, ledgers: list[list[Gap]]) -> None:
    """A single gap is over each lost segment."""
    covers = [_Covered(gaps) for gaps in ledgers]
    for segment in track.segments:
        if segment.lost and not any(c.covers(segment.start_us, segment.end_us) for c in covers):
            raise Wrong(f"lost segment {segment.sequence} is not covered by a gap")


def _check_holes(track: Track, ledgers: list[list[Gap]]) -> None:
    """Each moment between the first and the last segment is in a segment or in a gap."""
    if not track.segments:
        return
    spans = [(segment.start_us, segment.end_us) for segment in track.segments]
    covered, last = min(spans)[0], max(spans)[0]
    spans += [(gap.start_us, gap.end_us) for gaps in ledgers for gap in gaps]
    for start, end in sorted(spans):
        if start > last:
            break
        if start - covered > SLACK_US:
            raise Wrong(f"nothing is there from {covered} to {start} us, and no gap says so")
        covered = max(covered, end)


def _by_stream(gaps: list[Gap]) -> dict[tuple[str, str], list[Gap]]:
    streams: dict[tuple[str, str], list[Gap]] = {}
    for gap in gaps:
        streams.setdefault((gap.participant, gap.kind), []).append(gap)
    return streams


class _Covered:
    """Whether one of some gaps covers a span; answers in logarithmic time."""

    def __init__(self, gaps: list[Gap]) -> None:
        spans = sorted((gap.start_us, gap.end_us) for gap in gaps)
        self._starts = [start for start, _ in spans]
        self._ends = list(accumulate((end for _, end in spans), max))

    def covers(self, start: int, end: int) -> bool:
        before = bisect.bisect_right(self._starts, start)
        return before > 0 and self._ends[before - 1] >= end
