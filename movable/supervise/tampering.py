"""Whether code that is tested has replaced parts of the kit, or of what it stands on: then what the kit says proves nothing."""

from __future__ import annotations

import sys
from types import CodeType, FunctionType, ModuleType
from typing import Any

LIBRARY = ("builtins", "os", "time", "json", "struct")
"""Modules of Python's whose functions the kit calls; others may replace them too, so that they count where the kit has failed."""
MAX_NAMES = 3
"""Replaced parts that are named."""
METHODS = (FunctionType, property, staticmethod, classmethod)
TABLES = frozenset((tuple, list, dict, set, frozenset))

Part = tuple[object, int | CodeType | None]
"""A function, class, method or constant, and of a function its code, of a table how long it is: some grow."""
Parts = dict[str, Part]
"""Such parts by their names."""


def parts() -> Parts:
    """Every function, class, method and constant of the kit that is loaded, by its name; functions and classes of LIBRARY too."""
    found: Parts = {}
    for name, module in list(sys.modules.items()):
        ours = name.startswith("movable.")
        if isinstance(module, ModuleType) and (ours or name in LIBRARY):
            for word, value in vars(module).items():
                if callable(value) or (ours and word.isupper()):
                    found[f"{name}.{word}"] = _part(value)
                if ours and isinstance(value, type) and value.__module__ == name:
                    found.update(_methods(f"{name}.{word}", value))
    return found


def _methods(name: str, cls: type) -> Parts:
    return {f"{name}.{word}": _part(value) for word, value in vars(cls).items() if isinstance(value, METHODS)}


def _part(value: Any) -> Part:
    if type(value) in TABLES:
        return value, len(value)
    return value, value.__code__ if type(value) is FunctionType else None


def replaced(before: Parts, library: bool) -> str:
    """What is another thing than ``before``, and none of the kit's own, in words; "" for nothing. With ``library``, that too."""
    now = parts()
    names = [
        name
        for name, part in before.items()
        if (library or name.startswith("movable.")) and _is_another(now.get(name), part)
    ]
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def _is_another(now: Part | None, before: Part) -> bool:
    """Whether a part is not what it was: gone, with other code, shorter, or replaced by what is not the kit's either."""
    if now is not None and now[0] is before[0]:
        length, was = now[1], before[1]
        return length < was if isinstance(length, int) and isinstance(was, int) else length is not was
    return now is None or not str(getattr(now[0], "__module__", None)).startswith("movable.")
