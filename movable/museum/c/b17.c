// SPDX-License-Identifier: MIT OR GPL-2.0
/* B17: who isolates a page must find the lock of its list. With BROKEN the way there leads through a field of the page, which deflating
 * clears under that very lock; the cure is a lock that is always there, and a look at the field under it. */
#include <linux/list.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

struct balloon { spinlock_t lock; struct list_head pages; int isolated; };

static struct balloon *balloon;
static DEFINE_SPINLOCK(always);
static const struct movable_operations b17_ops;

#ifdef BROKEN
#define LOCK(b) (&(b)->lock)
#else
#define LOCK(b) (&always)
#endif

static bool b17_isolate(struct page *page, isolate_mode_t mode)
{
#ifdef BROKEN
	struct balloon *b = (struct balloon *)page_private(page);

	spin_lock(LOCK(b));
#else
	struct balloon *b;

	spin_lock(LOCK(b));
	b = (struct balloon *)page_private(page);
#endif
	if (!b) {
		spin_unlock(LOCK(b));
		return false;
	}
	list_del(&page->lru);
	b->isolated++;
	spin_unlock(LOCK(b));
	return true;
}
static void b17_putback(struct page *page)
{
	struct balloon *b = (struct balloon *)page_private(page);

	spin_lock(LOCK(b));
	list_add(&page->lru, &b->pages);
	b->isolated--;
	spin_unlock(LOCK(b));
}
static int b17_migrate(struct page *newpage, struct page *page, enum migrate_mode mode)
{
	struct balloon *b = (struct balloon *)page_private(page);

	if (mode == MIGRATE_SYNC_NO_COPY)
		return -EINVAL;
	copy_highpage(newpage, page);
	get_page(newpage);
	spin_lock(LOCK(b));
	set_page_private(newpage, (unsigned long)b);
	__SetPageMovable(newpage, &b17_ops);
	list_add(&newpage->lru, &b->pages);
	b->isolated--;
	__ClearPageMovable(page);
	set_page_private(page, 0);
	spin_unlock(LOCK(b));
	put_page(page);
	return 0;
}
static const struct movable_operations b17_ops = { b17_isolate, b17_migrate, b17_putback };

int inflate(void)
{
	struct page *page = alloc_page(GFP_HIGHUSER_MOVABLE);

	if (!page)
		return -ENOMEM;
	lock_page(page);
	spin_lock(LOCK(balloon));
	set_page_private(page, (unsigned long)balloon);
	__SetPageMovable(page, &b17_ops);
	list_add(&page->lru, &balloon->pages);
	spin_unlock(LOCK(balloon));
	unlock_page(page);
	return 0;
}
EXPORT_SYMBOL(inflate);

/* The page lock is not taken: the list's lock says whose the page is. */
int deflate(void)
{
	struct page *page;

	spin_lock(LOCK(balloon));
	page = list_first_entry_or_null(&balloon->pages, struct page, lru);
	if (page) {
		list_del(&page->lru);
		set_page_private(page, 0);
	}
	spin_unlock(LOCK(balloon));
	if (!page)
		return -ENOENT;
	lock_page(page);
	__ClearPageMovable(page);
	unlock_page(page);
	put_page(page);
	return 0;
}
EXPORT_SYMBOL(deflate);

static int __init b17_init(void)
{
	balloon = kzalloc(sizeof(*balloon), GFP_KERNEL);
	if (!balloon)
		return -ENOMEM;
	spin_lock_init(&balloon->lock);
	INIT_LIST_HEAD(&balloon->pages);
	return inflate() ?: inflate();
}
static void __exit b17_exit(void)
{
	int left;

	do {
		deflate();
		spin_lock(LOCK(balloon));
		left = !list_empty(&balloon->pages) + balloon->isolated;
		spin_unlock(LOCK(balloon));
		cond_resched();
	} while (left);
	kfree(balloon);
}
module_init(b17_init);
module_exit(b17_exit);
MODULE_LICENSE("GPL");
