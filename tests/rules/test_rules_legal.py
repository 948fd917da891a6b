"""What a driver and the core may do: none of it breaks a rule."""

from __future__ import annotations

from collections.abc import Callable
from errno import EAGAIN, EBUSY, EINVAL, ENOMEM

import pytest

import movable
from movable import (
    MIGRATE_ASYNC,
    MIGRATE_SYNC,
    MIGRATE_SYNC_LIGHT,
    VM,
    AddressSpace,
    ClearPageMovable,
    Page,
    SetPageMovable,
    get_page,
    isolate_movable_page,
    list_add_tail,
    list_del,
    lock_page,
    migrate_pages,
    put_page,
    unlock_page,
)
from movable.events import Event
from movable.rules.table import RULES
from tests.drivers_for_tests.ring import Ring
from tests.streams.recorded import LockedRing, Scene, changed, judge, renumbered, where


def unmark(page: Page) -> None:
    """Take the mark back and keep the page."""
    lock_page(page)
    ClearPageMovable(page)
    unlock_page(page)


class Blank(Ring):
    """Moves its pages without copying them, as a balloon does."""

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        list_add_tail(newpage.lru, self.pages)
        get_page(newpage)
        SetPageMovable(newpage, mapping)
        ClearPageMovable(page)
        put_page(page)
        return 0


class Deflating(Ring):
    """Releases the old page inside migratepage and reports an error, or releases it when it is put back."""

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        if self.answers:
            return self.answers.pop(0)
        ClearPageMovable(page)
        put_page(page)
        return -EBUSY

    @movable.hookimpl
    def putback_page(self, page: Page) -> None:
        ClearPageMovable(page)
        put_page(page)


class Own(Ring):
    """Every page has a mapping of its own."""

    def add(self, fill: int = 0, nid: int | None = None) -> Page:
        self.mapping = self.vm.address_space(self, f"ring {fill}")
        return super().add(fill, nid)


class Sleepy(Ring):
    """Waits for a host in migratepage, whatever the mode."""

    @movable.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        if self.vm.seam is not None:
            self.vm.seam.event("sleep", page, what="the host's answer", atomic=False)
        return super().migratepage(mapping, newpage, page, mode)


def e1() -> list[Event]:
    """isolate_page refuses for ever."""
    scene = Scene()
    assert isinstance(scene.ring, LockedRing)
    scene.ring.keeps = {page.pfn for page in scene.pages}
    for page in scene.pages * 3:
        assert isolate_movable_page(page, 0) == -EBUSY
    return scene.end()


def e2() -> list[Event]:
    """Isolated and put back, over and over, and never tried (also E30: the same frame again and again)."""
    scene = Scene()
    for _ in range(5):
        scene.isolate(*scene.pages)
        scene.put_back()
    return scene.end()


def e3() -> list[Event]:
    """Released while isolated: completed by a migration, or by a put-back, without a callback."""
    scene = Scene()
    scene.isolate(*scene.pages[:2])
    scene.ring.release(scene.pages[0], isolated=True)
    assert scene.migrate() == 0
    scene.isolate(scene.pages[2])
    scene.ring.release(scene.pages[2], isolated=True)
    scene.put_back()
    return scene.end()


def e4() -> list[Event]:
    """-EAGAIN ten times, put back, and the same again."""
    scene = Scene()
    for _ in range(3):
        scene.isolate(scene.pages[0])
        assert scene.migrate(*[-EAGAIN] * 10) == 1
        scene.put_back()
    return scene.end()


def e5() -> list[Event]:
    """A released page with another reference on it: its target takes the LRU detour and is freed (also E15, E16)."""
    scene = Scene()
    page = scene.pages[0]
    scene.isolate(page)
    get_page(page)
    scene.ring.release(page, isolated=True)
    assert scene.migrate() == 0
    put_page(page)
    assert "flag lru" in [event.args["field"] for event in scene.events if event.kind == "touch"]
    return scene.end()


def e6() -> list[Event]:
    """Success without a copy."""
    scene = Scene(Blank)
    scene.isolate(*scene.pages)
    assert scene.migrate() == 0
    return scene.end()


def e8() -> list[Event]:
    """The old page is released inside the callback, which reports an error."""
    scene = Scene(Deflating)
    scene.isolate(*scene.pages[:2])
    assert scene.migrate() == 2
    return scene.end()


