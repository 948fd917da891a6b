"""The attributes of an object as they are, read behind the back of every hook."""

from __future__ import annotations

from typing import Any


def vars_of(obj: object) -> dict[str, Any]:
    """The attributes of an object as they are, from its dict and its slots, without scheduling points."""
    try:
        found = dict(object.__getattribute__(obj, "__dict__"))
    except AttributeError:
        found = {}
    for cls in type(obj).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            try:
                found[name] = object.__getattribute__(obj, name)
            except AttributeError:
                continue
    return found
