// SPDX-License-Identifier: MIT OR GPL-2.0
/* B05: deflating notes the pages that it takes out, and gives back what was noted. With BROKEN all tasks note them in one array of the
 * device's, and give them back without the mutex. */
#include <linux/list.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>

#define BATCH 2

static LIST_HEAD(pages);
static DEFINE_SPINLOCK(pages_lock);
static DEFINE_MUTEX(balloon_lock);
static int isolated;
#ifdef BROKEN
static struct page *noted[BATCH];
#endif
static const struct movable_operations b05_ops;

static bool b05_isolate(struct page *page, isolate_mode_t mode)
{
	spin_lock(&pages_lock);
	list_del(&page->lru);
	isolated++;
	spin_unlock(&pages_lock);
	return true;
}
static void b05_putback(struct page *page)
{
	spin_lock(&pages_lock);
	list_add(&page->lru, &pages);
	isolated--;
	spin_unlock(&pages_lock);
}
static int b05_migrate(struct page *newpage, struct page *page, enum migrate_mode mode)
{
	if (mode == MIGRATE_SYNC_NO_COPY)
		return -EINVAL;
	copy_highpage(newpage, page);
	get_page(newpage);
	__SetPageMovable(newpage, &b05_ops);
	spin_lock(&pages_lock);
	list_add(&newpage->lru, &pages);
	isolated--;
	__ClearPageMovable(page);
	spin_unlock(&pages_lock);
	put_page(page);
	return 0;
}
static const struct movable_operations b05_ops = { b05_isolate, b05_migrate, b05_putback };

int inflate(int n)
{
	for (; n > 0; n--) {
		struct page *page = alloc_page(GFP_HIGHUSER_MOVABLE);

		if (!page)
			return -ENOMEM;
		lock_page(page);
		spin_lock(&pages_lock);
		__SetPageMovable(page, &b05_ops);
		list_add(&page->lru, &pages);
		spin_unlock(&pages_lock);
		unlock_page(page);
	}
	return 0;
}
EXPORT_SYMBOL(inflate);

static struct page *dequeue(void)
{
	struct page *page;

	spin_lock(&pages_lock);
	list_for_each_entry(page, &pages, lru)
		if (trylock_page(page)) {
			list_del(&page->lru);
			__ClearPageMovable(page);
			unlock_page(page);
			spin_unlock(&pages_lock);
			return page;
		}
	spin_unlock(&pages_lock);
	return NULL;
}

int deflate(int n)
{
#ifndef BROKEN
	struct page *noted[BATCH];
#endif
	int got = 0;

	mutex_lock(&balloon_lock);
	while (got < n && got < BATCH && (noted[got] = dequeue()))
		got++;
	mutex_unlock(&balloon_lock);
	for (n = 0; n < got; n++)
		put_page(noted[n]);
	return 0;
}
EXPORT_SYMBOL(deflate);

static int __init b05_init(void) { return inflate(2); }
static void __exit b05_exit(void)
{
	int left;

	do {
		deflate(BATCH);
		spin_lock(&pages_lock);
		left = !list_empty(&pages) + isolated;
		spin_unlock(&pages_lock);
		cond_resched();
	} while (left);
}
module_init(b05_init);
module_exit(b05_exit);
MODULE_LICENSE("GPL");
