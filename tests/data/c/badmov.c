// SPDX-License-Identifier: MIT OR GPL-2.0
/* badmov: a small driver of non-LRU movable pages, right in mode 0 and wrong in one known way in every other mode.
 * Recorded in a real kernel, and run unchanged on the model; its exit function looks at pages under the lock. mode=N np=COUNT */
#include <linux/highmem.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/delay.h>
#include <linux/kthread.h>

static int mode, np = 512, node = -1, spread = 12;
module_param(mode, int, 0444);
module_param(np, int, 0444);
module_param(node, int, 0444);
module_param(spread, int, 0444);

enum { GOOD, NO_CLEAR_OLD, LEAK_OLD_REF, DRIVER_SETS_ISOLATED, ISOLATE_UNLOCKS, SET_UNLOCKED, CLEAR_UNLOCKED, FREE_WHILE_ISOLATED,
       MIGRATE_POSITIVE, MIGRATE_ENOMEM, EAGAIN_ALWAYS, NO_SET_NEW, MIGRATE_UNLOCKS_OLD, MIGRATE_UNLOCKS_NEW, EAGAIN_HALF_DONE, NO_GET_NEW,
       CLEARS_ISOLATED, FREE_NO_CLEAR, ISOLATE_REFUSES, MIGRATE_EBUSY, CLEAR_WHILE_ISOLATED_OK, MIGRATE_SKIPS_COPY, SET_NEW_WRONG_OPS };

static struct page **pages;
static DEFINE_SPINLOCK(lock);
static int nr_isolated, nr_migrated, nr_putback, nr_refused;
static const struct movable_operations bad_mops, other_mops;
static struct task_struct *thr;

static noinline bool bad_isolate(struct page *page, isolate_mode_t m)
{
	int idx = page_private(page);
	bool ok = true;

	if (mode == ISOLATE_REFUSES && idx % 3 == 0) {
		spin_lock(&lock);
		nr_refused++;
		spin_unlock(&lock);
		return false;
	}
	if (mode == DRIVER_SETS_ISOLATED)
		__set_bit(PG_isolated, &page->flags);
	if (mode == ISOLATE_UNLOCKS)
		unlock_page(page);
	spin_lock(&lock);
	nr_isolated++;
	spin_unlock(&lock);
	return ok;
}

static noinline int bad_migrate(struct page *newpage, struct page *page, enum migrate_mode m)
{
	int idx = page_private(page);

	switch (mode) {
	case MIGRATE_POSITIVE: return idx % 4 == 0 ? 5 : -EAGAIN;
	case MIGRATE_ENOMEM: if (idx % 16 == 0) return -ENOMEM; break;
	case EAGAIN_ALWAYS: if (idx % 8 == 0) return -EAGAIN; break;
	case MIGRATE_EBUSY: if (idx % 8 == 0) return -EBUSY; break;
	case EAGAIN_HALF_DONE:
		if (idx % 8 == 0) {
			__ClearPageMovable(page);
			return -EAGAIN;
		}
	}
	if (mode != MIGRATE_SKIPS_COPY)
		copy_highpage(newpage, page);
	spin_lock(&lock);
	pages[idx] = newpage;
	nr_isolated--;
	nr_migrated++;
	spin_unlock(&lock);
	if (mode != NO_GET_NEW)
		get_page(newpage);
	set_page_private(newpage, idx);
	if (mode == SET_NEW_WRONG_OPS)
		__SetPageMovable(newpage, &other_mops);
	else if (mode != NO_SET_NEW)
		__SetPageMovable(newpage, &bad_mops);
	if (mode == MIGRATE_UNLOCKS_NEW)
		unlock_page(newpage);
	if (mode != NO_CLEAR_OLD)
		__ClearPageMovable(page);
	if (mode == CLEARS_ISOLATED)
		clear_bit(PG_isolated, &page->flags);
	set_page_private(page, 0);
	if (mode == MIGRATE_UNLOCKS_OLD)
		unlock_page(page);
	if (mode != LEAK_OLD_REF)
		put_page(page);
	return MIGRATEPAGE_SUCCESS;
}

static noinline void bad_putback(struct page *page)
{
	spin_lock(&lock);
	nr_isolated--;
	nr_putback++;
	spin_unlock(&lock);
}

static const struct movable_operations bad_mops = { .isolate_page = bad_isolate, .migrate_page = bad_migrate, .putback_page = bad_putback };
static const struct movable_operations other_mops = { .isolate_page = bad_isolate, .migrate_page = bad_migrate, .putback_page = bad_putback };

