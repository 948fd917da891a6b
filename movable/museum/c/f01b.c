// SPDX-License-Identifier: MIT OR GPL-2.0
/* F01B: a page is marked movable when all of it is set up. With BROKEN it is marked first, and compaction finds no header. */
#include <linux/list.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

struct header { struct list_head node; struct page *page; int id, moves; };

static LIST_HEAD(headers);
static DEFINE_SPINLOCK(lock);
static const struct movable_operations f01b_ops;

static bool f01b_isolate(struct page *page, isolate_mode_t mode)
{
	struct header *header = (struct header *)page_private(page);
	bool may;

	spin_lock(&lock);
	may = header->moves >= 0;
	spin_unlock(&lock);
	return may;
}
static void f01b_putback(struct page *page) { }
static int f01b_migrate(struct page *newpage, struct page *page, enum migrate_mode mode)
{
	struct header *header = (struct header *)page_private(page);

	if (mode == MIGRATE_SYNC_NO_COPY)
		return -EINVAL;
	spin_lock(&lock);
	copy_highpage(newpage, page);
	header->page = newpage;
	header->moves++;
	spin_unlock(&lock);
	set_page_private(newpage, (unsigned long)header);
	set_page_private(page, 0);
	get_page(newpage);
	__SetPageMovable(newpage, &f01b_ops);
	__ClearPageMovable(page);
	put_page(page);
	return 0;
}
static const struct movable_operations f01b_ops = { f01b_isolate, f01b_migrate, f01b_putback };

static struct header *find(int id)
{
	struct header *header;

	list_for_each_entry(header, &headers, node)
		if (header->id == id)
			return header;
	return NULL;
}

int store(int id)
{
	struct header *header = kzalloc(sizeof(*header), GFP_KERNEL);
	struct page *page = alloc_page(GFP_HIGHUSER_MOVABLE);

	if (!header || !page)
		goto nothing;
	*(int *)page_address(page) = id;
	header->id = id;
	header->page = page;
	lock_page(page);
#ifdef BROKEN
	__SetPageMovable(page, &f01b_ops);
	unlock_page(page);
#endif
	spin_lock(&lock);
	list_add(&header->node, &headers);
	spin_unlock(&lock);
	set_page_private(page, (unsigned long)header);
#ifndef BROKEN
	__SetPageMovable(page, &f01b_ops);
	unlock_page(page);
#endif
	return 0;
nothing:
	kfree(header);
	if (page)
		put_page(page);
	return -ENOMEM;
}
EXPORT_SYMBOL(store);

int load(int id)
{
	struct header *header;
	int value = -ENOENT;

	spin_lock(&lock);
	header = find(id);
	if (header)
		value = *(int *)page_address(header->page);
	spin_unlock(&lock);
	return value;
}
EXPORT_SYMBOL(load);

int drop(int id)
{
	struct header *header;
	struct page *page;

	for (;;) {
		spin_lock(&lock);
		header = find(id);
		page = header ? header->page : NULL;
		if (page)
			get_page(page);
		spin_unlock(&lock);
		if (!page)
			return -ENOENT;
		lock_page(page);
		spin_lock(&lock);
		header = find(id);
		if (header && header->page == page)
			break;
		spin_unlock(&lock);
		unlock_page(page);
		put_page(page);
	}
	list_del(&header->node);
	spin_unlock(&lock);
	__ClearPageMovable(page);
	set_page_private(page, 0);
	unlock_page(page);
	put_page(page);
	put_page(page);
	kfree(header);
	return 0;
}
EXPORT_SYMBOL(drop);

static int __init f01b_init(void) { return 0; }
static void __exit f01b_exit(void)
{
	while (!list_empty(&headers))
		drop(list_first_entry(&headers, struct header, node)->id);
}
module_init(f01b_init);
module_exit(f01b_exit);
MODULE_LICENSE("GPL");
