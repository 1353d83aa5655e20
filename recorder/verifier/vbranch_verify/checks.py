"""What is checked, in the order of section 2 of docs/recording-format.md."""

from __future__ import annotations

import hashlib
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from . import log
from .agreement import check_agreement
from .errors import Wrong
from .folder import MAX_DOCUMENT, MAX_ENTRY, MAX_MANIFEST, Folder
from .manifest import Export, Manifest, read_export, read_key, read_log_entry, read_manifest
from .media import films
from .objects import Objects
from .report import Report
from .seal import WRAPPED

SIGNATURE_LEN = 64
_DATA_KEY = re.compile(rb"[0-9a-f]{64}\n")
# What a bundle has besides objects and media.
_DOCUMENTS = {
    "manifest.json",
    "manifest.sig",
    "log-entry.json",
    "log-proof.txt",
    "key.json",
    "evidence.pub",
    "export.json",
    "export.sig",
    "data.key",
}


def verify(bundle: str, key: Ed25519PublicKey) -> Report:
    """Checks the bundle in this folder against the bank's public key."""
    report, folder = Report(), Folder(bundle)
    present: dict[str, bool] = {}
    with report.check("layout", "the bundle"):
        present = folder.list()
    for path, is_file in present.items():
        if not is_file:
            report.fail("layout", path, "is neither a file nor a folder of a bundle")
    # Nothing is parsed, and nothing that a manifest lists is read, before it is the bank's.
    raw: bytes | None = None
    with report.check("signature", "manifest.json"):
        raw = _signed(folder, key, "manifest", MAX_MANIFEST)
    manifest: Manifest | None = None
    if raw is not None:
        with report.check("manifest", "manifest.json"):
            manifest = _agreeing(raw)
    if raw is None or manifest is None:
        report.skip("the rest", "the bundle", "rests on the manifest")
        return report
    report.recording = manifest.recording
    _check_documents(report, folder, key, manifest, raw, present)
    return report


def _check_documents(
    report: Report,
    folder: Folder,
    key: Ed25519PublicKey,
    manifest: Manifest,
    raw: bytes,
    present: dict[str, bool],
) -> None:
    """Everything behind the manifest."""
    digest = hashlib.sha256(raw).hexdigest()
    with report.check("log", "log-entry.json"):
        entry = read_log_entry(folder.read("log-entry.json", MAX_ENTRY))
        _same("recording", entry.recording, manifest.recording)
        _same("sha256", entry.sha256, digest)
    with report.check("log", "log-proof.txt"):
        _check_log(folder, key, manifest)
    with report.check("key", "key.json"):
        _check_wrapped_key(folder, manifest)
    with report.check("key", "evidence.pub"):
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        if folder.read("evidence.pub", MAX_DOCUMENT) != pem:
            raise Wrong("is not the key this is checked against")
    export = Export(manifest.recording, digest, [])
    with report.check("export", "export.json"):
        export = _check_export(folder, key, manifest, digest)
    objects = Objects(report, folder, manifest)
    objects.check_sealed()
    for file in export.media:
        with report.check("media", file.path):
            if folder.digest(file.path, file.len) != file.sha256:
                raise Wrong("was changed")
    known = _DOCUMENTS | objects.paths | {file.path for file in export.media}
    _check_extra(report, present, known)
    _check_plaintext(report, folder, objects, {file.path for file in export.media}, present)


def _signed(folder: Folder, key: Ed25519PublicKey, name: str, limit: int) -> bytes:
    """A document's bytes, when the bank signed them."""
    raw = folder.read(f"{name}.json", limit)
    try:
        key.verify(folder.read_exactly(f"{name}.sig", SIGNATURE_LEN), raw)
    except InvalidSignature:
        raise Wrong("is not signed with the bank's key") from None
    except Wrong as wrong:
        raise Wrong(f"has a signature that {wrong}") from None
    return raw


def _agreeing(raw: bytes) -> Manifest:
    manifest = read_manifest(raw)
    check_agreement(manifest)
    return manifest


def _same(what: str, found: str, wanted: str) -> None:
    if found != wanted:
        raise Wrong(f"has another {what} than the manifest: {found}")


def _check_log(folder: Folder, key: Ed25519PublicKey, manifest: Manifest) -> None:
    proof = log.parse_proof(folder.read("log-proof.txt", MAX_DOCUMENT))
    checkpoint = log.open_checkpoint(proof.note, manifest.origin, key)
    log.check_inclusion(folder.read("log-entry.json", MAX_ENTRY), proof, checkpoint)
    if manifest.previous_checkpoint is not None:
        before = log.open_checkpoint(manifest.previous_checkpoint, manifest.origin, key)
        if before.size > proof.index:
            raise Wrong("has the manifest before the manifest's previous checkpoint")


def _check_wrapped_key(folder: Folder, manifest: Manifest) -> None:
    key = read_key(folder.read("key.json", MAX_DOCUMENT))
    _same("recording", key.recording, manifest.recording)
    _same("kek", key.kek, manifest.kek)
    _same("id", key.id, manifest.key_id)
    wrapped = log.decode_base64(key.wrapped)
    if key.kek.startswith("file-") and len(wrapped) != WRAPPED:
        raise Wrong("has a wrapped key of another length")


def _check_export(folder: Folder, key: Ed25519PublicKey, manifest: Manifest, digest: str) -> Export:
    export = read_export(_signed(folder, key, "export", MAX_DOCUMENT))
    _same("recording", export.recording, manifest.recording)
    _same("manifest_sha256", export.manifest_sha256, digest)
    listed: list[str] = [file.path for file in export.media]
    if listed and listed != [film.path for film in films(manifest)]:
        raise Wrong("lists other media than the recording has")
    return export


def _check_extra(report: Report, present: dict[str, bool], known: set[str]) -> None:
    for path, is_file in sorted(present.items()):
        if is_file and path not in known:
            report.fail("extra", path, "is not in the manifest")


def _check_plaintext(
    report: Report, folder: Folder, objects: Objects, media: set[str], present: dict[str, bool]
) -> None:
    if "data.key" not in present:
        report.skip("plaintext", "the objects", "cannot be checked without the data key")
        return
    data_key = b""
    with report.check("key", "data.key"):
        written = folder.read_exactly("data.key", 65)
        if _DATA_KEY.fullmatch(written) is None:
            raise Wrong("is not 64 lower-case hex digits and a line feed")
        data_key = bytes.fromhex(written.decode())
    if data_key:
        objects.check_plaintext(data_key, media)
