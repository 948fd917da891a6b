/* Arrays with holes. Stores are made under the array's own lock, loads without one: a load is one atomic step. A place that was used
 * once stays until the array is destroyed, and holds nothing. Who walks to it leaves no trace, as nobody but the owner of the lock
 * changes the way; a load of the head, which every new place is stored to, stands for the walk. */
#ifndef _LINUX_XARRAY_H
#define _LINUX_XARRAY_H
#include <linux/slab.h>
#include <linux/spinlock.h>
struct k_place { unsigned long index; void *entry; unsigned int marks; struct k_place *next; };
struct xarray { spinlock_t xa_lock; gfp_t xa_flags; unsigned int k_next; struct k_place *xa_head; };
typedef unsigned int xa_mark_t;
struct xa_limit { u32 max, min; };
#define XA_LIMIT(low, high) (struct xa_limit){ .min = (low), .max = (high) }
#define xa_limit_32b XA_LIMIT(0, UINT_MAX)
#define xa_limit_31b XA_LIMIT(0, INT_MAX)
#define xa_limit_16b XA_LIMIT(0, 65535)
#define XA_FLAGS_ALLOC 4u
#define XA_FLAGS_ALLOC1 12u
#define XA_FLAGS_LOCK_IRQ 1u			/* ignored: there are no interrupts */
#define XA_FLAGS_LOCK_BH 2u			/* ignored: there are no interrupts */
#define XA_MARK_0 1u
#define XA_MARK_1 2u
#define XA_MARK_2 4u
#define XA_PRESENT 8u
#define XARRAY_INIT(name, flags) { { 0 }, flags, 0, NULL }
#define DEFINE_XARRAY_FLAGS(name, flags) struct xarray name = XARRAY_INIT(name, flags)
#define DEFINE_XARRAY(name) DEFINE_XARRAY_FLAGS(name, 0)
#define DEFINE_XARRAY_ALLOC(name) DEFINE_XARRAY_FLAGS(name, XA_FLAGS_ALLOC)
#define DEFINE_XARRAY_ALLOC1(name) DEFINE_XARRAY_FLAGS(name, XA_FLAGS_ALLOC1)
K_INLINE void xa_init_flags(struct xarray *xa, gfp_t flags) { spin_lock_init(&xa->xa_lock); xa->xa_flags = flags; xa->k_next = 0; xa->xa_head = NULL; }
#define xa_init(xa) xa_init_flags(xa, 0)
#define xa_lock(xa) spin_lock(&(xa)->xa_lock)
#define xa_trylock(xa) spin_trylock(&(xa)->xa_lock)
#define xa_unlock(xa) spin_unlock(&(xa)->xa_lock)
#define xa_lock_irq(xa) xa_lock(xa)
#define xa_unlock_irq(xa) xa_unlock(xa)
#define xa_lock_bh(xa) xa_lock(xa)
#define xa_unlock_bh(xa) xa_unlock(xa)
#define xa_lock_irqsave(xa, flags) ((void)((flags) = 0), xa_lock(xa))
#define xa_unlock_irqrestore(xa, flags) ((void)(flags), xa_unlock(xa))
#define xa_mk_value(v) ((void *)((unsigned long)(v) << 1 | 1))
#define xa_to_value(entry) ((unsigned long)(entry) >> 1)
#define xa_is_value(entry) ((bool)((unsigned long)(entry) & 1))
#define K_XA_ERROR(e) ((void *)((unsigned long)(e) << 2 | 2))
#define K_XA_ZERO ((void *)(257ul << 2 | 2))	/* reserved, and reads as nothing */
#define xa_is_err(entry) (((unsigned long)(entry) & 3) == 2 && (unsigned long)(entry) >= (unsigned long)K_XA_ERROR(-MAX_ERRNO))
#define xa_err(entry) (xa_is_err(entry) ? (int)((long)(entry) >> 2) : 0)
#define K_XA_SEEN(entry) ({ void *_seen = (entry); _seen == K_XA_ZERO ? NULL : _seen; })
#define K_UNSEEN __attribute__((__noinline__, unused, no_sanitize_thread)) static
K_UNSEEN struct k_place *k_xa_from(struct k_place *at, unsigned long index)
{
	while (at && at->index < index)
		at = at->next;
	return at;
}
K_UNSEEN struct k_place *k_xa_exactly(struct k_place *at, unsigned long index) { at = k_xa_from(at, index); return at && at->index == index ? at : NULL; }
K_UNSEEN unsigned long k_xa_index(struct k_place *at) { return at->index; }
K_UNSEEN void k_xa_link(struct k_place **at, struct k_place *fresh)
{
	while (*at && (*at)->index < fresh->index)
		at = &(*at)->next;
	fresh->next = *at;
	*at = fresh;
}
K_UNSEEN unsigned long k_xa_hole(struct k_place *at, unsigned long from)
{
	for (; at; at = at->next)
		if (at->index == from && at->entry)
			from++;
	return from;
}
K_INLINE struct k_place *k_xa_at(struct xarray *xa, unsigned long index) { return k_xa_exactly(READ_ONCE(xa->xa_head), index); }
K_INLINE void *xa_load(struct xarray *xa, unsigned long index)
{
	struct k_place *at = k_xa_at(xa, index);

	return at ? K_XA_SEEN(READ_ONCE(at->entry)) : NULL;
}
/* A place for an index; the caller has the lock, which is given up where memory is waited for. NULL: there is no memory. */
K_INLINE struct k_place *k_xa_make(struct xarray *xa, unsigned long index, gfp_t gfp)
{
	struct k_place *at = k_xa_at(xa, index), *fresh;

	if (at)
		return at;
	if (gfp & __GFP_DIRECT_RECLAIM)
		xa_unlock(xa);
	fresh = kzalloc(sizeof *fresh, gfp);
	if (gfp & __GFP_DIRECT_RECLAIM)
		xa_lock(xa);
	if (!fresh)
		return NULL;
	at = k_xa_at(xa, index);
	if (at) {
		kfree(fresh);
		return at;
	}
	kmemleak_not_leak(fresh);
	fresh->index = index;
	WRITE_ONCE(xa->xa_head, xa->xa_head);
	k_xa_link(&xa->xa_head, fresh);
	return fresh;
}
K_INLINE void *k_xa_put(struct k_place *at, void *entry)
{
	void *old = at->entry;

	WRITE_ONCE(at->entry, entry);
	if (!entry)
		WRITE_ONCE(at->marks, 0);
	return old;
}
/* With the array's lock held. */
K_INLINE void *__xa_erase(struct xarray *xa, unsigned long index) { struct k_place *at = k_xa_at(xa, index); return at ? K_XA_SEEN(k_xa_put(at, NULL)) : NULL; }
K_INLINE void *__xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	struct k_place *at;

	if (!entry)
		return __xa_erase(xa, index);
	at = k_xa_make(xa, index, gfp);
	return at ? K_XA_SEEN(k_xa_put(at, entry)) : K_XA_ERROR(-ENOMEM);
}
K_INLINE int __xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	struct k_place *at = k_xa_make(xa, index, gfp);

	if (!at)
		return -ENOMEM;
	if (at->entry)
		return -EBUSY;
	k_xa_put(at, entry ? entry : K_XA_ZERO);
	return 0;
}
K_INLINE void *__xa_cmpxchg(struct xarray *xa, unsigned long index, void *old, void *entry, gfp_t gfp)
{
	struct k_place *at = entry ? k_xa_make(xa, index, gfp) : k_xa_at(xa, index);
	void *now = at ? K_XA_SEEN(at->entry) : NULL;

	if (!at)
		return entry ? K_XA_ERROR(-ENOMEM) : NULL;
	if (now == old)
		k_xa_put(at, entry);
	return now;
}
K_INLINE int __xa_alloc(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, gfp_t gfp)
{
	for (;;) {
		unsigned long least = limit.min || (xa->xa_flags & 8) == 0 ? limit.min : 1;
		unsigned long hole = k_xa_hole(READ_ONCE(xa->xa_head), least);
		struct k_place *at;

		if (hole > limit.max)
			return -EBUSY;
		at = k_xa_make(xa, hole, gfp);
		if (!at)
			return -ENOMEM;
		if (at->entry)				/* it was taken while the lock was given up */
			continue;
		*id = hole;
		k_xa_put(at, entry ? entry : K_XA_ZERO);
		return 0;
	}
}
K_INLINE int __xa_alloc_cyclic(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, u32 *next, gfp_t gfp)
{
	u32 low = limit.min;
	int ret;

	limit.min = low > *next ? low : *next;
	ret = __xa_alloc(xa, id, entry, limit, gfp);
	if (ret == -EBUSY && limit.min > low) {
		limit.min = low;
		ret = __xa_alloc(xa, id, entry, limit, gfp);
		ret = ret ? ret : 1;
	}
	if (ret >= 0)
		*next = *id + 1;
	return ret;
}
#define K_LOCKED(xa, call) ({ struct xarray *_xa = (xa); xa_lock(_xa); __auto_type _ret = call; xa_unlock(_xa); _ret; })
#define xa_store(xa, index, entry, gfp) K_LOCKED(xa, __xa_store(_xa, index, entry, gfp))
#define xa_erase(xa, index) K_LOCKED(xa, __xa_erase(_xa, index))
#define xa_insert(xa, index, entry, gfp) K_LOCKED(xa, __xa_insert(_xa, index, entry, gfp))
#define xa_cmpxchg(xa, index, old, entry, gfp) K_LOCKED(xa, __xa_cmpxchg(_xa, index, old, entry, gfp))
#define xa_reserve(xa, index, gfp) K_LOCKED(xa, ({ int _r = __xa_insert(_xa, index, NULL, gfp); _r == -EBUSY ? 0 : _r; }))
#define xa_release(xa, index) ((void)K_LOCKED(xa, ({ struct k_place *_at = k_xa_at(_xa, index); if (_at && _at->entry == K_XA_ZERO) k_xa_put(_at, NULL); 0; })))
#define xa_alloc(xa, id, entry, limit, gfp) K_LOCKED(xa, __xa_alloc(_xa, id, entry, limit, gfp))
#define xa_alloc_cyclic(xa, id, entry, limit, next, gfp) K_LOCKED(xa, __xa_alloc_cyclic(_xa, id, entry, limit, next, gfp))
#define xa_store_irq(xa, index, entry, gfp) xa_store(xa, index, entry, gfp)
#define xa_store_bh(xa, index, entry, gfp) xa_store(xa, index, entry, gfp)
#define xa_erase_irq(xa, index) xa_erase(xa, index)
#define xa_erase_bh(xa, index) xa_erase(xa, index)
#define xa_insert_irq(xa, index, entry, gfp) xa_insert(xa, index, entry, gfp)
#define xa_insert_bh(xa, index, entry, gfp) xa_insert(xa, index, entry, gfp)
#define xa_alloc_irq(xa, id, entry, limit, gfp) xa_alloc(xa, id, entry, limit, gfp)
K_INLINE void *xa_find(struct xarray *xa, unsigned long *index, unsigned long most, unsigned int filter)
{
	for (;;) {
		struct k_place *at = k_xa_from(READ_ONCE(xa->xa_head), *index);
		void *entry;

		if (!at || k_xa_index(at) > most)
			return NULL;
		*index = k_xa_index(at);
		entry = K_XA_SEEN(READ_ONCE(at->entry));
		if (entry && (filter & XA_PRESENT || READ_ONCE(at->marks) & filter))
			return entry;
		if (!++*index)
			return NULL;
	}
}
#define xa_find_after(xa, index, most, filter) (++*(index) ? xa_find(xa, index, most, filter) : NULL)
#define xa_for_each_range(xa, index, entry, first, last) for (index = (first), entry = xa_find(xa, &index, last, XA_PRESENT); entry; entry = xa_find_after(xa, &index, last, XA_PRESENT))
#define xa_for_each_start(xa, index, entry, first) xa_for_each_range(xa, index, entry, first, ULONG_MAX)
#define xa_for_each(xa, index, entry) xa_for_each_start(xa, index, entry, 0)
#define xa_for_each_marked(xa, index, entry, filter) for (index = 0, entry = xa_find(xa, &index, ULONG_MAX, filter); entry; entry = xa_find_after(xa, &index, ULONG_MAX, filter))
K_INLINE bool xa_empty(struct xarray *xa) { unsigned long index = 0; return !xa_find(xa, &index, ULONG_MAX, XA_PRESENT); }
#define xa_set_mark(xa, index, mark) ((void)K_LOCKED(xa, ({ struct k_place *_at = k_xa_at(_xa, index); if (_at && _at->entry) WRITE_ONCE(_at->marks, _at->marks | (mark)); 0; })))
#define xa_clear_mark(xa, index, mark) ((void)K_LOCKED(xa, ({ struct k_place *_at = k_xa_at(_xa, index); if (_at) WRITE_ONCE(_at->marks, _at->marks & ~(mark)); 0; })))
#define xa_get_mark(xa, index, mark) ({ struct k_place *_at = k_xa_at(xa, index); (bool)(_at && READ_ONCE(_at->marks) & (mark)); })
K_INLINE void xa_destroy(struct xarray *xa)
{
	struct k_place *at, *next;

	xa_lock(xa);
	at = xa->xa_head;
	WRITE_ONCE(xa->xa_head, NULL);
	xa_unlock(xa);
	for (; at; at = next) {
		next = at->next;
		kfree(at);
	}
}
#endif
