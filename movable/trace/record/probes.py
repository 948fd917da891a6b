"""The probes that show a driver's movable pages on a live kernel, as one table; and the shell script that sets them.

Event names are the same for every era, so that one table of the reader serves; only symbols and registers differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from movable.eras import ERAS, era_of
from movable.errors import UsageError
from movable.trace.record import sticky_probes
from movable.trace.record.driver_probes import Callbacks, Probe, known

PAGE_STATE = (
    "flags=+0({0}):x64 mapping=+24({0}):x64 refs=+52({0}):s32 mapcount=+48({0}):s32 lru=+8({0}):x64 private=+40({0}):x64"
)
"""The fields of struct page that a probe fetches; the offsets hold for 64-bit kernels from 4.18 to 6.16."""

MOVABLE_FILTER = "(mapping & 2) && !(mapping & 1)"
FILTERED = ("folio_lock_slow", "folio_put_final", "folio_unlock", "free_unref_page", "move_to_new_folio")
FILTERS = dict.fromkeys(FILTERED, MOVABLE_FILTER)
"""Events that fire for every page of the machine, with the filter that leaves the movable ones."""

TRACE_EVENTS = (
    "migrate/mm_migrate_pages",
    "migrate/mm_migrate_pages_start",
    "compaction/mm_compaction_begin",
    "compaction/mm_compaction_end",
    "compaction/mm_compaction_migratepages",
)
"""Trace events of the kernel that are switched on beside the probes."""


def filters(era: str) -> dict[str, str]:
    """The filters of a recording of ``era``."""
    return sticky_probes.FILTERS if ERAS[era].sticky_mark else FILTERS


BALLOON = Callbacks("balloon", "balloon_page_isolate", "balloon_page_migrate", "balloon_page_putback")
"""The kernel's own balloon layer, whose pages are on lists with everybody's: it is recorded along with every driver."""


def _state(argument: int) -> str:
    return PAGE_STATE.replace("{0}", f"{{{argument}}}")


def core_probes(era: str) -> Iterator[Probe]:
    """The functions of mm/migrate.c, mm/compaction.c and mm/filemap.c that every driver's pages pass through."""
    old = ERAS[era].mapping_argument
    page = f"page={{0}}:x64 {_state(0)}"
    yield Probe("isolate_movable_page", "isolate_movable_page", f"page={{0}}:x64 mode={{1}}:x32 {_state(0)}")
    yield Probe("isolate_movable_page_ret", "isolate_movable_page", "ret=$retval:s32", True)
    yield Probe("putback_movable_pages", "putback_movable_pages", "list={0}:x64 first=+0({0}):x64")
    yield Probe("set_page_movable", "__SetPageMovable", f"page={{0}}:x64 mops={{1}}:x64 {_state(0)}")
    yield Probe("clear_page_movable", "__ClearPageMovable", page)
    yield Probe("migrate_pages", "migrate_pages", "list={0}:x64 first=+0({0}):x64 mode={4}:u32 reason={5}:u32")
    yield Probe("migrate_pages_ret", "migrate_pages", "ret=$retval:s32", True)
    move = ("move_to_new_page", "move_to_new_folio") if old else ("move_to_new_folio", "")
    yield Probe(
        "move_to_new_folio",
        move[0],
        "dst={0}:x64 src={1}:x64 mode={2}:u32 mapping=+24({1}):x64 flags=+0({1}):x64 refs=+52({1}):s32",
        other=move[1],
    )
    yield Probe("move_to_new_folio_ret", move[0], "ret=$retval:s32", True, move[1])
    for name, before, now in (
        ("folio_unlock", "unlock_page", "folio_unlock"),
        ("folio_lock_slow", "__lock_page", "__folio_lock"),
        ("folio_put_final", "__put_page", "__folio_put"),
    ):
        yield Probe(name, before if old else now, page, other=now if old else "")
    order = "" if old else " order={1}:u32"
    yield Probe("free_unref_page", "free_unref_page", f"page={{0}}:x64{order} {_state(0)}")


def driver_probes(driver: Callbacks, era: str) -> Iterator[Probe]:
    """The three callbacks of a driver, entry and return."""
    first = 1 if ERAS[era].mapping_argument else 0  # there the migrate callback gets the mapping in front
    name = driver.prefix
    new, page, mode = (f"{{{first + i}}}" for i in range(3))
    extra = driver.state
    at_page = extra.replace("{0}", page)
    yield Probe(f"{name}_isolate", driver.isolate, f"page={{0}}:x64 mode={{1}}:x32 {extra}{_state(0)}")
    yield Probe(f"{name}_isolate_ret", driver.isolate, "ret=$retval:u8", True)
    yield Probe(
        f"{name}_migrate",
        driver.migrate,
        f"newpage={new}:x64 page={page}:x64 mode={mode}:u32 {at_page}nflags=+0({new}):x64 {_state(first + 1)}",
    )
    yield Probe(f"{name}_migrate_ret", driver.migrate, "ret=$retval:s32", True)
    yield Probe(f"{name}_putback", driver.putback, f"page={{0}}:x64 {extra}{_state(0)}")
    yield Probe(f"{name}_putback_ret", driver.putback, "", True)


