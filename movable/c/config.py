"""``movable.toml`` beside a C driver: what to build it with, and what its operations are."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from movable.errors import UsageError

NAME = "movable.toml"
LISTS = ("sources", "defines", "include")
TEXTS = ("era", "kernel_tree", "optimise", "setup", "teardown", "read", "count")
FLAGS = ("content_moves", "may_refuse", "may_release_isolated", "plain_writes_are_atomic")
OPERATION = ("call", "arguments", "makes", "ends", "parameter", "value", "busy")


@dataclass(frozen=True)
class Settings:
    """What the file says about one driver.

    ``sources`` are further files of it; ``setup`` and ``teardown`` name functions that are called once the module is there and
    before it goes; ``operations`` leads from names to tables, see docs/c-drivers.md; ``read`` names a function
    whose answer for a handle must stay what it was; ``count`` a variable that must be the number of handles.
    """

    sources: tuple[Path, ...] = ()
    defines: tuple[str, ...] = ()
    include: tuple[Path, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)
    era: str = ""
    kernel_tree: str = ""
    optimise: str = "1"
    setup: str = ""
    teardown: str = ""
    read: str = ""
    count: str = ""
    content_moves: bool | None = None
    may_refuse: bool = True
    may_release_isolated: bool = True
    plain_writes_are_atomic: bool = True
    operations: dict[str, dict[str, Any]] = field(default_factory=dict)
    described: bool = False


def settings(path: Path) -> Settings:
    """What the file beside ``path`` says about it, or the defaults. Raises UsageError for what it does not know."""
    file = path.parent / NAME
    if not file.is_file():
        return Settings()
    try:
        tables = tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: {error}") from None
    _check_tables(file, path, tables)
    table = tables.get(path.stem, tables.get("driver"))
    if table is None:
        return Settings()
    return _checked(file, path, table)


def _check_tables(file: Path, path: Path, tables: dict[str, Any]) -> None:
    """Raise UsageError for a table that no driver of the folder has, and for two of one driver."""
    for name, value in tables.items():
        if not isinstance(value, dict):
            raise UsageError(f"{file}: {name} stands before the first table; write it below [{path.stem}]")
        if name != "driver" and not (path.parent / f"{name}.c").is_file():
            raise UsageError(f"{file}: [{name}] is about no driver: there is no {name}.c beside it")
    if path.stem != "driver" and path.stem in tables and "driver" in tables:
        raise UsageError(f"{file}: [{path.stem}] and [driver] both are about {path.name}; write one of them")


def _checked(file: Path, path: Path, table: dict[str, Any]) -> Settings:
    known: dict[str, Any] = {"described": True}
    for name, value in table.items():
        where = f"{file}: {name} = {value!r}"
        if name in LISTS:
            if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                raise UsageError(f"{where}: write a list of texts")
            known[name] = tuple(value) if name == "defines" else tuple((path.parent / one).resolve() for one in value)
        elif name in TEXTS:
            if not isinstance(value, str):
                raise UsageError(f"{where}: write a text")
            known[name] = value
        elif name in FLAGS:
            if not isinstance(value, bool):
                raise UsageError(f"{where}: write true or false")
            known[name] = value
        elif name == "params":
            if not isinstance(value, dict) or any(isinstance(one, dict | list) for one in value.values()):
                raise UsageError(f"{where}: write a table of numbers and texts")
            known[name] = value
        elif name == "operations":
            known[name] = _operations(file, value)
        else:
            listed = ", ".join((*LISTS, *TEXTS, *FLAGS, "params", "operations"))
            raise UsageError(f"{file}: {name!r} is not known for a driver; known are {listed}")
    return Settings(**known)


def _operations(file: Path, value: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(value, dict) or not all(isinstance(one, dict) for one in value.values()):
        raise UsageError(f"{file}: operations: write a table for each operation")
    for name, table in value.items():
        for key in table:
            if key not in OPERATION:
                raise UsageError(f"{file}: operation {name}: {key!r} is not known; known are {', '.join(OPERATION)}")
        if not name.isidentifier():
            raise UsageError(f"{file}: operation {name!r}: write a name of letters and digits")
    return value
