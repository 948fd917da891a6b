"""The contract as pluggy hook specifications: what a driver implements, and which numbered rules bind it.

A page leads straight to its driver, as in the kernel, so these hooks are never broadcast over pages; pluggy finds, validates
and wraps drivers (movable/registry/__init__.py).

What else a driver may bring: ``workload``, an attribute with the name of its workload ("package.module:Class"); ``counters``,
the names of the events that it counts on the machine, which then are in every record of a run; and ``probes.toml`` in its package,
which says what to probe on a live kernel (movable/trace/record/driver_probes.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pluggy import HookimplMarker, HookspecMarker

if TYPE_CHECKING:
    from movable.mm.address_space import AddressSpace
    from movable.mm.page import Page

hookspec = HookspecMarker("movable")
hookimpl = HookimplMarker("movable")


@hookspec(firstresult=True)
def isolate_page(page: Page, mode: int) -> bool:
    """Let go of ``page`` (rules D8 to D13).

    The page is locked and not yet isolated; the core holds a reference. ``mode`` is a set of ISOLATE_* bits. Return True when the
    page is off every list and cannot be handed out; False, and leave everything as it was, to refuse. Never wait or allocate.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def migratepage(mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
    """Move ``page`` to ``newpage`` (rules D14 to D30, D35 to D43).

    Both pages are locked, ``page`` is isolated, ``newpage`` is fresh. Return 0 after moving content, handles, the mark and the
    owner's reference; -EAGAIN to be asked again, up to ten times; another negative errno to give up. On error both pages are as
    they were. Refuse MIGRATE_SYNC_NO_COPY with -EINVAL.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def migrate_page(newpage: Page, page: Page, mode: int) -> int:
    """Move ``page`` to ``newpage``: the same in kernels from 6.0 on, which give no mapping (rules D14 to D30, D35 to D43)."""
    raise NotImplementedError


@hookspec(firstresult=True)
def putback_page(page: Page) -> None:
    """Take ``page`` back after an isolation that did not end in a move (rules D31 to D34).

    The page is locked and still isolated; its ``lru`` is yours again. It must not fail.
    """
    raise NotImplementedError


CALLBACKS = ("isolate_page", "migratepage", "putback_page")
"""Names of the three callbacks, as kernels up to 5.19 spell them."""
MIGRATE_FORMS = ("migratepage", "migrate_page")
"""The two forms of the migrate callback."""
