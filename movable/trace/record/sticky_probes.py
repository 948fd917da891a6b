"""Probes for kernels whose marks stay (from 6.17 on): entries and returns of functions, which every build has.

Marks and releases are single instructions there, in the middle of functions that are inlined differently in each build, so that no
probe of a function sees them. What a recording with these probes cannot show (D2, D16, D59) is then unproven, and reports say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from movable.trace.record.probes import Callbacks, Probe

STATE = (
    "flags=+0({0}):x64 type=+51({0}):x8 refs=+52({0}):s32 mapping=+24({0}):x64 lru=+8({0}):x64 private=+40({0}):x64"
)
"""The fields of struct page that a probe fetches; the type is the top byte of the word over the map count."""
MOVABLE_FILTER = "type == 0xf1 || type == 0xf6"
FILTERS = dict.fromkeys(("folio_lock_slow", "folio_put_final", "folio_unlock", "free_frozen_pages"), MOVABLE_FILTER)
"""Events that fire for every page of the machine, with the filter that leaves the movable ones."""


def state(argument: int) -> str:
    """What is fetched of the page that is an argument with this number."""
    return STATE.replace("{0}", f"{{{argument}}}")


def core_probes(probe: type[Probe]) -> Iterator[Probe]:
    """The functions that every driver's pages pass through; ``probe`` makes one."""
    page = f"page={{0}}:x64 {state(0)}"
    isolate = "isolate_movable_ops_page"
    yield probe(isolate, isolate, f"page={{0}}:x64 mode={{1}}:x32 {state(0)}")
    yield probe(f"{isolate}_ret", isolate, "ret=$retval:u8", True)
    yield probe("putback_movable_pages", "putback_movable_pages", "list={0}:x64 first=+0({0}):x64")
    yield probe("migrate_pages", "migrate_pages", "list={0}:x64 first=+0({0}):x64 mode={4}:u32 reason={5}:u32")
    yield probe("migrate_pages_ret", "migrate_pages", "ret=$retval:s32", True)
    yield probe("folio_unlock", "folio_unlock", page)
    yield probe("folio_lock_slow", "__folio_lock", page)
    yield probe("folio_put_final", "__folio_put", page)
    yield probe("free_frozen_pages", "__free_frozen_pages", f"page={{0}}:x64 order={{1}}:u32 {state(0)}", other="free_frozen_pages")


def driver_probes(probe: type[Probe], driver: Callbacks, extra: str = "") -> Iterator[Probe]:
    """The three callbacks; where a symbol of a module is refused, the same function built in is tried."""
    name = driver.prefix
    isolate, migrate, putback = (symbol.rpartition(":")[2] for symbol in (driver.isolate, driver.migrate, driver.putback))
    at_page = extra.replace("{0}", "{1}")
    yield probe(f"{name}_isolate", driver.isolate, f"page={{0}}:x64 mode={{1}}:x32 {extra}{state(0)}", other=isolate)
    yield probe(f"{name}_isolate_ret", driver.isolate, "ret=$retval:u8", True, isolate)
    new = "nflags=+0({0}):x64 nrefs=+52({0}):s32 ntype=+51({0}):x8"
    fetch = f"newpage={{0}}:x64 page={{1}}:x64 mode={{2}}:u32 {at_page}{new} {state(1)}"
    yield probe(f"{name}_migrate", driver.migrate, fetch, other=migrate)
    yield probe(f"{name}_migrate_ret", driver.migrate, "ret=$retval:s32", True, migrate)
    yield probe(f"{name}_putback", driver.putback, f"page={{0}}:x64 {extra}{state(0)}", other=putback)
    yield probe(f"{name}_putback_ret", driver.putback, "", True, putback)


def hook_probes(probe: type[Probe]) -> Iterator[Probe]:
    """The hook of the virtio balloon, which the balloon core calls."""
    hook = "virtio_balloon:virtballoon_migratepage"
    yield probe("vb_hook", hook, "b_dev_info={0}:x64 newpage={1}:x64 page={2}:x64 mode={3}:u32", other=hook.partition(":")[2])
    yield probe("vb_hook_ret", hook, "ret=$retval:s32", True, hook.partition(":")[2])
