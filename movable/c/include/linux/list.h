/* Doubly linked lists, checked as CONFIG_DEBUG_LIST checks them; hash lists and tables; lists without a lock. */
#ifndef _LINUX_LIST_H
#define _LINUX_LIST_H
#include <linux/kernel.h>
#define LIST_POISON1 ((void *)0x100)
#define LIST_POISON2 ((void *)0x122)
#define LIST_HEAD_INIT(name) { &(name), &(name) }
#define LIST_HEAD(name) struct list_head name = LIST_HEAD_INIT(name)
K_INLINE void INIT_LIST_HEAD(struct list_head *head) { WRITE_ONCE(head->next, head); head->prev = head; }
K_INLINE void __list_add(struct list_head *node, struct list_head *before, struct list_head *after)
{
	k_check_add(node, before, after);
	after->prev = node;
	node->next = after;
	node->prev = before;
	WRITE_ONCE(before->next, node);
}
K_INLINE void list_add(struct list_head *node, struct list_head *head) { __list_add(node, head, head->next); }
K_INLINE void list_add_tail(struct list_head *node, struct list_head *head) { __list_add(node, head->prev, head); }
K_INLINE void __list_del(struct list_head *before, struct list_head *after) { after->prev = before; WRITE_ONCE(before->next, after); }
K_INLINE void __list_del_entry(struct list_head *node) { k_check_del(node); __list_del(node->prev, node->next); }
K_INLINE void list_del(struct list_head *node) { __list_del_entry(node); node->next = LIST_POISON1; node->prev = LIST_POISON2; }
K_INLINE void list_del_init(struct list_head *node) { __list_del_entry(node); INIT_LIST_HEAD(node); }
K_INLINE void list_replace(struct list_head *old, struct list_head *node)
{
	node->next = old->next;
	node->next->prev = node;
	node->prev = old->prev;
	node->prev->next = node;
}
K_INLINE void list_replace_init(struct list_head *old, struct list_head *node) { list_replace(old, node); INIT_LIST_HEAD(old); }
K_INLINE void list_move(struct list_head *node, struct list_head *head) { __list_del_entry(node); list_add(node, head); }
K_INLINE void list_move_tail(struct list_head *node, struct list_head *head) { __list_del_entry(node); list_add_tail(node, head); }
K_INLINE int list_empty(const struct list_head *head) { return READ_ONCE(head->next) == head; }
K_INLINE int list_empty_careful(const struct list_head *head) { struct list_head *next = READ_ONCE(head->next); return next == head && next == READ_ONCE(head->prev); }
K_INLINE int list_is_singular(const struct list_head *head) { return !list_empty(head) && head->next == head->prev; }
K_INLINE int list_is_last(const struct list_head *node, const struct list_head *head) { return node->next == head; }
K_INLINE int list_is_first(const struct list_head *node, const struct list_head *head) { return node->prev == head; }
K_INLINE int list_is_head(const struct list_head *node, const struct list_head *head) { return node == head; }
K_INLINE void list_rotate_left(struct list_head *head) { if (!list_empty(head)) list_move_tail(head->next, head); }
K_INLINE void __list_splice(const struct list_head *list, struct list_head *before, struct list_head *after)
{
	struct list_head *first = list->next, *last = list->prev;

	first->prev = before;
	before->next = first;
	last->next = after;
	after->prev = last;
}
K_INLINE void list_splice(const struct list_head *list, struct list_head *head) { if (!list_empty(list)) __list_splice(list, head, head->next); }
K_INLINE void list_splice_tail(struct list_head *list, struct list_head *head) { if (!list_empty(list)) __list_splice(list, head->prev, head); }
K_INLINE void list_splice_init(struct list_head *list, struct list_head *head) { if (!list_empty(list)) { __list_splice(list, head, head->next); INIT_LIST_HEAD(list); } }
K_INLINE void list_splice_tail_init(struct list_head *list, struct list_head *head) { if (!list_empty(list)) { __list_splice(list, head->prev, head); INIT_LIST_HEAD(list); } }
K_INLINE void list_cut_position(struct list_head *list, struct list_head *head, struct list_head *entry)
{
	struct list_head *rest = entry->next;

	if (entry == head || list_empty(head)) {
		INIT_LIST_HEAD(list);
		return;
	}
	list->next = head->next;
	list->next->prev = list;
	list->prev = entry;
	entry->next = list;
	head->next = rest;
	rest->prev = head;
}
K_INLINE void list_rotate_to_front(struct list_head *node, struct list_head *head) { list_move_tail(head, node); }
K_INLINE void list_cut_before(struct list_head *list, struct list_head *head, struct list_head *entry)
{
	if (head->next == entry)
		INIT_LIST_HEAD(list);
	else
		list_cut_position(list, head, entry->prev);
}
#define list_del_init_careful(node) list_del_init(node)
#define list_entry(p, type, member) container_of(p, type, member)
#define list_first_entry(head, type, member) list_entry((head)->next, type, member)
#define list_last_entry(head, type, member) list_entry((head)->prev, type, member)
#define list_first_entry_or_null(head, type, member) ({ struct list_head *_head = (head), *_first = READ_ONCE(_head->next); _first != _head ? list_entry(_first, type, member) : NULL; })
#define list_next_entry(p, member) list_entry((p)->member.next, __typeof__(*(p)), member)
#define list_prev_entry(p, member) list_entry((p)->member.prev, __typeof__(*(p)), member)
#define list_entry_is_head(p, head, member) (&(p)->member == (head))
#define list_for_each(p, head) for (p = (head)->next; p != (head); p = p->next)
#define list_for_each_prev(p, head) for (p = (head)->prev; p != (head); p = p->prev)
#define list_for_each_safe(p, n, head) for (p = (head)->next, n = p->next; p != (head); p = n, n = p->next)
#define list_for_each_entry(p, head, member) for (p = list_first_entry(head, __typeof__(*p), member); !list_entry_is_head(p, head, member); p = list_next_entry(p, member))
#define list_for_each_entry_reverse(p, head, member) for (p = list_last_entry(head, __typeof__(*p), member); !list_entry_is_head(p, head, member); p = list_prev_entry(p, member))
#define list_for_each_entry_safe(p, n, head, member) for (p = list_first_entry(head, __typeof__(*p), member), n = list_next_entry(p, member); !list_entry_is_head(p, head, member); p = n, n = list_next_entry(n, member))
#define list_for_each_entry_safe_reverse(p, n, head, member) for (p = list_last_entry(head, __typeof__(*p), member), n = list_prev_entry(p, member); !list_entry_is_head(p, head, member); p = n, n = list_prev_entry(n, member))
#define list_for_each_entry_continue(p, head, member) for (p = list_next_entry(p, member); !list_entry_is_head(p, head, member); p = list_next_entry(p, member))
#define list_for_each_entry_safe_continue(p, n, head, member) for (p = list_next_entry(p, member), n = list_next_entry(p, member); !list_entry_is_head(p, head, member); p = n, n = list_next_entry(n, member))
#define list_for_each_entry_safe_from(p, n, head, member) for (n = list_next_entry(p, member); !list_entry_is_head(p, head, member); p = n, n = list_next_entry(n, member))
#define list_for_each_entry_from_reverse(p, head, member) for (; !list_entry_is_head(p, head, member); p = list_prev_entry(p, member))
#define list_for_each_continue(p, head) for (p = p->next; p != (head); p = p->next)
#define list_for_each_prev_safe(p, n, head) for (p = (head)->prev, n = p->prev; p != (head); p = n, n = p->prev)
#define list_last_entry_or_null(head, type, member) (list_empty(head) ? NULL : list_last_entry(head, type, member))
#define list_next_entry_circular(p, head, member) (list_is_last(&(p)->member, head) ? list_first_entry(head, __typeof__(*(p)), member) : list_next_entry(p, member))
#define list_prev_entry_circular(p, head, member) (list_is_first(&(p)->member, head) ? list_last_entry(head, __typeof__(*(p)), member) : list_prev_entry(p, member))
#define HLIST_HEAD_INIT { NULL }
#define HLIST_HEAD(name) struct hlist_head name = HLIST_HEAD_INIT
#define INIT_HLIST_HEAD(head) ((head)->first = NULL)
K_INLINE void INIT_HLIST_NODE(struct hlist_node *node) { node->next = NULL; node->pprev = NULL; }
K_INLINE int hlist_unhashed(const struct hlist_node *node) { return !node->pprev; }
K_INLINE int hlist_empty(const struct hlist_head *head) { return !READ_ONCE(head->first); }
K_INLINE void hlist_add_head(struct hlist_node *node, struct hlist_head *head)
{
	struct hlist_node *first = head->first;

	node->next = first;
	if (first)
		first->pprev = &node->next;
	WRITE_ONCE(head->first, node);
	node->pprev = &head->first;
}
K_INLINE void __hlist_del(struct hlist_node *node)
{
	struct hlist_node *next = node->next, **pprev = node->pprev;

	WRITE_ONCE(*pprev, next);
	if (next)
		next->pprev = pprev;
}
K_INLINE void hlist_del(struct hlist_node *node) { __hlist_del(node); node->next = LIST_POISON1; node->pprev = LIST_POISON2; }
K_INLINE void hlist_del_init(struct hlist_node *node) { if (!hlist_unhashed(node)) { __hlist_del(node); INIT_HLIST_NODE(node); } }
#define hlist_entry(p, type, member) container_of(p, type, member)
#define hlist_entry_safe(p, type, member) ({ __typeof__(p) _node = (p); _node ? hlist_entry(_node, type, member) : NULL; })
#define hlist_for_each_entry(p, head, member) for (p = hlist_entry_safe((head)->first, __typeof__(*(p)), member); p; p = hlist_entry_safe((p)->member.next, __typeof__(*(p)), member))
#define hlist_for_each_entry_safe(p, n, head, member) for (p = hlist_entry_safe((head)->first, __typeof__(*p), member); p && ({ n = p->member.next; 1; }); p = hlist_entry_safe(n, __typeof__(*p), member))
K_INLINE void hlist_add_before(struct hlist_node *node, struct hlist_node *next)
{
	node->pprev = next->pprev;
	node->next = next;
	next->pprev = &node->next;
	WRITE_ONCE(*node->pprev, node);
}
K_INLINE void hlist_add_behind(struct hlist_node *node, struct hlist_node *before)
{
	node->next = before->next;
	WRITE_ONCE(before->next, node);
	node->pprev = &before->next;
	if (node->next)
		node->next->pprev = &node->next;
}
K_INLINE void hlist_move_list(struct hlist_head *old, struct hlist_head *head)
{
	head->first = old->first;
	if (head->first)
		head->first->pprev = &head->first;
	old->first = NULL;
}
#define hlist_unhashed_lockless(node) (!READ_ONCE((node)->pprev))
K_INLINE void hlist_add_fake(struct hlist_node *node) { node->pprev = &node->next; }
#define hlist_fake(node) ((node)->pprev == &(node)->next)
#define hlist_is_singular_node(node, head) (!(node)->next && (node)->pprev == &(head)->first)
#define hlist_for_each_entry_from(p, member) for (; p; p = hlist_entry_safe((p)->member.next, __typeof__(*(p)), member))
#define hlist_for_each_entry_continue(p, member) for (p = hlist_entry_safe((p)->member.next, __typeof__(*(p)), member); p; p = hlist_entry_safe((p)->member.next, __typeof__(*(p)), member))
#define hlist_count_nodes(head) ({ size_t _n = 0; struct hlist_node *_at; hlist_for_each(_at, head) _n++; _n; })
#define hlist_for_each(p, head) for (p = (head)->first; p; p = p->next)
#define hlist_for_each_safe(p, n, head) for (p = (head)->first; p && ({ n = p->next; 1; }); p = n)
#define list_for_each_entry_from(p, head, member) for (; !list_entry_is_head(p, head, member); p = list_next_entry(p, member))
#define list_for_each_entry_continue_reverse(p, head, member) for (p = list_prev_entry(p, member); !list_entry_is_head(p, head, member); p = list_prev_entry(p, member))
#define list_prepare_entry(p, head, member) ((p) ?: list_entry(head, __typeof__(*(p)), member))
#define list_safe_reset_next(p, n, member) (n = list_next_entry(p, member))
K_INLINE void list_swap(struct list_head *one, struct list_head *two)
{
	struct list_head *before = two->prev;

	list_del(two);
	list_replace(one, two);
	if (before == one)
		before = two;
	list_add(one, before);
}
K_INLINE void list_bulk_move_tail(struct list_head *head, struct list_head *first, struct list_head *last)
{
	first->prev->next = last->next;
	last->next->prev = first->prev;
	head->prev->next = first;
	first->prev = head->prev;
	last->next = head;
	head->prev = last;
}
#define list_count_nodes(head) ({ size_t _n = 0; struct list_head *_at; list_for_each(_at, head) _n++; _n; })
/* What is equal stays in its order. */
typedef int (*list_cmp_func_t)(void *, const struct list_head *, const struct list_head *);
#define list_sort(data, head, compare) do { \
	struct list_head *_all = (head), *_node = _all->next, *_next, *_to; \
	for (INIT_LIST_HEAD(_all); _node != _all; _node = _next) { \
		_next = _node->next; \
		for (_to = _all->prev; _to != _all && compare((void *)(data), (void *)_to, (void *)_node) > 0; _to = _to->prev) ; \
		list_add(_node, _to); \
	} } while (0)
