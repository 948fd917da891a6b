"""Targets such as ``driver.c:mode=5,-DDEBUG``: a class for a file of C, with the workload that its movable.toml describes, or a
generic one."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from movable.c import config
from movable.c.build import source, toolchain
from movable.c.driver import Driver
from movable.c.generic import workload_of
from movable.errors import UsageError


def find(name: str, options: str) -> type[Driver]:
    """The class for a C file. Raises UsageError, in one line, for what cannot be built or used."""
    path = Path(name)
    if not path.is_file():
        raise UsageError(f"no file {name!r}; name a C driver as FILE.c, or FILE.c:PARAMETER=VALUE,-DMACRO")
    toolchain.compiler()
    state = path.stat()
    beside = path.parent / config.NAME
    return _class(name, options, (state.st_mtime_ns, state.st_size, beside.stat().st_mtime_ns if beside.is_file() else 0))


def tidy() -> None:
    """Take away what is left of a build whose process was ended."""
    toolchain.sweep()


@lru_cache(maxsize=64)
def _class(name: str, options: str, state: tuple[int, ...]) -> type[Driver]:
    path = Path(name).resolve()
    settings = config.settings(path)
    params, more = split(name, options)
    members: dict[str, Any] = {
        "__doc__": f"The driver in {path.name}.",
        "__module__": __name__,
        "source": (str(path), *(str(one) for one in settings.sources)),
        "defines": (*settings.defines, *more["D"]),
        "include": (*map(str, settings.include), *(str(Path(one).absolute()) for one in more["I"])),
        "params": {**settings.params, **params},
        "kernel_tree": (more["K"] or [settings.kernel_tree])[-1],
        "era": settings.era,
        "optimise": (more["O"] or [settings.optimise])[-1],
        "plain_writes_are_atomic": settings.plain_writes_are_atomic,
        "excused": tuple(more["W"]),
    }
    made: type[Driver] = type(path.stem.replace("-", "_"), (Driver,), members)
    made.load()
    workload = workload_of(made, settings, source.read(path))
    workload.__qualname__ = f"{name}:{options}"  # how another process finds it, see generic.__getattr__
    made.workload = workload  # type: ignore[attr-defined]
    return made


def split(name: str, options: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Module parameters, and what comes with -D, -I, -O and --kernel-tree, from the part of a target behind its colon."""
    params: dict[str, str] = {}
    more: dict[str, list[str]] = {"D": [], "I": [], "O": [], "K": [], "W": []}
    for part in options.split(",") if options else ():
        if part.startswith("--kernel-tree="):
            more["K"].append(part.partition("=")[2])
        elif part.startswith("--excuse="):
            more["W"].append(part.partition("=")[2])
        elif part[:2] in ("-D", "-I", "-O") and part[2:]:
            more[part[1]].append(part[2:])
        elif "=" in part and not part.startswith("-"):
            key, _, value = part.partition("=")
            params[key.strip()] = value.strip()
        else:
            raise UsageError(f"{name}:{options}: {part!r} is no option of a C driver; write PARAMETER=VALUE, -DMACRO or -IFOLDER")
    return params, more
