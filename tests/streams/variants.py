"""Other ways to break the rules, and what is left of them in a trace of a real kernel."""

from __future__ import annotations

from errno import EAGAIN, EBUSY, ENOMEM

from movable import GFP_KERNEL
from movable.events import Event
from movable.mm.page_flags import (
    ISOLATED,
    LOCKED,
    PG_lru,
    PG_owner_priv_1,
    PG_private,
    PG_slab,
    PG_swapbacked,
)
from tests.streams.recorded import Edit, changed, dropped, inserted, where

SWAP = 1 << PG_swapbacked | 1 << PG_owner_priv_1


def _moved(events: list[Event]) -> int:
    return where(events, "migratepage_ret", ret=0)


def _failed(events: list[Event]) -> int:
    return where(events, "migratepage_ret", ret=-EBUSY)


def _touch(field: str, changed_bits: int = 0) -> Edit:
    """A driver writes a field of a movable page, outside of any callback."""

    def edit(events: list[Event]) -> list[Event]:
        index = where(events, "isolate_movable_page")
        return inserted(events, index, "touch", field=field, write=True, changed=changed_bits)

    return edit


def _at(kind: str, **new: object) -> Edit:
    """The first event of a kind, altered."""
    return lambda events: changed(events, where(events, kind), **new)


def _in_call(kind: str, *what: str, **args: object) -> Edit:
    """Something happens right after the first event of a kind."""
    return lambda events: inserted(events, where(events, kind), *what, **args)


def _on_moved(**new: object) -> Edit:
    return lambda events: changed(events, _moved(events), **new)


def _on_failed(**new: object) -> Edit:
    return lambda events: changed(events, _failed(events), **new)


def _unmarked_error(events: list[Event]) -> list[Event]:
    """The driver un-marks the page, keeps it, and reports an error."""
    failed = _failed(events)
    start = where(events, "migratepage", nth=-1, pfn=events[failed].pfn)
    start = max(index for index in range(failed) if events[index].kind == "migratepage") if start > failed else start
    cut = changed(events, failed, mapping=2)[: failed + 1]
    return inserted(cut, start, "clear_page_movable")


def _second_mark(events: list[Event]) -> list[Event]:
    moving = where(events, "migratepage")
    clear = where(events, "clear_page_movable", after=moving)
    return inserted(events, clear, "clear_page_movable", mapping=events[clear].mapping)


def _after_enomem(events: list[Event]) -> list[Event]:
    """Another page is tried after one was answered with -ENOMEM, in the same run."""
    failed = _failed(events)
    other = events[_call_of(events)]._replace(pfn=40)
    return inserted(changed(events, failed, ret=-ENOMEM), failed, other)[: failed + 2]


def _tried_after_success(events: list[Event]) -> list[Event]:
    again = where(events, "migratepage_ret", ret=-EAGAIN)
    run = where(events, "migrate_pages_ret", after=again)
    first = max(index for index in range(again) if events[index].kind == "migratepage")
    end = max(index for index in range(run) if events[index].kind == "migratepage_ret")
    call = events[first]._replace(flags=LOCKED | ISOLATED)
    return inserted(events, end, call)[: end + 2]


def _flag_by_owner(kind: str) -> Edit:
    """The owner changes PG_isolated outside of any isolation."""

    def edit(events: list[Event]) -> list[Event]:
        index = where(events, "isolate_movable_page") - 1
        mapping = events[where(events, "isolate_movable_page")].mapping
        like = events[where(events, "isolate_movable_page")]
        event = like._replace(kind=kind, args={"by": ""}, mapping=mapping)
        return inserted(events, index, event)[: index + 2]

    return edit


def _cleared_while_isolated(events: list[Event]) -> list[Event]:
    index = where(events, "isolate_movable_page_ret", ret=0)
    return inserted(events, index, "clear_page_isolated", by="")


def _untold(kind: str) -> Edit:
    """An isolation ends without the owner's callback."""

    def edit(events: list[Event]) -> list[Event]:
        index = where(events, "isolate_movable_page_ret", ret=0)
        return inserted(events, index, kind, newpage=-1)[: index + 2]

    return edit


def _released_again(events: list[Event]) -> list[Event]:
    index = where(events, "released_isolated")
    return inserted(events, index, events[index])


def _strange_target(events: list[Event]) -> list[Event]:
    index = where(events, "put_new_page")
    return inserted(events, index, events[index])


