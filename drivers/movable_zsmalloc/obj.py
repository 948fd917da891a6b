"""Objects inside real page memory: headers, free lists, copies (mm/zsmalloc.c, obj_malloc, obj_free, zs_object_copy).

The first word of an allocated object is its handle with bit 0 set; of a free slot, the number of the next free one, shifted
left by one, so that bit 0 is clear. Sizes are multiples of 16, so that a header never straddles two pages. A huge object has no
header: its handle is in ``page.index``. All of it is guarded by the class lock.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from movable import PAGE_SHIFT, PAGE_SIZE
from movable_zsmalloc.handles import OBJ_TAG_BITS

if TYPE_CHECKING:
    from movable import Page
    from movable_zsmalloc.zspage import SizeClass, Zspage

OBJ_ALLOCATED_TAG = 1
WORD_BYTES = 8
LAST_LINK = (1 << 64) - 2
"""The free-list word of the last slot: all ones, shifted left by one."""

_word = struct.Struct("=Q")
_pack = _word.pack
_unpack = _word.unpack
_OFFSET = PAGE_SIZE - 1


def kmap(page: Page) -> memoryview:
    """The content of a page as plain memory (kmap_atomic).

    ``page.data`` of a machine under observation takes the page for one location. Here tasks work on different slots of one page at
    the same time, and what orders them is the pin, the zspage lock and the class lock, all of which are seen.
    """
    return page.vm.map_page(page)


def init_zspage(size_class: SizeClass, zspage: Zspage) -> None:
    """Chain the slots into a free list in ascending order (init_zspage)."""
    size = size_class.size
    last = size_class.objs - 1
    for page, (first, offset, count) in zip(zspage.pages(), size_class.heads, strict=True):
        data = kmap(page)
        for obj in range(first, first + count):
            link = LAST_LINK if obj == last else obj + 1 << OBJ_TAG_BITS
            data[offset : offset + WORD_BYTES] = _pack(link)
            offset += size
    zspage.freeobj = 0


def obj_malloc(size_class: SizeClass, zspage: Zspage, handle: int) -> int:
    """Take the first free slot and write its header. Returns the encoded location, pin clear."""
    obj = zspage.freeobj
    offset = obj * size_class.size
    page = zspage.page_at(offset >> PAGE_SHIFT)
    offset &= _OFFSET
    data = kmap(page)
    end = offset + WORD_BYTES
    zspage.freeobj = _unpack(data[offset:end])[0] >> OBJ_TAG_BITS
    if size_class.huge:
        page.index = handle | OBJ_ALLOCATED_TAG
    else:
        data[offset:end] = _pack(handle | OBJ_ALLOCATED_TAG)
    zspage.inuse += 1
    size_class.objs_used += 1
    return size_class.form.encode(page.pfn, obj, size_class.index)


def obj_free(size_class: SizeClass, zspage: Zspage, page: Page, obj: int) -> None:
    """Make slot ``obj``, which begins in ``page``, the first free one."""
    offset = obj * size_class.size & _OFFSET
    kmap(page)[offset : offset + WORD_BYTES] = _pack(zspage.freeobj << OBJ_TAG_BITS)
    if size_class.huge:
        page.index = 0
    zspage.freeobj = obj
    zspage.inuse -= 1
    size_class.objs_used -= 1


def slot_link(size_class: SizeClass, zspage: Zspage, obj: int) -> int:
    """The free slot behind the free slot ``obj``; one that does not exist behind the last."""
    page = zspage.page_at(obj * size_class.size >> PAGE_SHIFT)
    offset = obj * size_class.size & _OFFSET
    link: int = _unpack(kmap(page)[offset : offset + WORD_BYTES])[0]
    return link >> OBJ_TAG_BITS


def heads_in_page(size_class: SizeClass, page: Page, number: int) -> Iterator[tuple[int, int]]:
    """(object, handle) of every allocated object that begins in ``page``, which is the chain's page ``number``."""
    if size_class.huge:
        head = page.index
        if head & OBJ_ALLOCATED_TAG:
            yield 0, head & ~OBJ_ALLOCATED_TAG
        return
    first, offset, count = size_class.heads[number]
    words = kmap(page)[:].cast("Q")[offset // WORD_BYTES :: size_class.size // WORD_BYTES].tolist()
    for obj, head in enumerate(words[:count], first):
        if head & OBJ_ALLOCATED_TAG:
            yield obj, head & ~OBJ_ALLOCATED_TAG


def read_object(size_class: SizeClass, page: Page, obj: int) -> bytes:
    """The bytes of the slot, header included, from the one or two pages that hold it."""
    offset = obj * size_class.size & _OFFSET
    end = offset + size_class.size
    if end <= PAGE_SIZE:
        return bytes(kmap(page)[offset:end])
    return bytes(kmap(page)[offset:]) + bytes(kmap(page.index)[: end - PAGE_SIZE])


def write_object(size_class: SizeClass, page: Page, obj: int, content: bytes | bytearray, skip: int) -> None:
    """Write the slot from its byte ``skip`` on; ``content`` holds the whole slot."""
    offset = obj * size_class.size & _OFFSET
    end = offset + size_class.size
    if end <= PAGE_SIZE:
        kmap(page)[offset + skip : end] = content[skip:]
        return
    cut = PAGE_SIZE - offset
    kmap(page)[offset + skip :] = content[skip:cut]
    kmap(page.index)[: end - PAGE_SIZE] = content[cut:]
