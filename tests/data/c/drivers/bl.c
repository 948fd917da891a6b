/* bl: a balloon of the old kind, for 6.1, by hand: inflate/deflate, lists by lru, sysfs target, a thread that works. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/kobject.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/wait.h>

struct bl_dev {
	spinlock_t lock;
	struct list_head pages;
	unsigned long nr, isolated;
	unsigned long target;
	struct mutex resize;
	struct kobject *kobj;
	struct task_struct *worker;
	wait_queue_head_t wq;
};

static struct bl_dev *bl;
static const struct movable_operations bl_mops;

static bool bl_isolate(struct page *page, isolate_mode_t mode)
{
	unsigned long flags;
	bool ok = false;

	spin_lock_irqsave(&bl->lock, flags);
	if (PagePrivate(page)) {
		list_del(&page->lru);
		ClearPagePrivate(page);
		bl->isolated++;
		ok = true;
	}
	spin_unlock_irqrestore(&bl->lock, flags);
	return ok;
}

static int bl_migrate(struct page *newpage, struct page *page, enum migrate_mode mode)
{
	unsigned long flags;

	if (mode == MIGRATE_SYNC_NO_COPY)
		return -EINVAL;
	get_page(newpage);
	__SetPageMovable(newpage, &bl_mops);
	spin_lock_irqsave(&bl->lock, flags);
	list_add(&newpage->lru, &bl->pages);
	SetPagePrivate(newpage);
	bl->isolated--;
	spin_unlock_irqrestore(&bl->lock, flags);
	__ClearPageMovable(page);
	put_page(page);
	wake_up(&bl->wq);
	return MIGRATEPAGE_SUCCESS;
}

static void bl_putback(struct page *page)
{
	unsigned long flags;

	spin_lock_irqsave(&bl->lock, flags);
	list_add(&page->lru, &bl->pages);
	SetPagePrivate(page);
	bl->isolated--;
	spin_unlock_irqrestore(&bl->lock, flags);
	wake_up(&bl->wq);
}

static const struct movable_operations bl_mops = {
	.isolate_page = bl_isolate,
	.migrate_page = bl_migrate,
	.putback_page = bl_putback,
};

static int bl_inflate(void)
{
	struct page *page = alloc_page(GFP_HIGHUSER_MOVABLE | __GFP_NORETRY | __GFP_NOWARN);

	if (!page)
		return -ENOMEM;
	lock_page(page);
	__SetPageMovable(page, &bl_mops);
	spin_lock_irq(&bl->lock);
	list_add(&page->lru, &bl->pages);
	SetPagePrivate(page);
	bl->nr++;
	spin_unlock_irq(&bl->lock);
	unlock_page(page);
	return 0;
}

/* Takes one page that nobody has isolated; false where there is none now. */
static bool bl_deflate(void)
{
	struct page *page, *next;
	bool got = false;

	spin_lock_irq(&bl->lock);
	list_for_each_entry_safe(page, next, &bl->pages, lru) {
		if (!trylock_page(page))
			continue;
		list_del(&page->lru);
		ClearPagePrivate(page);
		bl->nr--;
		got = true;
		break;
	}
	spin_unlock_irq(&bl->lock);
	if (!got)
		return false;
	__ClearPageMovable(page);
	unlock_page(page);
	put_page(page);
	return true;
}

static bool bl_wants(void)
{
	return READ_ONCE(bl->target) != READ_ONCE(bl->nr);
}

static int bl_thread(void *data)
{
	DECLARE_WAITQUEUE(wait, current);

	add_wait_queue(&bl->wq, &wait);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		if (!bl_wants()) {
			schedule();
			continue;
		}
		__set_current_state(TASK_RUNNING);
		mutex_lock(&bl->resize);
		while (READ_ONCE(bl->nr) < READ_ONCE(bl->target))
			if (bl_inflate()) {
				WRITE_ONCE(bl->target, READ_ONCE(bl->nr));
				break;
			}
		while (READ_ONCE(bl->nr) > READ_ONCE(bl->target))
			if (!bl_deflate())
				break;
		mutex_unlock(&bl->resize);
		cond_resched();
	}
	__set_current_state(TASK_RUNNING);
	remove_wait_queue(&bl->wq, &wait);
	return 0;
}

int bl_set_target(unsigned int pages)
{
	if (pages > 4)
		return -EINVAL;
	WRITE_ONCE(bl->target, pages);
	wake_up(&bl->wq);
	return 0;
}
EXPORT_SYMBOL_GPL(bl_set_target);

static ssize_t target_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lu\n", READ_ONCE(bl->target));
}

static ssize_t target_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf, size_t count)
{
	unsigned int pages;
	int ret = kstrtouint(buf, 0, &pages);

	if (ret)
		return ret;
	ret = bl_set_target(pages);
	return ret ?: count;
}
static struct kobj_attribute target_attr = __ATTR_RW(target);
static struct attribute *bl_attrs[] = { &target_attr.attr, NULL };
ATTRIBUTE_GROUPS(bl);

static int __init bl_init(void)
{
	int ret = -ENOMEM;

	bl = kzalloc(sizeof(*bl), GFP_KERNEL);
	if (!bl)
		return -ENOMEM;
	spin_lock_init(&bl->lock);
	INIT_LIST_HEAD(&bl->pages);
	mutex_init(&bl->resize);
	init_waitqueue_head(&bl->wq);
	bl->kobj = kobject_create_and_add("bl", mm_kobj);
	if (!bl->kobj)
		goto free;
	ret = sysfs_create_groups(bl->kobj, bl_groups);
	if (ret)
		goto put;
	bl->worker = kthread_run(bl_thread, NULL, "bl/%d", 0);
	if (IS_ERR(bl->worker)) {
		ret = PTR_ERR(bl->worker);
		goto remove;
	}
	return 0;
remove:
	sysfs_remove_groups(bl->kobj, bl_groups);
put:
	kobject_put(bl->kobj);
free:
	kfree(bl);
	return ret;
}

static void __exit bl_exit(void)
{
	sysfs_remove_groups(bl->kobj, bl_groups);
	kobject_put(bl->kobj);
	kthread_stop(bl->worker);
	for (;;) {
		while (bl_deflate())
			;
#ifndef LEAVES
		if (!READ_ONCE(bl->nr))
			break;
		msleep(1);
#else
		if (list_empty(&bl->pages))
			break;
#endif
	}
	kfree(bl);
}
module_init(bl_init);
module_exit(bl_exit);
MODULE_LICENSE("GPL");
