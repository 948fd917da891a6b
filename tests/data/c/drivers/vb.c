/* vb: a balloon of the kernel's own core, whose pages are given and taken one by one; 6.1, and 4.19. */
#include <linux/balloon_compaction.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/mutex.h>
#include <linux/version.h>

static struct balloon_dev_info vb;
static DEFINE_MUTEX(vb_mutex);		/* how many there are */
static unsigned int vb_nr;

static int vb_migrate(struct balloon_dev_info *b, struct page *newpage, struct page *page, enum migrate_mode mode)
{
	unsigned long flags;

#ifndef SHORT
	get_page(newpage);
#endif
	spin_lock_irqsave(&b->pages_lock, flags);
	balloon_page_insert(b, newpage);
	b->isolated_pages--;
	__count_vm_event(BALLOON_MIGRATE);
	balloon_page_delete(page);
	spin_unlock_irqrestore(&b->pages_lock, flags);
	put_page(page);
	return MIGRATEPAGE_SUCCESS;
}

int vb_give(void)
{
	struct page *page = balloon_page_alloc();

	if (!page)
		return -ENOMEM;
	mutex_lock(&vb_mutex);
	balloon_page_enqueue(&vb, page);
	vb_nr++;
	mutex_unlock(&vb_mutex);
	return 0;
}
EXPORT_SYMBOL_GPL(vb_give);

int vb_take(void)
{
	struct page *page = NULL;

	mutex_lock(&vb_mutex);
	if (vb_nr)
		page = balloon_page_dequeue(&vb);
	if (page)
		vb_nr--;
	mutex_unlock(&vb_mutex);
	if (!page)
		return -EAGAIN;
	put_page(page);
	return 0;
}
EXPORT_SYMBOL_GPL(vb_take);

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 0, 0)
static struct vfsmount *vb_mnt;
static struct file_system_type vb_fs = { .name = "vb", .kill_sb = kill_anon_super };
static int vb_begin(void)
{
	vb_mnt = kern_mount(&vb_fs);
	if (IS_ERR(vb_mnt))
		return PTR_ERR(vb_mnt);
	vb.inode = alloc_anon_inode(vb_mnt->mnt_sb);
	if (IS_ERR(vb.inode)) {
		kern_unmount(vb_mnt);
		return PTR_ERR(vb.inode);
	}
	vb.inode->i_mapping->a_ops = &balloon_aops;
	return 0;
}
static void vb_end(void)
{
	iput(vb.inode);
	kern_unmount(vb_mnt);
}
#else
static int vb_begin(void) { return 0; }
static void vb_end(void) { }
#endif

static int __init vb_init(void)
{
	balloon_devinfo_init(&vb);
	vb.migratepage = vb_migrate;
	return vb_begin();
}

static void __exit vb_exit(void)
{
	while (READ_ONCE(vb_nr))
		if (vb_take())
			msleep(1);		/* the core has it */
	vb_end();
}
module_init(vb_init);
module_exit(vb_exit);
MODULE_LICENSE("GPL");
