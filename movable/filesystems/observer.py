"""Looks at every operation of a file system while it runs: what it was given, what it left, and whether it waited."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from movable.boundary import place_of
from movable.errors import DeadlockError, DriverError, MovableError, SleepInAtomic
from movable.mm.buffer import BufferHead, page_buffers, page_has_buffers
from movable.mm.fs import FileMapping, FileOperations, SuperBlock
from movable.mm.migrate import MIGRATE_ASYNC, MIGRATE_MODES
from movable.mm.page import Page
from movable.mm.page_flags import DIRTY, LOCKED, PRIVATE, WRITEBACK
from movable.rules.table import FILESYSTEM_RULES
from movable.shown import said, shown

OTHERS = {"V28": "F7", "V29": "F2", "V43": "F2", "V30": "F4", "D48": "F9", "D29": "F15", "D18": "F7", "V6": "F7", "D20": "F6"}
"""What a rule of the core or of drivers says to a file system that makes the core break it."""


class Broken(MovableError):
    """A rule was broken; ``rule`` is its number."""

    def __init__(self, rule: str, what: str) -> None:
        self.rule = rule
        super().__init__(what)


def rule_of(error: BaseException) -> str:
    """The rule that an exception out of a run breaks."""
    if isinstance(error, SleepInAtomic):
        return "F9"
    rule = _rule_word(error)
    if rule in FILESYSTEM_RULES:
        return rule
    if isinstance(error, DeadlockError):
        return "F13"
    if isinstance(error, DriverError) or not isinstance(error, MovableError):
        return OTHERS.get(rule, "F1")
    return OTHERS.get(rule, "F14" if "bad page" in str(error) else "F2")


def _rule_word(error: BaseException) -> str:
    """The rule that an exception of the model names; those of others may call anything so, and fail to say what."""
    rule: object = vars(error).get("rule") if isinstance(error, MovableError) else ""
    return rule if type(rule) is str else ""


def raised(error: BaseException) -> tuple[str, str]:
    """The rule that an exception broke, and a line about it: "F9" for a sleep, "F10" for a move of a page being written."""
    words = next(iter(said(error).splitlines()), type(error).__name__)
    if not isinstance(error, MovableError):
        where = place_of(error)
        words = f"raised {type(error).__name__}: {words}{f' at {where}' if where else ''}"
    return rule_of(error), shown(words, 1000)


@dataclass(slots=True)
class Before:
    """A page and its target as migratepage got them."""

    content: bytes
    flags: int
    private: Any
    refs: int
    new_refs: int
    buffers: bool
    locked: list[BufferHead]


class Observer:
    """The operations of one mounted file system, each with a look before and after. Raises Broken where a rule is.

    ``calls`` counts operations, ``exercised`` occasions of rules. ``alone`` says that no other task runs, so that references can be
    counted while an operation runs.
    """

    def __init__(self, sb: SuperBlock) -> None:
        self.sb = sb
        self.vm = sb.user.vm
        self.raw = sb.ops
        self.calls: Counter[str] = Counter()
        self.exercised: Counter[str] = Counter()
        self.alone = True
        self._hurried: set[str] = set()  # tasks inside migratepage in MIGRATE_ASYNC
        self._kept: dict[Page, bool] = {}  # whether a page that handed its place over had private data then
        self._written: set[Page] = set()  # pages whose dirty flag was taken for a write
        self._released: set[Page] = set()  # pages whose private data were released
        self._plain_wait = self.vm.wait
        self.vm.wait = self.waits  # type: ignore[method-assign]
        self._plain_might_sleep = self.vm.might_sleep
        self.vm.might_sleep = self.might_sleep  # type: ignore[method-assign]
        sb.ops = FileOperations(*(self._look(name) for name in FileOperations._fields))
        with suppress(TypeError):  # what it calls of its own is seen too, unless its instances have no room
            vars(sb.fs).update((name, look) for name, look in sb.ops._asdict().items() if look is not None)

    def _look(self, name: str) -> Any:
        raw: Callable[..., Any] | None = getattr(self.raw, name)
        if raw is None:
            return None
        look = getattr(self, name, None)

        def call(*arguments: Any) -> Any:
            self.calls[name] += 1
            self.exercised["F1"] += 1
            held = list(self.vm.current.held)
            answer = raw(*arguments) if look is None else look(raw, *arguments)
            self.locks(name, held)
            return answer

        return call

    # rules that any operation may break

    def broken(self, rule: str, what: str) -> None:
        """Say that a rule is broken, and end the run."""
        raise Broken(rule, what)

    def locks(self, name: str, held: list[Any]) -> None:
        """No lock is held that was not held before ("F15"), and spin locks were taken and dropped ("F9")."""
        self.exercised["F15"] += 1
        if self.vm.current.held != held:
            left = [str(lock) for lock in self.vm.current.held if lock not in held]
            self.broken("F15", f"{name} returned and still holds {', '.join(left) or 'fewer locks than before'}")

    def waits(self, key: Any, ready: Callable[[], bool], what: str, condition: Callable[[], bool] | None = None) -> None:
        """Somebody waits; inside migratepage in MIGRATE_ASYNC that breaks "F8"."""
        self.exercised["F9"] += 1
        if self.vm.current.name in self._hurried:
            self.broken("F8", f"migratepage in MIGRATE_ASYNC waits for {what}")
        self._plain_wait(key, ready, what, condition)

    def might_sleep(self, what: object) -> None:
        """Somebody takes a lock that it may have to wait for; inside migratepage in MIGRATE_ASYNC that breaks "F8"."""
        self.exercised["F9"] += 1
        if self.vm.current.name in self._hurried:
            self.broken("F8", f"migratepage in MIGRATE_ASYNC may wait for {what}: it must only try to take that")
        self._plain_might_sleep(what)

    # operations

    def migratepage(self, raw: Callable[..., Any], mapping: FileMapping, newpage: Page, page: Page, mode: int) -> Any:
        """One attempt of the file system's own."""
        before = Before(
            bytes(self.vm.map_page(page)), page._flags, page._private, page._refcount, newpage._refcount,
            page_has_buffers(page), _locked_buffers(page),
        )  # fmt: skip
        mapping.watch = self._hears
        self._kept.pop(page, None)
        self._written.discard(page)
        self._released.discard(page)
        if mode == MIGRATE_ASYNC:
            self.exercised["F8"] += 1
            self._hurried.add(self.vm.current.name)
        try:
            rc = raw(mapping, newpage, page, mode)
        finally:
            self._hurried.discard(self.vm.current.name)
        name = f"migratepage({page._index}, {MIGRATE_MODES[mode]})"
        if mode == MIGRATE_ASYNC and page in self._written:
            self.broken("F8", f"{name} took the dirty flag of the page, as who writes it out does")
        if not page._flags & LOCKED or not newpage._flags & LOCKED:
            which = "old" if not page._flags & LOCKED else "new"
            self.broken("F15", f"{name} returned {rc} and the {which} page is not locked")
        left = [bh for bh in (*_locked_buffers(page), *_locked_buffers(newpage)) if bh not in before.locked]
        if left and self.alone and not page._flags & WRITEBACK:  # a write that it has begun unlocks them
            self.broken("F15", f"{name} returned {rc} and {left[0]!r} is still locked")
        if type(rc) is int and rc <= 0:
            (self.refused if rc else self.moved)(name, mapping, newpage, page, before)
        return rc

    def _hears(self, what: str, page: Page) -> None:
        if what == "move":
            self._kept[page] = bool(page._flags & PRIVATE)
        else:
            (self._written if what == "write" else self._released).add(page)

    def moved(self, name: str, mapping: FileMapping, newpage: Page, page: Page, before: Before) -> None:
        """It said 0: "F2", "F3", "F6", "F7", "F10", "F11"."""
        self.exercised.update(("F2", "F3", "F6", "F7", "F10"))
        private = bool(before.flags & PRIVATE)
        if before.flags & WRITEBACK or page._flags & WRITEBACK:
            self.broken("F10", f"{name} moved a page that is being written")
        index = newpage._index
        if newpage._mapping != mapping.addr or mapping.i_pages.get(index) is not newpage:
            self.broken("F3", f"{name} returned 0, and the file's slot {page._index} does not lead to the new page")
        if page in mapping.i_pages.values():
            self.broken("F3", f"{name} returned 0, and a slot of the file still leads to the old page")
        if self.alone and bytes(self.vm.map_page(newpage)) != before.content:
            self.broken("F2", f"{name} returned 0, and the new page does not hold what the old one held")
        if before.flags & DIRTY and not newpage._flags & DIRTY and page not in self._written:
            self.broken("F11", f"{name} moved a dirty page, and the new one is clean: it would never be written")
        kept = private and self._kept.get(page, True)  # what was released before is not missed
        if page._flags & PRIVATE:
            self.broken("F6", f"{name} returned 0, and the old page still has its private data")
        if kept and not newpage._flags & PRIVATE:
            self.broken("F6", f"{name} returned 0, and the new page has no PG_private, which the old one had")
        if kept and newpage._private is not before.private and not _alike(newpage._private, before.private):
            self.broken("F6", f"{name} returned 0, and the private data of the old page are not on the new one")
        if page_has_buffers(newpage) and any(bh.page is not newpage for bh in page_buffers(newpage)):
            self.broken("F6", f"{name} returned 0, and the buffers of the new page still lead to the old one")
        if self.alone:
            self._counted(name, newpage, page, before, private)

    def _counted(self, name: str, newpage: Page, page: Page, before: Before, private: bool) -> None:
        if before.refs != 2 + private:
            self.broken("F7", f"{name} moved a page with {before.refs} references, where {2 + private} are expected")
        wanted = before.new_refs + 1 + (newpage._flags & PRIVATE != 0)
        if page._refcount != 1 or newpage._refcount != wanted:
            self.broken(
                "F7",
                f"{name} returned 0; the old page has {page._refcount} references where 1 is right, the new one "
                f"{newpage._refcount} where {wanted} are",
            )

    def refused(self, name: str, mapping: FileMapping, newpage: Page, page: Page, before: Before) -> None:
        """It said no: nothing has changed ("F4"), but for private data that it may give up by hand, with their reference."""
        self.exercised["F4"] += 1
        if page._mapping == mapping.addr and mapping.i_pages.get(page._index) is not page:
            self.broken("F4", f"{name} returned an error, and the file's slot does not lead to the old page any more")
        if newpage in mapping.i_pages.values() or newpage._mapping or newpage._flags & PRIVATE:
            self.broken("F4", f"{name} returned an error, and the new page is a part of the file")
        if self.alone and newpage._refcount != before.new_refs:
            self.broken("F4", f"{name} returned an error, and the new page has {newpage._refcount} references")
        if page in self._written or page in self._released:
            return
        given_up = before.flags & PRIVATE and not page._flags & PRIVATE and not page._private and not before.buffers
        lost = page._flags & PRIVATE != before.flags & PRIVATE or page._private is not before.private
        dirty = (page._flags ^ before.flags) & DIRTY & (DIRTY if self.alone else before.flags)  # others may write to the page
        if dirty or (lost and not given_up):
            self.broken("F4", f"{name} returned an error, and the old page lost its dirty flag or its private data")
        if self.alone and page._refcount != before.refs - bool(given_up):
            self.broken("F4", f"{name} returned an error, and the old page has {page._refcount} references; it had {before.refs}")
        if self.alone and bytes(self.vm.map_page(page)) != before.content:
            self.broken("F4", f"{name} returned an error, and the content of the old page changed")

    def releasepage(self, raw: Callable[..., Any], page: Page) -> Any:
        """It must say what it did ("F5")."""
        answer = raw(page)
        self._released.add(page)
        self.exercised["F5"] += 1
        if bool(answer) != (not page._flags & PRIVATE):
            has = "has its private data still" if page._flags & PRIVATE else "has none any more"
            self.broken("F5", f"releasepage returned {answer!r}, and the page {has}")
        return answer

    def invalidatepage(self, raw: Callable[..., Any], page: Page) -> Any:
        """The private data go ("F14")."""
        answer = raw(page)
        self.exercised["F14"] += 1
        if page._flags & PRIVATE:
            self.broken("F14", "invalidatepage returned, and the page that is cut off has its private data still")
        return answer


def _locked_buffers(page: Page) -> list[BufferHead]:
    return [bh for bh in page_buffers(page) if bh._locked] if page_has_buffers(page) else []


def _alike(one: Any, other: Any) -> bool:
    """Whether private data that were copied say the same."""
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:
        return False
