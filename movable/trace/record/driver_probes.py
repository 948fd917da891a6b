"""What a recording of a driver probes, as the driver brings it: a file ``probes.toml`` in its package, read without importing it.

Keys: ``driver`` (what it is called), ``prefix`` (with which its events begin), ``isolate``, ``migrate``, ``putback`` (the functions
of its callbacks, ``module:function`` where it is a module), and optionally ``state`` (fetched at each callback, ``{0}`` being the
page), ``hook`` (what the balloon core calls of a device), tables ``probe`` and ``object_probe`` (``name``, ``symbol``, ``fetch``,
``returns``; the latter only where every object is asked for) and ``instruction`` (``event``, ``functions``), places where a mark is
set or a page released in the middle of functions.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from movable.errors import UsageError

REGISTERS = ("%di", "%si", "%dx", "%cx", "%r8", "%r9")
"""Where x86-64 passes the arguments of a function, in order."""
ARCHES = {"x86_64": REGISTERS, "aarch64": ("%x0", "%x1", "%x2", "%x3", "%x4", "%x5")}

GROUP = "movable.drivers"
FILE = "probes.toml"
MUSEUM = Path(__file__).parents[2] / "museum"
"""Where drivers are that the kernel has and nobody offers as a plug-in."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One kprobe, or one return probe.

    ``name`` is the event, ``symbol`` the probed function (``module:function``), ``fetch`` what is fetched, with ``{0}`` to
    ``{5}`` for the arguments of the function. ``returns`` makes it a return probe. ``other`` is what the function was
    called in later kernels of the same era, tried where ``symbol`` is refused.
    """

    name: str
    symbol: str
    fetch: str = ""
    returns: bool = False
    other: str = ""

    def definition(self, arch: str = "x86_64", maxactive: int = 10, symbol: str = "") -> str:
        """The line for ``kprobe_events``, just as the kernel prints it again.

        ``maxactive`` is how many calls may be under way at once before returns are missed.
        """
        kind = f"r{maxactive}" if self.returns else "p"
        words = f"{kind}:kp/{self.name} {symbol or self.symbol} {self.fetch.format(*ARCHES[arch])}"
        return words.rstrip()


@dataclass(frozen=True, slots=True)
class Instruction:
    """One place where an event is a single instruction: in the first of ``functions`` that this kernel's build has it in."""

    event: str
    functions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Callbacks:
    """The three functions of a driver, symbols with ``module:`` in front where it is a module; and what else it brings."""

    prefix: str
    isolate: str
    migrate: str
    putback: str
    state: str = ""
    hook: str = ""
    probes: tuple[Probe, ...] = ()
    objects: tuple[Probe, ...] = ()
    instructions: tuple[Instruction, ...] = ()


@lru_cache(maxsize=1)
def known() -> dict[str, Callbacks]:
    """The drivers that bring their probes, by name: those that are installed, and those of the museum."""
    found: dict[str, Callbacks] = {}
    for path in _files():
        name, callbacks = read(path)
        found.setdefault(name, callbacks)
    return found


def driver_of(prefix: str) -> str:
    """The driver whose events begin with ``prefix``; the prefix itself where none says so."""
    if prefix in known():
        return prefix
    return next((name for name, callbacks in known().items() if callbacks.prefix == prefix), prefix)


def prefix_of(driver: str) -> str:
    """With what the events of a driver begin."""
    callbacks = known().get(driver)
    return driver if callbacks is None else callbacks.prefix


def _files() -> Iterator[Path]:
    for point in sorted(metadata.entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        spec = PathFinder.find_spec(point.value.partition(":")[0].partition(".")[0])
        for place in (spec.submodule_search_locations or ()) if spec is not None else ():
            if (Path(place) / FILE).is_file():
                yield Path(place) / FILE
    yield from sorted(MUSEUM.glob(f"*_{FILE}"))


def read(path: Path) -> tuple[str, Callbacks]:
    """The driver's name, and what its file says. Raises UsageError, with the place, for a file that says something else."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return str(table["driver"]), Callbacks(
            **{name: str(table[name]) for name in ("prefix", "isolate", "migrate", "putback")},
            **{name: str(table.get(name, "")) for name in ("state", "hook")},
            probes=_probes(table.get("probe", [])),
            objects=_probes(table.get("object_probe", [])),
            instructions=tuple(Instruction(one["event"], tuple(one["functions"])) for one in table.get("instruction", [])),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: is no file of a driver's probes ({type(error).__name__}: {error})") from None


def _probes(tables: list[dict[str, Any]]) -> tuple[Probe, ...]:
    return tuple(
        Probe(one["name"], one["symbol"], one.get("fetch", ""), one.get("returns", False)) for one in tables
    )
