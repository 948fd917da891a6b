"""How a trace tells the kernel it is of: by lines that only kernels of some eras print.

What a function is called, and how a page shows that it is movable, tells whether marks stay (6.17 and later) or are cleared. The
bit that isolated pages have tells 4.19 from 6.1 (ftrace.py). The counts of the tracepoint mm_migrate_pages changed at other times,
and ordinary pages move in every kernel: these tell enough for a trace in which no movable page takes part, and never overrule a
line about one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from movable.eras import ERAS
from movable.errors import UsageError

STAYS, CLEARED = "stays", "cleared"

_STAYS = re.compile(
    r" isolate_movable_ops_page(?:_ret)?: | set_movable_ops(?:_ret)?: | free_frozen_pages: "
    r"| flags=\S+ type=0x| nflags=\S+ nrefs=\S+ ntype=0x"
)
"""What only lines of kernels hold whose marks stay: their functions, and a type beside the flags of a page."""
_CLEARED = re.compile(
    r" isolate_movable_page(?:_ret)?: | clear_page_movable: | set_page_movable: .* mops=0x| n?mapping=0x[0-9a-f]*[26ae](?![0-9a-f])"
)
"""What their lines never hold: functions that are gone, and a mapping with the tag of a movable page."""
_HEADING = re.compile(r"# movable: .*?\bera=(\S+)")
_MOVED = re.compile(r"_ret: \(\S+ <- (move_to_new_(?:page|folio))\)")
_COUNTS = re.compile(r" mm_migrate_pages: (?:\([^)]*\) )?((?:nr_\w+=\d+ )+)mode=")


def sign(lines: Iterable[str]) -> str:
    """STAYS or CLEARED as the first line says that tells it; empty where none does."""
    for text in lines:
        if _STAYS.search(text):
            return STAYS
        if _CLEARED.search(text):
            return CLEARED
    return ""


def counted(lines: Iterable[str]) -> str:
    """The latest era whose tracepoint mm_migrate_pages counts what the first such line does; empty where none is."""
    for text in lines:
        if " mm_migrate_pages: " in text:
            found = _COUNTS.search(text)
            fields = tuple(re.findall(r"(\w+)=", found[1])) if found else ()
            eras = [name for name, era in ERAS.items() if era.migrate_trace_fields == fields]
            if eras:
                return eras[-1]
    return ""


def moved(lines: Iterable[str]) -> str:
    """The era whose probes tell of the end of a move as the first such line does: those of later kernels set none there."""
    for text in lines:
        found = _MOVED.search(text)
        if found:
            return "4.19" if found[1] == "move_to_new_page" else "6.1"
    return ""


def heading(lines: Iterable[str]) -> str:
    """The era that a heading of our own among ``lines`` names; empty where none does."""
    for text in lines:
        found = _HEADING.match(text)
        if found and found[1] in ERAS:
            return found[1]
    return ""


class Untold(UsageError):
    """No line of a trace tells its kernel, and no option does."""


def untold(name: str) -> Untold:
    """What to say of the trace called ``name`` when no line tells its kernel."""
    known = [*ERAS]
    return Untold(
        f"{name}: no line tells which kernel this is of, and eras differ in what is right; "
        f"give --era with {', '.join(known[:-1])} or {known[-1]}"
    )


def contradicted(name: str, what: str, given: str) -> UsageError:
    """What to say when ``what`` its lines show is none of the era that was given."""
    return UsageError(f"{name}: has {what}, and --era {given} was given; leave --era out")
