/* lr: a cache of computed pages in an rbtree, with an LRU that a shrinker walks. 6.1 form. */
#include <linux/kref.h>
#include <linux/list_lru.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rbtree.h>
#include <linux/rwsem.h>
#include <linux/shrinker.h>
#include <linux/slab.h>

struct lr_ent {
	struct rb_node		rb;
	struct list_head	lru;
	unsigned long		key;
	struct page		*page;
	refcount_t		ref;
};

static struct rb_root lr_root = RB_ROOT;
static DECLARE_RWSEM(lr_sem);		/* the tree, and entries' pages */
static struct list_lru lr_lru;
static int lr_nr, lr_asked;
static atomic_long_t lr_hits, lr_misses;
static const struct movable_operations lr_mops;

static struct lr_ent *lr_lookup(unsigned long key)
{
	struct rb_node *n = lr_root.rb_node;

	while (n) {
		struct lr_ent *e = rb_entry(n, struct lr_ent, rb);

		if (key == e->key)
			return e;
		n = key < e->key ? n->rb_left : n->rb_right;
	}
	return NULL;
}

static bool lr_insert(struct lr_ent *new)
{
	struct rb_node **p = &lr_root.rb_node, *parent = NULL;

	while (*p) {
		struct lr_ent *e = rb_entry(*p, struct lr_ent, rb);

		parent = *p;
		if (new->key == e->key)
			return false;
		p = new->key < e->key ? &(*p)->rb_left : &(*p)->rb_right;
	}
	rb_link_node(&new->rb, parent, p);
	rb_insert_color(&new->rb, &lr_root);
	return true;
}

static bool lr_isolate(struct page *page, isolate_mode_t mode)
{
	return true;
}

static int lr_migrate(struct page *dst, struct page *src, enum migrate_mode mode)
{
	struct lr_ent *e;

	if (mode == MIGRATE_SYNC_NO_COPY)
		return -EINVAL;
	if (!down_write_trylock(&lr_sem))
		return -EAGAIN;
	e = (struct lr_ent *)page_private(src);
	copy_highpage(dst, src);
	set_page_private(dst, (unsigned long)e);
	e->page = dst;
	up_write(&lr_sem);
	get_page(dst);
	__SetPageMovable(dst, &lr_mops);
	__ClearPageMovable(src);
	set_page_private(src, 0);
	put_page(src);
	return MIGRATEPAGE_SUCCESS;
}

static void lr_putback(struct page *page)
{
}

static const struct movable_operations lr_mops = { lr_isolate, lr_migrate, lr_putback };

static void lr_free(struct lr_ent *e)
{
	struct page *page;

	for (;;) {
		page = READ_ONCE(e->page);
		if (get_page_unless_zero(page)) {
			lock_page(page);
			if (page == READ_ONCE(e->page))
				break;
			unlock_page(page);
			put_page(page);
		}
	}
	__ClearPageMovable(page);
	set_page_private(page, 0);
	unlock_page(page);
	put_page(page);
	put_page(page);
	kfree(e);
}

static void lr_put(struct lr_ent *e)
{
	if (refcount_dec_and_test(&e->ref))
		lr_free(e);
}

int lr_read(unsigned long key)
{
	struct lr_ent *e;
	int v = -ENOENT;

	down_read(&lr_sem);
	e = lr_lookup(key);
	if (e) {
		int *p = kmap_local_page(e->page);

		v = *p;
		kunmap_local(p);
		atomic_long_inc(&lr_hits);
	} else {
		atomic_long_inc(&lr_misses);
	}
	up_read(&lr_sem);
	return v;
}
EXPORT_SYMBOL_GPL(lr_read);

int lr_add(unsigned long key)
{
	struct lr_ent *e = kzalloc(sizeof(*e), GFP_KERNEL);
	struct page *page;

	if (!e)
		return -ENOMEM;
	page = alloc_page(GFP_HIGHUSER_MOVABLE | __GFP_ZERO);
	if (!page) {
		kfree(e);
		return -ENOMEM;
	}
	*(int *)page_address(page) = key * 3;
	set_page_private(page, (unsigned long)e);
	e->key = key;
	e->page = page;
	INIT_LIST_HEAD(&e->lru);
	refcount_set(&e->ref, 1);
	lock_page(page);
	down_write(&lr_sem);
	if (!lr_insert(e)) {
		up_write(&lr_sem);
		set_page_private(page, 0);
		unlock_page(page);
		put_page(page);
		kfree(e);
		return -EEXIST;
	}
	__SetPageMovable(page, &lr_mops);
	list_lru_add(&lr_lru, &e->lru);
	lr_nr++;
	up_write(&lr_sem);
	unlock_page(page);
	return 0;
}
EXPORT_SYMBOL_GPL(lr_add);

int lr_del(unsigned long key)
{
	struct lr_ent *e;

	down_write(&lr_sem);
	e = lr_lookup(key);
	if (e) {
		lr_nr--;
		rb_erase(&e->rb, &lr_root);
#ifndef FORGETS
		list_lru_del(&lr_lru, &e->lru);
#endif
	}
	up_write(&lr_sem);
	if (!e)
		return -ENOENT;
	lr_put(e);
	return 0;
}
EXPORT_SYMBOL_GPL(lr_del);

static enum lru_status lr_walk(struct list_head *item, struct list_lru_one *one, spinlock_t *lock, void *arg)
{
	struct lr_ent *e = container_of(item, struct lr_ent, lru);

	list_lru_isolate(one, item);
	lr_nr--;
	rb_erase(&e->rb, &lr_root);
	list_add(&e->lru, arg);
	return LRU_REMOVED;
}

static unsigned long lr_count(struct shrinker *s, struct shrink_control *sc)
{
	return list_lru_shrink_count(&lr_lru, sc) ?: SHRINK_EMPTY;
}

static unsigned long lr_scan(struct shrinker *s, struct shrink_control *sc)
{
	LIST_HEAD(dispose);
	struct lr_ent *e, *n;
	unsigned long freed;

#ifdef TELLS
	lr_asked++;
#endif
	if (!down_write_trylock(&lr_sem))
		return SHRINK_STOP;
	freed = list_lru_shrink_walk(&lr_lru, sc, lr_walk, &dispose);
	up_write(&lr_sem);
	sc->nr_scanned = freed;
	list_for_each_entry_safe(e, n, &dispose, lru) {
		list_del(&e->lru);
		lr_put(e);
	}
	return freed;
}

static struct shrinker lr_shrinker = { .count_objects = lr_count, .scan_objects = lr_scan, .seeks = DEFAULT_SEEKS };

static int __init lr_init(void)
{
	int ret = list_lru_init(&lr_lru);

	if (ret)
		return ret;
	ret = register_shrinker(&lr_shrinker, "lr");
	if (ret)
		list_lru_destroy(&lr_lru);
	return ret;
}

static void __exit lr_exit(void)
{
	struct lr_ent *e;
	struct rb_node *n;

	unregister_shrinker(&lr_shrinker);
	while ((n = rb_first(&lr_root))) {
		e = rb_entry(n, struct lr_ent, rb);
		lr_del(e->key);
	}
	list_lru_destroy(&lr_lru);
}
module_init(lr_init);
module_exit(lr_exit);
MODULE_LICENSE("GPL");
