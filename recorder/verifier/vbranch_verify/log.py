"""The evidence log: signed notes, checkpoints and inclusion proofs."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .errors import Wrong

PROOF_HEADER = "c2sp.org/tlog-proof@v1"
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,12}")
_ORIGIN = re.compile(r"[!-*,-~]{1,200}")
# The name of a key, which may be a witness's: no spaces, no plus.
_KEY_NAME = re.compile(r"[^\s+]+")
# The largest log believed: a thousand visits a second for thirty years.
MAX_SIZE = 2**40
MAX_NOTE = 128 * 1024
MAX_PATH = 64
# Kind of an Ed25519 signature in a note.
_ED25519 = b"\x01"


@dataclass(frozen=True)
class Checkpoint:
    """A log's state, signed by the log."""

    size: int
    root: bytes


@dataclass(frozen=True)
class Proof:
    """Where an entry stands on the log, as read: nothing in it is checked."""

    index: int
    path: list[bytes]
    note: str


def raw_key(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def decode_base64(value: str) -> bytes:
    """Standard alphabet with padding, in the only spelling there is."""
    try:
        decoded = base64.b64decode(value.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise Wrong("is not base64") from None
    if base64.b64encode(decoded).decode() != value:
        raise Wrong("is not base64 as it should be")
    return decoded


def open_checkpoint(note: str, origin: str, key: Ed25519PublicKey) -> Checkpoint:
    """The checkpoint in a note signed by the log `origin`."""
    body, signatures = _split_note(note)
    _check_signatures(body, signatures, origin, key)
    lines = body.split("\n")
    if len(lines) != 4 or lines[3]:
        raise Wrong("has a checkpoint that is not three lines")
    if lines[0] != origin or _ORIGIN.fullmatch(origin) is None:
        raise Wrong("is of another log, or of one whose origin cannot name a key")
    checkpoint = Checkpoint(_decimal(lines[1]), _hash(lines[2]))
    if checkpoint.size > MAX_SIZE:
        raise Wrong(f"has a checkpoint of more than {MAX_SIZE} entries")
    return checkpoint


def _split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    if len(note.encode()) > MAX_NOTE:
        raise Wrong(f"has a checkpoint of more than {MAX_NOTE} bytes")
    if any(c < " " and c != "\n" for c in note):
        raise Wrong("has control characters in its checkpoint")
    body, blank, tail = note.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise Wrong("has no signed checkpoint")
    signatures = []
    for line in tail[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        signature = decode_base64(encoded)
        if dash != "\u2014" or _KEY_NAME.fullmatch(name) is None or len(signature) <= 4:
            raise Wrong("has a line under its checkpoint that is no signature")
        signatures.append((name, signature))
    return body + "\n", signatures


def _check_signatures(
    body: str, signatures: list[tuple[str, bytes]], origin: str, key: Ed25519PublicKey
) -> None:
    key_id = hashlib.sha256(origin.encode() + b"\n" + _ED25519 + raw_key(key)).digest()[:4]
    ours = [value[4:] for name, value in signatures if name == origin and value[:4] == key_id]
    if not ours:
        raise Wrong("is not signed with the key of this log")
    try:
        for signature in ours:
            key.verify(signature, body.encode())
    except InvalidSignature:
        raise Wrong("has a checkpoint whose signature is wrong") from None


def parse_proof(raw: bytes) -> Proof:
    """Reads `log-proof.txt`."""
    try:
        head, blank, note = raw.decode("utf-8").partition("\n\n")
    except UnicodeDecodeError:
        raise Wrong("is not UTF-8") from None
    lines = head.split("\n")
    if not blank or len(lines) < 2 or lines[0] != PROOF_HEADER:
        raise Wrong("is no proof of the format " + PROOF_HEADER)
    word, _, index = lines[1].partition(" ")
    if word != "index":
        raise Wrong("has no index")
    return Proof(_decimal(index), _path(lines[2:]), note)


@dataclass(frozen=True)
class Consistency:
    """That a log grew from `old` entries, as read: nothing in it is checked."""

    old: int
    path: list[bytes]
    note: str


def parse_consistency(raw: bytes) -> Consistency:
    """Reads `log-consistency.txt`."""
    try:
        head, blank, note = raw.decode("utf-8").partition("\n\n")
    except UnicodeDecodeError:
        raise Wrong("is not UTF-8") from None
    lines = head.split("\n")
    word, _, old = lines[0].partition(" ")
    if not blank or word != "old":
        raise Wrong("is no consistency proof")
    return Consistency(_decimal(old), _path(lines[1:]), note)


def check_consistency(proof: Consistency, before: Checkpoint, after: Checkpoint) -> None:
    """RFC 9162, section 2.1.4.2."""
    if proof.old != before.size or before.size > after.size:
        raise Wrong("is not from the manifest's previous checkpoint")
    if before.size in (0, after.size):
        wanted = hashlib.sha256(b"").digest() if before.size == 0 else after.root
        if proof.path or before.root != wanted:
            raise Wrong("has other entries than before")
        return
    path = list(proof.path)
    if before.size & (before.size - 1) == 0:
        path.insert(0, before.root)
    if not path:
        raise Wrong("has too few hashes")
    at, last = before.size - 1, after.size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old_root = new_root = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise Wrong("has too many hashes")
        if at & 1 or at == last:
            old_root = hashlib.sha256(b"\x01" + sibling + old_root).digest()
            new_root = hashlib.sha256(b"\x01" + sibling + new_root).digest()
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new_root = hashlib.sha256(b"\x01" + new_root + sibling).digest()
        at, last = at >> 1, last >> 1
    if last != 0:
        raise Wrong("has too few hashes")
    if old_root != before.root or new_root != after.root:
        raise Wrong("has other entries than before")


def _path(lines: list[str]) -> list[bytes]:
    path = [_hash(line) for line in lines[: MAX_PATH + 1]]
    if len(path) > MAX_PATH:
        raise Wrong(f"has more than {MAX_PATH} hashes")
    return path


def check_inclusion(entry: bytes, proof: Proof, checkpoint: Checkpoint) -> None:
    """RFC 9162, section 2.1.3.2."""
    if proof.index >= checkpoint.size:
        raise Wrong("has an index beyond its checkpoint")
    at, last = proof.index, checkpoint.size - 1
    root = hashlib.sha256(b"\x00" + entry).digest()
    for sibling in proof.path:
        if last == 0:
            raise Wrong("has too many hashes")
        if at & 1 or at == last:
            root = hashlib.sha256(b"\x01" + sibling + root).digest()
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            root = hashlib.sha256(b"\x01" + root + sibling).digest()
        at, last = at >> 1, last >> 1
    if last != 0:
        raise Wrong("has too few hashes")
    if root != checkpoint.root:
        raise Wrong("does not lead to its checkpoint")


def _decimal(value: str) -> int:
    if _DECIMAL.fullmatch(value) is None:
        raise Wrong("has a number that is none")
    return int(value)


def _hash(value: str) -> bytes:
    decoded = decode_base64(value)
    if len(decoded) != 32:
        raise Wrong("has a hash that is none")
    return decoded
