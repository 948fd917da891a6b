/* Movable pages. */
#ifndef _LINUX_MIGRATE_H
#define _LINUX_MIGRATE_H
#include <linux/mm.h>
typedef unsigned int isolate_mode_t;
enum migrate_mode { MIGRATE_ASYNC, MIGRATE_SYNC_LIGHT, MIGRATE_SYNC, MIGRATE_SYNC_NO_COPY };
#if MOVABLE_VERSION < 0x061200
#define MIGRATEPAGE_SUCCESS 0
#else
#define MIGRATEPAGE_SUCCESS K_GONE("kernels from 6.18 on have no MIGRATEPAGE_SUCCESS; return 0")
#endif
#define ISOLATE_UNMAPPED 2
#define ISOLATE_ASYNC_MIGRATE 4
#define ISOLATE_UNEVICTABLE 8
#define K_SINCE_6_0 (MOVABLE_VERSION >= 0x060000)
#if !K_SINCE_6_0
#pragma GCC poison movable_operations
#else
struct movable_operations {
	bool (*isolate_page)(struct page *, isolate_mode_t);
	int (*migrate_page)(struct page *dst, struct page *src, enum migrate_mode);
	void (*putback_page)(struct page *);
};
#endif
struct writeback_control;
struct address_space_operations {
#if !K_SINCE_6_0
	bool (*isolate_page)(struct page *, isolate_mode_t);
	int (*migratepage)(struct address_space *, struct page *newpage, struct page *page, enum migrate_mode);
	void (*putback_page)(struct page *);
#endif
	int (*writepage)(struct page *, struct writeback_control *);
	int (*set_page_dirty)(struct page *);
};
struct inode;
struct address_space {
	struct inode *host;
	const struct address_space_operations *a_ops;
	unsigned long flags;
	void *private_data;
	unsigned long spare[4];
} __aligned(64);
#define PAGE_MAPPING_ANON 1
#define PAGE_MAPPING_MOVABLE 2
#define PAGE_MAPPING_FLAGS 3
#if K_SINCE_6_17
#define K_NO_MARK "kernels from 6.17 on have no mark of their own for it; give the page a type and SetPageMovableOps(page)"
#define __SetPageMovable(page, owner) K_GONE("__SetPageMovable: " K_NO_MARK)
#define __ClearPageMovable(page) K_GONE("__ClearPageMovable: marks stay from 6.17 on; clear page->private to release the page")
#define PageMovable(page) K_GONE("PageMovable: from 6.17 on, page_has_movable_ops(page)")
#define __PageMovable(page) K_GONE("__PageMovable: from 6.17 on, page_has_movable_ops(page)")
#define PageIsolated(page) K_GONE("PageIsolated: from 6.17 on, PageMovableOpsIsolated(page)")
#define PG_movable_ops PG_uptodate
#define PG_movable_ops_isolated PG_isolated
K_INLINE int set_movable_ops(const struct movable_operations *ops, enum pagetype type) { return k_call(K_SET_MOVABLE_OPS, (long)ops, type, 0, 0); }
K_INLINE void SetPageMovableOps(struct page *page) { k_call(K_SET_MOVABLE, (long)page, 0, 0, 0); }
K_PAGE(bool, page_has_movable_ops, K_PAGE_MOVABLE_HINT)
K_PAGE(int, PageMovableOps, K_PAGE_MOVABLE_HINT)
K_PAGE(int, PageMovableOpsIsolated, K_PAGE_ISOLATED)
#define SetPageMovableOpsIsolated(page) set_bit(PG_movable_ops_isolated, &(page)->flags)
#define ClearPageMovableOpsIsolated(page) clear_bit(PG_movable_ops_isolated, &(page)->flags)
#else
#define set_movable_ops(ops, type) K_GONE("set_movable_ops: kernels before 6.17 do not have it; mark pages with __SetPageMovable(page, ops)")
#define SetPageMovableOps(page) K_GONE("SetPageMovableOps: kernels before 6.17 do not have it; use __SetPageMovable(page, ops)")
#define page_has_movable_ops(page) K_GONE("page_has_movable_ops: before 6.17, __PageMovable(page)")
#define __SetPageMovable(page, owner) ((void)k_call(K_SET_MOVABLE, (long)(page), (long)(owner), _Generic((owner), struct address_space *: 1, default: 0), 0))
K_PAGE(void, __ClearPageMovable, K_CLEAR_MOVABLE)
K_PAGE(int, PageMovable, K_PAGE_MOVABLE)
K_PAGE(int, __PageMovable, K_PAGE_MOVABLE_HINT)
K_PAGE(int, PageIsolated, K_PAGE_ISOLATED)
#define __SetPageIsolated(page) set_bit(PG_isolated, &(page)->flags)
#define __ClearPageIsolated(page) clear_bit(PG_isolated, &(page)->flags)
#define SetPageIsolated(page) set_bit(PG_isolated, &(page)->flags)
#define ClearPageIsolated(page) clear_bit(PG_isolated, &(page)->flags)
#if K_SINCE_6_0
#define page_movable_ops(page) ((const struct movable_operations *)page_mapping(page))
#endif
#endif
#endif
