/* Atomic counters, compare and exchange. Every operation is one step, whatever order it asks for. */
#ifndef _LINUX_ATOMIC_H
#define _LINUX_ATOMIC_H
#include <linux/bug.h>
#define ATOMIC_INIT(i) { (i) }
#define ATOMIC_LONG_INIT(i) { (i) }
#define ATOMIC64_INIT(i) { (i) }
#define K_SEQ __ATOMIC_SEQ_CST
#define cmpxchg(p, old, new) ({ __typeof__(*(p)) _old = (old); __atomic_compare_exchange_n(p, &_old, new, 0, K_SEQ, K_SEQ); _old; })
#define cmpxchg_relaxed(p, old, new) cmpxchg(p, old, new)
#define cmpxchg_acquire(p, old, new) cmpxchg(p, old, new)
#define cmpxchg_release(p, old, new) cmpxchg(p, old, new)
#define cmpxchg_local(p, old, new) cmpxchg(p, old, new)
#define cmpxchg64(p, old, new) cmpxchg(p, old, new)
#define try_cmpxchg(p, old, new) ((bool)__atomic_compare_exchange_n(p, old, new, 0, K_SEQ, K_SEQ))
#define try_cmpxchg_relaxed(p, old, new) try_cmpxchg(p, old, new)
#define try_cmpxchg_acquire(p, old, new) try_cmpxchg(p, old, new)
#define try_cmpxchg_release(p, old, new) try_cmpxchg(p, old, new)
#define try_cmpxchg64(p, old, new) try_cmpxchg(p, old, new)
#define xchg(p, v) __atomic_exchange_n(p, v, K_SEQ)
#define xchg_relaxed(p, v) xchg(p, v)
#define xchg_acquire(p, v) xchg(p, v)
#define xchg_release(p, v) xchg(p, v)
/* One function for each order that kernels have names for. */
#define K_ORDERS(ret, name, args, body) \
	K_INLINE ret name args { body; } \
	K_INLINE ret name##_relaxed args { body; } \
	K_INLINE ret name##_acquire args { body; } \
	K_INLINE ret name##_release args { body; }
