"""The manifest and the other documents of a bundle, from JSON values into types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from . import fields as f
from .canonical import Json, parse
from .errors import Wrong
from .seal import MAX_PLAIN, SEALING, sealed_len

FORMAT = "vbranch-recording/2"
EXPORT_FORMAT = "vbranch-export/2"

_ARTIFACT = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_PICTURE = re.compile(r"(avc3|vp08)\.[!-~]+")

_kind = f.one_of("audio", "video", "screen")
_artifact_name = f.pattern(_ARTIFACT, "an artefact's name")


@dataclass(frozen=True)
class Sealed:
    """A sealed object and what is inside."""

    sealed_len: int
    sealed_sha256: str
    plain_len: int
    plain_sha256: str


@dataclass(frozen=True)
class Init:
    """A decoder set-up; its name is the hash of its plaintext."""

    kinds: list[str]
    object: Sealed


@dataclass(frozen=True)
class Segment:
    """A piece of a track's media."""

    sequence: int
    init: str
    start_us: int
    duration_us: int
    object: Sealed
    chain: str
    lost: bool

    @property
    def end_us(self) -> int:
        return self.start_us + self.duration_us


@dataclass(frozen=True)
class Track:
    """A participant's camera and microphone, or screen."""

    participant: str
    is_screen: bool
    inits: list[Init]
    segments: list[Segment]

    @property
    def name(self) -> str:
        return f"{self.participant}-screen" if self.is_screen else self.participant

    @property
    def kinds(self) -> tuple[str, ...]:
        return ("screen",) if self.is_screen else ("audio", "video")

    def kept(self) -> Iterator[Segment]:
        """The segments that are still there."""
        return (segment for segment in self.segments if not segment.lost)


@dataclass(frozen=True)
class Artifact:
    """A sealed still, signature or the like."""

    name: str
    object: Sealed


@dataclass(frozen=True)
class Gap:
    """Media that are missing."""

    participant: str
    kind: str
    start_us: int
    duration_us: int

    @property
    def end_us(self) -> int:
        return self.start_us + self.duration_us


@dataclass(frozen=True)
class Manifest:
    """Everything a recording consists of."""

    recording: str
    state: str
    roles: dict[str, str]
    key_id: str
    kek: str
    segment_ms: int
    tracks: list[Track]
    artifacts: list[Artifact]
    offsets_us: list[int]
    gaps: list[Gap]
    is_lossy: bool
    origin: str
    previous_checkpoint: str | None


@dataclass(frozen=True)
class LogEntry:
    """A manifest's entry in the evidence log."""

    recording: str
    sha256: str


@dataclass(frozen=True)
class WrappedKey:
    """`key.json`."""

    id: str
    recording: str
    kek: str
    wrapped: str
    escrow: list[str]


@dataclass(frozen=True)
class MediaFile:
    """A playable file."""

    path: str
    len: int
    sha256: str


@dataclass(frozen=True)
class Export:
    """`export.json`."""

    recording: str
    manifest_sha256: str
    key_sha256: str | None
    media: list[MediaFile]


def read_manifest(raw: bytes) -> Manifest:
    """The manifest, with every field of the type it should have."""
    o = f.Fields(parse(raw))
    o.take("format", f.constant(FORMAT))
    for name in ("visit", "call"):
        o.take(name, f.uuid)
    o.take("journey", f.text)
    o.take("started_ms", f.signed)
    o.take("closed_ms", f.signed)
    o.take("duration_us", f.unsigned)
    key_id, kek = o.take("key", _key)
    origin, previous = o.take("log", _log)
    o.take("sender_reports", f.many(_sender_report))
    o.take("skews", f.many(_skew))
    manifest = Manifest(
        recording=o.take("recording", f.uuid),
        state=o.take("state", f.one_of("sealed", "recovered")),
        roles=_roles(o.take("participants", f.many(_participant))),
        key_id=key_id,
        kek=kek,
        segment_ms=o.take("policy", _policy),
        tracks=o.take("tracks", f.many(_track)),
        artifacts=o.take("artifacts", f.many(_artifact)),
        offsets_us=o.take("timeline", f.many(_timeline)),
        gaps=o.take("gaps", f.many(_gap)),
        is_lossy=o.take("loss", f.optional(_loss)) is not None,
        origin=origin,
        previous_checkpoint=previous,
    )
    o.done()
    return manifest


def read_log_entry(raw: bytes) -> LogEntry:
    o = f.Fields(parse(raw))
    o.take("type", f.constant("manifest"))
    o.take("at_ms", f.signed)
    entry = LogEntry(o.take("recording", f.uuid), o.take("sha256", f.sha256))
    o.done()
    return entry


def read_destruction(raw: bytes) -> LogEntry:
    """The entry of a recording's destruction."""
    o = f.Fields(parse(raw))
    o.take("type", f.constant("destroy"))
    o.take("user", f.text)
    o.take("reason", f.text)
    o.take("retained_until_ms", f.signed)
    o.take("at_ms", f.signed)
    entry = LogEntry(o.take("recording", f.uuid), o.take("manifest_sha256", f.sha256))
    o.done()
    return entry


def read_key(raw: bytes) -> WrappedKey:
    o = f.Fields(parse(raw))
    key = WrappedKey(
        id=o.take("id", f.sha256),
        recording=o.take("recording", f.uuid),
        kek=o.take("kek", f.text),
        wrapped=o.take("wrapped", f.text),
        escrow=o.take("escrow", f.many(_escrow)),
    )
    o.done()
    return key


