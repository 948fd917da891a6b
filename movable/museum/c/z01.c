// SPDX-License-Identifier: MIT OR GPL-2.0
/* Z01: a handle is one word, where its object lies and a bit that locks it. Who moves an object stores the new place in the word;
 * with BROKEN without the bit, so that the lock is open in the middle of the move. */
#include <linux/bit_spinlock.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#define SLOTS 4
#define PIN 0			/* the lock bit */
#define PLACE(word) ((long *)((word) & ~1ul))

static unsigned long handles[SLOTS];
static struct page *page;	/* one page of the pool's, that moves; objects are beside it */
static const struct movable_operations z01_ops;

static bool z01_isolate(struct page *page, isolate_mode_t mode) { return true; }
static void z01_putback(struct page *page) { }
static int z01_migrate(struct page *newpage, struct page *old, enum migrate_mode mode)
{
	if (mode == MIGRATE_SYNC_NO_COPY)
		return -EINVAL;
	copy_highpage(newpage, old);
	WRITE_ONCE(page, newpage);
	get_page(newpage);
	__SetPageMovable(newpage, &z01_ops);
	__ClearPageMovable(old);
	put_page(old);
	return 0;
}
static const struct movable_operations z01_ops = { z01_isolate, z01_migrate, z01_putback };

int store(int slot)
{
	long *object = kmalloc(sizeof(*object), GFP_KERNEL);

	if (!object)
		return -ENOMEM;
	*object = slot + 40;
	bit_spin_lock(PIN, &handles[slot]);
	if (PLACE(handles[slot])) {
		bit_spin_unlock(PIN, &handles[slot]);
		kfree(object);
		return -EEXIST;
	}
	handles[slot] = (unsigned long)object | 1;
	bit_spin_unlock(PIN, &handles[slot]);
	return 0;
}
EXPORT_SYMBOL(store);

int load(int slot)
{
	int value = -ENOENT;

	bit_spin_lock(PIN, &handles[slot]);
	if (PLACE(handles[slot]))
		value = *PLACE(handles[slot]);
	bit_spin_unlock(PIN, &handles[slot]);
	return value;
}
EXPORT_SYMBOL(load);

int drop(int slot)
{
	long *object;

	bit_spin_lock(PIN, &handles[slot]);
	object = PLACE(handles[slot]);
	handles[slot] = 1;
	bit_spin_unlock(PIN, &handles[slot]);
	kfree(object);
	return object ? 0 : -ENOENT;
}
EXPORT_SYMBOL(drop);

/* What compaction of a pool does to one object. */
int shift(int slot)
{
	long *fresh = kmalloc(sizeof(*fresh), GFP_KERNEL), *old;

	if (!fresh)
		return -ENOMEM;
	bit_spin_lock(PIN, &handles[slot]);
	old = PLACE(handles[slot]);
	if (old) {
		*fresh = *old;
#ifdef BROKEN
		handles[slot] = (unsigned long)fresh;
		*fresh = *old;		/* the rest of the move: others are in by now */
#else
		handles[slot] = (unsigned long)fresh | 1;
#endif
	}
	bit_spin_unlock(PIN, &handles[slot]);
	kfree(old ? old : fresh);
	return 0;
}
EXPORT_SYMBOL(shift);

static int __init z01_init(void)
{
	page = alloc_page(GFP_HIGHUSER_MOVABLE);
	if (!page)
		return -ENOMEM;
	lock_page(page);
	__SetPageMovable(page, &z01_ops);
	unlock_page(page);
	return 0;
}
static void __exit z01_exit(void)
{
	struct page *last;

	for (int slot = 0; slot < SLOTS; slot++)
		drop(slot);
	for (;;) {
		last = READ_ONCE(page);
		if (!get_page_unless_zero(last))
			continue;
		lock_page(last);
		if (last == READ_ONCE(page))
			break;
		unlock_page(last);
		put_page(last);
	}
	__ClearPageMovable(last);
	unlock_page(last);
	put_page(last);
	put_page(last);
}
module_init(z01_init);
module_exit(z01_exit);
MODULE_LICENSE("GPL");
