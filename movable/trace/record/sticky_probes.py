"""Probes for kernels whose marks stay (from 6.17 on): entries and returns of functions, which every build has.

Marks and releases are single instructions there, in the middle of functions that are inlined differently in each build, so that no
probe of a function sees them. The script looks for them (instructions.py); what they would show (D2, D16, D59) is unproven where it
does not find them, and reports say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from movable.trace.record.driver_probes import Callbacks, Instruction, Probe

STATE = (
    "flags=+0({0}):x64 type=+51({0}):x8 refs=+52({0}):s32 mapping=+24({0}):x64 lru=+8({0}):x64 private=+40({0}):x64"
)
"""The fields of struct page that a probe fetches; the type is the top byte of the word over the map count."""
MOVABLE_FILTER = "type == 0xf1 || type == 0xf6"
INSTRUCTIONS = ("set_page_movable", "set_isolated", "clear_isolated", "zs_reset")
FILTERS = dict.fromkeys(
    ("folio_lock_slow", "folio_put_final", "folio_unlock", "free_frozen_pages", *INSTRUCTIONS), MOVABLE_FILTER
)
"""Events that fire for every page of the machine, with the filter that leaves the movable ones."""


def state(argument: int) -> str:
    """What is fetched of the page that is an argument with this number."""
    return STATE.replace("{0}", f"{{{argument}}}")


def core_probes() -> Iterator[Probe]:
    """The functions that every driver's pages pass through."""
    page = f"page={{0}}:x64 {state(0)}"
    isolate = "isolate_movable_ops_page"
    yield Probe(isolate, isolate, f"page={{0}}:x64 mode={{1}}:x32 {state(0)}")
    yield Probe(f"{isolate}_ret", isolate, "ret=$retval:u8", True)
    yield Probe("putback_movable_pages", "putback_movable_pages", "list={0}:x64 first=+0({0}):x64")
    yield Probe("migrate_pages", "migrate_pages", "list={0}:x64 first=+0({0}):x64 mode={4}:u32 reason={5}:u32")
    yield Probe("migrate_pages_ret", "migrate_pages", "ret=$retval:s32", True)
    yield Probe("folio_unlock", "folio_unlock", page)
    yield Probe("folio_lock_slow", "__folio_lock", page)
    yield Probe("folio_put_final", "__folio_put", page)
    yield Probe("free_frozen_pages", "__free_frozen_pages", f"page={{0}}:x64 order={{1}}:u32 {state(0)}", other="free_frozen_pages")


def driver_probes(driver: Callbacks) -> Iterator[Probe]:
    """The three callbacks; where a symbol of a module is refused, the same function built in is tried."""
    name = driver.prefix
    isolate, migrate, putback = (symbol.rpartition(":")[2] for symbol in (driver.isolate, driver.migrate, driver.putback))
    extra = driver.state
    at_page = extra.replace("{0}", "{1}")
    yield Probe(f"{name}_isolate", driver.isolate, f"page={{0}}:x64 mode={{1}}:x32 {extra}{state(0)}", other=isolate)
    yield Probe(f"{name}_isolate_ret", driver.isolate, "ret=$retval:u8", True, isolate)
    new = "nflags=+0({0}):x64 nrefs=+52({0}):s32 ntype=+51({0}):x8"
    fetch = f"newpage={{0}}:x64 page={{1}}:x64 mode={{2}}:u32 {at_page}{new} {state(1)}"
    yield Probe(f"{name}_migrate", driver.migrate, fetch, other=migrate)
    yield Probe(f"{name}_migrate_ret", driver.migrate, "ret=$retval:s32", True, migrate)
    yield Probe(f"{name}_putback", driver.putback, f"page={{0}}:x64 {extra}{state(0)}", other=putback)
    yield Probe(f"{name}_putback_ret", driver.putback, "", True, putback)


def hook_probes(drivers: Iterable[Callbacks]) -> Iterator[Probe]:
    """The hooks that the balloon core calls, one for each device; each driver says the name of the event, and its function."""
    for driver in drivers:
        name, _, hook = driver.hook.partition(" ")
        plain = hook.partition(":")[2]
        if hook:
            yield Probe(name, hook, "b_dev_info={0}:x64 newpage={1}:x64 page={2}:x64 mode={3}:u32", other=plain)
            yield Probe(f"{name}_ret", hook, "ret=$retval:s32", True, plain)


CORE_INSTRUCTIONS = (
    Instruction("set_page_movable", ("balloon_page_insert", "balloon_page_enqueue_one", "balloon_page_enqueue")),
    Instruction("set_page_movable", ("balloon_page_insert", "balloon_page_migrate")),
    Instruction("set_isolated", ("isolate_movable_ops_page",)),
    Instruction("clear_isolated", ("putback_movable_ops_page", "putback_movable_pages")),
    Instruction("clear_isolated", ("migrate_movable_ops_page", "migrate_pages_batch", "migrate_folio_move")),
)
"""Where the balloon layer marks a page, and where the core sets and clears the isolated bit."""
