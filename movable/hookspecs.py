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
    from movable.mm.fs import Inode
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


# --- file systems: struct address_space_operations ---


@hookspec(firstresult=True)
def readpage(inode: Inode, page: Page) -> int:
    """Fill a page of a file (rules F1, F2, F13).

    The page is locked. Say SetPageUptodate and unlock it when it is filled, now or later. Return 0, or a negative errno, and unlock
    the page in that case too.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def writepage(page: Page) -> int:
    """Write a page of a file out (rules F10 to F13).

    The page is locked, and its dirty flag was taken. Set PG_writeback, unlock the page, and end the writeback when it is written.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def write_begin(inode: Inode, page: Page) -> int:
    """A locked page will be written to, by a call or through a mapping: reserve what that needs. 0 or a negative errno."""
    raise NotImplementedError


@hookspec(firstresult=True)
def releasepage(page: Page) -> bool:
    """Give up the private data of a locked page; return whether it is gone (rules F5, F6)."""
    raise NotImplementedError


@hookspec(firstresult=True)
def invalidatepage(page: Page) -> None:
    """The locked page is cut off from its file: its private data must go (rule F14)."""
    raise NotImplementedError


@hookspec(firstresult=True)
def evict_inode(inode: Inode) -> None:
    """The file goes; all its pages are gone (rule F14)."""
    raise NotImplementedError


@hookspec(firstresult=True)
def truncate(inode: Inode) -> None:
    """The file is shorter (rule F2): what lay beyond ``inode.size`` must read as zeros if it becomes longer again."""
    raise NotImplementedError
