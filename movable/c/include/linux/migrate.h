/* Movable pages. */
#ifndef _LINUX_MIGRATE_H
#define _LINUX_MIGRATE_H
#include <linux/mm.h>
typedef unsigned int isolate_mode_t;
enum migrate_mode { MIGRATE_ASYNC, MIGRATE_SYNC_LIGHT, MIGRATE_SYNC, MIGRATE_SYNC_NO_COPY };
#define MIGRATEPAGE_SUCCESS 0
#define ISOLATE_UNMAPPED 2
#define ISOLATE_ASYNC_MIGRATE 4
#define ISOLATE_UNEVICTABLE 8
struct movable_operations {
	bool (*isolate_page)(struct page *, isolate_mode_t);
	int (*migrate_page)(struct page *dst, struct page *src, enum migrate_mode);
	void (*putback_page)(struct page *);
};
struct writeback_control;
struct address_space_operations {
	bool (*isolate_page)(struct page *, isolate_mode_t);
	int (*migratepage)(struct address_space *, struct page *newpage, struct page *page, enum migrate_mode);
	void (*putback_page)(struct page *);
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
#define __SetPageMovable(page, owner) ((void)k_call(K_SET_MOVABLE, (long)(page), (long)(owner), _Generic((owner), struct address_space *: 1, default: 0), 0))
K_PAGE(void, __ClearPageMovable, K_CLEAR_MOVABLE)
K_PAGE(int, PageMovable, K_PAGE_MOVABLE)
K_PAGE(int, __PageMovable, K_PAGE_MOVABLE_HINT)
K_PAGE(int, PageIsolated, K_PAGE_ISOLATED)
#define __SetPageIsolated(page) set_bit(PG_isolated, &(page)->flags)
#define __ClearPageIsolated(page) clear_bit(PG_isolated, &(page)->flags)
#define SetPageIsolated(page) set_bit(PG_isolated, &(page)->flags)
#define ClearPageIsolated(page) clear_bit(PG_isolated, &(page)->flags)
#define page_movable_ops(page) ((const struct movable_operations *)page_mapping(page))
#endif
