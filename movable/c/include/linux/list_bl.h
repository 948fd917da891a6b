/* Hash lists whose head has a lock in its lowest bit. */
#ifndef _LINUX_LIST_BL_H
#define _LINUX_LIST_BL_H
#include <linux/bit_spinlock.h>
struct hlist_bl_head { struct hlist_bl_node *first; };
struct hlist_bl_node { struct hlist_bl_node *next, **pprev; };
#define INIT_HLIST_BL_HEAD(head) ((void)((head)->first = NULL))
#define INIT_HLIST_BL_NODE(node) ((void)((node)->next = NULL, (node)->pprev = NULL))
#define hlist_bl_lock(head) bit_spin_lock(0, (unsigned long *)(head))
#define hlist_bl_unlock(head) bit_spin_unlock(0, (unsigned long *)(head))
#define hlist_bl_first(head) ((struct hlist_bl_node *)((unsigned long)READ_ONCE((head)->first) & ~1ul))
#define hlist_bl_empty(head) (!hlist_bl_first(head))
#define hlist_bl_unhashed(node) (!(node)->pprev)
#define hlist_bl_entry(p, type, member) container_of(p, type, member)
#define K_BL_KEEP(at, to) WRITE_ONCE(*(at), (struct hlist_bl_node *)((unsigned long)(to) | ((unsigned long)*(at) & 1)))
K_INLINE void hlist_bl_add_head(struct hlist_bl_node *node, struct hlist_bl_head *head)
{
	struct hlist_bl_node *first = hlist_bl_first(head);

	node->next = first;
	if (first)
		first->pprev = &node->next;
	node->pprev = &head->first;
	K_BL_KEEP(&head->first, node);
}
K_INLINE void hlist_bl_del_init(struct hlist_bl_node *node)
{
	if (hlist_bl_unhashed(node))
		return;
	K_BL_KEEP(node->pprev, node->next);
	if (node->next)
		node->next->pprev = node->pprev;
	INIT_HLIST_BL_NODE(node);
}
#define hlist_bl_del(node) hlist_bl_del_init(node)
#define hlist_bl_for_each_entry(p, at, head, member) for (at = hlist_bl_first(head); at && ({ p = hlist_bl_entry(at, __typeof__(*p), member); 1; }); at = at->next)
#define hlist_bl_for_each_entry_safe(p, at, n, head, member) for (at = hlist_bl_first(head); at && ({ n = at->next; p = hlist_bl_entry(at, __typeof__(*p), member); 1; }); at = n)
#endif
