"""What a driver answers, as a value that compares as what it is, whatever a class of the driver's says of itself."""

from __future__ import annotations

from typing import Any

from movable.shown import said

SIMPLE = frozenset((type(None), bool, int, float, complex, str, bytes, bytearray, memoryview, range))
"""Types of Python's own that hold nothing that could compare in a way of its own."""
MOST_NESTED = 20
"""How far an answer is looked into."""


class EqualToAll:
    """Stands for an answer that says of itself that it is equal to anything: it proves nothing, and equals nothing."""

    def __init__(self, answer: object) -> None:
        self._name = said(type(answer).__name__)

    def __repr__(self) -> str:
        return f"a {self._name} that says it equals anything"


def plain(answer: Any, depth: int = MOST_NESTED) -> Any:
    """An answer for a comparison: a number, text, bytes, list, tuple, set or dict compares as those do, also where a class of the
    driver's that is derived from them would not; of anything that equals whatever it is compared with, an EqualToAll."""
    kind = type(answer)
    if kind in SIMPLE or depth <= 0:
        return answer
    if kind in (list, tuple, set, frozenset):
        return kind(plain(one, depth - 1) for one in answer)
    if kind is dict:
        return {key: plain(one, depth - 1) for key, one in answer.items()}
    for base, copied in _COPIES.items():
        if issubclass(kind, base):
            own = any(getattr(kind, name) is not getattr(base, name) for name in ("__eq__", "__ne__"))
            return plain(copied(answer), depth - 1) if own else answer
    return EqualToAll(answer) if _equals_a_stranger(answer) else answer


def _equals_a_stranger(answer: Any) -> bool:
    stranger = object()
    try:
        return bool(answer == stranger)
    except Exception:  # it knows its own kind only
        return False


_COPIES: dict[type, Any] = {
    int: lambda answer: int.__add__(answer, 0),
    float: lambda answer: float.__add__(answer, 0.0),
    str: lambda answer: str.__getitem__(answer, slice(None)),
    bytes: lambda answer: bytes.__getitem__(answer, slice(None)),
    bytearray: lambda answer: bytearray.__getitem__(answer, slice(None)),
    tuple: lambda answer: tuple.__getitem__(answer, slice(None)),
    list: lambda answer: list.__getitem__(answer, slice(None)),
    dict: lambda answer: dict(dict.items(answer)),
    set: lambda answer: set(set.__iter__(answer)),
    frozenset: lambda answer: frozenset(frozenset.__iter__(answer)),
}
"""A copy of the contents, by the type's own ways and not by those of a class derived from it."""
