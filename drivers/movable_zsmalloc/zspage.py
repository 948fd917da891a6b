"""What the allocator is made of: zspages, and size classes with their fullness lists (mm/zsmalloc.c).

Field reuse: ``page.private`` of every page leads to its zspage, ``page.index`` to the next page of the chain, or holds the
handle where one object fills the page. PG_private marks the first page, PG_owner_priv_1 a huge object. The place of the first
object in a page is not kept in the page: it follows from the page's place in the chain (``SizeClass.heads``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from movable import PAGE_SIZE, Page, VMBug
from movable_zsmalloc.geometry import ClassRow, distinct_classes, size_class_table

if TYPE_CHECKING:
    from movable import VM, SpinLock
    from movable_zsmalloc.handles import ObjWord

    Lists = tuple[OrderedDict["Zspage", None], ...]

Tables = tuple[bool, tuple[tuple[int, int, int], ...], tuple[int, ...]]
"""Of a class: whether it is huge, its ``heads`` and its ``groups``."""

ZS_EMPTY, ZS_ALMOST_EMPTY, ZS_ALMOST_FULL, ZS_FULL = range(4)
FULLNESS_NAMES = {
    4: ("EMPTY", "ALMOST_EMPTY", "ALMOST_FULL", "FULL"),
    12: ("0 %", *(f"{10 * group} %" for group in range(1, 10)), "99 %", "100 %"),
}
"""What the lists of a class are called, by how many there are."""


class Zspage:
    """A chain of pages cut into objects of one size (struct zspage).

    ``first_page`` begins the chain, ``inuse`` counts objects, ``freeobj`` is the first free slot, ``isolated`` how many of its
    pages the core holds, ``fullness`` its group, ``linked`` whether it is on that group's list. ``lock`` keeps its pages in place.
    """

    __slots__ = ("first_page", "freeobj", "fullness", "inuse", "isolated", "linked", "lock", "pool", "size_class")

    def __init__(self, size_class: SizeClass, name: str, pool: Any = None) -> None:
        self.size_class = size_class
        self.pool = pool
        self.first_page: Page | None = None
        self.inuse = 0
        self.freeobj = 0
        self.isolated = 0
        self.fullness = ZS_EMPTY
        self.linked = False
        self.lock = size_class.vm.rwlock(name)

    def pages(self) -> Iterator[Page]:
        """The chain, first page first. Raises VMBug when it is longer than its class allows, or leads to something else."""
        page = self.first_page
        for number in range(self.size_class.pages):
            if page is None:
                return
            yield page
            following = None if self.size_class.huge else page.index
            if following is not None and (not isinstance(following, Page) or number + 1 == self.size_class.pages):
                raise VMBug("D14", f"its chain goes on with {following!r}", f"a chain of {self.size_class.pages} pages", page)
            page = following

    def page_at(self, number: int) -> Page:
        """The page with this number in the chain."""
        page = self.first_page
        for _ in range(number):
            page = page.index  # type: ignore[union-attr]
        return page  # type: ignore[return-value]

    def number_of(self, page: Page) -> int:
        """The number of a page in the chain. Raises VMBug for a page that is not in it."""
        for number, candidate in enumerate(self.pages()):
            if candidate is page:
                return number
        raise VMBug("D14", "a page names a zspage that does not hold it", "private to lead to the page's own zspage", page)

    def __repr__(self) -> str:
        of = self.size_class
        return f"<zspage of {self.inuse}/{of.objs} x {of.size} {of.group_names[self.fullness]}>"


def get_zspage(page: Page) -> Zspage:
    """The zspage that a page belongs to. Raises VMBug where ``private`` leads elsewhere."""
    zspage = page.private
    if not isinstance(zspage, Zspage):
        raise VMBug("D3", f"private is {zspage!r}", "a zspage", page)
    return zspage


class SizeClass:
    """All zspages for one size of object (struct size_class). ``lock`` guards everything in it and in its zspages' counts.

    ``heads`` says for each page of a chain: the first object that begins in it, its offset, and how many begin there.
    ``groups`` maps a count of objects to the fullness group.
    """

    __slots__ = (
        *("form", "group_names", "groups", "heads", "huge", "index", "lists", "lock", "objs", "objs_allocated", "objs_used"),
        *("pages", "size", "vm"),
    )

    def __init__(self, vm: VM, pool_name: str, row: ClassRow, tables: Tables, form: ObjWord, lock: SpinLock | None = None) -> None:
        self.vm = vm
        self.form = form
        self.index = row.index
        self.size = row.size
        self.pages = row.pages
        self.objs = row.objs
        self.huge, self.heads, self.groups = tables
        self.lock = vm.spinlock(f"{pool_name} class {row.size}") if lock is None else lock
        self.group_names = FULLNESS_NAMES[vm.era.zs_fullness_groups]
        self.lists: Lists = tuple(OrderedDict() for _ in self.group_names)
        self.objs_allocated = 0
        self.objs_used = 0

    def insert_zspage(self, zspage: Zspage) -> int:
        """Link a zspage to the list of its group and return that group. Behind the head when the head is fuller.

        Mirrors insert_zspage: the fuller one stays in front, so that it is filled up first. With lists for every tenth there is no
        need, and it goes to the head.
        """
        group = zspage.fullness = self.groups[zspage.inuse]
        zspages = self.lists[group]
        head = next(iter(zspages), None)
        zspages[zspage] = None
        zspages.move_to_end(zspage, last=False)
        if head is not None and zspage.inuse < head.inuse and len(self.lists) == 4:
            zspages.move_to_end(head, last=False)
        zspage.linked = True
        return group

    def remove_zspage(self, zspage: Zspage) -> None:
        """Unlink a zspage from the list of its group (remove_zspage)."""
        del self.lists[zspage.fullness][zspage]
        zspage.linked = False

    def fix_fullness_group(self, zspage: Zspage) -> int:
        """Move a zspage to the list that its count asks for; one on no list only changes its group. Returns the group."""
        group = self.groups[zspage.inuse]
        if group != zspage.fullness:
            if not zspage.linked:
                zspage.fullness = group
            else:
                self.remove_zspage(zspage)
                self.insert_zspage(zspage)
        return group

    def take(self, groups: tuple[int, ...]) -> Zspage | None:
        """Unlink the first zspage of the first of ``groups`` that has one (isolate_zspage)."""
        for group in groups:
            for zspage in self.lists[group]:
                self.remove_zspage(zspage)
                return zspage
        return None

    def zs_can_compact(self) -> int:
        """How many pages compaction could free at best."""
        return max(0, self.objs_allocated - self.objs_used) // self.objs * self.pages


def fullness_group(inuse: int, objs: int, groups: int = 4) -> int:
    """The group of a zspage with ``inuse`` of ``objs`` objects (get_fullness_group).

    ALMOST_EMPTY reaches up to three quarters: what the code does, whatever its comment says. With twelve ``groups`` there is one
    for every tenth.
    """
    if inuse == 0:
        return ZS_EMPTY
    if inuse == objs:
        return groups - 1
    if groups > 4:
        return 100 * inuse // objs // 10 + 1
    return ZS_ALMOST_EMPTY if inuse <= 3 * objs // 4 else ZS_ALMOST_FULL


class SizeClasses:
    """The classes of a pool. The kernel makes every one with the pool; here each is made when it is first needed, so that a pool
    costs little: a class without zspages has nothing that a walk over the classes could find, so nobody can tell.
    """

    __slots__ = ("form", "lock", "made", "pool_name", "slots", "vm")

    def __init__(self, vm: VM, pool_name: str, chain: int, rule: str, form: ObjWord, lock: SpinLock | None) -> None:
        self.vm = vm
        self.pool_name = pool_name
        self.form = form
        self.lock = lock
        self.slots = slot_tables(chain, rule, vm.era.zs_fullness_groups)
        self.made: dict[int, SizeClass] = {}

    def of_slot(self, slot: int) -> SizeClass:
        """The class of a slot."""
        row, tables = self.slots[slot]
        found = self.made.get(row.index)
        if found is None:
            made_now = SizeClass(self.vm, self.pool_name, row, tables, self.form, self.lock)
            found = self.made.setdefault(row.index, made_now)  # the first, where two tasks come at once
        return found

    def all(self) -> list[SizeClass]:
        """All that were ever needed, largest first."""
        return [self.made[index] for index in sorted(self.made, reverse=True)]


@lru_cache(maxsize=64)
def slot_tables(chain: int, rule: str, groups: int) -> tuple[tuple[ClassRow, Tables], ...]:
    """The class of every slot with what follows from its geometry alone; made once for all pools."""
    made = {row.index: (row, _tables(row, groups)) for row in distinct_classes(chain, rule)}
    return tuple(made[row.index] for row in size_class_table(chain, rule))


def _tables(row: ClassRow, groups: int) -> Tables:
    heads = tuple(_heads(row, number) for number in range(row.pages))
    return row.huge, heads, tuple(fullness_group(inuse, row.objs, groups) for inuse in range(row.objs + 1))


def _heads(row: ClassRow, number: int) -> tuple[int, int, int]:
    start = number * PAGE_SIZE
    first = -(-start // row.size)
    last = min(-(-(start + PAGE_SIZE) // row.size), row.objs)
    return first, first * row.size - start, max(0, last - first)
