"""The sealed objects of a bundle, and with the data key what is inside."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from .errors import Wrong
from .folder import MAX_OBJECT, Folder
from .manifest import Manifest, Sealed, Track
from .media import Film, films
from .report import Report
from .seal import open_sealed, subkey


@dataclass(frozen=True)
class Object:
    """Where a sealed object is, what it should be, and what it was sealed for."""

    path: str
    sealed: Sealed
    context: str


@dataclass(frozen=True)
class Group:
    """Objects that are checked alike; what passes is reported as one."""

    check: str
    name: str
    subkey: str
    objects: list[Object]


class Objects:
    """All sealed objects of a recording."""

    def __init__(self, report: Report, folder: Folder, manifest: Manifest) -> None:
        self._report = report
        self._folder = folder
        self._manifest = manifest
        self._groups = list(_groups(manifest))
        self._by_path: dict[str, Object] = {
            found.path: found for group in self._groups for found in group.objects
        }

    @property
    def paths(self) -> set[str]:
        """Where objects should be."""
        return set(self._by_path)

    def check_sealed(self) -> None:
        """Every object is there as the manifest says."""
        for group in self._groups:
            passed = 0
            for found in group.objects:
                try:
                    self._read(found)
                    passed += 1
                except Wrong as wrong:
                    self._report.fail(group.check, found.path, str(wrong))
            self._report.passed(group.check, f"{passed} sealed as in the manifest, {group.name}")

    def check_plaintext(self, data_key: bytes, media: set[str]) -> None:
        """Every object opens, and films are made of what is inside."""
        keys: dict[str, bytes] = {}
        for group in self._groups:
            key = subkey(data_key, self._manifest.recording, group.subkey)
            keys[group.name] = key
            passed = 0
            for found in group.objects:
                try:
                    self._open(found, key)
                    passed += 1
                except Wrong as wrong:
                    self._report.fail("plaintext", found.path, str(wrong))
            self._report.passed("plaintext", f"{passed} opened, {group.check}, {group.name}")
        for film in films(self._manifest):
            if film.path in media:
                with self._report.check("plaintext", film.path):
                    self._check_film(film, keys[film.track.name])

    def _read(self, found: Object) -> bytes:
        if found.sealed.sealed_len > MAX_OBJECT:
            raise Wrong(f"is larger than {MAX_OBJECT} bytes")
        raw = self._folder.read_exactly(found.path, found.sealed.sealed_len)
        if hashlib.sha256(raw).hexdigest() != found.sealed.sealed_sha256:
            raise Wrong("was changed")
        return raw

    def _open(self, found: Object, key: bytes) -> bytes:
        plain = b"".join(open_sealed(key, found.context, self._read(found)))
        if len(plain) != found.sealed.plain_len:
            raise Wrong("has plaintext of another length")
        if hashlib.sha256(plain).hexdigest() != found.sealed.plain_sha256:
            raise Wrong("has other plaintext than the manifest says")
        return plain

    def _check_film(self, film: Film, key: bytes) -> None:
        """The film's bytes are those of its parts, one behind the other."""
        folder = f"objects/{film.track.name}"
        parts = [f"{folder}/{film.init}.init"]
        parts += [_segment_path(folder, segment.sequence) for segment in film.segments]
        length = sum(self._by_path[part].sealed.plain_len for part in parts)
        film_hash, parts_hash = self._folder.digest(film.path, length), hashlib.sha256()
        for part in parts:
            parts_hash.update(self._open(self._by_path[part], key))
        if film_hash != parts_hash.hexdigest():
            raise Wrong("is not made of the recording's segments")


def _groups(manifest: Manifest) -> Iterator[Group]:
    for track in manifest.tracks:
        key = f"vbranch/v1/track|{track.name}"
        yield Group("init", track.name, key, list(_inits(manifest, track)))
        yield Group("segment", track.name, key, list(_segments(manifest, track)))
    artifacts = [
        Object(
            f"objects/artifacts/{artifact.name}.sealed",
            artifact.object,
            f"vbranch/v1/artifact|{manifest.recording}|{artifact.name}",
        )
        for artifact in manifest.artifacts
    ]
    yield Group("artifact", "artifacts", "vbranch/v1/artifacts", artifacts)


def _inits(manifest: Manifest, track: Track) -> Iterator[Object]:
    for init in track.inits:
        name = init.object.plain_sha256
        context = f"vbranch/v1/init|{manifest.recording}|{track.name}|{name}"
        yield Object(f"objects/{track.name}/{name}.init", init.object, context)


def _segments(manifest: Manifest, track: Track) -> Iterator[Object]:
    for segment in track.kept():
        number = segment.sequence
        context = f"vbranch/v1/segment|{manifest.recording}|{track.name}|{number}|{segment.init}"
        yield Object(_segment_path(f"objects/{track.name}", number), segment.object, context)


def _segment_path(folder: str, sequence: int) -> str:
    return f"{folder}/{sequence:08}.seg"
