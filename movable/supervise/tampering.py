"""Whether code that is tested has replaced parts of the kit, or of what it stands on: then what the kit says proves nothing."""

from __future__ import annotations

import sys
from types import FunctionType, ModuleType

LIBRARY = ("builtins", "os", "time", "json", "struct")
"""Modules of Python's whose functions the kit calls; others may replace them too, so that they count where the kit has failed."""
MAX_NAMES = 3
"""Replaced parts that are named."""
METHODS = (FunctionType, property, staticmethod, classmethod)

Parts = dict[str, tuple[object, object]]
"""A function, class or method by its name, and of a function its code."""


def parts() -> Parts:
    """Every function and class of the kit that is loaded, and every method, by its name; those of LIBRARY too."""
    found: Parts = {}
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and (name.startswith("movable.") or name in LIBRARY):
            for word, value in vars(module).items():
                if callable(value):
                    found[f"{name}.{word}"] = _part(value)
                if isinstance(value, type) and value.__module__ == name and name.startswith("movable."):
                    found.update(_methods(f"{name}.{word}", value))
    return found


def _methods(name: str, cls: type) -> Parts:
    return {f"{name}.{word}": _part(value) for word, value in vars(cls).items() if isinstance(value, METHODS)}


def _part(value: object) -> tuple[object, object]:
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


def _is_another(now: tuple[object, object] | None, before: tuple[object, object]) -> bool:
    """Whether a part is not what it was: gone, with other code, or replaced by what is not the kit's either."""
    if now is not None and now[0] is before[0]:
        return now[1] is not before[1]
    return now is None or not str(getattr(now[0], "__module__", None)).startswith("movable.")