def e9() -> list[Event]:
    """Put-back releases the page."""
    scene = Scene(Deflating)
    scene.isolate(*scene.pages[:2])
    assert scene.migrate(-EINVAL, -EINVAL) == 2
    scene.isolate(scene.pages[2])
    scene.put_back()
    return scene.end()


def e10() -> list[Event]:
    """The owner releases the page while a failing isolate holds the last reference: the core frees it."""
    scene = Scene(pages=1)
    page = scene.pages[0]
    mapping = page._mapping

    def event(task: str, kind: str, flags: int, word: int, refs: int, **args: object) -> Event:
        return Event(0, task, kind, page.pfn, flags, word, refs, args)

    race = [
        event("main", "isolate_movable_page", 0, mapping, 1, mode=0),
        event("main", "get_page", 0, mapping, 1),
        event("owner", "lock_page", 0, mapping, 2),
        event("owner", "clear_page_movable", 1, mapping, 2),
        event("owner", "unlock_page", 1, 2, 2),
        event("main", "trylock_page", 0, 2, 2, ret=True),
        event("owner", "put_page", 1, 2, 2),
        event("main", "unlock_page", 1, 2, 1),
        event("main", "put_page", 0, 2, 1),
        event("main", "free_page", 0, 2, 0, order=0),
        event("main", "isolate_movable_page_ret", 0, 0, 0, ret=-EBUSY),
    ]
    return renumbered([*scene.events, *race])


def e11() -> list[Event]:
    """A page of somebody else that looks movable, and one that was released: isolation is refused (also E12)."""
    scene = Scene()
    page = scene.vm.alloc_page()
    assert page is not None
    page._mapping = 2
    assert isolate_movable_page(page, 0) == -EBUSY
    unmark(scene.pages[0])
    assert isolate_movable_page(scene.pages[0], 0) == -EBUSY
    put_page(page)
    list_del(scene.pages[0].lru)
    put_page(scene.pages[0])
    return scene.end()


def e13() -> list[Event]:
    """The new page is marked, and linked by its lru, while the old one is still marked (also E14)."""
    scene = Scene()
    scene.isolate(*scene.pages)
    assert scene.migrate() == 0
    return scene.end()


def e15() -> list[Event]:
    """Somebody holds a short reference on the old page during the move; the page is freed later."""
    scene = Scene()
    get_page(scene.pages[0])
    scene.isolate(scene.pages[0])
    assert scene.migrate() == 0
    put_page(scene.pages[0])
    return scene.end()


def e17() -> list[Event]:
    """The owner frees the new page before the core has dropped its reference."""
    scene = Scene()
    page = scene.pages[0]
    scene.isolate(page)
    moved: list[int] = []

    def owner(event: Event) -> None:
        if event.kind == "migrated":
            moved.append(event.args["newpage"])
        elif event.kind == "unlock_page" and event.pfn == page.pfn and moved:
            scene.ring.release(scene.vm.page(moved.pop()))

    scene.vm.observe(owner)
    assert scene.migrate() == 0
    return scene.end()


def e18() -> list[Event]:
    """The callback gets a weaker mode than the caller asked for; see the test below, which judges it as a later kernel."""
    scene = Scene()
    scene.isolate(scene.pages[0])
    scene.migrate(mode=MIGRATE_SYNC)
    events = scene.end()
    return changed(events, where(events, "migratepage"), mode=MIGRATE_ASYNC)


def e19() -> list[Event]:
    """Modes are ignored, but for the one that does not copy."""
    scene = Scene()
    for mode in (MIGRATE_ASYNC, MIGRATE_SYNC_LIGHT, MIGRATE_SYNC):
        page = scene.ring.add()
        assert isolate_movable_page(page, 0xE) == 0
        list_add_tail(page._lru, scene.isolated)
        assert scene.migrate(mode=mode) == 0
    return scene.end()


def e21() -> list[Event]:
    """A final error for what is only a lock in the way."""
    scene = Scene()
    scene.isolate(*scene.pages)
    assert scene.migrate(-EINVAL, -EBUSY) == 2
    return scene.end()


