"""Plain values as URL-safe base64 of compressed JSON, and back.

JSON has too few kinds of values, so all others are lists that begin with a letter: ``["t", ...]`` a tuple, ``["l", ...]`` a list,
``["d", key, value, ...]`` a dict, ``["s", ...]`` a set, ``["f", ...]`` a frozenset, ``["b", hex]`` bytes, ``["i", hex]`` a large
whole number and ``["n", name]`` a float that is no number. It is data and nothing else: nothing in it can name a class, or run. It
may come from anywhere, so its length, its size unpacked, its depth and its numbers are bounded before anything is made of it.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import zlib
from collections.abc import Callable
from typing import Any, NoReturn

from movable.errors import UsageError

MAX_LETTERS = 120_000
"""Of a token: what a command line takes as one word."""
MAX_BYTES = 1 << 18
"""Of a token's content, unpacked."""
MAX_DEPTH = 12
LARGE_NUMBER = 1 << 63
"""Whole numbers from here on are written in hexadecimal, which takes no time to read."""
MAX_BITS = 12_000
"""Of a whole number: what Python writes in decimal."""


def pack(content: object) -> str:
    """Plain values as one word. Raises UsageError that says what cannot be in one."""
    text = json.dumps(_pack(content, MAX_DEPTH), separators=(",", ":"))
    if len(text) > MAX_BYTES:
        raise UsageError(f"it is too large for a token: {len(text)} bytes, of which {MAX_BYTES} would fit")
    word = base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")
    if len(word) > MAX_LETTERS:
        raise UsageError(f"it is too large for a token: {len(word)} letters, of which {MAX_LETTERS} would fit")
    return word


def unpack(word: str) -> Any:
    """What ``pack`` was given. Raises ValueError, RecursionError or MemoryError for a word that it did not make."""
    return _unpack(unpack_json(word), MAX_DEPTH)


def unpack_json(word: str) -> Any:
    """The JSON in a word, as it is."""
    return json.loads(_content(word), parse_constant=_no_number)


def _content(body: str) -> bytes:
    if len(body) > MAX_LETTERS:
        raise ValueError(f"it has {len(body)} letters, and none has more than {MAX_LETTERS}")
    try:
        packed = base64.b64decode(body.encode("ascii") + b"=" * (-len(body) % 4), b"-_", validate=True)
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(packed, MAX_BYTES)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError("it is not made of letters, digits, '-' and '_' throughout") from None
    except zlib.error:
        raise ValueError("a letter was lost or changed") from None
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("it ends too early, or is too long")
    return content


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


SEQUENCES: dict[type, str] = {tuple: "t", list: "l", set: "s", frozenset: "f"}
_NO_NUMBERS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def _pack(value: Any, depth: int) -> Any:
    kind = type(value)
    if depth < 0:
        raise UsageError("it is nested too deeply for a token")
    if value is None or kind is bool or kind is str or (kind is int and -LARGE_NUMBER < value < LARGE_NUMBER):
        return value
    if kind is int and value.bit_length() <= MAX_BITS:
        return ["i", hex(value)]
    if kind is float:
        return value if math.isfinite(value) else ["n", repr(value)]
    if kind is bytes:
        return ["b", value.hex()]
    if kind in SEQUENCES:
        parts = sorted(value, key=repr) if kind in (set, frozenset) else value
        return [SEQUENCES[kind], *(_pack(part, depth - 1) for part in parts)]
    if kind is dict:
        return ["d", *(_pack(part, depth - 1) for pair in value.items() for part in pair)]
    what = "a number that is too large" if kind is int else f"a {kind.__module__}.{kind.__qualname__}"
    raise UsageError(f"a token holds plain values only, and this is {what}")


def _unpack(value: Any, depth: int) -> Any:
    if depth < 0:
        raise ValueError("it is nested too deeply")
    if not isinstance(value, list | dict):
        return value
    if isinstance(value, dict) or not value or not isinstance(value[0], str) or value[0] not in _READERS:
        raise ValueError("it holds a kind of value that is not known")
    try:
        return _READERS[value[0]](value[1:], depth - 1)
    except (TypeError, IndexError, KeyError):  # a list as a key, no text where text must be
        raise ValueError(f"a value of kind {value[0]!r} does not hold what it should") from None


def _sequence(kind: Callable[[list[Any]], Any]) -> Callable[[list[Any], int], Any]:
    return lambda parts, depth: kind([_unpack(part, depth) for part in parts])


def _dict(parts: list[Any], depth: int) -> dict[Any, Any]:
    values = [_unpack(part, depth) for part in parts]
    if len(values) % 2:
        raise ValueError("a dict holds a key without a value")
    return dict(zip(values[::2], values[1::2], strict=True))


def _one_text(parts: list[Any]) -> str:
    if len(parts) != 1 or not isinstance(parts[0], str):
        raise TypeError
    return parts[0]


def _whole(parts: list[Any], depth: int) -> int:
    value = int(_one_text(parts), 16)
    if value.bit_length() > MAX_BITS:
        raise ValueError("it holds a number that is too large")
    return value


_READERS: dict[str, Callable[[list[Any], int], Any]] = {
    **{letter: _sequence(kind) for kind, letter in SEQUENCES.items()},
    "d": _dict,
    "b": lambda parts, depth: bytes.fromhex(_one_text(parts)),
    "i": _whole,
    "n": lambda parts, depth: _NO_NUMBERS[_one_text(parts)],
}
