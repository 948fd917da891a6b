"""Pages whose words lie in C memory: struct page is the truth, and the model looks at the same bytes as the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from movable.mm.movable_ops import StickyPage
from movable.mm.page import FIELD_POISON, MAPPED, Page
from movable.mm.watched import WatchedPage, WatchedStickyPage

if TYPE_CHECKING:
    from movable.c.bridge.memory import Memory

POISON = 0x6B6B6B6B6B6B6B6B
"""What a field of a freed page holds in C memory."""
STORED = ("_flags", "_refcount", "_mapcount", "_mapping", "_private", "_index")
PLACES = {"_flags": 0, "_mapping": 3, "_index": 4, "_private": 5}
"""Words of eight bytes."""
HALVES = {"_mapcount": 12, "_refcount": 13}
"""Words of four bytes."""

arena: list[Any] = [None, None, None]
"""The ``Memory`` that is in the one arena of the process now, and its words of eight and of four bytes."""


def _word(place: int, half: bool) -> property:
    per = 16 if half else 8
    view = 2 if half else 1

    def read(page: Page) -> int:
        memory: Memory = page.vm.backing  # type: ignore[assignment]
        if arena[0] is not memory:
            memory.activate()
        value: int = arena[view][page.pfn * per + place]
        return value

    def write(page: Page, value: Any) -> None:
        memory: Memory = page.vm.backing  # type: ignore[assignment]
        if arena[0] is not memory:
            memory.activate()
        if value.__class__ is not int:
            value = POISON if value is FIELD_POISON else int(value or 0)
        arena[view][page.pfn * per + place] = value

    return property(read, write)


_STATE: Any = Page.__dict__["_state"]
_SLOTS: list[Any] = [Page.__dict__[name] for name in STORED]


class _Words:
    __slots__ = ()
    _state = property(lambda self: _STATE.__get__(self) | MAPPED, lambda self, value: _STATE.__set__(self, value))
    """The driver writes to a page without asking the model, so that its content is always taken for written."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        for slot in _SLOTS:  # nobody reads them; one without a value costs whoever looks for changes an exception
            slot.__set__(self, 0)


for _name, _place in PLACES.items():
    setattr(_Words, _name, _word(_place, False))
for _name, _place in HALVES.items():
    setattr(_Words, _name, _word(_place, True))


class CPage(_Words, Page):
    """A page of a machine with a C driver."""

    __slots__ = ()


for _name in ("flags", "mapping", "private", "index"):
    setattr(CPage, _name, _Words.__dict__["_" + _name])


class CWatchedPage(_Words, WatchedPage):
    """The same while somebody watches."""

    __slots__ = ()


class CStickyPage(_Words, StickyPage):
    """A page of a machine whose marks stay."""

    __slots__ = ()


for _name in ("flags", "private", "index"):
    setattr(CStickyPage, _name, _Words.__dict__["_" + _name])


class CWatchedStickyPage(_Words, WatchedStickyPage):
    """The same while somebody watches."""

    __slots__ = ()


def page_class(sticky: bool, watched: bool) -> type[Page]:
    """The class of pages of a machine with a C driver."""
    if sticky:
        return CWatchedStickyPage if watched else CStickyPage
    return CWatchedPage if watched else CPage
