"""The reference of the public names, made from their signatures and docstrings: docs/api.md is what this prints.

    python -m movable.cli.api > docs/api.md
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import movable
from movable import bench

ROOT = Path(movable.__file__).parents[1]

SECTIONS = {
    "movable.mm.page": "Pages and their references",
    "movable.mm.highmem": "The content of pages",
    "movable.mm.page_flags": "Page flags, marks and types",
    "movable.mm.util": "Where a page's mapping leads to",
    "movable.mm.filemap": "The page lock",
    "movable.mm.list": "Lists",
    "movable.mm.locks": "Locks",
    "movable.mm.bit_spinlock": "Lock bits",
    "movable.mm.atomic": "Atomic counters",
    "movable.mm.wait": "Wait queues",
    "movable.mm.workqueue": "Work queues",
    "movable.mm.address_space": "Owners",
    "movable.mm.movable_ops": "Page types and operations (kernels from 6.17 on)",
    "movable.mm.balloon": "The balloon core (kernels from 6.18 on)",
    "movable.mm.migrate": "What the core does to a page",
    "movable.mm.vmstat": "Counters",
    "movable.mm.page_reporting": "Free page reporting",
    "movable.mm.vmscan": "Shrinkers",
    "movable.mm.vm": "The machine",
    "movable.events": "Events",
    "pluggy._decorators": "Plug-ins",
    "movable.errors": "Errors",
}
"""Headings by the module where a name is defined, in the order of the page."""

MAY_SLEEP = {
    "lock_page", "migrate_pages", "putback_movable_pages", "Mutex", "WaitQueue", "WorkQueue", "VM", "compact_memory",
    "offline_pages", "alloc_contig_range", "soft_offline_page",
}  # fmt: skip
"""What may sleep, or has methods that may; under a spin lock they raise SleepInAtomic."""

HEAD = """\
# Reference of the public names

A driver uses names of `movable`; a test bench uses `movable.bench` beside them. This page is made from the code
(`python -m movable.cli.api > docs/api.md`) and a test holds the two together.

*May sleep* marks what must not be called, or has methods that must not be called, while a spin lock is held. Each section names
its file here and the kernel's file that it mirrors, where functions have the same names unless something else is said. Sizes are
in bytes, orders in powers of two of pages of 4096 bytes, unless a name says otherwise.
"""


GFP_NOTE = """\
Each allocation flag is here once. The kernel's `__GFP_ZERO` and its kin can be imported too, but are of no use inside a
class, where Python rewrites names that begin with two underscores: there it is `GFP_ZERO`.
"""


def render() -> str:
    """The whole page."""
    parts = [HEAD, "## For drivers: `movable`\n"]
    sections: dict[str, list[str]] = {title: [] for title in SECTIONS.values()}
    constants: dict[str, list[str]] = {}
    for name in sorted(movable.__all__, key=str.lower):
        value = getattr(movable, name)
        if isinstance(value, (int, bytes, str)) and not isinstance(value, bool):
            constants.setdefault(_family(name), []).append(name)
        else:
            sections[SECTIONS[getattr(value, "__module__", "movable")]].append(entry(name, value))
    for module, title in SECTIONS.items():
        parts += [f"### {title}\n", *_homes(module), *sections[title]] if sections[title] else []
    parts.append("### Constants\n")
    parts += [f"{family}: {', '.join(f'`{name}`' for name in names)}.\n" for family, names in sorted(constants.items())]
    parts.append(GFP_NOTE)
    parts.append("## For test benches: `movable.bench`\n")
    for name in bench.__all__:
        if name not in movable.__all__:
            value = getattr(bench, name)
            parts += [entry(name, value), *_homes(value.__module__)]
    return "\n".join(parts)


def _homes(module: str) -> Iterator[str]:
    """Where a section's names are, here and in the kernel, as the first paragraph of the module says."""
    first = (inspect.getdoc(sys.modules[module]) or "").partition("\n\n")[0]
    kernel = re.findall(r"[\w./-]+/[\w./-]+\.[ch]\b", first)
    if module.startswith("movable."):
        there = f"; in the kernel {', '.join(f'`{file}`' for file in kernel)}" if kernel else ""
        yield f"In `{Path(sys.modules[module].__file__ or '').relative_to(ROOT)}`{there}.\n"


def _family(name: str) -> str:
    found = re.match(r"_*([A-Z]+)", name)
    return {"GFP": "Allocation", "MR": "Reasons", "PG": "Page flags", "MIGRATE": "Modes and types", "ISOLATE": "Isolation"}.get(
        found[1] if found else "", "Other"
    )


def entry(name: str, value: Any) -> str:
    """One name with its signature, what it does, and whether it may sleep; of a class its public methods too."""
    lines = [f"#### `{name}{signature(value)}`{' (may sleep)' if name in MAY_SLEEP else ''}\n", *paragraphs(value)]
    if inspect.isclass(value) and not issubclass(value, BaseException):
        lines += list(_methods(value))
    return "\n".join(lines)


def signature(value: Any) -> str:
    """The arguments with their types, "" where there are none to show."""
    if inspect.isclass(value) and issubclass(value, BaseException):
        return ""
    try:
        found = str(inspect.signature(value))
    except (TypeError, ValueError):
        return ""
    return re.sub(r"'([^']*)'", r"\1", found)


def paragraphs(value: Any) -> Iterator[str]:
    """The docstring, a paragraph a line, each followed by a blank one."""
    text = inspect.getdoc(value) or ""
    for paragraph in text.replace("``", "`").split("\n\n"):
        yield " ".join(paragraph.split()) + "\n"


def _methods(value: type) -> Iterator[str]:
    """What an object can do, also by what its class shares with others of the package."""
    rows = []
    shared = [base for base in reversed(value.__mro__) if base.__module__.startswith("movable.")]
    for name, member in {name: member for base in shared for name, member in vars(base).items()}.items():
        if name.startswith("_") or not (inspect.isfunction(member) or isinstance(member, property)):
            continue
        function = member.fget if isinstance(member, property) else member
        shown = name if isinstance(member, property) else name + signature(function).replace("(self, ", "(").replace("(self)", "()")
        rows.append(f"| `{shown.replace('|', chr(92) + '|')}` | {_first(function)} |")
    if rows:
        yield "\n".join(["| member | what it does |", "|---|---|", *rows]) + "\n"


def _first(function: Any) -> str:
    text = " ".join((inspect.getdoc(function) or "").replace("``", "`").split("\n\n")[0].split())
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(render())