def e22() -> list[Event]:
    """Several pages of one owner at once, in any order, some failing, the owner working on (also E23, E24)."""
    scene = Scene()
    scene.isolate(*reversed(scene.pages))
    scene.ring.add(9)
    scene.migrate(-EAGAIN, -EBUSY, -EAGAIN, 0 - EINVAL)
    scene.put_back()
    return scene.end()


def e25() -> list[Event]:
    """The target lies on another node."""
    scene = Scene()
    scene.vm = VM(64 << 12, nodes=2)
    scene.events.clear()
    scene.vm.observe(scene.events.append)
    scene.ring = LockedRing(scene.vm)
    scene.isolate(scene.ring.add(nid=0))
    assert not migrate_pages(scene.isolated, lambda page, nid: scene.vm.alloc_page(nid=nid), None, 1, MIGRATE_SYNC, 3)
    return scene.end()


def e26() -> list[Event]:
    """Failures are reported, and the list is empty."""
    scene = Scene()
    scene.isolate(scene.pages[0])
    assert scene.migrate(-EBUSY) == 1
    assert not scene.isolated
    return scene.end()


def e27() -> list[Event]:
    """No target for the second page: it and the third stay, and are put back."""
    scene = Scene()
    scene.isolate(*scene.pages[:3])
    targets = [scene.vm.alloc_page(), None]
    assert migrate_pages(scene.isolated, lambda page, private: targets.pop(0), None, None, MIGRATE_SYNC, 0) == -ENOMEM
    scene.put_back()
    return scene.end()


def e28() -> list[Event]:
    """PG_isolated is still set when a released page reaches the allocator, as later kernels leave it."""
    events = e3()
    index = where(events, "released_isolated")
    free = where(events, "free_page", after=index)
    kept = changed(events, free, flags=1 << 17)
    return [event for event in kept if event.kind != "clear_page_isolated" or event.pfn != events[index].pfn]


def e31() -> list[Event]:
    """Every page has a mapping of its own."""
    scene = Scene(Own)
    scene.isolate(*scene.pages)
    assert scene.migrate(-EAGAIN, -EBUSY) == 1
    return scene.end()


def e32() -> list[Event]:
    """Un-marked, and marked again later."""
    scene = Scene()
    page = scene.pages[0]
    unmark(page)
    lock_page(page)
    SetPageMovable(page, scene.ring.mapping)
    unlock_page(page)
    scene.isolate(page)
    assert scene.migrate() == 0
    return scene.end()


def e33() -> list[Event]:
    """Marked late, and only some pages."""
    scene = Scene()
    plain = scene.vm.alloc_page()
    late = scene.vm.alloc_page()
    assert plain is not None
    assert late is not None
    list_add_tail(late.lru, scene.ring.pages)
    lock_page(late)
    SetPageMovable(late, scene.ring.mapping)
    unlock_page(late)
    scene.isolate(late)
    scene.migrate()
    put_page(plain)
    return scene.end()


def e35() -> list[Event]:
    """Isolation fails because somebody holds the page lock."""
    scene = Scene()
    lock_page(scene.pages[0])
    assert isolate_movable_page(scene.pages[0], 0) == -EBUSY
    unlock_page(scene.pages[0])
    return scene.end()


def linked() -> list[Event]:
    """Whoever isolated a page links it to a list by the plain name of its node."""
    scene = Scene()
    assert isolate_movable_page(scene.pages[0], 0) == 0
    list_add_tail(scene.pages[0].lru, scene.isolated)
    list_del(scene.pages[0].lru)
    list_add_tail(scene.pages[0].lru, scene.isolated)
    return scene.end()


LEGAL: dict[str, Callable[[], list[Event]]] = {
    name.upper(): scenario for name, scenario in sorted(globals().items()) if name[0] == "e" and name[1:].isdigit()
}


@pytest.mark.parametrize("name", [name for name in LEGAL if name != "E18"])
def test_legal(name: str) -> None:
    monitor = judge(LEGAL[name]())
    assert monitor.broken == {}
    assert monitor.exercised


def test_a_guard_around_both_orders() -> None:
    """Two locks taken both ways round, always inside a third."""

    def nested(*names: str) -> list[Event]:
        taken = [Event(0, "main", "lock", -1, 0, 0, 0, {"lock": name, "type": "mutex", "tried": False}) for name in names]
        return taken + [event._replace(kind="unlock") for event in reversed(taken)]

    guarded = nested("guard", "a", "b") + nested("guard", "b", "a")
    assert judge(guarded).broken == {}
    assert set(judge(guarded + nested("a", "b") + nested("b", "a")).broken) == {"D35"}