def _escrow(value: Json) -> str:
    o = f.Fields(value)
    o.take("holder", f.text)
    sealed = o.take("sealed", f.text)
    o.done()
    return sealed


def read_export(raw: bytes) -> Export:
    o = f.Fields(parse(raw))
    o.take("format", f.constant(EXPORT_FORMAT))
    o.take("by", f.text)
    o.take("at_ms", f.signed)
    export = Export(
        recording=o.take("recording", f.uuid),
        manifest_sha256=o.take("manifest_sha256", f.sha256),
        key_sha256=o.take("key_sha256", f.optional(f.sha256)),
        media=o.take("media", f.many(_media_file)),
    )
    o.done()
    return export


def _media_file(value: Json) -> MediaFile:
    o = f.Fields(value)
    file = MediaFile(o.take("path", f.text), o.take("len", f.unsigned), o.take("sha256", f.sha256))
    o.done()
    return file


def _participant(value: Json) -> tuple[str, str]:
    o = f.Fields(value)
    participant = (o.take("id", f.uuid), o.take("role", f.text))
    o.done()
    return participant


def _roles(participants: list[tuple[str, str]]) -> dict[str, str]:
    roles = dict(participants)
    if len(roles) != len(participants):
        raise Wrong("lists a participant twice")
    return roles


def _key(value: Json) -> tuple[str, str]:
    o = f.Fields(value)
    o.take("sealing", f.constant(SEALING))
    key = (o.take("id", f.sha256), o.take("kek", f.text))
    o.done()
    return key


def _log(value: Json) -> tuple[str, str | None]:
    o = f.Fields(value)
    log = (o.take("origin", f.text), o.take("previous_checkpoint", f.optional(f.text)))
    o.done()
    return log


def _policy(value: Json) -> int:
    o = f.Fields(value)
    o.take("stores_required", f.u8)
    o.take("heartbeat_ms", f.unsigned)
    segment_ms = o.take("segment_ms", f.unsigned)
    o.done()
    return segment_ms


def _loss(value: Json) -> bool:
    o = f.Fields(value)
    for name in ("last_heartbeat_us", "crashed_before_us"):
        o.take(name, f.unsigned)
    o.done()
    return True


def _timeline(value: Json) -> int:
    o = f.Fields(value)
    event = o.take("event", lambda event: event)
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise Wrong("has an event without a type")
    offset_us = o.take("offset_us", f.signed)
    o.done()
    return offset_us


def _gap(value: Json) -> Gap:
    o = f.Fields(value)
    o.take("cause", f.one_of("loss", "reconnect", "stalled", "overflow", "crash"))
    gap = Gap(
        participant=o.take("participant", f.uuid),
        kind=o.take("kind", _kind),
        start_us=o.take("start_us", f.unsigned),
        duration_us=o.take("duration_us", f.unsigned),
    )
    o.done()
    return gap


def _sender_report(value: Json) -> None:
    o = f.Fields(value)
    o.take("participant", f.uuid)
    o.take("kind", _kind)
    o.take("leg", f.u32)
    o.take("ntp", f.hex16)
    o.take("rtp", f.hex16)
    o.take("arrived_us", f.unsigned)
    o.done()


def _skew(value: Json) -> None:
    o = f.Fields(value)
    o.take("participant", f.uuid)
    o.take("at_us", f.unsigned)
    o.take("skew_us", f.signed)
    o.done()


def _sealed(value: Json) -> Sealed:
    o = f.Fields(value)
    sealed = Sealed(
        sealed_len=o.take("sealed_len", f.unsigned),
        sealed_sha256=o.take("sealed_sha256", f.sha256),
        plain_len=o.take("plain_len", f.unsigned),
        plain_sha256=o.take("plain_sha256", f.sha256),
    )
    o.done()
    if sealed.plain_len > MAX_PLAIN or sealed.sealed_len != sealed_len(sealed.plain_len):
        raise Wrong("lengths that no sealed object has")
    return sealed


def _artifact(value: Json) -> Artifact:
    o = f.Fields(value)
    artifact = Artifact(o.take("name", _artifact_name), o.take("object", _sealed))
    o.done()
    return artifact


def _track(value: Json) -> Track:
    o = f.Fields(value)
    track = Track(
        participant=o.take("participant", f.uuid),
        is_screen=o.take_or("source", f.constant("screen"), "") != "",
        inits=o.take("inits", f.many(_init)),
        segments=o.take("segments", f.many(_segment)),
    )
    o.done()
    return track


def _init(value: Json) -> Init:
    o = f.Fields(value)
    init = Init(o.take("codecs", f.many(_codec)), o.take("object", _sealed))
    o.done()
    return init


def _codec(value: Json) -> str:
    o = f.Fields(value)
    kind, codec = o.take("kind", _kind), o.take("codec", f.text)
    size = o.take("width", f.u32), o.take("height", f.u32)
    o.done()
    is_sound = codec == "opus" and size == (0, 0)
    if not (is_sound if kind == "audio" else _PICTURE.fullmatch(codec)):
        raise Wrong("has a codec that does not go with its kind")
    return kind


def _segment(value: Json) -> Segment:
    o = f.Fields(value)
    o.take("keyframe", f.boolean)
    segment = Segment(
        sequence=o.take("sequence", f.u32),
        init=o.take("init", f.sha256),
        start_us=o.take("start_us", f.unsigned),
        duration_us=o.take("duration_us", f.unsigned),
        object=o.take("object", _sealed),
        chain=o.take("chain", f.sha256),
        lost=o.take("lost", f.boolean),
    )
    o.done()
    return segment
