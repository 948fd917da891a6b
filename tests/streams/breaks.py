"""For every rule that events show: an edit of a correct stream that breaks this rule and no other."""

from __future__ import annotations

from errno import EAGAIN, EBUSY, ENOMEM

from movable import GFP_KERNEL
from movable.events import Event
from movable.mm.page_flags import (
    ISOLATED,
    LOCKED,
    PG_lru,
    PG_reserved,
    PG_slab,
)
from tests.streams.recorded import Edit, changed, dropped, inserted, renumbered, where

OTHER = "other task"


def _release(events: list[Event]) -> int:
    """The un-marking of a page that is released, outside of any callback."""
    return where(events, "clear_page_movable", nth=-1)


def _moved(events: list[Event]) -> int:
    """The first successful migratepage_ret."""
    return where(events, "migratepage_ret", ret=0)


def _moving(events: list[Event]) -> int:
    return where(events, "migratepage")


def _failed(events: list[Event]) -> int:
    return where(events, "migratepage_ret", ret=-EBUSY)


def _failing(events: list[Event]) -> int:
    return where(events, "migratepage", nth=-1, after=-1, pfn=events[_failed(events)].pfn)


# --- marks ---


def d2(events: list[Event]) -> list[Event]:
    return changed(events, where(events, "set_page_movable"), flags=0)


def d4(events: list[Event]) -> list[Event]:
    index = where(events, "set_page_movable")
    return changed(events, index, ops=events[index].args["ops"] | 1)


def d5(events: list[Event]) -> list[Event]:
    return inserted(events, where(events, "migratepage"), "touch", field="mapping", write=False, changed=0)


def d6(events: list[Event]) -> list[Event]:
    return inserted(events, _release(events), "touch", field="flag reclaim", write=True, changed=ISOLATED)


def d7(events: list[Event]) -> list[Event]:
    return changed(events, where(events, "set_page_movable"), flags=LOCKED | 1 << PG_slab)


def d12(events: list[Event]) -> list[Event]:
    index = where(events, "isolate_movable_page_ret", ret=0)
    return inserted(events, index, "touch", field="lru", write=True, changed=0, list="isolated")


def d42(events: list[Event]) -> list[Event]:
    return changed(events, where(events, "alloc_page"), order=1)


def d46(events: list[Event]) -> list[Event]:
    return inserted(events, where(events, "free_page"), "touch", field="private", write=False, changed=0, refs=0)


# --- isolation ---


def d8(events: list[Event]) -> list[Event]:
    index = where(events, "isolate_page_ret", ret=True)
    return changed(events, index, ret=None)[: index + 1]


def d9(events: list[Event]) -> list[Event]:
    return changed(events, where(events, "isolate_page_ret", ret=True), list="ring pages")


def d10(events: list[Event]) -> list[Event]:
    return changed(events, where(events, "isolate_page_ret", ret=False), list="")


def d11(events: list[Event]) -> list[Event]:
    return inserted(events, where(events, "isolate_page"), "get_page")


def v1(events: list[Event]) -> list[Event]:
    return changed(events, where(events, "isolate_page"), refs=1)


def v2(events: list[Event]) -> list[Event]:
    """The owner is asked again, although the page is isolated."""
    index = where(events, "isolate_movable_page_ret", ret=0)
    asked = inserted(events, index, "isolate_page", flags=LOCKED, mode=0, driver="ring")
    return inserted(asked, index + 1, "isolate_page_ret", flags=LOCKED, ret=False, driver="ring")


def v3(events: list[Event]) -> list[Event]:
    failed = where(events, "isolate_movable_page_ret", ret=-EBUSY)
    return dropped(events, max(index for index in range(failed) if events[index].kind == "put_page"))


def v4(events: list[Event]) -> list[Event]:
    return changed(events, where(events, "unlock_page", after=where(events, "set_page_isolated")), flags=LOCKED)


def v5(events: list[Event]) -> list[Event]:
    index = where(events, "trylock_page")
    return changed(events, index, kind="lock_page")


def v6(events: list[Event]) -> list[Event]:
    return inserted(events, where(events, "set_page_isolated"), "get_page")


def v23(events: list[Event]) -> list[Event]:
    return changed(events, where(events, "isolate_page"), mapping=0)


def v24(events: list[Event]) -> list[Event]:
    return changed(events, where(events, "isolate_page"), flags=LOCKED | 1 << PG_reserved)


def v25(events: list[Event]) -> list[Event]:
    """Another task is inside a callback for the same page."""
    index = where(events, "isolate_page")
    like = events[index]
    call = like._replace(task=OTHER)
    answer = like._replace(task=OTHER, kind="isolate_page_ret", args={"ret": False, "driver": "ring"})
    return inserted(events, index, call, answer)


