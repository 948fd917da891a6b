#include <linux/module.h>
#include <linux/version.h>
#include <linux/mm.h>
#include <linux/migrate.h>
#include <linux/spinlock.h>
#include <linux/slab.h>

#define STAYS (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0))
#define SLOTS 4
struct slot { int number; struct page *page; };
static struct slot slots[SLOTS];
static DEFINE_SPINLOCK(lock);
static const struct movable_operations twin_ops;

static bool twin_isolate(struct page *page, isolate_mode_t mode)
{
#if STAYS
	return page_private(page) != 0;
#else
	return true;
#endif
}

static void mark(struct page *page, struct slot *slot)
{
	set_page_private(page, (unsigned long)slot);
#if STAYS
	__SetPageZsmalloc(page);
	SetPageMovableOps(page);
#else
	__SetPageMovable(page, &twin_ops);
#endif
}

/* where marks stay, the operations may only go when no page is in the hands of who migrates */
static bool isolated(struct page *page)
{
#if STAYS
	return PageMovableOpsIsolated(page);
#else
	return false;
#endif
}

static void unmark(struct page *page)
{
#if !STAYS
	__ClearPageMovable(page);
#endif
	set_page_private(page, 0);
}

static int twin_migrate(struct page *newpage, struct page *page, enum migrate_mode mode)
{
	struct slot *slot = (struct slot *)page_private(page);

#if STAYS
	if (!slot)
		return 0;
#else
	if (mode == MIGRATE_SYNC_NO_COPY)
		return -EINVAL;
#endif
	spin_lock(&lock);
	copy_highpage(newpage, page);
	slot->page = newpage;
	spin_unlock(&lock);
	get_page(newpage);
	mark(newpage, slot);
	unmark(page);
	put_page(page);
	return 0;
}

static void twin_putback(struct page *page)
{
}

static const struct movable_operations twin_ops = {
	.isolate_page = twin_isolate,
	.migrate_page = twin_migrate,
	.putback_page = twin_putback,
};

int twin_fill(int n)
{
	struct slot *slot = &slots[n % SLOTS];
	struct page *page = alloc_page(GFP_HIGHUSER_MOVABLE);

	if (!page)
		return -ENOMEM;
	*(int *)page_address(page) = n;
	lock_page(page);
	spin_lock(&lock);
	if (slot->page) {
		spin_unlock(&lock);
		unlock_page(page);
		put_page(page);
		return -EEXIST;
	}
	slot->page = page;
	spin_unlock(&lock);
	mark(page, slot);
	unlock_page(page);
	return 0;
}
EXPORT_SYMBOL(twin_fill);

static int drop(int n, bool wait)
{
	struct slot *slot = &slots[n % SLOTS];
	struct page *page;

	for (;;) {
		spin_lock(&lock);
		page = slot->page;
		if (page)
			get_page(page);
		spin_unlock(&lock);
		if (!page)
			return -ENOENT;
		lock_page(page);
		spin_lock(&lock);
		if (slot->page == page)
			break;
		spin_unlock(&lock);
		unlock_page(page);
		put_page(page);
	}
	if (wait && isolated(page)) {
		spin_unlock(&lock);
		unlock_page(page);
		put_page(page);
		return -EBUSY;
	}
	slot->page = NULL;
	spin_unlock(&lock);
#ifdef LEFT
#if !STAYS
	unmark(page);
#endif
#else
	unmark(page);
#endif
	unlock_page(page);
	put_page(page);
	put_page(page);
	return 0;
}

int twin_drop(int n)
{
	return drop(n, false);
}
EXPORT_SYMBOL(twin_drop);

static int __init twin_init(void)
{
#if STAYS
	return set_movable_ops(&twin_ops, PGTY_zsmalloc);
#else
	return 0;
#endif
}

static void __exit twin_exit(void)
{
	int n;

	for (n = 0; n < SLOTS; n++)
		while (drop(n, true) == -EBUSY)
			cond_resched();
#if STAYS
	set_movable_ops(NULL, PGTY_zsmalloc);
#endif
}
module_init(twin_init);
module_exit(twin_exit);
MODULE_LICENSE("GPL");
