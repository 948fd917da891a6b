/* The balloon's pages in kernels before 6.18: a device's hook moves a page, and the callbacks are the core's. */
#ifndef _LINUX_BALLOON_COMPACTION_H
#define _LINUX_BALLOON_COMPACTION_H
#include <linux/fs.h>
#include <linux/migrate.h>
#include <linux/spinlock.h>
#if MOVABLE_VERSION >= 0x061200
#error "from 6.18 on there is no linux/balloon_compaction.h but linux/balloon.h"
#endif
struct balloon_dev_info {
	unsigned long isolated_pages;
	spinlock_t pages_lock;
	struct list_head pages;
	int (*migratepage)(struct balloon_dev_info *, struct page *newpage, struct page *page, enum migrate_mode);
#if !K_SINCE_6_0
	struct inode *inode;
#endif
};
#define balloon_mapping_gfp_mask() GFP_HIGHUSER_MOVABLE
#define balloon_page_device(page) ((struct balloon_dev_info *)page_private(page))
K_INLINE void balloon_devinfo_init(struct balloon_dev_info *balloon)
{
	*balloon = (struct balloon_dev_info){ };
	spin_lock_init(&balloon->pages_lock);
	INIT_LIST_HEAD(&balloon->pages);
}
__weak bool balloon_page_isolate(struct page *page, isolate_mode_t mode)
{
	struct balloon_dev_info *balloon = balloon_page_device(page);

#if K_SINCE_6_17
	if (!balloon)	/* deflated, and not freed yet */
		return false;
#endif
	spin_lock(&balloon->pages_lock);
	list_del(&page->lru);
	balloon->isolated_pages++;
	spin_unlock(&balloon->pages_lock);
	return true;
}
__weak void balloon_page_putback(struct page *page)
{
	struct balloon_dev_info *balloon = balloon_page_device(page);

#if K_SINCE_6_17
	if (WARN_ON_ONCE(!balloon))
		return;
#endif
	spin_lock(&balloon->pages_lock);
	list_add(&page->lru, &balloon->pages);
	balloon->isolated_pages--;
	spin_unlock(&balloon->pages_lock);
}
K_INLINE int k_balloon_migrate(struct page *newpage, struct page *page, enum migrate_mode mode)
{
	struct balloon_dev_info *balloon = balloon_page_device(page);

#if K_SINCE_6_17
	return WARN_ON_ONCE(!balloon) ? -EAGAIN : balloon->migratepage(balloon, newpage, page, mode);
#else
	return mode == MIGRATE_SYNC_NO_COPY ? -EINVAL : balloon->migratepage(balloon, newpage, page, mode);
#endif
}
#if K_SINCE_6_0
__weak int balloon_page_migrate(struct page *newpage, struct page *page, enum migrate_mode mode) { return k_balloon_migrate(newpage, page, mode); }
__weak const struct movable_operations balloon_mops = { balloon_page_isolate, balloon_page_migrate, balloon_page_putback };
#define K_BALLOON_OWNER(balloon) (&balloon_mops)
#if K_SINCE_6_17
__weak int k_balloon_boot(void) { return set_movable_ops(&balloon_mops, PGTY_offline); }
#endif
#else
__weak int balloon_page_migrate(struct address_space *mapping, struct page *newpage, struct page *page, enum migrate_mode mode) { return k_balloon_migrate(newpage, page, mode); }
__weak const struct address_space_operations balloon_aops = { .isolate_page = balloon_page_isolate, .migratepage = balloon_page_migrate, .putback_page = balloon_page_putback };
#define K_BALLOON_OWNER(balloon) ((balloon)->inode->i_mapping)
#endif
/* The caller has the page lock and the lock of the pages. */
K_INLINE void balloon_page_insert(struct balloon_dev_info *balloon, struct page *page)
{
#if MOVABLE_VERSION >= 0x050000
	__SetPageOffline(page);
#else
	__SetPageBalloon(page);
#endif
#if K_SINCE_6_17
	SetPageMovableOps(page);
#else
	__SetPageMovable(page, K_BALLOON_OWNER(balloon));
#endif
	set_page_private(page, balloon);
	list_add(&page->lru, &balloon->pages);
}
#if K_SINCE_6_17
K_INLINE void balloon_page_finalize(struct page *page) { set_page_private(page, 0); }	/* the type and the mark stay until the page is freed */
#define balloon_page_delete(page) K_GONE("balloon_page_delete: from 6.17 on, list_del(&page->lru) and balloon_page_finalize(page)")
#else
#define balloon_page_finalize(page) K_GONE("balloon_page_finalize: kernels before 6.17 do not have it; use balloon_page_delete(page)")
K_INLINE void balloon_page_delete(struct page *page)
{
#if MOVABLE_VERSION >= 0x050000
	__ClearPageOffline(page);
#else
	__ClearPageBalloon(page);
#endif
	__ClearPageMovable(page);
	set_page_private(page, 0);
	if (!PageIsolated(page))
		list_del(&page->lru);
}
#endif
K_INLINE struct page *balloon_page_alloc(void) { return alloc_page(balloon_mapping_gfp_mask() | __GFP_NOMEMALLOC | __GFP_NORETRY | __GFP_NOWARN); }
K_INLINE void balloon_page_push(struct list_head *pages, struct page *page) { list_add(&page->lru, pages); }
K_INLINE struct page *balloon_page_pop(struct list_head *pages)
{
	struct page *page = list_first_entry_or_null(pages, struct page, lru);

	if (page)
		list_del(&page->lru);
	return page;
}
K_INLINE void k_balloon_enqueue(struct balloon_dev_info *balloon, struct page *page)
{
	BUG_ON(!trylock_page(page));
	balloon_page_insert(balloon, page);
	unlock_page(page);
	__count_vm_event(BALLOON_INFLATE);
}
K_INLINE void balloon_page_enqueue(struct balloon_dev_info *balloon, struct page *page)
{
	spin_lock(&balloon->pages_lock);
	k_balloon_enqueue(balloon, page);
	spin_unlock(&balloon->pages_lock);
}
K_INLINE size_t balloon_page_list_enqueue(struct balloon_dev_info *balloon, struct list_head *pages)
{
	struct page *page, *next;
	size_t count = 0;

	spin_lock(&balloon->pages_lock);
	list_for_each_entry_safe(page, next, pages, lru) {
		list_del(&page->lru);
		k_balloon_enqueue(balloon, page);
		count++;
	}
	spin_unlock(&balloon->pages_lock);
	return count;
}
K_INLINE size_t balloon_page_list_dequeue(struct balloon_dev_info *balloon, struct list_head *pages, size_t most)
{
	struct page *page, *next;
	size_t count = 0;

	spin_lock(&balloon->pages_lock);
	list_for_each_entry_safe(page, next, &balloon->pages, lru) {
		if (count == most)
			break;
		if (!trylock_page(page))
			continue;
#if K_SINCE_6_17
		list_del(&page->lru);
		balloon_page_finalize(page);
		__count_vm_event(BALLOON_DEFLATE);
		list_add(&page->lru, pages);
		count++;
#else
		if (!PageIsolated(page)) {
			balloon_page_delete(page);
			__count_vm_event(BALLOON_DEFLATE);
			list_add(&page->lru, pages);
			count++;
		}
#endif
		unlock_page(page);
	}
	spin_unlock(&balloon->pages_lock);
	return count;
}
K_INLINE struct page *balloon_page_dequeue(struct balloon_dev_info *balloon)
{
	LIST_HEAD(got);

	if (!balloon_page_list_dequeue(balloon, &got, 1)) {
		spin_lock(&balloon->pages_lock);
		BUG_ON(list_empty(&balloon->pages) && !balloon->isolated_pages);
		spin_unlock(&balloon->pages_lock);
		return NULL;
	}
	return balloon_page_pop(&got);
}
#endif
