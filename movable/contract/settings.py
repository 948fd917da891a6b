"""Options of a check in ``[tool.movable]`` of the pyproject.toml where the command runs; what the command line says goes first."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from movable.errors import UsageError

FILE = "pyproject.toml"
MEASURES = ("budget", "examples", "executions", "limit", "jobs")
"""Options that belong together: whoever gives one on the command line decides about all of them."""
DEFAULTS = {"interleavings": 0.5, "strict": False, "waive": []}


def apply(arguments: argparse.Namespace, readers: dict[str, Callable[[str], Any]], folder: Path | None = None) -> None:
    """Fill in options that the command line does not give. ``readers`` make values of texts, by option.

    Raises UsageError for a file that is no TOML, an unknown option, and a value that the option cannot have.
    """
    path = (folder or Path()) / FILE
    found = _table(path)
    if any(getattr(arguments, name) is not None for name in MEASURES):
        found = {name: value for name, value in found.items() if name not in MEASURES}
    if arguments.seeds:
        found.pop("seed", None)
    if arguments.seed is not None or arguments.diff is not None:
        found.pop("seeds", None)
    for name, value in found.items():
        if name not in (*readers, "era", "strict", "waive"):
            known = ", ".join(sorted((*readers, "era", "excuse", "strict", "waive")))
            raise UsageError(f"{path}: [tool.movable] has no option {name!r}; known are {known}")
        if getattr(arguments, name) is None:
            setattr(arguments, name, _value(path, name, value, readers.get(name)))
    for name, default in DEFAULTS.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, default)


def _table(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        tool = tomllib.loads(path.read_text()).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    table = tool.get("movable", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise UsageError(f"{path}: tool.movable is no table; write [tool.movable]")
    return {name: value for name, value in table.items() if name != "excuse"}


def _value(path: Path, name: str, value: Any, reader: Callable[[str], Any] | None) -> Any:
    where = f"{path}: [tool.movable] {name}"
    if name == "strict":
        if not isinstance(value, bool):
            raise UsageError(f"{where} is {value!r}; write true or false")
        return value
    if name == "waive":
        if not isinstance(value, dict) or not all(isinstance(reason, str) for reason in value.values()):
            raise UsageError(f'{where} leads from rules to reasons, as text; write [tool.movable.waive] and D28 = "why"')
        return [f"{id}={reason}" for id, reason in value.items()]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageError(f"{where} is {value!r}; write a number or a text")
    try:
        return str(value) if reader is None else reader(str(value))
    except (argparse.ArgumentTypeError, ValueError) as error:
        raise UsageError(f"{where}: {error}") from None
