"""Call traces below an allocation: the first function that is not the allocator's own says what the page is for."""

from __future__ import annotations

import re

_FRAME = re.compile(r"^\s*(?:\[<[0-9a-f]+>\]\s*)?\??\s*([A-Za-z_][\w.]*)\+0x[0-9a-f]+/0x[0-9a-f]+(?:\s+\[(\w+)[^\]]*\])?\s*$")
_ALLOCATOR = re.compile(
    r"_*(?:save_stack|set_page_owner|register_early_stack|post_alloc_hook|prep_new_page|get_page_from_freelist|rmqueue\w*|"
    r"alloc_pages?(?:_\w+)?|alloc_frozen_pages\w*|folio_alloc\w*|vma_alloc_folio\w*|alloc_slab_page|allocate_slab|new_slab\w*|"
    r"slab_alloc\w*|kmem_cache_alloc\w*|kmalloc\w*|kvmalloc\w*|kzalloc\w*|krealloc\w*|do_kmalloc\w*|get_free_pages?|"
    r"get_zeroed_page|alloc_contig\w*|isolate_migratepages\w*|compaction_alloc|try_charge\w*|refill_objects|allocate_\w*page\w*|"
    r"filemap_alloc_folio\w*|page_cache_alloc\w*|v[mz]alloc\w*|vm_area_alloc_pages|dmam?_(?:alloc|direct_alloc|common)\w*|"
    r"dma_pool_alloc\w*|iommu_dma_alloc\w*)"
    r"(?:_noprof)?(?:\.\w+)*"
)


def caller(text: str) -> str | None:
    """The function of a frame that is not the allocator's own, with its module; "" for one that is, None for no frame."""
    frame = _FRAME.match(text)
    if frame is None:
        return None
    if _ALLOCATOR.fullmatch(frame[1]):
        return ""
    return f"{frame[1]} [{frame[2]}]" if frame[2] else frame[1]
