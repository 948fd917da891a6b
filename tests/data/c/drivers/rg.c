/* rg: slots of pages handed out by number; free numbers in a kfifo; freed pages are reaped by a delayed work. */
#include <linux/bitmap.h>
#include <linux/init.h>
#include <linux/kfifo.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#define RG_SLOTS 8
#define RG_DEAD  0

struct rg_slot {
	spinlock_t lock;
	struct page *page;
	unsigned long flags;
	int value;
};

static struct rg_slot rg_slots[RG_SLOTS];
static DEFINE_KFIFO(rg_free, unsigned char, RG_SLOTS);
static DEFINE_SPINLOCK(rg_free_lock);
static DECLARE_BITMAP(rg_dying, RG_SLOTS);
static BLOCKING_NOTIFIER_HEAD(rg_chain);
static atomic_t rg_used = ATOMIC_INIT(0);

static void rg_reap(struct work_struct *work);
static DECLARE_DELAYED_WORK(rg_work, rg_reap);
static const struct movable_operations rg_mops;

static bool rg_isolate(struct page *page, isolate_mode_t mode)
{
	struct rg_slot *slot = &rg_slots[page_private(page)];
	bool ok;

	spin_lock(&slot->lock);
	ok = slot->page == page && !test_bit(RG_DEAD, &slot->flags);
	spin_unlock(&slot->lock);
	return ok;
}

static int rg_migrate(struct page *dst, struct page *src, enum migrate_mode mode)
{
	struct rg_slot *slot = &rg_slots[page_private(src)];
	unsigned long flags;

	if (mode == MIGRATE_SYNC_NO_COPY)
		return -EINVAL;
	spin_lock_irqsave(&slot->lock, flags);
	if (slot->page != src) {
		spin_unlock_irqrestore(&slot->lock, flags);
		return -EAGAIN;
	}
	copy_highpage(dst, src);
	slot->page = dst;
	spin_unlock_irqrestore(&slot->lock, flags);
	get_page(dst);
	set_page_private(dst, page_private(src));
	__SetPageMovable(dst, &rg_mops);
	set_page_private(src, 0);
	__ClearPageMovable(src);
	put_page(src);
	return MIGRATEPAGE_SUCCESS;
}

static void rg_putback(struct page *page)
{
}

static const struct movable_operations rg_mops = {
	.isolate_page = rg_isolate,
	.migrate_page = rg_migrate,
	.putback_page = rg_putback,
};

/* returns the slot's number */
int rg_get(int value)
{
	struct page *page = alloc_page(GFP_HIGHUSER_MOVABLE);
	struct rg_slot *slot;
	unsigned char nr;

	if (!page)
		return -ENOMEM;
	if (!kfifo_out_spinlocked(&rg_free, &nr, 1, &rg_free_lock)) {
		put_page(page);
		return -ENOSPC;
	}
	slot = &rg_slots[nr];
	memset(page_address(page), value, 16);
	lock_page(page);
	set_page_private(page, nr);
	spin_lock(&slot->lock);
	slot->page = page;
	slot->value = value;
	slot->flags = 0;
	spin_unlock(&slot->lock);
	__SetPageMovable(page, &rg_mops);
	unlock_page(page);
	atomic_inc(&rg_used);
	blocking_notifier_call_chain(&rg_chain, 1, (void *)(long)nr);
	return nr;
}
EXPORT_SYMBOL_GPL(rg_get);

int rg_read(int nr)
{
	struct rg_slot *slot;
	int ret = -ENOENT;

	if (nr < 0 || nr >= RG_SLOTS)
		return -EINVAL;
	slot = &rg_slots[nr];
	spin_lock(&slot->lock);
	if (slot->page && !test_bit(RG_DEAD, &slot->flags)) {
		u8 *p = kmap_local_page(slot->page);

		ret = p[15] == slot->value ? p[0] : -EIO;
		kunmap_local(p);
	}
	spin_unlock(&slot->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(rg_read);

int rg_put(int nr)
{
	struct rg_slot *slot;
	int ret = -ENOENT;

	if (nr < 0 || nr >= RG_SLOTS)
		return -EINVAL;
	slot = &rg_slots[nr];
	spin_lock(&slot->lock);
	if (slot->page && !test_and_set_bit(RG_DEAD, &slot->flags)) {
		set_bit(nr, rg_dying);
		ret = 0;
	}
	spin_unlock(&slot->lock);
	if (!ret)
		mod_delayed_work(system_wq, &rg_work, msecs_to_jiffies(10));
	return ret;
}
EXPORT_SYMBOL_GPL(rg_put);

static void rg_free_slot(int nr)
{
	struct rg_slot *slot = &rg_slots[nr];
	struct page *page;
	unsigned char c = nr;

again:
	spin_lock(&slot->lock);
	page = slot->page;
	if (page)
		get_page(page);
	spin_unlock(&slot->lock);
	if (!page)
		return;
	lock_page(page);
	spin_lock(&slot->lock);
	if (slot->page != page) {
		spin_unlock(&slot->lock);
		unlock_page(page);
		put_page(page);
		goto again;
	}
	slot->page = NULL;
	spin_unlock(&slot->lock);
	__ClearPageMovable(page);
	unlock_page(page);
	put_page(page);
	put_page(page);
	atomic_dec(&rg_used);
	kfifo_in_spinlocked(&rg_free, &c, 1, &rg_free_lock);
}

static void rg_reap(struct work_struct *work)
{
	int nr;

	for_each_set_bit(nr, rg_dying, RG_SLOTS)
		if (test_and_clear_bit(nr, rg_dying))
			rg_free_slot(nr);
}

static atomic_t rg_events;
static int rg_event(struct notifier_block *nb, unsigned long event, void *data)
{
	atomic_inc(&rg_events);
	return NOTIFY_OK;
}
static struct notifier_block rg_nb = { .notifier_call = rg_event, .priority = 10 };

static int __init rg_init(void)
{
	unsigned char i;

	for (i = 0; i < RG_SLOTS; i++) {
		spin_lock_init(&rg_slots[i].lock);
		kfifo_put(&rg_free, i);
	}
	return blocking_notifier_chain_register(&rg_chain, &rg_nb);
}

static void __exit rg_exit(void)
{
	int i;

#ifndef HASTY
	cancel_delayed_work_sync(&rg_work);
#else
	cancel_delayed_work(&rg_work);
#endif
	for (i = 0; i < RG_SLOTS; i++)
		rg_free_slot(i);
	WARN_ON(kfifo_len(&rg_free) != RG_SLOTS);
	blocking_notifier_chain_unregister(&rg_chain, &rg_nb);
}
module_init(rg_init);
module_exit(rg_exit);
MODULE_LICENSE("GPL");
