"""Whether code that is tested has replaced parts of the kit, or of what it stands on: then what the kit says proves nothing."""

from __future__ import annotations

import sys
from types import FunctionType, ModuleType

LIBRARY = ("builtins", "os", "time", "json", "struct")
"""Modules of Python's whose functions the kit calls; others may replace them too, so that they count where the kit has failed."""
MAX_NAMES = 3
"""Replaced parts that are named."""

Parts = dict[str, object]


def parts() -> Parts:
    """Every function and class of the kit that is loaded, and every method, by its name; those of LIBRARY too."""
    found: Parts = {}
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and (name.startswith("movable.") or name in LIBRARY):
            for word, value in vars(module).items():
                if callable(value):
                    found[f"{name}.{word}"] = value
                if isinstance(value, type) and value.__module__ == name and name.startswith("movable."):
                    found.update(_methods(f"{name}.{word}", value))
    return found


def _methods(name: str, cls: type) -> Parts:
    return {f"{name}.{word}": value for word, value in vars(cls).items() if isinstance(value, FunctionType)}


def replaced(before: Parts, library: bool) -> str:
    """What is another thing than ``before``, and none of the kit's own, in words; "" for nothing. With ``library``, that too."""
    now = parts()
    names = [
        name
        for name, value in before.items()
        if (library or name.startswith("movable.")) and now.get(name) is not value and not _of_the_kit(now.get(name))
    ]
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def _of_the_kit(value: object) -> bool:
    return str(getattr(value, "__module__", None)).startswith("movable.")
