"""Tokens: a schedule as a short printable word that can be pasted into a report and replayed exactly.

A token is ``x1-`` and URL-safe base64 of: a CRC of the rest (2 bytes), a CRC of what the tasks did (4 bytes), the number of
steps, and the decisions, all as variable-length integers. An execution that nobody saw the end of has no steps in its token.
"""

import base64
import binascii
import zlib
from collections.abc import Sequence

from movable.explore.dependence import Step
from movable.explore.failure import ExploreError
from movable.explore.schedulers.replay import Decision, Schedule

PREFIX = "x1-"
_LARGEST_NUMBER = 10_000_000  # no field of a token is larger: keeps a damaged one from costing memory


class BadToken(ExploreError):
    """The text is not a token; the message says why."""


def fingerprint(steps: Sequence[Step]) -> int:
    """A CRC of who did which kind of operation in which order. Locations are left out: their text may hold addresses."""
    return zlib.crc32(" ".join(f"{task}{op}" for task, op, _ in steps).encode())


def encode(schedule: Schedule, steps: Sequence[Step]) -> str:
    """Return the token of ``schedule``, whose execution took ``steps``."""
    body = bytearray(fingerprint(steps).to_bytes(4, "big"))
    _put(body, len(steps))
    for decision in schedule:
        _put(body, decision.task + 1)
        _put(body, decision.steps)
        _put(body, decision.following)
    whole = (zlib.crc32(body) & 0xFFFF).to_bytes(2, "big") + body
    return PREFIX + base64.urlsafe_b64encode(whole).decode().rstrip("=")


def decode(token: str) -> tuple[Schedule, int, int]:
    """Return (schedule, number of steps, fingerprint). Raises BadToken that says what is wrong with the text."""
    text = token.strip()
    if not text.startswith(PREFIX):
        raise BadToken(f"token {_short(text)!r}: a schedule token begins with {PREFIX!r}; copy the whole word from the report")
    try:
        whole = base64.b64decode(text[len(PREFIX) :] + "=" * (-len(text[len(PREFIX) :]) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadToken(f"token {_short(text)!r}: not made of letters, digits, '-' and '_' throughout ({error})") from error
    body = whole[2:]
    if len(body) < 5:
        raise BadToken(f"token {_short(text)!r}: too short; it was cut off")
    if int.from_bytes(whole[:2], "big") != zlib.crc32(body) & 0xFFFF:
        raise BadToken(f"token {_short(text)!r}: its check sum is wrong; a character was lost or changed")
    numbers = _numbers(body[4:], text)
    if len(numbers) % 3 != 1:
        raise BadToken(f"token {_short(text)!r}: {len(numbers)} numbers do not make decisions of three")
    rest = numbers[1:]
    schedule = tuple(Decision(rest[i] - 1, rest[i + 1], rest[i + 2]) for i in range(0, len(rest), 3))
    return schedule, numbers[0], int.from_bytes(body[:4], "big")


def _put(body: bytearray, value: int) -> None:
    while value >= 0x80:
        body.append(value & 0x7F | 0x80)
        value >>= 7
    body.append(value)


def _numbers(body: bytes, text: str) -> list[int]:
    numbers: list[int] = []
    value = shift = 0
    for byte in body:
        value |= (byte & 0x7F) << shift
        shift += 7
        if value > _LARGEST_NUMBER:
            raise BadToken(f"token {_short(text)!r}: it holds a number beyond any schedule")
        if not byte & 0x80:
            numbers.append(value)
            value = shift = 0
    if shift:
        raise BadToken(f"token {_short(text)!r}: it ends in the middle of a number")
    return numbers


def _short(text: str) -> str:
    return text if len(text) <= 24 else text[:21] + "..."
