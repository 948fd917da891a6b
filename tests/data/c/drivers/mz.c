/* mz: 4.19 style object pages, hashed by id. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/module.h>
#include <linux/kernel.h>
#include <linux/init.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>
#include <linux/hashtable.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/highmem.h>
#include <linux/migrate.h>
#include <linux/compaction.h>
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/err.h>

#define MZ_MAX_OBJ	32

struct mz_obj {
	struct hlist_node	node;
	u32			id;
	u16			len;
	u16			csum;
	struct page		*page;
};

static struct {
	struct inode	*inode;
	struct vfsmount	*mnt;
	struct kmem_cache *cache;
	atomic_long_t	nr_pages;
	atomic64_t	moved;
	struct dentry	*dir;
} mz;

static unsigned int max_objects = MZ_MAX_OBJ;
module_param(max_objects, uint, 0644);
MODULE_PARM_DESC(max_objects, "most objects");

static DEFINE_HASHTABLE(mz_table, 3);
static DEFINE_MUTEX(mz_mutex);

static struct mz_obj *mz_find(u32 id)
{
	struct mz_obj *obj;

	lockdep_assert_held(&mz_mutex);
	hash_for_each_possible(mz_table, obj, node, id)
		if (obj->id == id)
			return obj;
	return NULL;
}

static u16 mz_csum(const u8 *p, size_t n)
{
	u32 sum = 0;

	while (n--)
		sum = rol32(sum, 1) ^ *p++;
	return sum ^ (sum >> 16);
}

static bool mz_isolate(struct page *page, isolate_mode_t mode)
{
	VM_BUG_ON_PAGE(!PageMovable(page), page);
	VM_BUG_ON_PAGE(PageIsolated(page), page);
	return true;
}

static int mz_migratepage(struct address_space *mapping, struct page *newpage,
			  struct page *page, enum migrate_mode mode)
{
	struct mz_obj *obj;
	void *s, *d;

	if (mode == MIGRATE_SYNC_NO_COPY)
		return -EINVAL;
	if (mode == MIGRATE_ASYNC) {
		if (!mutex_trylock(&mz_mutex))
			return -EAGAIN;
	} else {
		mutex_lock(&mz_mutex);
	}
	obj = (struct mz_obj *)page_private(page);
	s = kmap_atomic(page);
	d = kmap_atomic(newpage);
	memcpy(d, s, PAGE_SIZE);
	kunmap_atomic(d);
	kunmap_atomic(s);
	obj->page = newpage;
	set_page_private(newpage, (unsigned long)obj);
	mutex_unlock(&mz_mutex);
	__SetPageMovable(newpage, mapping);
	get_page(newpage);
	__ClearPageMovable(page);
	set_page_private(page, 0);
	put_page(page);
	atomic64_inc(&mz.moved);
	return MIGRATEPAGE_SUCCESS;
}

static void mz_putback(struct page *page)
{
	VM_BUG_ON_PAGE(!PageMovable(page), page);
}

static const struct address_space_operations mz_aops = {
	.isolate_page	= mz_isolate,
	.migratepage	= mz_migratepage,
	.putback_page	= mz_putback,
};

int mz_store(unsigned int id, unsigned int seed)
{
	struct mz_obj *obj;
	struct page *page;
	u8 *p;
	int ret = -ENOMEM;

	obj = kmem_cache_zalloc(mz.cache, GFP_KERNEL);
	if (!obj)
		return -ENOMEM;
	page = alloc_page(GFP_KERNEL | __GFP_HIGHMEM | __GFP_MOVABLE);
	if (!page)
		goto free_obj;
	obj->id = id;
	obj->len = 64 + seed;
	obj->page = page;
	p = kmap(page);
	memset(p, seed, obj->len);
	obj->csum = mz_csum(p, obj->len);
	kunmap(page);
	set_page_private(page, (unsigned long)obj);

	lock_page(page);
	mutex_lock(&mz_mutex);
	ret = -EEXIST;
	if (mz_find(id))
		goto unlock;
	ret = -ENOSPC;
	if (atomic_long_read(&mz.nr_pages) >= max_objects)
		goto unlock;
	hash_add(mz_table, &obj->node, id);
	__SetPageMovable(page, mz.inode->i_mapping);
	mutex_unlock(&mz_mutex);
	unlock_page(page);
	atomic_long_inc(&mz.nr_pages);
	return 0;
unlock:
	mutex_unlock(&mz_mutex);
	set_page_private(page, 0);
	unlock_page(page);
#ifndef LEAKS
	__free_page(page);
#endif
free_obj:
	kmem_cache_free(mz.cache, obj);
	return ret;
}
EXPORT_SYMBOL_GPL(mz_store);

int mz_load(unsigned int id)
{
	struct mz_obj *obj;
	int ret = -ENOENT;
	u8 *p;

	mutex_lock(&mz_mutex);
	obj = mz_find(id);
	if (obj) {
		p = kmap_atomic(obj->page);
		ret = mz_csum(p, obj->len) == obj->csum ? p[0] : -EIO;
		kunmap_atomic(p);
	}
	mutex_unlock(&mz_mutex);
	return ret;
}
EXPORT_SYMBOL_GPL(mz_load);

int mz_erase(unsigned int id)
{
	struct mz_obj *obj;
	struct page *page;

retry:
	mutex_lock(&mz_mutex);
	obj = mz_find(id);
	if (!obj) {
		mutex_unlock(&mz_mutex);
		return -ENOENT;
	}
	page = obj->page;
	if (!trylock_page(page)) {
		get_page(page);
		mutex_unlock(&mz_mutex);
		wait_on_page_locked(page);
		put_page(page);
		goto retry;
	}
	hash_del(&obj->node);
	__ClearPageMovable(page);
	set_page_private(page, 0);
	mutex_unlock(&mz_mutex);
	unlock_page(page);
	put_page(page);
	kmem_cache_free(mz.cache, obj);
	atomic_long_dec(&mz.nr_pages);
	return 0;
}
EXPORT_SYMBOL_GPL(mz_erase);

static int mz_stats_show(struct seq_file *m, void *v)
{
	seq_printf(m, "pages %ld moved %lld\n", atomic_long_read(&mz.nr_pages), (long long)atomic64_read(&mz.moved));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(mz_stats);

static struct dentry *mz_mount(struct file_system_type *t, int flags, const char *dev, void *data)
{
	static const struct dentry_operations ops = { .d_dname = simple_dname };

	return mount_pseudo(t, "mz:", NULL, &ops, 0x6d7a);
}

static struct file_system_type mz_fs = { .name = "mz", .mount = mz_mount, .kill_sb = kill_anon_super };

static int __init mz_init(void)
{
	int ret;

	BUILD_BUG_ON(sizeof(struct mz_obj) > 64);
	mz.cache = KMEM_CACHE(mz_obj, SLAB_HWCACHE_ALIGN);
	if (!mz.cache)
		return -ENOMEM;
	mz.mnt = kern_mount(&mz_fs);
	if (IS_ERR(mz.mnt)) {
		ret = PTR_ERR(mz.mnt);
		goto no_mount;
	}
	mz.inode = alloc_anon_inode(mz.mnt->mnt_sb);
	if (IS_ERR(mz.inode)) {
		ret = PTR_ERR(mz.inode);
		goto no_inode;
	}
	mz.inode->i_mapping->a_ops = &mz_aops;
	mz.dir = debugfs_create_dir("mz", NULL);
	debugfs_create_file("stats", 0444, mz.dir, NULL, &mz_stats_fops);
	pr_info("ready, at most %u objects\n", max_objects);
	return 0;
no_inode:
	kern_unmount(mz.mnt);
no_mount:
	kmem_cache_destroy(mz.cache);
	return ret;
}

static void __exit mz_exit(void)
{
	struct mz_obj *obj;
	struct hlist_node *tmp;
	int bkt;

	debugfs_remove_recursive(mz.dir);
again:
	mutex_lock(&mz_mutex);
	hash_for_each_safe(mz_table, bkt, tmp, obj, node) {
		u32 id = obj->id;

		mutex_unlock(&mz_mutex);
		mz_erase(id);
		goto again;
	}
	mutex_unlock(&mz_mutex);
	WARN_ON(atomic_long_read(&mz.nr_pages));
	iput(mz.inode);
	kern_unmount(mz.mnt);
	kmem_cache_destroy(mz.cache);
}

module_init(mz_init);
module_exit(mz_exit);
MODULE_LICENSE("GPL v2");
