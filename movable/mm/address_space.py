"""What a page's mapping leads to: an owner's operations (include/linux/fs.h, struct address_space)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from movable.mm.page import Page


class MovableOperations(NamedTuple):
    """The three callbacks, bound (the part of struct address_space_operations that migration uses)."""

    isolate_page: Callable[[Page, int], bool] | None
    migratepage: Callable[[AddressSpace, Page, Page, int], int] | None
    putback_page: Callable[[Page], object] | None


class AddressSpace:
    """One owner of pages.

    ``addr`` is its address, a multiple of 64, which goes into ``page.mapping``; ``name`` is for reports; ``a_ops`` are the
    callbacks; ``host`` is the driver that owns it.
    """

    __slots__ = ("a_ops", "addr", "host", "name")

    def __init__(self, addr: int, name: str, a_ops: MovableOperations, host: Any) -> None:
        self.addr = addr
        self.name = name
        self.a_ops = a_ops
        self.host = host

    def __repr__(self) -> str:
        return f"<address_space {self.name} at {self.addr:#x}>"
