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
#define node_online(n) ((n) == 0)
struct zone { long dummy; };
K_INLINE struct zone *page_zone(const struct page *page) { return (struct zone *)k_call(K_PAGE_ZONE, (long)page, 0, 0, 0); }
enum zone_stat_item { NR_ZSPAGES };
enum node_stat_item { NR_ISOLATED_ANON, NR_ISOLATED_FILE };
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
#endif