@pytest.mark.parametrize(("first", "second"), [("s", "s"), ("s", "x"), ("x", "s"), ("x", "x")])
def test_two_readers_do_not_wait_for_each_other(first: str, second: str) -> None:
    """The lock ``a`` both ways round with ``b``, shared ("s") or not."""

    def taken(name: str, shared: bool, kind: str = "lock") -> Event:
        return Event(0, "main", kind, -1, 0, 0, 0, {"lock": name, "type": "rwlock", "tried": False, "shared": shared})

    def nested(*locks: tuple[str, bool]) -> list[Event]:
        return [taken(*lock) for lock in locks] + [taken(*lock, "unlock") for lock in reversed(locks)]

    events = nested(("b", False), ("a", first == "s")) + nested(("a", second == "s"), ("b", False))
    assert set(judge(events).broken) == (set() if first == second == "s" else {"D35"})


@pytest.mark.parametrize(("first", "second"), [("s", "s"), ("s", "x"), ("x", "s"), ("x", "x")])
@pytest.mark.parametrize("again", ["", "s", "x"])
def test_a_guard_whose_shared_side_all_hold_keeps_nobody_apart(first: str, second: str, again: str) -> None:
    """Two locks both ways round inside a third, shared ("s") or not; ``again`` is how it is held when the first way comes twice."""

    def nested(side: str, *names: str) -> list[Event]:
        locks = [("guard", side == "s"), *((name, False) for name in names)]
        args = [{"lock": name, "type": "rwlock", "tried": False, "shared": shared} for name, shared in locks]
        return [Event(0, "main", "lock", -1, 0, 0, 0, one) for one in args] + [
            Event(0, "main", "unlock", -1, 0, 0, 0, one) for one in reversed(args)
        ]

    events = nested(first, "a", "b") + (nested(again, "a", "b") if again else []) + nested(second, "b", "a")
    assert set(judge(events).broken) == ({"D35"} if second == "s" in (first, again) else set())


def test_a_tried_lock_sets_no_order() -> None:
    lock = Event(0, "main", "lock", -1, 0, 0, 0, {"lock": "a", "type": "mutex", "tried": False})
    inner = lock._replace(args={"lock": "b", "type": "mutex", "tried": True})
    back = [lock._replace(args={**event.args, "lock": name}) for event, name in ((lock, "b"), (lock, "a"))]
    unlocks = [event._replace(kind="unlock") for event in (inner, lock)]
    assert judge([lock, inner, *unlocks, *back]).broken == {}


def test_the_isolator_may_link_the_page() -> None:
    events = linked()
    assert judge(events).broken == {}
    assert where(events, "touch", after=where(events, "isolate_movable_page_ret"), field="lru")


def test_a_weaker_mode() -> None:
    assert judge(e18(), era="6.1").broken == {}
    assert set(judge(e18()).broken) == {"V8"}


def test_sleeping_in_async_is_only_advice() -> None:
    """E20: what virtio does. The advice is of the lowest level."""
    scene = Scene(Sleepy)
    scene.isolate(scene.pages[0])
    assert scene.migrate(mode=MIGRATE_ASYNC) == 0
    assert set(judge(scene.end()).broken) == {"D38"}
    assert RULES["D38"].level == "may"


def test_success_without_touching_the_target() -> None:
    """E7: where the mark is sticky, a driver says so when it had released the old page; elsewhere it breaks four rules."""
    events = e13()
    moving = where(events, "migratepage")
    moved = where(events, "migratepage_ret")
    inside = [event for event in events[moving + 1 : moved] if event.kind in ("lock", "unlock")]
    answer = changed(events, moved, mapping=events[moving].mapping, new_mapping=0, new_list="", new_private=False)[moved]
    untouched = renumbered([*events[: moving + 1], *inside, answer])
    later = {"D19b"}  # the ring un-marks its other pages, which is a sin of its own there
    assert set(judge(untouched, quiescent=False, era="6.17").broken) <= later
    assert set(judge(untouched, quiescent=False).broken) == {"D16", "D17", "D19"}