#define K_ATOMIC_OP(a, T, t, op) \
	K_INLINE void a##_##op(t i, T *v) { __atomic_fetch_##op(&v->counter, i, K_SEQ); } \
	K_ORDERS(t, a##_fetch_##op, (t i, T *v), return __atomic_fetch_##op(&v->counter, i, K_SEQ))
#define K_ATOMIC(a, T, t) \
	K_INLINE t a##_read(const T *v) { return __atomic_load_n(&v->counter, K_SEQ); } \
	K_INLINE t a##_read_acquire(const T *v) { return __atomic_load_n(&v->counter, K_SEQ); } \
	K_INLINE void a##_set(T *v, t i) { __atomic_store_n(&v->counter, i, K_SEQ); } \
	K_INLINE void a##_set_release(T *v, t i) { __atomic_store_n(&v->counter, i, K_SEQ); } \
	K_ATOMIC_OP(a, T, t, add) \
	K_ATOMIC_OP(a, T, t, sub) \
	K_ATOMIC_OP(a, T, t, and) \
	K_ATOMIC_OP(a, T, t, or) \
	K_ATOMIC_OP(a, T, t, xor) \
	K_INLINE void a##_andnot(t i, T *v) { a##_and(~i, v); } \
	K_INLINE void a##_inc(T *v) { a##_add(1, v); } \
	K_INLINE void a##_dec(T *v) { a##_sub(1, v); } \
	K_ORDERS(t, a##_fetch_andnot, (t i, T *v), return a##_fetch_and(~i, v)) \
	K_ORDERS(t, a##_fetch_inc, (T *v), return a##_fetch_add(1, v)) \
	K_ORDERS(t, a##_fetch_dec, (T *v), return a##_fetch_sub(1, v)) \
	K_ORDERS(t, a##_add_return, (t i, T *v), return a##_fetch_add(i, v) + i) \
	K_ORDERS(t, a##_sub_return, (t i, T *v), return a##_fetch_sub(i, v) - i) \
	K_ORDERS(t, a##_inc_return, (T *v), return a##_fetch_add(1, v) + 1) \
	K_ORDERS(t, a##_dec_return, (T *v), return a##_fetch_sub(1, v) - 1) \
	K_ORDERS(t, a##_xchg, (T *v, t i), return __atomic_exchange_n(&v->counter, i, K_SEQ)) \
	K_ORDERS(bool, a##_try_cmpxchg, (T *v, t *old, t i), return __atomic_compare_exchange_n(&v->counter, old, i, 0, K_SEQ, K_SEQ)) \
	K_ORDERS(t, a##_cmpxchg, (T *v, t old, t i), a##_try_cmpxchg(v, &old, i); return old) \
	K_INLINE bool a##_inc_and_test(T *v) { return a##_inc_return(v) == 0; } \
	K_INLINE bool a##_dec_and_test(T *v) { return a##_dec_return(v) == 0; } \
	K_INLINE bool a##_sub_and_test(t i, T *v) { return a##_sub_return(i, v) == 0; } \
	K_INLINE bool a##_add_negative(t i, T *v) { return a##_add_return(i, v) < 0; } \
	K_INLINE t a##_fetch_add_unless(T *v, t i, t u) { t was = a##_read(v); while (was != u && !a##_try_cmpxchg(v, &was, was + i)) ; return was; } \
	K_INLINE bool a##_add_unless(T *v, t i, t u) { return a##_fetch_add_unless(v, i, u) != u; } \
	K_INLINE bool a##_inc_not_zero(T *v) { return a##_add_unless(v, 1, 0); } \
	K_INLINE bool a##_inc_unless_negative(T *v) { t was = a##_read(v); while (was >= 0 && !a##_try_cmpxchg(v, &was, was + 1)) ; return was >= 0; } \
	K_INLINE bool a##_dec_unless_positive(T *v) { t was = a##_read(v); while (was <= 0 && !a##_try_cmpxchg(v, &was, was - 1)) ; return was <= 0; } \
	K_INLINE t a##_dec_if_positive(T *v) { t was = a##_read(v); while (was > 0 && !a##_try_cmpxchg(v, &was, was - 1)) ; return was - 1; }
K_ATOMIC(atomic, atomic_t, int)
K_ATOMIC(atomic64, atomic64_t, s64)
K_ATOMIC(atomic_long, atomic_long_t, long)
#define atomic_cond_read_acquire(v, condition) smp_cond_load_acquire(&(v)->counter, condition)
#define atomic_cond_read_relaxed(v, condition) atomic_cond_read_acquire(v, condition)
#define atomic_dec_and_lock(v, lock) (atomic_add_unless(v, -1, 1) ? 0 : (spin_lock(lock), atomic_dec_and_test(v) ? 1 : (spin_unlock(lock), 0)))
#define atomic_dec_and_lock_irqsave(v, lock, flags) ((flags) = 0, atomic_dec_and_lock(v, lock))
#define atomic_dec_and_mutex_lock(v, lock) (atomic_add_unless(v, -1, 1) ? 0 : (mutex_lock(lock), atomic_dec_and_test(v) ? 1 : (mutex_unlock(lock), 0)))
/* Counters of one processor. */
typedef atomic_long_t local_t;
#define LOCAL_INIT(n) ATOMIC_LONG_INIT(n)
#define local_read(l) atomic_long_read(l)
#define local_set(l, n) atomic_long_set(l, n)
#define local_inc(l) atomic_long_inc(l)
#define local_dec(l) atomic_long_dec(l)
#define local_add(n, l) atomic_long_add(n, l)
#define local_sub(n, l) atomic_long_sub(n, l)
#endif
