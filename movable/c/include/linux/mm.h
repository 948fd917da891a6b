/* Pages: references, the page lock, flags, content, allocation, counters. */
#ifndef _LINUX_MM_H
#define _LINUX_MM_H
#include <linux/bitops.h>
#include <linux/list.h>
#include <linux/string.h>
#include <linux/errno.h>
#define K_PAGE(type, name, request) K_INLINE type name(struct page *page) { return (type)k_call(request, (long)page, 0, 0, 0); }
K_PAGE(void, get_page, K_GET_PAGE)
K_PAGE(void, put_page, K_PUT_PAGE)
K_PAGE(int, page_count, K_PAGE_COUNT)
K_PAGE(bool, get_page_unless_zero, K_GET_UNLESS_ZERO)
K_PAGE(void, lock_page, K_LOCK_PAGE)
K_PAGE(int, trylock_page, K_TRYLOCK_PAGE)
K_PAGE(void, unlock_page, K_UNLOCK_PAGE)
K_PAGE(int, PageLocked, K_PAGE_LOCKED)
K_PAGE(void, wait_on_page_locked, K_WAIT_PAGE_LOCKED)
K_PAGE(struct address_space *, page_mapping, K_PAGE_MAPPING)
#define page_ref_count(page) page_count(page)
#define try_get_page(page) get_page_unless_zero(page)
#define put_page_testzero(page) (put_page(page), page_count(page) == 0)
#define page_private(page) ((page)->private)
#define set_page_private(page, v) ((page)->private = (unsigned long)(v))
#define page_ref_inc(page) get_page(page)
#define page_ref_add(page, n) do { for (int _n = (n); _n > 0; _n--) get_page(page); } while (0)
#define page_index(page) ((page)->index)
#define page_size(page) PAGE_SIZE
#define page_shift(page) PAGE_SHIFT
#define nth_page(page, n) ((page) + (n))
#define lock_page_killable(page) (lock_page(page), 0)
#define page_mapcount_reset(page) atomic_set(&(page)->_mapcount, -1)
#define compound_order(page) 0			/* ignored: movable pages are single */
#define compound_head(page) (page)		/* ignored: movable pages are single */
#define PageCompound(page) 0			/* ignored: movable pages are single */
#define PageHead(page) 0			/* ignored: movable pages are single */
#define PageTail(page) 0			/* ignored: movable pages are single */
#define PageHighMem(page) 0			/* ignored: all memory is mapped */
#define K_FLAG(name, bit) \
	K_INLINE int Page##name(const struct page *page) { return test_bit(bit, &page->flags); } \
	K_INLINE void SetPage##name(struct page *page) { set_bit(bit, &page->flags); } \
	K_INLINE void ClearPage##name(struct page *page) { clear_bit(bit, &page->flags); } \
	K_INLINE int TestSetPage##name(struct page *page) { return test_and_set_bit(bit, &page->flags); } \
	K_INLINE int TestClearPage##name(struct page *page) { return test_and_clear_bit(bit, &page->flags); }
K_FLAG(Private, PG_private)
K_FLAG(Private2, PG_private_2)
K_FLAG(OwnerPriv1, PG_owner_priv_1)
K_FLAG(Referenced, PG_referenced)
K_FLAG(Dirty, PG_dirty)
K_FLAG(Uptodate, PG_uptodate)
K_FLAG(Reserved, PG_reserved)
K_FLAG(Error, PG_error)
K_FLAG(Active, PG_active)
K_FLAG(Reclaim, PG_reclaim)
K_FLAG(Unevictable, PG_unevictable)
#define __SetPagePrivate(page) SetPagePrivate(page)
#define __ClearPagePrivate(page) ClearPagePrivate(page)
#define __SetPageReferenced(page) SetPageReferenced(page)
#define PageWriteback(page) test_bit(PG_writeback, &(page)->flags)
#define PageSlab(page) test_bit(PG_slab, &(page)->flags)
#define PageHWPoison(page) test_bit(PG_hwpoison, &(page)->flags)
K_INLINE void attach_page_private(struct page *page, void *data) { get_page(page); set_page_private(page, data); SetPagePrivate(page); }
K_INLINE void *detach_page_private(struct page *page)
{
	void *data = (void *)page_private(page);

	if (!PagePrivate(page))
		return NULL;
	ClearPagePrivate(page);
	set_page_private(page, 0);
	put_page(page);
	return data;
}
#define PageLRU(page) test_bit(PG_lru, &(page)->flags)
enum pagetype { PGTY_buddy = 0xf0, PGTY_offline, PGTY_table, PGTY_guard, PGTY_hugetlb, PGTY_slab, PGTY_zsmalloc, PGTY_unaccepted, PGTY_large_kmalloc };
#if K_SINCE_6_17
#define K_TYPE(name, type) \
	K_INLINE void __SetPage##name(struct page *page) { k_call(K_SET_TYPE, (long)page, type, 0, 0); } \
	K_INLINE void __ClearPage##name(struct page *page) { k_call(K_CLEAR_TYPE, (long)page, type, 0, 0); } \
	K_INLINE int Page##name(const struct page *page) { return k_call(K_PAGE_TYPE, (long)page, type, 0, 0); }
