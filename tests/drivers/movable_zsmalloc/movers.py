"""What these tests do to a pool's pages: find them, isolate them, move them."""

from __future__ import annotations

from collections.abc import Iterable

from movable import (
    GFP_HIGHUSER_MOVABLE,
    GFP_THISNODE,
    ISOLATE_UNEVICTABLE,
    MIGRATE_SYNC,
    MR_COMPACTION,
    ListHead,
    Page,
    isolate_movable_page,
    list_add_tail,
    migrate_pages,
)
from movable.mm.validate import validate_vm
from movable_zsmalloc import ZS_MM_RO, ZS_MM_WO, Zsmalloc
from movable_zsmalloc.validate import validate_pool
from movable_zsmalloc.zspage import Zspage


def pages_of(zs: Zsmalloc) -> list[Page]:
    """The pages that the pool holds, by frame number."""
    return [page for pfn, page in sorted(zs.vm.pages.items()) if page._refcount and type(page._private) is Zspage]


def isolate(pages: Iterable[Page]) -> ListHead:
    """Isolate pages onto a list; those that refuse stay."""
    isolated = ListHead("isolated")
    for page in pages:
        if isolate_movable_page(page, ISOLATE_UNEVICTABLE) == 0:
            list_add_tail(page.lru, isolated)
    return isolated


def move(zs: Zsmalloc, isolated: ListHead, *, nid: int = 0, mode: int = MIGRATE_SYNC) -> int:
    """Migrate a list to fresh pages of a node."""
    vm = zs.vm
    gfp = GFP_HIGHUSER_MOVABLE | GFP_THISNODE
    return migrate_pages(isolated, lambda page, private: vm.alloc_page(gfp, nid), None, None, mode, MR_COMPACTION)


def store(zs: Zsmalloc, content: bytes) -> int:
    """Put bytes into a new object."""
    handle = zs.zs_malloc(len(content))
    assert handle
    zs.zs_map_object(handle, ZS_MM_WO)[: len(content)] = content
    zs.zs_unmap_object(handle)
    return handle


def load(zs: Zsmalloc, handle: int, size: int) -> bytes:
    """The first bytes of an object."""
    content = bytes(zs.zs_map_object(handle, ZS_MM_RO)[:size])
    zs.zs_unmap_object(handle)
    return content


def pattern(seed: int, size: int) -> bytes:
    """Bytes that tell objects, and places in them, apart."""
    return bytes((seed * 7 + i * (1 + seed % 5)) & 0xFF for i in range(size))


def check(zs: Zsmalloc, *, quiescent: bool = True) -> None:
    """The machine and the pool counted again."""
    validate_vm(zs.vm, quiescent=quiescent, content=True, owner_refs=1)
    validate_pool(zs)