def _other_target(events: list[Event]) -> list[Event]:
    """The core moves to a page that the caller did not give."""
    moving = where(events, "migratepage")
    cut = events[: moving + 1]
    return changed(cut, moving, newpage=63)


def _freed_in_callback(events: list[Event]) -> list[Event]:
    index = where(events, "isolate_page")
    return inserted(events, index, "free_page", mapping=2, refs=0, order=0)


def _strange_unlock(events: list[Event]) -> list[Event]:
    index = where(events, "isolate_page")
    return inserted(events, index, Event(0, "main", "unlock", -1, 0, 0, 0, {"lock": "another", "type": "mutex"}))


def _mutex_in_async(events: list[Event]) -> list[Event]:
    index = where(events, "lock", after=where(events, "migratepage", mode=0), lock="ring lock")
    unlock = where(events, "unlock", after=index, lock="ring lock")
    return changed(changed(events, index, type="mutex", lock="another"), unlock, lock="another")


def _lost_reference(events: list[Event]) -> list[Event]:
    return inserted(events, len(events) - 2, "put_page", refs=0, pfn=3)


def _lock(name: str) -> Event:
    return Event(0, "main", "lock", -1, 0, 0, 0, {"lock": name, "type": "spin lock", "tried": False})


def _unlock(name: str) -> Event:
    return Event(0, "main", "unlock", -1, 0, 0, 0, {"lock": name, "type": "spin lock"})


def _nested(*names: str) -> list[Event]:
    return [*map(_lock, names), *map(_unlock, reversed(names))]


def _guarded_at_first(events: list[Event]) -> list[Event]:
    """A third lock lies around both orders at first, and around none of them in the end."""
    return [*events, *_nested("guard", "a", "b"), *_nested("guard", "b", "a"), *_nested("a", "b"), *_nested("b", "a")]


def _inside_callbacks(events: list[Event]) -> list[Event]:
    """The page lock around both is no guard: pages have one each."""
    index = where(events, "isolate_page")
    return inserted(events, index, *_nested("a", "b"), *_nested("b", "a"))


def _allocation(events: list[Event]) -> list[Event]:
    """The gate is waited for in a callback before anybody is seen to allocate under it."""
    start = where(events, "isolate_movable_page")
    index = where(events, "lock", after=start, lock="ring gate")
    cut = changed(events, index, tried=False, type="spin lock")[start:]
    gate = Event(0, "main", "lock", -1, 0, 0, 0, {"lock": "ring gate", "type": "mutex", "tried": False})
    page = Event(0, "main", "alloc_page", 60, 0, 0, 0, {"order": 0, "gfp": GFP_KERNEL, "zone": "Normal"})
    free = Event(0, "main", "unlock", -1, 0, 0, 0, {"lock": "ring gate", "type": "mutex"})
    return [*cut, gate, page, free]


def _lru_by_another_task(events: list[Event]) -> list[Event]:
    index = where(events, "isolate_movable_page_ret", ret=0)
    return inserted(events, index, "touch", field="lru", write=True, changed=0, list="", task="owner")


def _answers_a_number(events: list[Event]) -> list[Event]:
    index = where(events, "isolate_page_ret")
    return changed(events, index, ret=1)[: index + 1]


def _isolated_after_putback(events: list[Event]) -> list[Event]:
    index = where(events, "unlock_page", after=where(events, "putback_page_ret"))
    return changed(events, index, flags=LOCKED | ISOLATED)


def _a_move_that_was_none(events: list[Event]) -> list[Event]:
    return changed(events, where(events, "migrate_pages_ret", ret=1), ret=0, nr_failed=0, nr_succeeded=1)