BALLOON_PROBES = (
    Probe("balloon_enqueue", "balloon_page_enqueue", "b_dev_info={0}:x64 page={1}:x64"),
    Probe("balloon_enqueue_list", "balloon_page_list_enqueue", "b_dev_info={0}:x64"),
    Probe("balloon_dequeue_list", "balloon_page_list_dequeue", "b_dev_info={0}:x64 n_req={2}:u64"),
    Probe("balloon_dequeue_list_ret", "balloon_page_list_dequeue", "n=$retval:u64", True),
    Probe("balloon_alloc_ret", "balloon_page_alloc", "page=$retval:x64", True),
)

CALLER_PROBES = (
    Probe("offline_pages", "offline_pages", "start_pfn={0}:u64 nr_pages={1}:u64"),
    Probe("offline_pages_ret", "offline_pages", "ret=$retval:s32", True),
    Probe("soft_offline_page", "soft_offline_page", "pfn={0}:u64 flags={1}:x32"),
    Probe("soft_offline_page_ret", "soft_offline_page", "ret=$retval:s32", True),
    Probe("alloc_contig_range", "alloc_contig_range", "start_pfn={0}:u64 end_pfn={1}:u64 migratetype={2}:u32"),
    Probe("alloc_contig_range_ret", "alloc_contig_range", "ret=$retval:s32", True),
)
"""Who else than compaction asks for migration."""

BASE_PROBE = Probe("memory_base", "putback_movable_pages", "base=@vmemmap_base:x64")
"""Shows where the array of struct page lies, for exact page frame numbers under KASLR."""

SYMBOL = re.compile(r"[A-Za-z_][\w.]*(?::[A-Za-z_][\w.]*)?")


def callbacks_of(driver: str, isolate: str = "", migrate: str = "", putback: str = "") -> Callbacks:
    """The callbacks of a driver known by name, or of any other by its three symbols.

    Raises UsageError for an unknown driver without symbols, and for names that are none.
    """
    given = (isolate, migrate, putback)
    if driver in known() and not any(given):
        return known()[driver]
    if not all(given):
        names = ", ".join(known())
        raise UsageError(
            f"driver {driver!r}: known by name are {names}; for any other give --isolate SYM --migrate SYM --putback SYM"
        )
    if driver == BALLOON.prefix:
        raise UsageError(
            f"driver {driver!r}: the kernel's own balloon is recorded along with every driver under this name; give yours another"
        )
    if not re.fullmatch(r"[A-Za-z_]\w{0,30}", driver):
        raise UsageError(f"driver {driver!r}: the name becomes part of event names; use letters, digits and underscores")
    for symbol in given:
        if not SYMBOL.fullmatch(symbol):
            raise UsageError(f"symbol {symbol!r}: expected a function as in /proc/kallsyms, or module:function")
    return Callbacks(driver, isolate, migrate, putback)


def _era_for(version: str) -> str:
    """Which era serves a kernel version, in words."""
    serving = era_of(version)
    if serving is None:
        return "; ".join(f"{name} serves {era.kernels}" for name, era in ERAS.items())
    return f"{serving.name} serves {serving.kernels}: give --era {serving.name} for {version}"


def _sticky_probes(driver: Callbacks, objects: bool) -> Iterator[Probe]:
    """Every probe for kernels whose marks stay."""
    yield from sticky_probes.core_probes()
    yield from sticky_probes.driver_probes(BALLOON)
    yield from sticky_probes.hook_probes([driver] if driver.hook else known().values())
    yield from BALLOON_PROBES
    yield from CALLER_PROBES
    if driver.prefix != BALLOON.prefix:
        yield from sticky_probes.driver_probes(driver)
    for probe in (*driver.probes, *(driver.objects if objects else ())):
        yield replace(probe, other=probe.symbol.rpartition(":")[2])


def probe_set(driver: Callbacks, era: str = "6.1", *, objects: bool = False, base: bool = False) -> list[Probe]:
    """Every probe of a function for a recording of ``driver``, in the order in which they are set.

    The balloon is always among them: it is part of the kernel, and its pages share lists with other drivers' pages.
    ``objects`` adds what is probed for every object, ``base`` the place of the page array. Raises UsageError for an
    unknown era.
    """
    if era not in ERAS:
        raise UsageError(f"no probes for era {era!r}; {_era_for(era)}")
    if ERAS[era].sticky_mark:
        return [*_sticky_probes(driver, objects), *([BASE_PROBE] if base else [])]
    probes = [*core_probes(era), *driver_probes(BALLOON, era), *BALLOON_PROBES, *CALLER_PROBES]
    if driver.prefix != BALLOON.prefix:
        probes += driver_probes(driver, era)
    probes += (*driver.probes, *(driver.objects if objects else ()))
    return [*probes, BASE_PROBE] if base else probes
