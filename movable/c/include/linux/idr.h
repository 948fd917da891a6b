/* Numbers for pointers (idr), which the caller locks, and numbers alone (ida), which lock themselves. */
#ifndef _LINUX_IDR_H
#define _LINUX_IDR_H
#include <linux/xarray.h>
#include <linux/sched.h>
struct idr { struct xarray idr_rt; unsigned int idr_base, idr_next; unsigned long k_changes; };
#define IDR_INIT_BASE(name, base) { XARRAY_INIT(name, XA_FLAGS_ALLOC), base, 0, 0 }
#define IDR_INIT(name) IDR_INIT_BASE(name, 0)
#define DEFINE_IDR(name) struct idr name = IDR_INIT(name)
K_INLINE void idr_init_base(struct idr *idr, int base) { xa_init_flags(&idr->idr_rt, XA_FLAGS_ALLOC); idr->idr_base = base; idr->idr_next = 0; idr->k_changes = 0; }
#define idr_init(idr) idr_init_base(idr, 0)
/* Two changes, or a change and a look, at the same time are a race: the callers have a lock of their own. */
#define K_IDR(p, call) ({ struct idr *_idr = (p); _idr->k_changes++; K_LOCKED(&_idr->idr_rt, call); })
K_INLINE int k_idr_alloc(struct idr *idr, void *p, u32 low, u32 high, gfp_t gfp)
{
	u32 id = 0;
	int ret;

	idr->k_changes++;
	might_sleep_if(gfp & __GFP_DIRECT_RECLAIM);
	ret = xa_alloc(&idr->idr_rt, &id, p, XA_LIMIT(low < idr->idr_base ? idr->idr_base : low, high), gfp & ~__GFP_DIRECT_RECLAIM);
	return ret == -EBUSY ? -ENOSPC : ret ? ret : (int)id;
}
K_INLINE int idr_alloc(struct idr *idr, void *p, int start, int end, gfp_t gfp) { return k_idr_alloc(idr, p, start, end > 0 ? end - 1 : INT_MAX, gfp); }
K_INLINE int idr_alloc_u32(struct idr *idr, void *p, u32 *id, unsigned long most, gfp_t gfp) { int ret = k_idr_alloc(idr, p, *id, most, gfp); if (ret < 0) return ret; *id = ret; return 0; }
K_INLINE int idr_alloc_cyclic(struct idr *idr, void *p, int start, int end, gfp_t gfp)
{
	u32 next = idr->idr_next, most = end > 0 ? end - 1 : INT_MAX;
	int id = k_idr_alloc(idr, p, next > (u32)start ? next : (u32)start, most, gfp);

	if (id == -ENOSPC)
		id = k_idr_alloc(idr, p, start, most, gfp);
	if (id >= 0)
		idr->idr_next = id + 1;
	return id;
}
K_INLINE void *idr_find(const struct idr *idr, unsigned long id) { __asm__ __volatile__("" : : "r"(idr->k_changes)); return xa_load((struct xarray *)&idr->idr_rt, id); }
#define idr_remove(idr, id) K_IDR(idr, __xa_erase(_xa, id))
K_INLINE void *idr_replace(struct idr *idr, void *p, unsigned long id)
{
	struct k_place *at;

	idr->k_changes++;
	at = k_xa_at(&idr->idr_rt, id);
	return at && at->entry ? K_XA_SEEN(k_xa_put(at, p ? p : K_XA_ZERO)) : ERR_PTR(-ENOENT);
}
K_INLINE void *idr_get_next(struct idr *idr, int *id)
{
	unsigned long at = *id;
	void *entry = xa_find(&idr->idr_rt, &at, INT_MAX, XA_PRESENT);

	if (entry)
		*id = at;
	return entry;
}
#define idr_for_each_entry(idr, entry, id) for (id = 0; ((entry) = idr_get_next(idr, &(id))) != NULL; id++)
#define idr_for_each_entry_continue(idr, entry, id) for ((entry) = idr_get_next(idr, &(id)); (entry); id++, (entry) = idr_get_next(idr, &(id)))
#define idr_for_each(idr, fn, data) ({ int _id, _ret = 0; void *_p; idr_for_each_entry(idr, _p, _id) if ((_ret = fn(_id, _p, data))) break; _ret; })
#define idr_is_empty(idr) xa_empty(&(idr)->idr_rt)
#define idr_destroy(idr) xa_destroy(&(idr)->idr_rt)
#define idr_preload(gfp) do { might_sleep_if((gfp) & __GFP_DIRECT_RECLAIM); preempt_disable(); } while (0)
#define idr_preload_end() preempt_enable()
struct ida { struct xarray xa; };
#define IDA_INIT(name) { XARRAY_INIT(name, XA_FLAGS_ALLOC) }
#define DEFINE_IDA(name) struct ida name = IDA_INIT(name)
#define ida_init(ida) xa_init_flags(&(ida)->xa, XA_FLAGS_ALLOC)
K_INLINE int ida_alloc_range(struct ida *ida, unsigned int low, unsigned int high, gfp_t gfp)
{
	u32 id = 0;
	int ret = xa_alloc(&ida->xa, &id, xa_mk_value(1), XA_LIMIT(low, high < INT_MAX ? high : INT_MAX), gfp);

	return ret == -EBUSY ? -ENOSPC : ret ? ret : (int)id;
}
#define ida_alloc(ida, gfp) ida_alloc_range(ida, 0, ~0u, gfp)
#define ida_alloc_min(ida, low, gfp) ida_alloc_range(ida, low, ~0u, gfp)
#define ida_alloc_max(ida, high, gfp) ida_alloc_range(ida, 0, high, gfp)
#define ida_simple_get(ida, start, end, gfp) ida_alloc_range(ida, start, (end) > 0 ? (end) - 1 : ~0u, gfp)
#define ida_free(ida, id) do { if (!xa_erase(&(ida)->xa, id)) WARN(1, "ida_free: %d is not in use", (int)(id)); } while (0)
#define ida_simple_remove(ida, id) ida_free(ida, id)
#define ida_is_empty(ida) xa_empty(&(ida)->xa)
#define ida_destroy(ida) xa_destroy(&(ida)->xa)
/* Radix trees: the older face of the same, which the caller locks as well. */
#define radix_tree_root idr
#define RADIX_TREE_INIT(name, gfp) IDR_INIT(name)
#define RADIX_TREE(name, gfp) DEFINE_IDR(name)
#define INIT_RADIX_TREE(root, gfp) idr_init(root)
K_INLINE int radix_tree_insert(struct idr *root, unsigned long index, void *item) { int ret = K_IDR(root, __xa_insert(_xa, index, item, GFP_NOWAIT)); return ret == -EBUSY ? -EEXIST : ret; }
#define radix_tree_lookup(root, index) idr_find(root, index)
#define radix_tree_delete(root, index) idr_remove(root, index)
#define radix_tree_delete_item(root, index, item) ({ __typeof__(root) _r = (root); radix_tree_lookup(_r, index) == (item) ? radix_tree_delete(_r, index) : NULL; })
/* A slot is where an item stands; it is read and written under the caller's lock. */
K_INLINE void **radix_tree_lookup_slot(struct idr *root, unsigned long index) { struct k_place *at = k_xa_at(&root->idr_rt, index); return at && at->entry ? &at->entry : NULL; }
#define radix_tree_deref_slot(slot) K_XA_SEEN(READ_ONCE(*(slot)))
#define radix_tree_deref_slot_protected(slot, lock) K_XA_SEEN(*(slot))
#define radix_tree_replace_slot(root, slot, item) ((void)((root)->k_changes++), WRITE_ONCE(*(slot), (void *)(item)))
struct radix_tree_iter { unsigned long index; };
K_INLINE void **k_radix_next(struct idr *root, struct radix_tree_iter *iter) { return xa_find(&root->idr_rt, &iter->index, ULONG_MAX, XA_PRESENT) ? radix_tree_lookup_slot(root, iter->index) : NULL; }
#define radix_tree_for_each_slot(slot, root, iter, start) for ((iter)->index = (start); ((slot) = k_radix_next(root, iter)) != NULL; (iter)->index++)
K_INLINE unsigned int radix_tree_gang_lookup(struct idr *root, void **to, unsigned long first, unsigned int most)
{
	unsigned int n = 0;

	while (n < most && (to[n] = xa_find(&root->idr_rt, &first, ULONG_MAX, XA_PRESENT)) != NULL) {
		n++;
		first++;
	}
	return n;
}
#define radix_tree_empty(root) idr_is_empty(root)
#define radix_tree_preload(gfp) ({ might_sleep(); preempt_disable(); 0; })
#define radix_tree_maybe_preload(gfp) radix_tree_preload(gfp)
#define radix_tree_preload_end() preempt_enable()
#endif
