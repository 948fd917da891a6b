"""What ``movable run`` was asked for: the command line's strings, and the checked settings made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from movable.eras import DEFAULT
from movable.eras import era as era_called
from movable.errors import UsageError
from movable.files import may_write
from movable.mm.memparse import parse_size, size_text
from movable.mm.page import PAGE_SIZE
from movable.registry import Factory, find
from movable.shown import many

PAGEBLOCK_ORDER = 9
"""Order of a pageblock, which is also that of a huge page."""

PAGEBLOCK_BYTES = PAGE_SIZE << PAGEBLOCK_ORDER
MIN_BLOCKS_PER_NODE = 4
MAX_NODES = 64
MAX_MEMORY = 16 << 30


@dataclass(frozen=True, slots=True)
class Options:
    """The arguments of ``movable run`` as they were typed.

    ``memory`` is a size, ``nodes`` how many NUMA nodes, ``drivers`` names with commas between them, ``input`` a file or a
    directory or None, ``seed`` any number, ``json``, ``events`` and ``svg`` files to write or None, ``era`` the kernel that the
    machine runs as.
    """

    memory: str = "256M"
    nodes: int = 2
    drivers: str = "zsmalloc,balloon"
    input: str | None = None
    seed: int = 0
    json: str | None = None
    events: str | None = None
    svg: str | None = None
    era: str = DEFAULT


@dataclass(frozen=True, slots=True)
class Settings:
    """The same, checked: ``memory`` in bytes, ``drivers`` as triples of label, target and factory, paths as paths."""

    memory: int
    nodes: int
    drivers: tuple[tuple[str, str, Factory], ...]
    input: Path | None
    seed: int
    json: str | None
    events: Path | None
    svg: Path | None
    era: str

    @property
    def outputs(self) -> frozenset[Path]:
        """Every file that the run writes, resolved; a run must not read them as input."""
        return frozenset(path.resolve() for path in (self.json_path, self.events, self.svg) if path is not None)

    @property
    def json_path(self) -> Path | None:
        """Where the summary goes, None for standard output and for nowhere."""
        return Path(self.json) if self.json not in (None, "-") else None


def check(options: Options) -> Settings:
    """The settings that ``options`` mean. Raises UsageError, one line, for the first that cannot be used."""
    _check_names(options)
    memory = check_memory(options.memory, options.nodes)
    settings = Settings(
        memory,
        options.nodes,
        check_drivers(options.drivers),
        Path(options.input) if options.input is not None else None,
        options.seed,
        options.json,
        Path(options.events) if options.events is not None else None,
        Path(options.svg) if options.svg is not None else None,
        era_called(options.era).name,
    )
    _check_outputs(settings)
    return settings


# --- memory ---


def check_memory(text: str, nodes: int) -> int:
    """Bytes of a machine of ``nodes`` nodes. Raises UsageError that names a size which would do."""
    if not 1 <= nodes <= MAX_NODES:
        raise UsageError(f"--nodes {nodes} is not possible; use 1 to {MAX_NODES}")
    memory = parse_size(text, "--memory")
    step = nodes * PAGEBLOCK_BYTES
    least = MIN_BLOCKS_PER_NODE * step
    if memory < least:
        raise UsageError(
            f"--memory {text} is too small for {many(nodes, 'node')}: each needs {MIN_BLOCKS_PER_NODE} pageblocks of 2 MiB; "
            f"use {size_text(least)} or more"
        )
    if memory > MAX_MEMORY:
        raise UsageError(f"--memory {text} is more than this experiment can fill; use {size_text(MAX_MEMORY)} or less")
    if memory % step:
        below = memory // step * step
        raise UsageError(
            f"--memory {text} is no multiple of a pageblock (2 MiB) for each of {many(nodes, 'node')}; "
            f"use {size_text(below)} or {size_text(below + step)}"
        )
    return memory


# --- drivers ---


def check_drivers(text: str) -> tuple[tuple[str, str, Factory], ...]:
    """(label, target, factory) of every driver named in ``text``. Raises UsageError for one that cannot be used."""
    targets = [target.strip() for target in text.split(",")]
    if not all(targets):
        raise UsageError(f"--drivers {text!r} has an empty name; write names with commas between, such as zsmalloc,balloon")
    seen: dict[str, str] = {}
    for target in targets:
        if target in seen.values():
            raise UsageError(f"--drivers names {target!r} twice; name each driver once")
        seen[_label(target, seen)] = target
    return tuple((label, target, find(target)) for label, target in seen.items())


def _label(target: str, taken: dict[str, str]) -> str:
    """A short name for reports: the installed name, or the last part of module:Class and file.py:Class."""
    base = target.rpartition(":")[2]
    if base.endswith(".py"):
        base = Path(base).stem
    label, number = base, 1
    while label in taken:
        number += 1
        label = f"{base}#{number}"
    return label


# --- files to read and to write ---


def _check_names(options: Options) -> None:
    """An empty name would mean the current directory, and "-" a file that is hard to get rid of."""
    named = {"--input": options.input, "--json": options.json, "--events": options.events, "--svg": options.svg}
    for option, name in named.items():
        if name == "":
            raise UsageError(f"{option} is empty; name a file")
        if name == "-" and option != "--json":
            raise UsageError(f"{option} - is not possible, only --json can use standard streams; name a file")


def _check_outputs(settings: Settings) -> None:
    """Find out now, and not after the run, that a file cannot be written, or must not be: it would be read first."""
    named = [("--json", settings.json_path), ("--events", settings.events), ("--svg", settings.svg)]
    seen: dict[Path, str] = {}
    if settings.input is not None:
        seen[settings.input.resolve()] = "--input"
    for _, target, _ in settings.drivers:
        name = target.partition(":")[0]
        if name.endswith(".py"):
            seen[Path(name).resolve()] = "--drivers"
    for option, path in named:
        if path is None:
            continue
        folder = path.resolve().parent
        if path.is_dir():
            raise UsageError(f"{option} {path} is a directory; name a file")
        if not folder.is_dir():
            raise UsageError(f"{option} {path}: there is no directory {folder}; make it first")
        if not may_write(path):
            raise UsageError(f"{option} {path} cannot be written; check its permissions and those of its folder")
        other = seen.setdefault(path.resolve(), option)
        if other != option:
            raise UsageError(f"{option} and {other} name the same file {path}; give each its own")
