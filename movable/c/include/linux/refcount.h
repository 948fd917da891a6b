/* Reference counts that tell when they are misused. */
#ifndef _LINUX_REFCOUNT_H
#define _LINUX_REFCOUNT_H
#include <linux/atomic.h>
typedef struct { atomic_t refs; } refcount_t;
#define REFCOUNT_INIT(n) { ATOMIC_INIT(n) }
K_INLINE void refcount_set(refcount_t *r, int n) { atomic_set(&r->refs, n); }
K_INLINE unsigned int refcount_read(const refcount_t *r) { return atomic_read(&r->refs); }
K_INLINE void refcount_inc(refcount_t *r) { int was = atomic_fetch_inc(&r->refs); WARN(was <= 0, "refcount: taken at %d: use after free", was); }
K_INLINE void refcount_add(int n, refcount_t *r) { int was = atomic_fetch_add(n, &r->refs); WARN(was <= 0, "refcount: taken at %d: use after free", was); }
K_INLINE bool refcount_inc_not_zero(refcount_t *r) { return atomic_inc_not_zero(&r->refs); }
K_INLINE bool refcount_sub_and_test(int n, refcount_t *r) { int left = atomic_sub_return(n, &r->refs); WARN(left < 0, "refcount: dropped to %d", left); return left == 0; }
K_INLINE bool refcount_dec_and_test(refcount_t *r) { return refcount_sub_and_test(1, r); }
K_INLINE void refcount_dec(refcount_t *r) { int left = atomic_dec_return(&r->refs); WARN(left <= 0, "refcount: dropped to %d", left); }
#define refcount_dec_and_lock(r, lock) atomic_dec_and_lock(&(r)->refs, lock)
struct kref { refcount_t refcount; };
#define KREF_INIT(n) { .refcount = REFCOUNT_INIT(n) }
K_INLINE void kref_init(struct kref *k) { refcount_set(&k->refcount, 1); }
K_INLINE unsigned int kref_read(const struct kref *k) { return refcount_read(&k->refcount); }
K_INLINE void kref_get(struct kref *k) { refcount_inc(&k->refcount); }
K_INLINE int kref_get_unless_zero(struct kref *k) { return refcount_inc_not_zero(&k->refcount); }
K_INLINE int kref_put(struct kref *k, void (*release)(struct kref *)) { if (!refcount_dec_and_test(&k->refcount)) return 0; release(k); return 1; }
#define kref_put_mutex(k, release, lock) (mutex_lock(lock), refcount_dec_and_test(&(k)->refcount) ? (release(k), 1) : (mutex_unlock(lock), 0))
#define refcount_dec_and_mutex_lock(r, lock) (mutex_lock(lock), refcount_dec_and_test(r) ? 1 : (mutex_unlock(lock), 0))
#define kref_put_lock(k, release, lock) (refcount_dec_and_lock(&(k)->refcount, lock) ? (release(k), 1) : 0)
K_INLINE bool refcount_add_not_zero(int n, refcount_t *r) { return atomic_add_unless(&r->refs, n, 0); }
K_INLINE bool refcount_dec_not_one(refcount_t *r) { return atomic_add_unless(&r->refs, -1, 1); }
K_INLINE bool refcount_dec_if_one(refcount_t *r) { return atomic_cmpxchg(&r->refs, 1, 0) == 1; }
#define refcount_dec_and_lock_irqsave(r, lock, flags) ({ *(flags) = 0; refcount_dec_and_lock(r, lock); })
#endif
