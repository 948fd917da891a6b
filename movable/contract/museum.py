"""The museum: historic bugs as small broken drivers, each beside a twin that is right, and the kit at work on both.

Exhibits are found by looking at the files of the museum's folders; none of them is imported by name. A bug of the core is kept as
a function to put in the place of the right one while the exhibit is shown.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.machinery
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

from movable.eras import ERAS
from movable.errors import UsageError
from movable.introspection import MODULES
from movable.workload.workload import Workload

PACKAGE = "movable.museum"
GROUPS = "ZFBCASN"
"""First letters of the ids, in the order of the catalogue: zsmalloc, z3fold, balloons, the core, aio, file systems, invented."""

Patch = Mapping[Callable[..., Any], Callable[..., Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """One bug.

    ``id`` and ``slug`` name it; ``year`` is 0 and ``commit`` empty for a bug that was invented, ``commit`` is also empty where
    the hash of the fix was not confirmed. ``layer`` says where the bug was. ``story`` tells what the code did and what went
    wrong, ``fix`` what cured it, ``kin`` which historic bugs an invented one resembles. ``rules`` are what the kit must report.
    ``broken`` and ``twin`` are driver classes for ``workload``, or file systems. ``depth`` is how many tasks the bug needs, and
    how often one of them must be interrupted at least. Of a bug of the core, ``core_patch`` leads from right functions to wrong
    ones, and ``twin_patch`` to what the cured ones look like where they are not simply the core's; ``features`` are those of its
    era (``movable.eras.Era``) that matter, and differ for the twin.
    """

    id: str
    slug: str
    year: int = 0
    commit: str = ""
    layer: str
    title: str
    story: str
    fix: str
    rules: tuple[str, ...]
    broken: type
    twin: type
    workload: type[Workload] = Workload
    kin: str = ""
    era: str = "4.19"
    depth: tuple[int, int] = (1, 0)
    features: Mapping[str, Any] = field(default_factory=dict)
    core_patch: Patch = field(default_factory=dict)
    twin_patch: Patch = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("story", "fix"):
            object.__setattr__(self, name, " ".join(getattr(self, name).split()))

    @property
    def origin(self) -> str:
        """Where it comes from, in words."""
        if not self.year:
            return f"invented; {self.kin}" if self.kin else "invented"
        return f"{self.year}, {f'commit {self.commit}' if self.commit else 'commit not confirmed'}"

    @property
    def eras(self) -> tuple[str, ...]:
        """The kernels in which it is a bug: those that have every rule it breaks, and call its driver."""
        from movable.rules.table import ALL_RULES as RULES

        later = self.core_patch or self.features  # a bug of the core as it was then
        return tuple(
            name
            for name, era in ERAS.items()
            if all(name in RULES[id].eras for id in self.rules)
            and (name == self.era or not (later or (era.sticky_mark and not ERAS[self.era].sticky_mark)))
        )

    @contextmanager
    def shown(self, twin: bool = False) -> Iterator[None]:
        """The core as this exhibit needs it."""
        with patched(self.twin_patch if twin else self.core_patch):
            yield


# --- finding ---


def folder() -> Path:
    """Where the exhibits are."""
    return Path(__file__).parents[1] / "museum"


def exhibits() -> dict[str, Exhibit]:
    """Every exhibit by id, in the order of the catalogue. Raises UsageError where two have the same id."""
    found: dict[str, Exhibit] = {}
    for module in _modules():
        for one in getattr(module, "EXHIBITS", ()):
            if one.id in found:
                raise UsageError(f"{module.__name__}: exhibit {one.id} is shown twice; give it another id")
            found[one.id] = one
    return dict(sorted(found.items(), key=lambda item: (GROUPS.find(item[0][0]), item[0])))


def _modules() -> Iterator[Any]:
    for path in sorted(folder().rglob("*.py")):
        if not path.stem.startswith("_"):
            yield importlib.import_module(".".join((PACKAGE, *path.relative_to(folder()).with_suffix("").parts)))


def exhibit(id: str) -> Exhibit:
    """The exhibit with this id or slug. Raises UsageError that lists near ones."""
    found = exhibits()
    by_slug = {one.slug: one for one in found.values()}
    chosen = found.get(id.upper()) or by_slug.get(id.lower())
    if chosen is None:
        near = difflib.get_close_matches(id.upper(), found, n=4, cutoff=0.5)
        near += difflib.get_close_matches(id.lower(), by_slug, n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else "'movable museum' lists all"
        raise UsageError(f"no exhibit {id!r}; {hint}")
    return chosen


def piece_in_c(one: Exhibit) -> Path | None:
    """The same bug as a small driver in C, where there is one: it is wrong with the macro BROKEN, and right without."""
    path = folder() / "c" / f"{one.id.lower()}.c"
    return path if path.is_file() else None


# --- a wrong core ---


@contextmanager
def patched(patch: Patch) -> Iterator[None]:
    """Put functions in the place of others, in every module of this package that knows them, for the length of the block."""
    undo: list[tuple[Any, str, object]] = []
    try:
        for right, wrong in patch.items():
            places = [(module, name) for module in _rooms() for name, value in vars(module).items() if value is right]
            if not places:
                raise UsageError(f"{right.__qualname__} is nowhere to be replaced")
            for module, name in places:
                undo.append((module, name, right))
                setattr(module, name, wrong)
        yield
    finally:
        for module, name, right in reversed(undo):
            setattr(module, name, right)


def _rooms() -> list[Any]:
    return [module for name, module in list(sys.modules.items()) if name.startswith(MODULES) and name != __name__]


# --- the difference ---


def difference(one: Exhibit) -> list[str]:
    """What is wrong, as the lines of a diff: ``-`` is the twin, ``+`` the bug."""
    lines = [line for name, value in one.features.items() for line in _feature(name, value)]
    for right, wrong in one.core_patch.items():
        cured = one.twin_patch.get(right, right)
        lines += _diff(cured, wrong, f"core: {right.__name__}")
    for name, value in vars(one.broken).items():
        if name.startswith("__") and name != "__init__":
            continue
        was = getattr(one.twin, name, None)
        if was is not value and (inspect.isfunction(value) or inspect.isfunction(was)):
            lines += _diff(was, value, f"{one.broken.__name__}.{name}")
        elif was is not value and not inspect.isfunction(value):
            lines += [f"@@ {one.broken.__name__}.{name} @@", f"-{name} = {was!r}", f"+{name} = {value!r}"]
    return lines


def _feature(name: str, value: object) -> list[str]:
    return ["@@ the era of the core @@", f"-{name} = {not value if isinstance(value, bool) else 'otherwise'}", f"+{name} = {value}"]


def _diff(right: Any, wrong: Any, heading: str) -> list[str]:
    before, after = _source(right), _source(wrong)
    lines = list(difflib.unified_diff(before, after, lineterm="", n=3))[2:]
    return [f"@@ {heading} @@", *(line for line in lines if not line.startswith("@@"))]


def _source(function: Any) -> list[str]:
    return [] if function is None else dedent(inspect.getsource(function)).splitlines()
