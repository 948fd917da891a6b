/* Folios, as far as movable pages are ones: of a single page. */
#ifndef _LINUX_FOLIO_H
#define _LINUX_FOLIO_H
#include <linux/migrate.h>
#if MOVABLE_VERSION < 0x051000
#define K_NO_FOLIO "kernels before 5.16 have no folios; use the page"
#define page_folio(page) K_GONE("page_folio: " K_NO_FOLIO)
#define folio_alloc(gfp, order) K_GONE("folio_alloc: " K_NO_FOLIO)
#define folio_get(folio) K_GONE("folio_get: " K_NO_FOLIO)
#define folio_put(folio) K_GONE("folio_put: " K_NO_FOLIO)
#define folio_lock(folio) K_GONE("folio_lock: " K_NO_FOLIO)
#define folio_unlock(folio) K_GONE("folio_unlock: " K_NO_FOLIO)
#else
struct folio {
	union {
		struct { unsigned long flags; struct list_head lru; struct address_space *mapping; unsigned long index; void *private; atomic_t _mapcount, _refcount; };
		struct page page;
	};
};
#define page_folio(p) ((struct folio *)(p))
#define folio_page(folio, n) (&(folio)->page + (n))
#define virt_to_folio(a) page_folio(virt_to_page(a))
#define pfn_folio(pfn) page_folio(pfn_to_page(pfn))
#define folio_pfn(folio) page_to_pfn(&(folio)->page)
#define folio_address(folio) page_address(&(folio)->page)
#define folio_nid(folio) page_to_nid(&(folio)->page)
#define folio_zone(folio) page_zone(&(folio)->page)
#define folio_get(folio) get_page(&(folio)->page)
#define folio_put(folio) put_page(&(folio)->page)
#define folio_try_get(folio) get_page_unless_zero(&(folio)->page)
#define folio_ref_count(folio) page_count(&(folio)->page)
#define folio_lock(folio) lock_page(&(folio)->page)
#define folio_trylock(folio) ((bool)trylock_page(&(folio)->page))
#define folio_unlock(folio) unlock_page(&(folio)->page)
#define folio_test_locked(folio) ((bool)PageLocked(&(folio)->page))
#define folio_wait_locked(folio) wait_on_page_locked(&(folio)->page)
#define folio_mapping(folio) page_mapping(&(folio)->page)
#define folio_alloc(gfp, order) page_folio(alloc_pages(gfp, order))
#define folio_nr_pages(folio) 1l		/* ignored: movable pages are single */
#define folio_order(folio) 0u			/* ignored: movable pages are single */
#define folio_size(folio) PAGE_SIZE
#define folio_shift(folio) PAGE_SHIFT
#define folio_test_large(folio) false		/* ignored: movable pages are single */
#define kmap_local_folio(folio, offset) ((void *)((char *)folio_address(folio) + (offset)))
#define folio_copy(to, from) copy_highpage(&(to)->page, &(from)->page)
#define folio_mc_copy(to, from) (folio_copy(to, from), 0)
#define folio_alloc_node(gfp, order, node) page_folio(alloc_pages_node(node, gfp, order))
#define folio_ref_add(folio, n) page_ref_add(&(folio)->page, n)
#define folio_ref_inc(folio) folio_get(folio)
#define folio_put_refs(folio, n) do { for (int _n = (n); _n > 0; _n--) folio_put(folio); } while (0)
#define folio_lock_killable(folio) (folio_lock(folio), 0)
#define folio_index(folio) ((folio)->index)
#define folio_next_index(folio) ((folio)->index + 1)
#define folio_page_idx(folio, p) ((p) - &(folio)->page)
#define folio_mark_uptodate(folio) folio_set_uptodate(folio)
#define folio_has_private(folio) folio_test_private(folio)
#define folio_test_lru(folio) PageLRU(&(folio)->page)
#define folio_test_writeback(folio) PageWriteback(&(folio)->page)
#define folio_test_hwpoison(folio) PageHWPoison(&(folio)->page)
#define memcpy_from_folio(to, folio, off, n) memcpy_from_page(to, &(folio)->page, off, n)
#define memcpy_to_folio(folio, off, from, n) memcpy_to_page(&(folio)->page, off, from, n)
#define folio_zero_segment(folio, from, to) zero_user_segment(&(folio)->page, from, to)
#define offset_in_folio(folio, at) offset_in_page(at)
#define folio_zero_range(folio, from, n) memzero_page(&(folio)->page, from, n)
#define folio_get_private(folio) ((folio)->private)
#define folio_change_private(folio, data) ({ void *_old = (folio)->private; (folio)->private = (data); _old; })
K_INLINE void folio_attach_private(struct folio *folio, void *data) { folio_get(folio); folio->private = data; SetPagePrivate(&folio->page); }
K_INLINE void *folio_detach_private(struct folio *folio)
{
	void *data = folio->private;

	if (!PagePrivate(&folio->page))
		return NULL;
	ClearPagePrivate(&folio->page);
	folio->private = NULL;
	folio_put(folio);
	return data;
}
#define K_FOLIO(name, flag) \
	K_INLINE bool folio_test_##name(const struct folio *folio) { return Page##flag(&folio->page); } \
	K_INLINE void folio_set_##name(struct folio *folio) { SetPage##flag(&folio->page); } \
	K_INLINE void folio_clear_##name(struct folio *folio) { ClearPage##flag(&folio->page); } \
	K_INLINE bool folio_test_set_##name(struct folio *folio) { return TestSetPage##flag(&folio->page); } \
	K_INLINE bool folio_test_clear_##name(struct folio *folio) { return TestClearPage##flag(&folio->page); }
K_FOLIO(private, Private)
K_FOLIO(private_2, Private2)
K_FOLIO(referenced, Referenced)
K_FOLIO(dirty, Dirty)
K_FOLIO(uptodate, Uptodate)
K_FOLIO(reserved, Reserved)
K_FOLIO(owner_priv_1, OwnerPriv1)
K_FOLIO(active, Active)
K_FOLIO(reclaim, Reclaim)
K_FOLIO(unevictable, Unevictable)
#endif
#endif
