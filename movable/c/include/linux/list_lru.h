/* Lists of objects that a shrinker goes through, for one node and without control groups. */
#ifndef _LINUX_LIST_LRU_H
#define _LINUX_LIST_LRU_H
#include <linux/list.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
struct list_lru_one { struct list_head list; long nr_items; spinlock_t lock; };
struct list_lru { struct list_lru_one *node; };
enum lru_status { LRU_REMOVED, LRU_REMOVED_RETRY, LRU_ROTATE, LRU_SKIP, LRU_RETRY, LRU_STOP };
#if MOVABLE_VERSION < 0x060d00
typedef enum lru_status (*list_lru_walk_cb)(struct list_head *, struct list_lru_one *, spinlock_t *, void *);
#define K_LRU_ASK(lru, ask, item, arg) ask(item, (lru)->node, &(lru)->node->lock, arg)
#else
typedef enum lru_status (*list_lru_walk_cb)(struct list_head *, struct list_lru_one *, void *);
#define K_LRU_ASK(lru, ask, item, arg) ask(item, (lru)->node, arg)
#endif
K_INLINE int list_lru_init(struct list_lru *lru)
{
	lru->node = kzalloc(sizeof *lru->node, GFP_KERNEL);
	if (!lru->node)
		return -ENOMEM;
	spin_lock_init(&lru->node->lock);
	INIT_LIST_HEAD(&lru->node->list);
	return 0;
}
#define list_lru_init_memcg(lru, shrinker) list_lru_init(lru)
K_INLINE void list_lru_destroy(struct list_lru *lru) { kfree(lru->node); lru->node = NULL; }
K_INLINE bool list_lru_add_obj(struct list_lru *lru, struct list_head *item)
{
	bool fresh;

	spin_lock(&lru->node->lock);
	fresh = list_empty(item);
	if (fresh) {
		list_add_tail(item, &lru->node->list);
		lru->node->nr_items++;
	}
	spin_unlock(&lru->node->lock);
	return fresh;
}
K_INLINE bool list_lru_del_obj(struct list_lru *lru, struct list_head *item)
{
	bool there;

	spin_lock(&lru->node->lock);
	there = !list_empty(item);
	if (there) {
		list_del_init(item);
		lru->node->nr_items--;
	}
	spin_unlock(&lru->node->lock);
	return there;
}
#define list_lru_add(lru, item, node...) list_lru_add_obj(lru, item)
#define list_lru_del(lru, item, node...) list_lru_del_obj(lru, item)
#define list_lru_count(lru) ((unsigned long)READ_ONCE((lru)->node->nr_items))
#define list_lru_count_one(lru, node, group) list_lru_count(lru)
#define list_lru_count_node(lru, node) list_lru_count(lru)
#define list_lru_shrink_count(lru, control) list_lru_count(lru)
K_INLINE void list_lru_isolate(struct list_lru_one *list, struct list_head *item) { list_del_init(item); list->nr_items--; }
K_INLINE void list_lru_isolate_move(struct list_lru_one *list, struct list_head *item, struct list_head *to) { list_move(item, to); list->nr_items--; }
K_INLINE unsigned long list_lru_walk(struct list_lru *lru, list_lru_walk_cb ask, void *arg, unsigned long most)
{
	unsigned long gone = 0;
	struct list_head *item, *next;

	spin_lock(&lru->node->lock);
again:
	list_for_each_safe(item, next, &lru->node->list) {
		enum lru_status said;

		if (!most--)
			break;
		said = K_LRU_ASK(lru, ask, item, arg);
		gone += said == LRU_REMOVED || said == LRU_REMOVED_RETRY;
		if (said == LRU_STOP)
			break;
		if (said == LRU_ROTATE)
			list_move_tail(item, &lru->node->list);
		if (said == LRU_REMOVED_RETRY || said == LRU_RETRY)
			goto again;
	}
	spin_unlock(&lru->node->lock);
	return gone;
}
#define list_lru_walk_node(lru, node, ask, arg, most) list_lru_walk(lru, ask, arg, *(most))
#define list_lru_walk_one(lru, node, group, ask, arg, most) list_lru_walk(lru, ask, arg, *(most))
#define list_lru_shrink_walk(lru, control, ask, arg) list_lru_walk(lru, ask, arg, (control)->nr_to_scan)
#endif