def v26(events: list[Event]) -> list[Event]:
    return changed(events, where(events, "isolate_page"), mapping=2)


# --- migration ---


def d16(events: list[Event]) -> list[Event]:
    index = where(events, "set_page_movable", after=_moving(events))
    return dropped(changed(events, _moved(events), new_mapping=0), index)


def d17(events: list[Event]) -> list[Event]:
    return dropped(events, where(events, "get_page", after=_moving(events)))


def d18(events: list[Event]) -> list[Event]:
    return inserted(events, _moving(events), "put_page")


def d19(events: list[Event]) -> list[Event]:
    moving = _moving(events)
    marked = events[moving].mapping
    index = where(events, "clear_page_movable", after=moving)
    return dropped(changed(events, _moved(events), mapping=marked), index)


def d23(events: list[Event]) -> list[Event]:
    return changed(events, _failed(events), ret=5)


def d24(events: list[Event]) -> list[Event]:
    """The driver is asked for ever and always says again; the tries belong to many runs."""
    index = where(events, "migratepage")
    call = events[index]
    answer = events[_failed(events)]._replace(pfn=call.pfn, kind="migratepage_ret")
    answer = answer._replace(args={"ret": -EAGAIN, "driver": "ring", "newpage": call.args["newpage"]})
    answer = answer._replace(mapping=call.mapping)
    start = [event for event in events[:index] if event.kind != "get_new_page"]
    run = [start[where(start, "migrate_pages")], call, answer]
    run.append(run[0]._replace(kind="migrate_pages_ret", args={}))
    return renumbered([*start[: where(start, "migrate_pages")], *run * 100])


def d25(events: list[Event]) -> list[Event]:
    return changed(events, _failed(events), ret=-ENOMEM)


def d26(events: list[Event]) -> list[Event]:
    return inserted(events, _failing(events), "put_page")


def d27(events: list[Event]) -> list[Event]:
    return changed(events, _failed(events), new_private=True)


def d28(events: list[Event]) -> list[Event]:
    index = _moving(events)
    run = where(events, "migrate_pages")
    return changed(changed(events, index, mode=3), run, mode=3)


def d29(events: list[Event]) -> list[Event]:
    return inserted(events, _moving(events), "unlock_page")


def d30(events: list[Event]) -> list[Event]:
    return inserted(events, _moving(events), "clear_page_isolated", by="ring")


def v7(events: list[Event]) -> list[Event]:
    return changed(events, _moving(events), new_flags=0)


def v8(events: list[Event]) -> list[Event]:
    return changed(events, _moving(events), mode=2)


def v9(events: list[Event]) -> list[Event]:
    """An eleventh try: the first, which was answered -EAGAIN, ten times more."""
    again = where(events, "migratepage_ret", ret=-EAGAIN)
    start = where(events, "get_new_page", pfn=events[again].pfn)
    end = where(events, "put_new_page", after=again) + 1
    block = [event for event in events[start:end] if event.kind not in ("alloc_page", "free_page")]
    return renumbered([*events[:end], *block * 10, *events[end:]])


def v10(events: list[Event]) -> list[Event]:
    return changed(events, where(events, "migratepage_ret", ret=-EAGAIN), ret=-EBUSY)


def v17(events: list[Event]) -> list[Event]:
    index = where(events, "get_new_page")
    return inserted(events, index, events[index])


# --- what follows ---


def d33(events: list[Event]) -> list[Event]:
    return inserted(events, where(events, "putback_page"), "put_page")


def v11(events: list[Event]) -> list[Event]:
    moved = _moved(events)
    return changed(events, where(events, "unlock_page", after=moved, pfn=events[moved].pfn), flags=LOCKED | ISOLATED)


def v12(events: list[Event]) -> list[Event]:
    index = where(events, "putback_page_ret")
    call = events[where(events, "putback_page")]
    return inserted(events, index, call, events[index])


def v13(events: list[Event]) -> list[Event]:
    return changed(events, where(events, "putback_page"), flags=ISOLATED)


def v14(events: list[Event]) -> list[Event]:
    again = where(events, "migratepage_ret", ret=-EAGAIN)
    return changed(events, where(events, "unlock_page", after=again, pfn=events[again].pfn), flags=LOCKED)


def v15(events: list[Event]) -> list[Event]:
    return dropped(events, where(events, "put_new_page", after=_failed(events)))


def v16(events: list[Event]) -> list[Event]:
    marked = events[_moving(events)].mapping
    return changed(events, where(events, "released_isolated"), mapping=marked, refs=2)


def v18(events: list[Event]) -> list[Event]:
    return changed(events, where(events, "migrate_pages_ret"), ret=1)


def v19(events: list[Event]) -> list[Event]:
    return events[: where(events, "isolate_movable_page_ret", ret=0) + 1]


