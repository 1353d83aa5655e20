"""Takes JSON values apart: each member has a type, none may be missing, none may be left over."""

from __future__ import annotations

import re
from collections.abc import Callable
from re import Pattern
from typing import TypeVar

from .canonical import MAX_NUMBER, Json
from .errors import Wrong

T = TypeVar("T")
Reader = Callable[[Json], T]

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEX16 = re.compile(r"[0-9a-f]{16}")


class Fields:
    """The members of an object, to be taken one by one and then `done`."""

    def __init__(self, value: Json) -> None:
        if not isinstance(value, dict):
            raise Wrong("should be an object")
        self._left: dict[str, Json] = dict(value)

    def take(self, name: str, read: Reader[T]) -> T:
        """The member `name`, which must be there."""
        if name not in self._left:
            raise Wrong(f"`{name}` is missing")
        try:
            return read(self._left.pop(name))
        except Wrong as wrong:
            raise Wrong(f"`{name}`: {wrong}") from None

    def take_or(self, name: str, read: Reader[T], absent: T) -> T:
        """The member `name`, or `absent` when it is not there."""
        return self.take(name, read) if name in self._left else absent

    def done(self) -> None:
        """Fails when members are left over."""
        if self._left:
            raise Wrong(f"unknown member `{min(self._left)}`")


def text(value: Json) -> str:
    if not isinstance(value, str):
        raise Wrong("should be text")
    return value


def boolean(value: Json) -> bool:
    if not isinstance(value, bool):
        raise Wrong("should be true or false")
    return value


def integer(low: int, high: int) -> Reader[int]:
    def read(value: Json) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Wrong(f"should be an integer from {low} to {high}")
        return value

    return read


def pattern(regex: Pattern[str], name: str) -> Reader[str]:
    def read(value: Json) -> str:
        if regex.fullmatch(text(value)) is None:
            raise Wrong(f"should be {name}")
        return text(value)

    return read


def constant(wanted: str) -> Reader[str]:
    return one_of(wanted)


def one_of(*wanted: str) -> Reader[str]:
    def read(value: Json) -> str:
        if text(value) not in wanted:
            raise Wrong(f"should be {' or '.join(wanted)}")
        return text(value)

    return read


def optional(read: Reader[T]) -> Reader[T | None]:
    return lambda value: None if value is None else read(value)


def many(read: Reader[T]) -> Reader[list[T]]:
    def read_all(value: Json) -> list[T]:
        if not isinstance(value, list):
            raise Wrong("should be an array")
        items = []
        for i, item in enumerate(value):
            try:
                items.append(read(item))
            except Wrong as wrong:
                raise Wrong(f"entry {i}: {wrong}") from None
        return items

    return read_all


unsigned = integer(0, MAX_NUMBER)
signed = integer(-MAX_NUMBER, MAX_NUMBER)
u32 = integer(0, 2**32 - 1)
u8 = integer(0, 2**8 - 1)
uuid = pattern(_UUID, "a UUID in lower case")
sha256 = pattern(_SHA256, "64 lower-case hex digits")
hex16 = pattern(_HEX16, "16 lower-case hex digits")
