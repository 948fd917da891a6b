/* Locks and memory that are given back at the end of a block. */
#ifndef _LINUX_CLEANUP_H
#define _LINUX_CLEANUP_H
#include <linux/mutex.h>
#include <linux/slab.h>
#define __cleanup(function) __attribute__((cleanup(function), unused))
#define K_JOIN_1(a, b) a##b
#define K_JOIN(a, b) K_JOIN_1(a, b)
#define K_GUARD(kind, type, enter, leave) \
	typedef type *k_guard_##kind; \
	K_INLINE type *k_enter_##kind(type *lock) { enter(lock); return lock; } \
	K_INLINE void k_leave_##kind(k_guard_##kind *lock) { if (*lock) leave(*lock); }
#define DEFINE_GUARD(kind, type, enter, leave) \
	typedef type k_guard_##kind; \
	K_INLINE type k_enter_##kind(type _T) { enter; return _T; } \
	K_INLINE void k_leave_##kind(type *at) { type _T = *at; if (_T) { leave; } }
K_GUARD(mutex, struct mutex, mutex_lock, mutex_unlock)
K_GUARD(spinlock, spinlock_t, spin_lock, spin_unlock)
K_GUARD(spinlock_irq, spinlock_t, spin_lock, spin_unlock)
K_GUARD(spinlock_irqsave, spinlock_t, spin_lock, spin_unlock)
K_GUARD(spinlock_bh, spinlock_t, spin_lock, spin_unlock)
K_GUARD(raw_spinlock, spinlock_t, spin_lock, spin_unlock)
K_GUARD(read_lock, rwlock_t, read_lock, read_unlock)
K_GUARD(write_lock, rwlock_t, write_lock, write_unlock)
K_GUARD(rwsem_read, struct rw_semaphore, down_read, up_read)
K_GUARD(rwsem_write, struct rw_semaphore, down_write, up_write)
#define guard(kind) k_guard_##kind K_JOIN(k_held_, __COUNTER__) __cleanup(k_leave_##kind) = k_enter_##kind
#define scoped_guard(kind, lock) for (k_guard_##kind k_held __cleanup(k_leave_##kind) = k_enter_##kind(lock), k_done = NULL; !k_done; k_done = (k_guard_##kind)1)
#define DEFINE_FREE(name, type, expression) K_INLINE void k_free_##name(void *at) { type _T = *(type *)at; expression; }
#define __free(name) __cleanup(k_free_##name)
DEFINE_FREE(kfree, void *, if (!IS_ERR_OR_NULL(_T)) kfree(_T))
DEFINE_FREE(vfree, void *, if (_T) vfree(_T))
DEFINE_FREE(bitmap, unsigned long *, if (_T) bitmap_free(_T))
DEFINE_FREE(kvfree, void *, if (!IS_ERR_OR_NULL(_T)) kvfree(_T))
#define no_free_ptr(p) ({ __auto_type _kept = (p); (p) = NULL; _kept; })
#define retain_and_null_ptr(p) ((void)no_free_ptr(p))
#define return_ptr(p) return no_free_ptr(p)
#endif