def v21(events: list[Event]) -> list[Event]:
    """A flag is set while nobody but the core runs: right after the new page was moved to."""
    moved = _moved(events)
    index = where(events, "unlock_page", after=moved)
    return inserted(events, index, "touch", field="flag lru", write=True, changed=1 << PG_lru)


def v22(events: list[Event]) -> list[Event]:
    run = where(events, "migrate_pages", mode=0)
    index = where(events, "trylock_page", after=run)
    return changed(events, index, kind="lock_page")


def v27(events: list[Event]) -> list[Event]:
    return changed(events, where(events, "alloc_page"), flags=ISOLATED)


# --- the end of a page ---


def d20(events: list[Event]) -> list[Event]:
    return inserted(events, where(events, "free_page"), "bad_page", reason="flag private set")


def d21(events: list[Event]) -> list[Event]:
    return changed(events, _release(events), flags=0)


def d22(events: list[Event]) -> list[Event]:
    index = where(events, "isolate_movable_page_ret", nth=-1, ret=0)
    return inserted(events, index, "free_page", mapping=2, order=0, task=OTHER)


def d41(events: list[Event]) -> list[Event]:
    index = where(events, "set_page_movable")
    ops = events[index].args["ops"]
    return inserted(events, where(events, "unlock_page", after=index), "driver_remove", driver="ring", ops=ops, pfn=-1)


# --- locks and context ---


def _lock(name: str, tried: bool = False, kind: str = "spin lock") -> Event:
    return Event(0, "main", "lock", -1, 0, 0, 0, {"lock": name, "type": kind, "tried": tried})


def _unlock(name: str) -> Event:
    return Event(0, "main", "unlock", -1, 0, 0, 0, {"lock": name, "type": "spin lock"})


def d35(events: list[Event]) -> list[Event]:
    one_way = [_lock("a"), _lock("b"), _unlock("b"), _unlock("a")]
    other_way = [_lock("b"), _lock("a"), _unlock("a"), _unlock("b")]
    return renumbered([*events, *one_way, *other_way])


def d35_page(events: list[Event]) -> list[Event]:
    """A page is waited for inside a lock that callbacks wait for."""
    release = where(events, "lock_page", nth=-1)
    return renumbered([*events[:release], _lock("ring lock"), *events[release:-1], _unlock("ring lock"), events[-1]])


def d36(events: list[Event]) -> list[Event]:
    """The ring's gate is held over an allocation; here a callback waits for it."""
    index = where(events, "lock", after=_moving(events), lock="ring gate")
    return changed(events, index, tried=False, type="spin lock")


def d37(events: list[Event]) -> list[Event]:
    return inserted(events, _moving(events), "alloc_in_callback", gfp=GFP_KERNEL)


def d38(events: list[Event]) -> list[Event]:
    index = where(events, "migratepage", mode=0)
    return inserted(events, index, "sleep", what="a wait queue", atomic=False)


def d47(events: list[Event]) -> list[Event]:
    index = where(events, "isolate_page")
    left = inserted(events, index, _lock("forgotten"))
    return inserted(left, where(left, "isolate_page_ret"), _unlock("forgotten"))


def d48(events: list[Event]) -> list[Event]:
    return inserted(events, where(events, "lock"), "sleep", what="a mutex", atomic=True)


# --- compaction ---


def v33(events: list[Event]) -> list[Event]:
    start = where(events, "isolate_movable_page", after=where(events, "isolate_movable_page_ret", ret=-EBUSY))
    end = where(events, "isolate_movable_page_ret", ret=0)
    zone = Event(0, "main", "compact_zone", -1, 0, 0, 0, {"node": 0, "zone": "Normal", "order": 9, "mode": 1})
    over = zone._replace(kind="compact_zone_ret", args={"node": 0, "zone": "Normal", "ret": 8})
    return renumbered([*events[:start], zone, *events[start : end + 1], over, *events[end + 1 :]])


def v34(events: list[Event]) -> list[Event]:
    zone = Event(0, "main", "compact_zone", -1, 0, 0, 0, {"node": 0, "zone": "Normal", "order": 9, "mode": 1})
    kinds = ("isolate_movable_page", "isolate_movable_page_ret")
    attempts = [Event(0, "main", kind, 100 + n, -1, -1, -1, {"mode": 0, "ret": 0}) for n in range(33) for kind in kinds]
    return renumbered([zone, *attempts])


BREAKS: dict[str, tuple[str, Edit]] = {
    **{
        name.upper(): (name.upper(), edit)
        for name, edit in sorted(globals().items())
        if name[0] in "dv" and name[1:].isdigit()
    },
    "D35 page": ("D35", d35_page),
}
"""The edits by name: the rule that each breaks, and the edit."""
