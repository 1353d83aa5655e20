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
from .manifest import (
    Export,
    Manifest,
    read_destruction,
    read_export,
    read_key,
    read_log_entry,
    read_manifest,
)
from .media import films
from .objects import Objects
from .report import Report
from .seal import ESCROWED, WRAPPED, subkey

SIGNATURE_LEN = 64
_DATA_KEY = re.compile(rb"[0-9a-f]{64}\n")
# What a bundle has besides objects and media.
_DOCUMENTS = {
    "manifest.json",
    "manifest.sig",
    "log-entry.json",
    "log-proof.txt",
    "log-consistency.txt",
    "evidence.pub",
    "export.json",
    "export.sig",
}
# And one of these sets: the keys, or their destruction.
_KEYS = {"key.json", "data.key"}
_DESTRUCTION = {"destruction.json", "destruction-proof.txt"}


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
    index: int | None = None
    with report.check("log", "log-proof.txt"):
        index = _check_log(folder, key, manifest, "log-entry.json", "log-proof.txt")
    with report.check("log", "log-consistency.txt"):
        _check_consistency(folder, key, manifest)
    destroyed = "destruction.json" in present
    if destroyed:
        with report.check("destruction", "destruction.json"):
            destruction = read_destruction(folder.read("destruction.json", MAX_ENTRY))
            _same("recording", destruction.recording, manifest.recording)
            _same("manifest_sha256", destruction.sha256, digest)
        with report.check("destruction", "destruction-proof.txt"):
            paths = ("destruction.json", "destruction-proof.txt")
            if _check_log(folder, key, manifest, *paths) <= (-1 if index is None else index):
                raise Wrong("is from before the recording was sealed")
    else:
        with report.check("key", "key.json"):
            _check_wrapped_key(folder, manifest)
    with report.check("key", "evidence.pub"):
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        if folder.read("evidence.pub", MAX_DOCUMENT) != pem:
            raise Wrong("is not the key this is checked against")
    export = Export(manifest.recording, digest, None, [])
    with report.check("export", "export.json"):
        export = _check_export(folder, key, manifest, digest, destroyed)
    objects = Objects(report, folder, manifest)
    objects.check_sealed()
    for file in export.media:
        with report.check("media", file.path):
            if folder.digest(file.path, file.len) != file.sha256:
                raise Wrong("was changed")
    known = _DOCUMENTS | (_DESTRUCTION if destroyed else _KEYS)
    known |= objects.paths | {file.path for file in export.media}
    _check_extra(report, present, known)
    _check_plaintext(
        report, folder, manifest, objects, {file.path for file in export.media}, present
    )


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


def _check_log(
    folder: Folder, key: Ed25519PublicKey, manifest: Manifest, entry_path: str, proof_path: str
) -> int:
    """The entry's place on the log."""
    proof = log.parse_proof(folder.read(proof_path, MAX_DOCUMENT))
    checkpoint = log.open_checkpoint(proof.note, manifest.origin, key)
    log.check_inclusion(folder.read(entry_path, MAX_ENTRY), proof, checkpoint)
    if manifest.previous_checkpoint is not None:
        before = log.open_checkpoint(manifest.previous_checkpoint, manifest.origin, key)
        if before.size > proof.index:
            raise Wrong("has its entry before the manifest's previous checkpoint")
    return proof.index


def _check_consistency(folder: Folder, key: Ed25519PublicKey, manifest: Manifest) -> None:
    proof = log.parse_consistency(folder.read("log-consistency.txt", MAX_DOCUMENT))
    if proof.note != log.parse_proof(folder.read("log-proof.txt", MAX_DOCUMENT)).note:
        raise Wrong("is not under the checkpoint of log-proof.txt")
    before = log.Checkpoint(0, hashlib.sha256(b"").digest())
    if manifest.previous_checkpoint is not None:
        before = log.open_checkpoint(manifest.previous_checkpoint, manifest.origin, key)
    log.check_consistency(proof, before, log.open_checkpoint(proof.note, manifest.origin, key))


def _check_wrapped_key(folder: Folder, manifest: Manifest) -> None:
    key = read_key(folder.read("key.json", MAX_DOCUMENT))
    _same("recording", key.recording, manifest.recording)
    _same("id", key.id, manifest.key_id)
    wrapped = log.decode_base64(key.wrapped)
    if key.kek.startswith("file-") and len(wrapped) != WRAPPED:
        raise Wrong("has a wrapped key of another length")
    if any(len(log.decode_base64(sealed)) != ESCROWED for sealed in key.escrow):
        raise Wrong("has a second holder's copy of another length")


def _check_export(
    folder: Folder, key: Ed25519PublicKey, manifest: Manifest, digest: str, destroyed: bool
) -> Export:
    export = read_export(_signed(folder, key, "export", MAX_DOCUMENT))
    _same("recording", export.recording, manifest.recording)
    _same("manifest_sha256", export.manifest_sha256, digest)
    wrapped = None
    if not destroyed:
        wrapped = hashlib.sha256(folder.read("key.json", MAX_DOCUMENT)).hexdigest()
    if export.key_sha256 != wrapped:
        raise Wrong("was made with another key.json")
    if destroyed and export.media:
        raise Wrong("lists media of a recording that was destroyed")
    listed: list[str] = [file.path for file in export.media]
    if listed and listed != [film.path for film in films(manifest)]:
        raise Wrong("lists other media than the recording has")
    return export


def _check_extra(report: Report, present: dict[str, bool], known: set[str]) -> None:
    for path, is_file in sorted(present.items()):
        if is_file and path not in known:
            report.fail("extra", path, "is not in the manifest")


def _check_plaintext(
    report: Report,
    folder: Folder,
    manifest: Manifest,
    objects: Objects,
    media: set[str],
    present: dict[str, bool],
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
        if subkey(data_key, manifest.recording, "vbranch/v1/key-id").hex() != manifest.key_id:
            data_key = b""
            raise Wrong("is not the data key the manifest names")
    if data_key:
        objects.check_plaintext(data_key, media)
