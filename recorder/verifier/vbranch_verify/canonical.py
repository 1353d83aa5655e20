"""Canonical JSON (RFC 8785) from hostile bytes, with the format's limits on numbers and depth."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import NoReturn, Union

from .errors import Wrong

Json = Union[None, bool, int, Decimal, str, "list[Json]", "dict[str, Json]"]

# The largest number: every JSON reader keeps integers up to here exactly (RFC 7493).
MAX_NUMBER = 2**53 - 1
# Arrays and objects inside one another.
MAX_DEPTH = 127
# Longest spelling of an integer.
MAX_INTEGER_TEXT = len(f"-{MAX_NUMBER}")
# A number that is no integer: at most six decimals, the last not 0, and fifteen digits. Such a
# text is the shortest spelling of its double, so it is kept as it is.
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]{0,5}[1-9]")
MAX_DIGITS = 15

_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
    **{chr(c): f"\\u{c:04x}" for c in range(0x20) if chr(c) not in "\b\t\n\f\r"},
}
_ESCAPED = str.maketrans(_ESCAPES)


def parse(raw: bytes) -> Json:
    """The value that `raw` is the canonical spelling of."""
    try:
        text = raw.decode("utf-8")
        value: Json = json.loads(
            text, parse_int=_integer, parse_float=_decimal, parse_constant=_constant
        )
    except RecursionError:
        raise Wrong("is nested too deep") from None
    except ValueError as error:
        raise Wrong(f"is not JSON: {error}") from None
    out: list[str] = []
    _write(out, value, 0)
    try:
        again = "".join(out).encode("utf-8")
    except UnicodeEncodeError:
        raise Wrong("has half a surrogate pair") from None
    if again != raw:
        raise Wrong("is not in canonical form")
    return value


def _integer(text: str) -> int:
    # A number of a million digits would take minutes.
    if len(text) > MAX_INTEGER_TEXT or abs(int(text)) > MAX_NUMBER:
        raise Wrong("has an integer beyond 2^53 - 1")
    return int(text)


def _decimal(text: str) -> Decimal:
    digits = sum(c.isdigit() for c in text)
    if digits > MAX_DIGITS or _DECIMAL.fullmatch(text) is None:
        raise Wrong("has a number of more than six decimals or fifteen digits, or spelt otherwise")
    return Decimal(text)


def _constant(text: str) -> NoReturn:
    raise Wrong(f"has {text}, which is not JSON")


def _write(out: list[str], value: Json, depth: int) -> None:
    if value is None:
        out.append("null")
    elif value is True:
        out.append("true")
    elif value is False:
        out.append("false")
    elif isinstance(value, (int, Decimal)):
        out.append(str(value))
    elif isinstance(value, str):
        out.append(f'"{value.translate(_ESCAPED)}"')
    elif depth == MAX_DEPTH:
        raise Wrong("is nested too deep")
    elif isinstance(value, list):
        mark = "["
        for item in value:
            out.append(mark)
            _write(out, item, depth + 1)
            mark = ","
        out.append("]" if value else "[]")
    else:
        mark = "{"
        for name in sorted(value, key=_utf16):
            out.append(f'{mark}"{name.translate(_ESCAPED)}":')
            _write(out, value[name], depth + 1)
            mark = ","
        out.append("}" if value else "{}")


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")