/* frees pages while compaction runs: rightly (under the page lock, cleared first) or wrongly */
static int freer(void *unused)
{
	int i, done = 0;

	if (mode == FREE_WHILE_ISOLATED) {	/* looks for isolated pages again and again, up to 40 of them */
		while (!kthread_should_stop() && done < 40) {
			for (i = 0; i < np && done < 40; i++) {
				struct page *p = READ_ONCE(pages[i]);

				if (p && PageIsolated(p) && !PageLocked(p) && page_private(p) == i) {
					pages[i] = NULL;
					done++;
					put_page(p);	/* no lock, no clear: the isolator holds the last reference */
				}
			}
			cond_resched();
		}
		while (!kthread_should_stop())
			msleep(10);
		return 0;
	}
	for (i = 0; i < np && !kthread_should_stop(); i++) {
		struct page *p;

		spin_lock(&lock);
		p = pages[i];
		if (p)
			get_page(p);
		spin_unlock(&lock);
		if (!p)
			continue;
		if (mode == CLEAR_WHILE_ISOLATED_OK || mode == GOOD) {
			lock_page(p);
			if (pages[i] == p && PageMovable(p)) {
				pages[i] = NULL;
				__ClearPageMovable(p);
				unlock_page(p);
				put_page(p);
			} else {
				unlock_page(p);
			}
		} else if (mode == CLEAR_UNLOCKED) {
			pages[i] = NULL;
			__ClearPageMovable(p);
			put_page(p);
		} else if (mode == FREE_NO_CLEAR) {
			lock_page(p);
			if (pages[i] == p) {
				pages[i] = NULL;
				unlock_page(p);
				put_page(p);
			} else {
				unlock_page(p);
			}
		}
		put_page(p);
		if (i % 8 == 0)
			usleep_range(200, 400);
	}
	while (!kthread_should_stop())
		msleep(10);
	return 0;
}

static int __init bad_init(void)
{
	struct page *p, *n;
	LIST_HEAD(keep);
	LIST_HEAD(drop);
	int i;

	pages = kvcalloc(np, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return -ENOMEM;
	for (i = 0; i < np * spread && spread > 1; i++) {	/* spread the pages over pageblocks that are then mostly free, so that compaction finds work */
		struct page *p = alloc_pages_node(node < 0 ? numa_node_id() : node, GFP_HIGHUSER_MOVABLE | __GFP_NOWARN, 0);

		if (!p)
			break;
		list_add_tail(&p->lru, i % spread ? &drop : &keep);
	}
	for (i = 0; i < np; i++) {
		struct page *p = spread > 1 ? list_first_entry_or_null(&keep, struct page, lru) : alloc_pages_node(node < 0 ? numa_node_id() : node, GFP_HIGHUSER_MOVABLE | __GFP_NOWARN, 0);

		if (!p)
			break;
		if (spread > 1)
			list_del(&p->lru);
		*(u64 *)page_address(p) = i;
		set_page_private(p, i);
		if (mode != SET_UNLOCKED)
			lock_page(p);
		__SetPageMovable(p, &bad_mops);
		if (mode != SET_UNLOCKED)
			unlock_page(p);
		pages[i] = p;
	}
	list_for_each_entry_safe(p, n, &drop, lru) {
		list_del(&p->lru);
		__free_page(p);
	}
	pr_info("badmov: mode %d, %d pages\n", mode, i);
	return 0;
}

static int set_go(const char *v, const struct kernel_param *kp)
{
	if (!thr) {
		thr = kthread_run(freer, NULL, "badmov-freer");
		if (IS_ERR(thr))
			thr = NULL;
	}
	return 0;
}
static const struct kernel_param_ops go_ops = { .set = set_go };
module_param_cb(go, &go_ops, NULL, 0200);

static void __exit bad_exit(void)
{
	int i, wrong = 0, left = 0;

	if (thr)
		kthread_stop(thr);
	for (i = 0; i < np; i++) {
		struct page *p;

again:
		spin_lock(&lock);
		p = pages[i];
		if (p && mode != NO_GET_NEW)
			get_page(p);	/* it cannot go while it is looked at */
		spin_unlock(&lock);
		if (!p)
			continue;
		if (mode == NO_GET_NEW)
			continue;	/* these may be gone already: left alone */
		lock_page(p);
		if (READ_ONCE(pages[i]) != p) {	/* it has moved meanwhile */
			unlock_page(p);
			put_page(p);
			goto again;
		}
		left++;
		if (*(u64 *)page_address(p) != i)
			wrong++;
		if (PageMovable(p))
			__ClearPageMovable(p);
		unlock_page(p);
		put_page(p);
		put_page(p);
	}
	pr_info("badmov: mode %d out: migrated %d putback %d refused %d isolated now %d, pages left %d, with wrong content %d\n", mode, nr_migrated, nr_putback, nr_refused, nr_isolated, left, wrong);
	kvfree(pages);
}
module_init(bad_init);
module_exit(bad_exit);
MODULE_LICENSE("GPL");