/* Hash tables. */
#define DECLARE_HASHTABLE(name, bits) struct hlist_head name[1 << (bits)]
#define DEFINE_HASHTABLE(name, bits) struct hlist_head name[1 << (bits)]
#define HASH_SIZE(table) ARRAY_SIZE(table)
#define HASH_BITS(table) ilog2(HASH_SIZE(table))
#define hash_64(value, bits) ((unsigned int)(((u64)(value) * 0x61C8864680B583EBull) >> (64 - (bits))))
#define hash_32(value, bits) hash_64((u32)(value), bits)
#define hash_min(value, bits) hash_64(value, bits)
#define hash_long(value, bits) hash_64(value, bits)
#define hash_ptr(p, bits) hash_64((unsigned long)(p), bits)
#define hash32_ptr(p) ((u32)((unsigned long)(p) ^ (unsigned long)(p) >> 32))
#define hash_init(table) do { for (unsigned int _i = 0; _i < HASH_SIZE(table); _i++) INIT_HLIST_HEAD(&(table)[_i]); } while (0)
#define K_BUCKET(table, key) (&(table)[hash_min(key, HASH_BITS(table))])
#define hash_add(table, node, key) hlist_add_head(node, K_BUCKET(table, key))
#define hash_hashed(node) (!hlist_unhashed(node))
#define hash_empty(table) ({ unsigned int _i = 0; while (_i < HASH_SIZE(table) && hlist_empty(&(table)[_i])) _i++; _i == HASH_SIZE(table); })
#define hash_del(node) hlist_del_init(node)
#define hash_for_each_possible(table, p, member, key) hlist_for_each_entry(p, K_BUCKET(table, key), member)
#define hash_for_each_possible_safe(table, p, n, member, key) hlist_for_each_entry_safe(p, n, K_BUCKET(table, key), member)
#define hash_for_each(table, bucket, p, member) for ((bucket) = 0, p = NULL; !p && (bucket) < HASH_SIZE(table); (bucket)++) hlist_for_each_entry(p, &(table)[bucket], member)
#define hash_for_each_safe(table, bucket, n, p, member) for ((bucket) = 0, p = NULL; !p && (bucket) < HASH_SIZE(table); (bucket)++) hlist_for_each_entry_safe(p, n, &(table)[bucket], member)
/* Lists without a lock. */
struct llist_node { struct llist_node *next; };
struct llist_head { struct llist_node *first; };
#define LLIST_HEAD_INIT(name) { NULL }
#define LLIST_HEAD(name) struct llist_head name = LLIST_HEAD_INIT(name)
K_INLINE void init_llist_head(struct llist_head *head) { head->first = NULL; }
#define llist_entry(p, type, member) container_of(p, type, member)
#define llist_empty(head) (READ_ONCE((head)->first) == NULL)
K_INLINE bool llist_add(struct llist_node *node, struct llist_head *head)
{
	struct llist_node *first = READ_ONCE(head->first);

	do {
		WRITE_ONCE(node->next, first);
	} while (!__atomic_compare_exchange_n(&head->first, &first, node, 0, 5, 5));
	return !first;
}
K_INLINE struct llist_node *llist_del_all(struct llist_head *head) { return __atomic_exchange_n(&head->first, NULL, 5); }
K_INLINE struct llist_node *llist_del_first(struct llist_head *head)
{
	struct llist_node *first = READ_ONCE(head->first);

	while (first && !__atomic_compare_exchange_n(&head->first, &first, READ_ONCE(first->next), 0, 5, 5))
		;
	return first;
}
K_INLINE struct llist_node *llist_reverse_order(struct llist_node *node)
{
	struct llist_node *turned = NULL, *next;

	for (; node; node = next) {
		next = node->next;
		node->next = turned;
		turned = node;
	}
	return turned;
}
#define llist_for_each(p, node) for ((p) = (node); (p); (p) = (p)->next)
#define llist_for_each_safe(p, n, node) for ((p) = (node); (p) && ((n) = (p)->next, 1); (p) = (n))
#define K_LLIST(p, node, member) ({ struct llist_node *_node = (node); _node ? llist_entry(_node, __typeof__(*(p)), member) : NULL; })
#define llist_for_each_entry(p, node, member) for ((p) = K_LLIST(p, node, member); (p); (p) = K_LLIST(p, (p)->member.next, member))
#define llist_for_each_entry_safe(p, n, node, member) for ((p) = K_LLIST(p, node, member); (p) && ((n) = K_LLIST(p, (p)->member.next, member), 1); (p) = (n))
#define llist_add_batch(first, last, head) ({ \
	struct llist_node *_new = (first), *_last = (last), *_was = READ_ONCE((head)->first); \
	do { WRITE_ONCE(_last->next, _was); } while (!__atomic_compare_exchange_n(&(head)->first, &_was, _new, 0, 5, 5)); \
	!_was; })
#define llist_next(node) ((node)->next)
K_INLINE void init_llist_node(struct llist_node *node) { node->next = node; }
#define llist_on_list(node) ((node)->next != (node))
#endif