K_TYPE(Offline, PGTY_offline)
K_TYPE(Zsmalloc, PGTY_zsmalloc)
#else
K_PAGE(void, __SetPageOffline, K_SET_OFFLINE)
K_PAGE(void, __ClearPageOffline, K_CLEAR_OFFLINE)
K_PAGE(int, PageOffline, K_PAGE_OFFLINE)
#if MOVABLE_VERSION >= 0x060000	/* from 6.11 on; the model has one type there */
K_PAGE(void, __SetPageZsmalloc, K_SET_OFFLINE)
K_PAGE(void, __ClearPageZsmalloc, K_CLEAR_OFFLINE)
K_PAGE(int, PageZsmalloc, K_PAGE_OFFLINE)
#endif
#endif
#define __SetPageBalloon(page) __SetPageOffline(page)
#define __ClearPageBalloon(page) __ClearPageOffline(page)
#define PageBalloon(page) PageOffline(page)
K_INLINE void copy_highpage(struct page *to, struct page *from) { k_call(K_COPY_PAGE, (long)to, (long)from, 0, 0); }
K_INLINE void clear_highpage(struct page *page) { k_call(K_CLEAR_PAGE, (long)page, 0, 0, 0); }
#define copy_page(to, from) copy_highpage(virt_to_page(to), virt_to_page(from))
#define clear_page(at) clear_highpage(virt_to_page(at))
K_INLINE void *kmap(struct page *page) { return page_address(page); }
K_INLINE void *kmap_atomic(struct page *page) { return page_address(page); }
K_INLINE void *kmap_local_page(struct page *page) { return page_address(page); }
#define kunmap(page) ((void)(page))
#define kunmap_atomic(at) ((void)(at))
#define kunmap_local(at) ((void)(at))
#define memcpy_from_page(to, page, off, n) memcpy(to, (char *)page_address(page) + (off), n)
#define memcpy_to_page(page, off, from, n) memcpy((char *)page_address(page) + (off), from, n)
#define memcpy_page(to, at, from, off, n) memcpy((char *)page_address(to) + (at), (char *)page_address(from) + (off), n)
#define memzero_page(page, off, n) memset((char *)page_address(page) + (off), 0, n)
#define memmove_page(to, at, from, off, n) memmove((char *)page_address(to) + (at), (char *)page_address(from) + (off), n)
#define memset_page(page, off, byte, n) memset((char *)page_address(page) + (off), byte, n)
#define zero_user_segment(page, from, to) memzero_page(page, from, (to) - (from))
#define zero_user_segments(page, from, to, more, end) (zero_user_segment(page, from, to), zero_user_segment(page, more, end))
#define copy_user_highpage(to, from, at, vma) copy_highpage(to, from)
#define clear_user_highpage(page, at) clear_highpage(page)
#define zero_user(page, off, n) memzero_page(page, off, n)
#define flush_dcache_page(page) ((void)(page))	/* ignored: caches are coherent */
#define pagefault_disable() ((void)0)		/* ignored: there is no user memory */
#define pagefault_enable() ((void)0)		/* ignored: there is no user memory */
K_INLINE struct page *alloc_pages(gfp_t gfp, unsigned int order) { return (struct page *)k_call(K_ALLOC_PAGES, gfp, order, -1, 0); }
K_INLINE struct page *alloc_pages_node(int node, gfp_t gfp, unsigned int order) { return (struct page *)k_call(K_ALLOC_PAGES, gfp, order, node, 0); }
#define alloc_page(gfp) alloc_pages(gfp, 0)
#define __free_pages(page, order) ((void)(order), put_page(page))
#define __free_page(page) put_page(page)
K_INLINE unsigned long __get_free_pages(gfp_t gfp, unsigned int order) { struct page *page = alloc_pages(gfp, order); return page ? (unsigned long)page_address(page) : 0; }
#define __get_free_page(gfp) __get_free_pages(gfp, 0)
#define get_zeroed_page(gfp) __get_free_pages((gfp) | __GFP_ZERO, 0)
#define free_pages(at, order) do { if (at) __free_pages(virt_to_page(at), order); } while (0)
#define free_page(at) free_pages(at, 0)
#define get_order(size) order_base_2(((size) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define gfpflags_allow_blocking(gfp) (!!((gfp) & __GFP_DIRECT_RECLAIM))
#define page_to_nid(page) ((int)k_call(K_PAGE_NODE, (long)(page), 0, 0, 0))
#define numa_node_id() 0			/* ignored: the processor is on node 0 */
#define numa_mem_id() 0				/* ignored: the processor is on node 0 */
#define NUMA_NO_NODE (-1)
#define MAX_NUMNODES 64
#define nr_node_ids 1
#define num_online_nodes() 1
#define first_online_node 0
#define for_each_node(n) for ((n) = 0; (n) < 1; (n)++)
#define for_each_online_node(n) for_each_node(n)
#define for_each_node_state(n, state) for_each_node(n)
#define cpu_to_node(cpu) 0
#define node_online(n) ((n) == 0)
struct zone { long dummy; };
K_INLINE struct zone *page_zone(const struct page *page) { return (struct zone *)k_call(K_PAGE_ZONE, (long)page, 0, 0, 0); }
enum zone_stat_item { NR_ZSPAGES };
enum node_stat_item { NR_ISOLATED_ANON, NR_ISOLATED_FILE, NR_FILE_PAGES, NR_ANON_MAPPED, NR_SHMEM, NR_KERNEL_MISC_RECLAIMABLE, NR_UNEVICTABLE };
#define inc_zone_page_state(page, item) ((void)k_call(K_ZONE_STAT, (long)(page), item, 1, 0))
#define dec_zone_page_state(page, item) ((void)k_call(K_ZONE_STAT, (long)(page), item, -1, 0))
#define mod_zone_page_state(zone, item, n) ((void)0)	/* ignored: the model counts by page */
#define inc_zone_state(zone, item) ((void)0)		/* ignored: the model counts by page */
enum vm_event_item { BALLOON_INFLATE, BALLOON_DEFLATE, BALLOON_MIGRATE };
#define __count_vm_event(event) ((void)k_call(K_VM_EVENT, event, 1, 0, 0))
#define count_vm_event(event) __count_vm_event(event)
#define __count_vm_events(event, n) ((void)k_call(K_VM_EVENT, event, n, 0, 0))
#define count_vm_events(event, n) __count_vm_events(event, n)
#define adjust_managed_page_count(page, n) ((void)(page))	/* ignored: nobody reads the count of managed pages */
#define totalram_pages() K_NR_PAGES
#define offset_in_thp(page, p) offset_in_page(p)
#define alloc_pages_exact(size, gfp) ((void *)__get_free_pages(gfp, get_order(size)))
#define free_pages_exact(at, size) free_pages((unsigned long)(at), get_order(size))
#define PAGE_ALIGNED(a) IS_ALIGNED((unsigned long)(a), PAGE_SIZE)
#define PFN_PHYS(pfn) ((phys_addr_t)(pfn) << PAGE_SHIFT)
#define PHYS_PFN(at) ((unsigned long)(at) >> PAGE_SHIFT)
#define __pa(at) ((unsigned long)(at) - K_CONTENT)
#define __va(at) ((void *)((unsigned long)(at) + K_CONTENT))
#define virt_to_phys(at) __pa(at)
#define phys_to_virt(at) __va(at)
#define page_to_phys(page) PFN_PHYS(page_to_pfn(page))
#define phys_to_page(at) pfn_to_page(PHYS_PFN(at))
#define virt_to_pfn(at) PHYS_PFN(__pa(at))
#define pfn_to_virt(pfn) __va(PFN_PHYS(pfn))
#define virt_addr_valid(at) ((unsigned long)(at) - K_CONTENT < K_NR_PAGES * PAGE_SIZE)
#define zone_to_nid(zone) 0
#define nr_free_pages() (K_NR_PAGES / 2)	/* ignored: only a check knows how much memory is free */
struct sysinfo { unsigned long totalram, freeram, sharedram, bufferram, totalswap, freeswap, totalhigh, freehigh; unsigned int mem_unit; };
#define si_meminfo(info) ((void)(*(info) = (struct sysinfo){ .totalram = K_NR_PAGES, .freeram = nr_free_pages(), .mem_unit = PAGE_SIZE }))
#define si_mem_available() ((long)nr_free_pages())	/* ignored: only a check knows how much memory is free */
#define page_ref_sub(page, n) do { for (int _n = (n); _n > 0; _n--) page_ref_dec(page); } while (0)
#define page_ref_dec(page) ((void)put_page_testzero(page))	/* a page without references is not given back by that */
#define page_ref_dec_and_test(page) put_page_testzero(page)
#define page_mapcount(page) 0			/* ignored: no process has a driver's page */
#define page_mapped(page) false			/* ignored: no process has a driver's page */
#define PageAnon(page) 0			/* ignored: no process has a driver's page */
#define PageKsm(page) 0				/* ignored: no process has a driver's page */
#define PageSwapCache(page) 0			/* ignored: no process has a driver's page */
#define PageTransHuge(page) 0			/* ignored: movable pages are single */
#define thp_nr_pages(page) 1			/* ignored: movable pages are single */
#define PageChecked(page) PageOwnerPriv1(page)
#define SetPageChecked(page) SetPageOwnerPriv1(page)
#define ClearPageChecked(page) ClearPageOwnerPriv1(page)
#define page_offset(page) ((loff_t)(page)->index << PAGE_SHIFT)
K_INLINE void put_pages_list(struct list_head *pages)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, pages, lru) {
		list_del(&page->lru);
		put_page(page);
	}
}
#define release_pages(pages, n) do { for (int _i = 0; _i < (n); _i++) put_page((pages)[_i]); } while (0)
#define __alloc_pages_node(node, gfp, order) alloc_pages_node(node, gfp, order)
#define mapping_set_gfp_mask(mapping, gfp) ((void)(mapping))	/* ignored: a driver allocates its pages itself */
#define mapping_set_unevictable(mapping) ((void)(mapping))	/* ignored: a driver's pages are on no LRU list */
#define lru_add_drain() ((void)0)		/* ignored: a driver's pages are on no LRU list */
#define lru_add_drain_all() ((void)0)		/* ignored: a driver's pages are on no LRU list */
#define mod_node_page_state(node, item, n) ((void)0)	/* ignored: the model counts by page */
#define inc_node_page_state(page, item) ((void)(page))	/* ignored: the model counts by page */
#define dec_node_page_state(page, item) ((void)(page))	/* ignored: the model counts by page */
#define MAX_PAGE_ORDER 10
#define MAX_ORDER (MOVABLE_VERSION < 0x060400 ? 11 : 10)
#define NR_PAGE_ORDERS 11
#define MAX_ORDER_NR_PAGES 1024
/* Fills what is empty of an array; answers how much of it is full then. */
K_INLINE unsigned long alloc_pages_bulk_array(gfp_t gfp, unsigned long n, struct page **pages)
{
	unsigned long i;

	for (i = 0; i < n; i++)
		if (!pages[i] && !(pages[i] = alloc_page(gfp)))
			break;
	return i;
}
#define alloc_pages_bulk(gfp, n, pages) alloc_pages_bulk_array(gfp, n, pages)
K_INLINE unsigned long alloc_pages_bulk_list(gfp_t gfp, unsigned long n, struct list_head *list)
{
	struct page *page;
	unsigned long i;

	for (i = 0; i < n && (page = alloc_page(gfp)); i++)
		list_add(&page->lru, list);
	return i;
}
#endif
