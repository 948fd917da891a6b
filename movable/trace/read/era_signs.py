"""How a trace tells the kernel it is of: by lines that only kernels of some eras print.

What a function is called, and how a page shows that it is movable, tells whether marks stay (6.17 and later) or are cleared. The
bit that isolated pages have tells 4.19 from 6.1 (ftrace.py). The counts of the tracepoint mm_migrate_pages changed at other times,
and ordinary pages move in every kernel: these tell enough for a trace in which no movable page takes part, and never overrule a
line about one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import Protocol

from movable.eras import ERAS
from movable.errors import UsageError
from movable.events import Event
from movable.mm.page_flags import PAGE_MAPPING_MOVABLE

_SINCE = next(era.kernels.partition(" ")[0] for era in ERAS.values() if era.balloon_core)
STAYS, CLEARED = "stays", "cleared"
MAX_BLOCKS_AHEAD = 32
"""Blocks that are looked through, before they are read, for a line that tells the kernel: 4 MiB of a file."""

_STAYS = re.compile(
    r" isolate_movable_ops_page(?:_ret)?: | set_movable_ops(?:_ret)?: | free_frozen_pages: "
    r"| flags=\S+ type=0x| nflags=\S+ nrefs=\S+ ntype=0x"
)
"""What only lines of kernels hold whose marks stay: their functions, and a type beside the flags of a page."""
_CLEARED = re.compile(
    r" isolate_movable_page(?:_ret)?: | clear_page_movable: | set_page_movable: .* mops=0x| n?mapping=0x[0-9a-f]*[26ae](?![0-9a-f])"
)
"""What their lines never hold: functions that are gone, and a mapping with the tag of a movable page."""
_ISOLATES = " isolate_movable_"
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


def counts(lines: Iterable[str]) -> tuple[str, ...]:
    """What the tracepoint mm_migrate_pages counts in the first such line that can be read; empty where none is."""
    for text in lines:
        if " mm_migrate_pages: " in text:
            found = _COUNTS.search(text)
            if found:
                return tuple(re.findall(r"(\w+)=", found[1]))
    return ()


def could_count(era: str, fields: tuple[str, ...]) -> bool:
    """Whether a kernel of the era can have a tracepoint mm_migrate_pages with these counts.

    Kernels only add to them, so that those of an era lie between what its table says and what the next one's does.
    """
    names = list(ERAS)
    most = [*(ERAS[name].migrate_trace_fields for name in names[names.index(era) + 1 :]), fields][0]
    return set(ERAS[era].migrate_trace_fields) <= set(fields) <= set(most)


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


def ahead(scout: Scout, first: list[list[str]], blocks: Iterator[list[str]]) -> tuple[list[list[str]], str]:
    """Blocks up to the one that tells the kernel, at most MAX_BLOCKS_AHEAD or the ``first`` ones; and the era to read them as.

    ``scout`` is another reader of the same trace; it gets headings, and all from the first isolation on.
    """
    found: list[list[str]] = []
    begun = False
    for block in chain(first, blocks):
        found.append(block)
        if not scout.bits_known and len(found) <= MAX_BLOCKS_AHEAD:
            start = 0 if begun else next((at for at, text in enumerate(block) if _ISOLATES in text), len(block))
            begun = begun or start < len(block)
            headings = [text for text in block[:start] if text.startswith("#")]
            with suppress(UsageError):  # it will be raised again when the line has its turn
                for known in scout.in_known_words([[*headings, *block[start:]]]):
                    any(scout.bits_known for _ in scout.block(known))
        if len(found) >= len(first) and (scout.bits_known or len(found) >= MAX_BLOCKS_AHEAD):
            break
    return found, scout.layout


class UnknownEra(UsageError):
    """No line of a trace tells its kernel, and no option does."""


def unknown_era(name: str) -> UnknownEra:
    """What to say of the trace called ``name`` when no line tells its kernel."""
    known = [*ERAS]
    return UnknownEra(
        f"{name}: no line tells which kernel this is of, and eras differ in what is right; "
        f"give --era with {', '.join(known[:-1])} or {known[-1]}"
    )


class Contradicted(UsageError):
    """The lines of a trace show that an option is wrong."""


def contradicted(name: str, what: str, given: str) -> Contradicted:
    """What to say when ``what`` its lines show is none of the era that was given."""
    return Contradicted(f"{name}: has {what}, and --era {given} was given; leave --era out")


_BEFORE, _LATEST = [*ERAS][-2:]
OWN_MARKS = 3
"""So many moves of which only the hook marks the new page: lines may be missing, or a hook be wrong, once."""
RELEASED_CALLS = 2
"""So many callbacks for pages that only the isolation holds: a core that looks for them can miss one that is let go meanwhile."""


class Later:
    """Looks, in a trace of a kernel whose marks stay, for what tells 6.17 from later ones, which print the same lines.

    A balloon core of its own marks a page after the hook of its device, and says 0 where that said something else; and a core that
    leaves released pages to their driver asks about them. Where a hook itself marks the new page, again and again, and no core does
    behind it, there is no such core. ``given`` is the era that the trace is said to be of ("" where nobody said), ``told`` the one
    that its lines tell.
    """

    def __init__(self, name: str, given: str) -> None:
        self.name = name
        self.given = given
        self.told = ""
        self.inside: dict[str, bool] = {}  # by task: whether the hook has marked a page
        self.hooked: dict[str, object] = {}
        self.by_hook: set[str] = set()
        self.released = self.own_marks = 0

    def checked(self, events: Iterable[Event]) -> Iterator[Event]:
        """The events. Raises Contradicted at one that shows another kernel than the one that was given."""
        for event in events:
            what, told = self._see(event)
            if told and self.given not in ("", told):
                kernels = f"kernels from {_SINCE} on" if told == _LATEST else f"kernels before {_SINCE}"
                raise contradicted(self.name, f"{what} (line {event.seq}), which only {kernels} show", self.given)
            self.told = self.told or told
            yield event

    def _see(self, event: Event) -> tuple[str, str]:
        kind, task = event.kind, event.task
        if kind == "balloon_hook":
            self.inside[task] = False
        elif kind == "balloon_hook_ret":
            self.hooked[task] = event.args.get("ret")
            if self.inside.pop(task, False):
                self.by_hook.add(task)
        elif kind == "set_page_movable" and task in self.inside:
            self.inside[task] = True
        elif kind == "set_page_movable" and task in self.hooked:
            return "a mark that the balloon core makes behind the hook of its device", _LATEST
        elif kind == "migratepage_ret":
            ret = event.args.get("ret")
            said = self.hooked.pop(task, ret)
            self.own_marks += task in self.by_hook and ret == 0
            self.by_hook.discard(task)
            self.inside.pop(task, None)
            if said != ret:
                return "another answer of the balloon core than its device's", _LATEST
            if self.own_marks == OWN_MARKS:
                return "hooks that mark new pages themselves, and no core that does", _BEFORE
        elif kind == "migratepage" and event.mapping == PAGE_MAPPING_MOVABLE and event.refs == 1:
            self.released += 1
            if self.released == RELEASED_CALLS:
                return "drivers that are asked about pages which nobody else holds", _LATEST
        return "", ""


def later(name: str, given: str) -> Later | None:
    """What tells kernels whose marks stay from each other in the trace called ``name``; None where ``given`` is of another kind."""
    return Later(name, given) if not given or ERAS[given].sticky_mark else None


class Scout(Protocol):
    """What is asked of a reader that goes ahead."""

    layout: str

    @property
    def bits_known(self) -> bool: ...

    def in_known_words(self, blocks: Iterable[list[str]], /) -> Iterator[list[str]]: ...

    def block(self, block: list[str], /) -> Iterator[Event]: ...


class Signs:
    """What lines tell that are not about movable pages: ``counts`` of mm_migrate_pages, and ``moved`` where moves end."""

    def __init__(self) -> None:
        self.counts: tuple[str, ...] = ()
        self.moved = ""

    def see(self, lines: Collection[str]) -> None:
        """Look at lines; the first that tells decides."""
        self.counts = self.counts or counts(lines)
        self.moved = self.moved or moved(lines)

    @property
    def era(self) -> str:
        """The latest era that counts so, else the one whose moves end so; empty where nothing tells."""
        counted = (name for name, era in reversed(ERAS.items()) if era.migrate_trace_fields == self.counts)
        return next(counted, self.moved)

    def check(self, name: str, given: str) -> None:
        """Raises Contradicted where no kernel of the era that was ``given`` counts so."""
        if self.counts and not could_count(given, self.counts):
            raise contradicted(name, f"mm_migrate_pages with {' '.join(self.counts)}, which no kernel of it counts", given)
