"""The bundle's folder, read with care: no links, no devices, no more than a limit."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

from .errors import Wrong

MAX_DOCUMENT = 1024 * 1024
MAX_ENTRY = 16 * 1024
MAX_MANIFEST = 32 * 1024 * 1024
MAX_OBJECT = 65 * 1024 * 1024
MAX_FILES = 500_000
# objects/<track>/<file>: folders inside one another, below the bundle.
MAX_DEPTH = 2
# Read at a time.
BLOCK = 1024 * 1024


class Folder:
    """A bundle on disk."""

    def __init__(self, root: str) -> None:
        self._root = root

    def list(self) -> dict[str, bool]:
        """Everything there is but folders, by path below the bundle: whether it is a file."""
        found: dict[str, bool] = {}
        folders = [("", 0)]
        while folders:
            folder, depth = folders.pop()
            with os.scandir(os.path.join(self._root, folder)) as entries:
                for entry in entries:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if len(found) + len(folders) >= MAX_FILES:
                        raise Wrong(f"has more than {MAX_FILES} files")
                    if not entry.is_dir(follow_symlinks=False):
                        found[path] = entry.is_file(follow_symlinks=False)
                    elif depth < MAX_DEPTH:
                        folders.append((path, depth + 1))
                    else:
                        found[path] = False
        return found

    def read(self, path: str, limit: int) -> bytes:
        """A file's bytes."""
        with self._open(path) as file:
            raw = file.read(limit + 1)
        if len(raw) > limit:
            raise Wrong(f"is larger than {limit} bytes")
        return raw

    def read_exactly(self, path: str, length: int) -> bytes:
        """A file's bytes, when there are so many of them."""
        with self._open(path) as file:
            found = os.fstat(file.fileno()).st_size
            if found != length:
                raise Wrong(f"has {found} bytes and should have {length}")
            raw = file.read(length + 1)
        if len(raw) != length:
            raise Wrong("changed while it was read")
        return raw

    def digest(self, path: str, length: int) -> str:
        """A file's hash, when it is so long, in constant memory."""
        hasher = hashlib.sha256()
        for block in self.blocks(path, length):
            hasher.update(block)
        return hasher.hexdigest()

    def blocks(self, path: str, length: int) -> Iterator[bytes]:
        """A file's bytes piece by piece, when it is so long."""
        with self._open(path) as file:
            found = os.fstat(file.fileno()).st_size
            if found != length:
                raise Wrong(f"has {found} bytes and should have {length}")
            while length > 0:
                block = file.read(min(BLOCK, length))
                if not block:
                    raise Wrong("changed while it was read")
                length -= len(block)
                yield block

    def _open(self, path: str) -> BinaryIO:
        # Paths are names of the format, or were found in the folder: none comes from a document.
        # Not blocking, so that a pipe without a writer does not hold us.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            fd = os.open(os.path.join(self._root, path), flags)
        except FileNotFoundError:
            raise Wrong("is missing") from None
        except OSError as error:
            raise Wrong(f"cannot be read: {os.strerror(error.errno or 0)}") from None
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise Wrong("is not a file")
        return os.fdopen(fd, "rb")
