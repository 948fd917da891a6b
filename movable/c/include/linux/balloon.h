/* The balloon core of kernels from 6.18 on. It owns lists, marks, references and counters; a device has a hook that tells its host. */
#ifndef _LINUX_BALLOON_H
#define _LINUX_BALLOON_H
#include <linux/migrate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#if MOVABLE_VERSION < 0x061200
#error "kernels before 6.18 have no linux/balloon.h; they have linux/balloon_compaction.h"
#endif
struct balloon_dev_info {
	unsigned long isolated_pages;
	struct list_head pages;
	int (*migratepage)(struct balloon_dev_info *, struct page *newpage, struct page *page, enum migrate_mode);
	bool adjust_managed_page_count;
};
__weak DEFINE_SPINLOCK(balloon_pages_lock);
K_INLINE struct balloon_dev_info *k_balloon_of(struct page *page) { return (struct balloon_dev_info *)page_private(page); }

/* The caller has the balloon lock. */
K_INLINE void k_balloon_insert(struct balloon_dev_info *balloon, struct page *page)
{
	__SetPageOffline(page);
	SetPageMovableOps(page);
	set_page_private(page, balloon);
	list_add(&page->lru, &balloon->pages);
}
K_INLINE void k_balloon_count(struct balloon_dev_info *balloon, struct page *page, long managed, long held)
{
	k_call(K_BALLOON_COUNT, (long)page, balloon->adjust_managed_page_count ? managed : 0, held, 0);
}
__weak bool balloon_page_isolate(struct page *page, isolate_mode_t mode)
{
	struct balloon_dev_info *balloon;

	spin_lock(&balloon_pages_lock);
	balloon = k_balloon_of(page);
	if (balloon) {
		list_del(&page->lru);
		balloon->isolated_pages++;
	}
	spin_unlock(&balloon_pages_lock);
	return balloon;
}
__weak int balloon_page_migrate(struct page *newpage, struct page *page, enum migrate_mode mode)
{
	struct balloon_dev_info *balloon = k_balloon_of(page);
	int answer;

	if (!balloon)
		return -EAGAIN;
	k_call(K_BALLOON_HOOK, (long)page, (long)newpage, mode, 0);
	answer = balloon->migratepage(balloon, newpage, page, mode);
	k_call(K_BALLOON_HOOK, (long)page, (long)newpage, answer, 1);
	if (answer < 0 && answer != -ENOENT)
		return answer;
	spin_lock(&balloon_pages_lock);
	if (!answer) {
		get_page(newpage);
		k_balloon_insert(balloon, newpage);
		__count_vm_event(BALLOON_MIGRATE);
		if (page_zone(page) != page_zone(newpage)) {
			k_balloon_count(balloon, page, 1, 0);
			k_balloon_count(balloon, newpage, -1, 0);
		}
	} else {
		__count_vm_event(BALLOON_DEFLATE);
		k_balloon_count(balloon, page, 1, 0);
	}
	balloon->isolated_pages--;
	set_page_private(page, 0);
	spin_unlock(&balloon_pages_lock);
	put_page(page);
	return 0;
}
__weak void balloon_page_putback(struct page *page)
{
	struct balloon_dev_info *balloon = k_balloon_of(page);

	if (!balloon)
		return;
	spin_lock(&balloon_pages_lock);
	list_add(&page->lru, &balloon->pages);
	balloon->isolated_pages--;
	spin_unlock(&balloon_pages_lock);
}
__weak const struct movable_operations balloon_mops = { balloon_page_isolate, balloon_page_migrate, balloon_page_putback };
__weak int k_balloon_boot(void) { return set_movable_ops(&balloon_mops, PGTY_offline); }

K_INLINE void balloon_devinfo_init(struct balloon_dev_info *balloon)
{
	balloon->isolated_pages = 0;
	INIT_LIST_HEAD(&balloon->pages);
	balloon->migratepage = NULL;
	balloon->adjust_managed_page_count = false;
}
K_INLINE struct page *balloon_page_alloc(void) { return alloc_page(GFP_HIGHUSER_MOVABLE | __GFP_NOMEMALLOC | __GFP_NORETRY | __GFP_NOWARN); }
K_INLINE void k_balloon_enqueue(struct balloon_dev_info *balloon, struct page *page)
{
	k_balloon_insert(balloon, page);
	k_balloon_count(balloon, page, -1, 1);
	__count_vm_event(BALLOON_INFLATE);
}
K_INLINE void balloon_page_enqueue(struct balloon_dev_info *balloon, struct page *page)
{
	spin_lock(&balloon_pages_lock);
	k_balloon_enqueue(balloon, page);
	spin_unlock(&balloon_pages_lock);
}
K_INLINE size_t balloon_page_list_enqueue(struct balloon_dev_info *balloon, struct list_head *pages)
{
	struct page *page, *next;
	size_t count = 0;

	spin_lock(&balloon_pages_lock);
	list_for_each_entry_safe(page, next, pages, lru) {
		list_del(&page->lru);
		k_balloon_enqueue(balloon, page);
		count++;
	}
	spin_unlock(&balloon_pages_lock);
	return count;
}
K_INLINE size_t balloon_page_list_dequeue(struct balloon_dev_info *balloon, struct list_head *pages, size_t most)
{
	size_t count;

	spin_lock(&balloon_pages_lock);
	for (count = 0; count < most && !list_empty(&balloon->pages); count++) {
		struct page *page = list_first_entry(&balloon->pages, struct page, lru);

		list_del(&page->lru);
		k_balloon_count(balloon, page, 1, -1);
		set_page_private(page, 0);
		__count_vm_event(BALLOON_DEFLATE);
		list_add(&page->lru, pages);
	}
	spin_unlock(&balloon_pages_lock);
	return count;
}
K_INLINE struct page *balloon_page_dequeue(struct balloon_dev_info *balloon)
{
	LIST_HEAD(got);
	struct page *page;

	if (!balloon_page_list_dequeue(balloon, &got, 1)) {
		spin_lock(&balloon_pages_lock);
		BUG_ON(list_empty(&balloon->pages) && !balloon->isolated_pages);
		spin_unlock(&balloon_pages_lock);
		return NULL;
	}
	page = list_first_entry(&got, struct page, lru);
	list_del(&page->lru);
	return page;
}
#endif
