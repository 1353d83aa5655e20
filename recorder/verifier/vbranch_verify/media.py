"""Which playable files a recording has, and of what they consist (section 7 of the format)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .manifest import Manifest, Segment, Track


@dataclass
class Film:
    """A playable file: one init section, then segments."""

    path: str
    track: Track
    init: str
    segments: list[Segment] = field(default_factory=list)


def films(manifest: Manifest) -> list[Film]:
    """The playable files: one per run of segments under one init section."""
    made: list[Film] = []
    count: dict[str, int] = {}
    for track in manifest.tracks:
        name = _word(manifest.roles[track.participant]) + ("-screen" if track.is_screen else "")
        last = ""
        for segment in track.kept():
            if segment.init != last:
                last = segment.init
                count[name] = count.get(name, 0) + 1
                number = "" if count[name] == 1 else f"-{count[name]}"
                made.append(Film(f"media/{name}{number}.mp4", track, last))
            made[-1].segments.append(segment)
    return made


def _word(role: str) -> str:
    """A role as a file's name."""
    return re.sub("[^a-z]", "", role)[:32] or "participant"
