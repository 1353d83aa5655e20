"""Sealed objects: C2SP chunked encryption, instantiation Cobblestone-256, and its keys."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from .errors import Wrong

SEALING = "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM"
CHUNK = 16_384
# The most plaintext an object holds.
MAX_PLAIN = 64 * 1024 * 1024
TAG = 16
SALT = 24
COMMITMENT = 32
HEADER = SALT + COMMITMENT
# Length of a wrapped data key of a file's key-encryption key: nonce, key, tag.
WRAPPED = 12 + 32 + 16
# Length of a second key holder's copy: encapsulated key, key, tag.
ESCROWED = 32 + 32 + 16


def sealed_len(plain_len: int) -> int:
    """How long a sealed object of so much plaintext is."""
    return HEADER + plain_len + TAG * (plain_len // CHUNK + 1)


def subkey(data_key: bytes, recording: str, info: str) -> bytes:
    """The key of one purpose within a recording."""
    salt = UUID(recording).bytes
    return HKDF(SHA256(), 32, salt, info.encode()).derive(data_key)


def open_sealed(key: bytes, context: str, sealed: bytes) -> Iterator[bytes]:
    """The plaintext, chunk by chunk; nothing of a chunk that is not authentic."""
    body = len(sealed) - HEADER
    # The last chunk is never full, so that a cut at a chunk's end shows.
    if body < 0 or body % (CHUNK + TAG) < TAG:
        raise Wrong("is cut short")
    salt, commitment = sealed[:SALT], sealed[SALT:HEADER]
    info = SEALING.encode() + b"\0" + salt + context.encode()
    derived = HKDFExpand(SHA512(), 76, info).derive(key)
    if not hmac.compare_digest(derived[44:], commitment):
        raise Wrong("is not sealed with this key for this purpose")
    cipher, nonce = AESGCM(derived[:32]), int.from_bytes(derived[32:44], "big")
    for i, start in enumerate(range(HEADER, len(sealed), CHUNK + TAG)):
        chunk = sealed[start : start + CHUNK + TAG]
        try:
            yield cipher.decrypt((nonce ^ i).to_bytes(12, "big"), chunk, None)
        except InvalidTag:
            raise Wrong(f"was changed in chunk {i}") from None