VARIANTS: dict[str, tuple[str, Edit]] = {
    "a misleading flag is set": ("D7", _touch("flag slab", 1 << PG_slab)),
    "an LRU flag is set by its owner": ("D7", _touch("flag lru", 1 << PG_lru)),
    "the flags word is written with PG_slab": ("D7", _touch("flags", 1 << PG_slab)),
    "the flags word is written with PG_lru": ("D7", _touch("flags", 1 << PG_lru)),
    "the flags word is written with PG_isolated": ("D6", _touch("flags", ISOLATED)),
    "marked with swap-cache flags": ("D7", _at("set_page_movable", flags=LOCKED | SWAP)),
    "misleading flags after isolate": ("D7", _at("isolate_page_ret", flags=LOCKED | SWAP)),
    "misleading flags on the new page": ("D7", _on_moved(new_flags=LOCKED | 1 << PG_slab)),
    "PG_isolated set by its owner": ("D6 V19", _flag_by_owner("set_page_isolated")),
    "PG_isolated cleared by its owner": ("D6", _cleared_while_isolated),
    "PG_isolated set in isolate_page": ("D30", _in_call("isolate_page", "set_page_isolated", by="ring")),
    "PG_isolated there after isolate_page": ("D30", _at("isolate_page_ret", flags=LOCKED | ISOLATED)),
    "PG_isolated gone after migratepage": ("D30", _on_moved(flags=LOCKED)),
    "content written after free": ("D46", _in_call("free_page", "write_data", refs=0)),
    "content copied after free": ("D46", _in_call("free_page", "copy_page", refs=0, source=1)),
    "marked after free": ("D46", _at("set_page_movable", refs=0)),
    "referenced after free": ("D46", _in_call("free_page", "get_page", refs=0)),
    "isolate_page answers a number": ("D8", _answers_a_number),
    "isolate_page drops a reference": ("D11", _in_call("isolate_page", "put_page")),
    "isolate_page marks": ("D11", _in_call("isolate_page", "set_page_movable", ops=0x100, owner="ring")),
    "isolate_page un-marks": ("D11", _in_call("isolate_page", "clear_page_movable")),
    "isolate_page unlocks": ("D11", _at("isolate_page_ret", flags=0)),
    "isolate_page tries the page lock": ("D11", _in_call("isolate_page", "trylock_page", ret=False)),
    "isolate_page sees its page freed": ("D11", _freed_in_callback),
    "isolate without the page lock": ("V1", _at("isolate_page", flags=0)),
    "isolate of an isolated page": ("V1", _at("isolate_page", flags=LOCKED | ISOLATED)),
    "tried after -ENOMEM": ("D25 V10 V17 V19", _after_enomem),
    "isolate of a free page": ("V1 V26", _at("isolate_page", refs=0)),
    "un-marked twice": ("D19", _second_mark),
    "un-marked, never marked": ("D19", lambda events: changed(events, where(events, "clear_page_movable"), mapping=0)),
    "moved and dropped too much": ("D18", lambda events: inserted(events, where(events, "migratepage"), "put_page", "put_page")),
    "moved and referenced": ("D18", lambda events: inserted(events, where(events, "migratepage"), "get_page", "get_page")),
    "a reference that nobody held": ("D18", _lost_reference),
    "True for success": ("D23", _on_failed(ret=True)),
    "no answer": ("D23", _on_failed(ret=None)),
    "a number that is no errno": ("D23", _on_failed(ret=-4096)),
    "un-marked and kept after an error": ("D26", _unmarked_error),
    "target referenced after an error": ("D27", lambda events: inserted(events, _call_of(events), "get_page", pfn=_target(events))),
    "target marked after an error": ("D27", _on_failed(new_mapping=0x102)),
    "target on a list after an error": ("D27", _on_failed(new_list="ring pages")),
    "target with a flag after an error": ("D27", _on_failed(new_flags=LOCKED | 1 << PG_private)),
    "lru used by another task": ("D12", _lru_by_another_task),
    "lru used in migratepage": ("D12", _in_call("migratepage", "touch", field="lru", write=True, changed=0, list="")),
    "lru on another list after an error": ("D12", _on_failed(list="ring pages")),
    "lru on another list after a move": ("D12", _on_moved(list="ring pages")),
    "unlocked after migratepage": ("D29", _on_moved(flags=ISOLATED)),
    "target unlocked after migratepage": ("D29", _on_moved(new_flags=0)),
    "tried to lock in migratepage": ("D29", _in_call("migratepage", "trylock_page", ret=False)),
    "migrate without the page lock": ("V7", _at("migratepage", flags=ISOLATED)),
    "migrate of a page not isolated": ("V7", _at("migratepage", flags=LOCKED)),
    "migrate to a page with more references": ("V7", _at("migratepage", new_refs=2)),
    "migrate to a page with a mapping": ("V7", _at("migratepage", new_mapping=0x100)),
    "migrate to a page on a list": ("V7", _at("migratepage", new_list="free pages")),
    "tried after success": ("D18 V9 V12", _tried_after_success),
    "moved to a page not on offer": ("V17 V19", _other_target),
    "ended as moved, untold": ("V12 V19", _untold("migrated")),
    "ended as put back, untold": ("V12 V19", _untold("putback_page_done")),
    "released twice": ("V12", _released_again),
    "put back with lru linked": ("V13", _at("putback_page", list="isolated")),
    "unlocked isolated after put-back": ("V13", _isolated_after_putback),
    "a target returned twice": ("V15", _strange_target),
    "counts that do not add up": ("V18", lambda events: changed(events, where(events, "migrate_pages_ret"), nr_succeeded=0)),
    "a move that was none": ("V18", _a_move_that_was_none),
    "a callback's own drop in put-back": ("D33", _in_call("putback_page", "put_page", "put_page")),
    "a reference taken in put-back": ("D33", _in_call("putback_page", "get_page")),
    "freed with a flag": ("D20", lambda events: changed(events, where(events, "free_page", nth=-1), flags=1 << PG_private)),
    "freed while marked": ("D21", lambda events: changed(events, where(events, "free_page", nth=-1), mapping=0x102)),
    "handed out with a mapping": ("V27", _at("alloc_page", mapping=2)),
    "a lock of another unlocked": ("D47", _strange_unlock),
    "a mutex in ASYNC": ("D38", _mutex_in_async),
    "both ways round, unguarded later": ("D35", _guarded_at_first),
    "both ways round inside callbacks": ("D35", _inside_callbacks),
    "an allocating lock, the other way round": ("D36", _allocation),
}
"""Edits of the whole stream: the rules that each breaks, in words separated by spaces, and the edit."""


