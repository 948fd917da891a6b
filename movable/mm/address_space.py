"""What a page's mapping leads to: an owner's operations (include/linux/fs.h, struct address_space)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from movable.eras import ERAS, as_in
from movable.errors import UsageError

if TYPE_CHECKING:
    from movable.eras import Era
    from movable.mm.page import Page


class MovableOperations(NamedTuple):
    """The three callbacks, bound (the part of struct address_space_operations that migration uses)."""

    isolate_page: Callable[[Page, int], bool] | None
    migratepage: Callable[[AddressSpace, Page, Page, int], int] | None
    putback_page: Callable[[Page], object] | None


def without_mapping(migrate_page: Callable[[Page, Page, int], int]) -> Callable[[AddressSpace, Page, Page, int], int]:
    """A migrate callback that gets (newpage, page, mode), as the loop calls them all: with the mapping in front."""
    return lambda mapping, newpage, page, mode: migrate_page(newpage, page, mode)


FORMS = {True: "migratepage(mapping, newpage, page, mode)", False: "migrate_page(newpage, page, mode)"}
"""How the migrate callback looks with a mapping in front, and without."""


def migrate_form(driver: Any, era: Era) -> str:
    """The name of the migrate callback of ``driver`` that kernels of ``era`` call.

    Where it has none by that name, the form of an earlier era is taken if ``era`` says so. Raises UsageError, with what to change,
    for any other.
    """
    if callable(getattr(driver, era.migrate_name, None)):
        return era.migrate_name
    name = getattr(driver, "__name__", type(driver).__name__)
    other = "migrate_page" if era.mapping_argument else "migratepage"
    if not callable(getattr(driver, other, None)):
        raise UsageError(f"{name} has no {era.migrate_name}(); a kernel of era {era.name} calls {FORMS[era.mapping_argument]}")
    if era.former_forms and other == "migratepage":
        return other
    what = "put the mapping in front of" if era.mapping_argument else "take the mapping out of"
    raise UsageError(
        f"{name}.{FORMS[not era.mapping_argument]} is written for other kernels: one of era {era.name} calls "
        f"{FORMS[era.mapping_argument]}; rename it and {what} its arguments (movable port shows all that changes)"
    )


def former_form(driver: Any, era: Era) -> str:
    """The name of the migrate callback that ``driver`` has in the form of earlier kernels, if it is called in ``era``; else "".

    A driver in another language says which kernel its source is written for (``own_era``).
    """
    own = getattr(driver, "own_era", "")
    if own in ERAS:
        former = ERAS[own].mapping_argument
    else:
        former = not callable(getattr(driver, era.migrate_name, None)) and callable(getattr(driver, "migratepage", None))
    return "migratepage" if former and era.former_forms else ""


def named_for(driver: Any, era: Era) -> Callable[[str], str]:
    """What makes words of 4.19 those of ``era``; its callback keeps the name that it has in the source of ``driver``."""
    return as_in(era.name, former_form(driver, era))


class AddressSpace:
    """One owner of pages.

    ``addr`` is its address, a multiple of 64, which goes into ``page.mapping``; ``name`` is for reports; ``a_ops`` are the
    callbacks; ``host`` is the driver that owns it. ``page_type`` is the word of the type whose pages are its, 0 in kernels where a
    page leads to its owner by itself.
    """

    __slots__ = ("a_ops", "addr", "host", "name", "page_type")

    def __init__(self, addr: int, name: str, a_ops: MovableOperations, host: Any) -> None:
        self.addr = addr
        self.name = name
        self.a_ops = a_ops
        self.host = host
        self.page_type = 0

    def __repr__(self) -> str:
        return f"<address_space {self.name} at {self.addr:#x}>"