def _call_of(events: list[Event]) -> int:
    failed = _failed(events)
    return max(index for index in range(failed) if events[index].kind == "migratepage")


def _target(events: list[Event]) -> int:
    newpage: int = events[_failed(events)].args["newpage"]
    return newpage


# --- traces ---


def _unlock_of_target(refs: int) -> Edit:
    """The unlock of the new page after the first move shows ``refs`` references."""

    def edit(events: list[Event]) -> list[Event]:
        moved = _moved(events)
        newpage = events[moved].args["newpage"]
        return changed(events, where(events, "unlock_page", after=moved, pfn=newpage), refs=refs)

    return edit


def _unlock_of_old(refs: int, freed: bool = True) -> Edit:
    def edit(events: list[Event]) -> list[Event]:
        moved = _moved(events)
        pfn = events[moved].pfn
        shown = changed(events, where(events, "unlock_page", after=moved, pfn=pfn), refs=refs)
        return shown if freed else dropped(shown, where(shown, "free_page", after=moved, pfn=pfn))

    return edit


def _unmarked_and_kept(events: list[Event]) -> list[Event]:
    failed = _failed(events)
    cut = inserted(events, _call_of(events), "clear_page_movable")
    index = where(cut, "unlock_page", after=failed + 1, pfn=events[failed].pfn)
    return changed(cut, index, mapping=2, refs=2)[: index + 1]


def _freed_twice(events: list[Event]) -> list[Event]:
    """A trace may show one free as two events; a page that is freed while marked is then told once."""
    index = where(events, "free_page", nth=-1)
    marked = changed(events, index, mapping=0x102)
    return inserted(marked, index, marked[index])


def _without(kind: str) -> Edit:
    """The first move without one of its events."""
    return lambda events: dropped(events, where(events, kind, after=where(events, "migratepage")))


TRACE_VARIANTS: dict[str, tuple[str, Edit]] = {
    "no owner's reference on the new page": ("D17", _unlock_of_target(1)),
    "another's reference on the new page": ("", _unlock_of_target(3)),
    "the core's reference lost": ("D18", _unlock_of_old(0)),
    "a reference that goes later": ("", _unlock_of_old(2)),
    "a reference that never goes": ("D18", _unlock_of_old(2, False)),
    "un-marked and kept": ("D26 V19", _unmarked_and_kept),
    "a target left marked": ("D27", lambda events: inserted(events, _call_of(events), "set_page_movable", pfn=_target(events))),
    "not marked": ("D16", _without("set_page_movable")),
    "not un-marked": ("D19", _without("clear_page_movable")),
    "freed while marked, shown twice": ("D21", _freed_twice),
    "freed with a flag": ("D20", lambda events: changed(events, where(events, "free_page", nth=-1), flags=1 << PG_private)),
}
"""Edits of a stream cut down to what a trace shows."""
