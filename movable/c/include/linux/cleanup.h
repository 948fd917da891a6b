/* Locks and memory that are given back at the end of a block. */
#ifndef _LINUX_CLEANUP_H
#define _LINUX_CLEANUP_H
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#define __cleanup(function) __attribute__((cleanup(function), unused))
#define K_JOIN_1(a, b) a##b
#define K_JOIN(a, b) K_JOIN_1(a, b)
/* A class says how a variable begins and what is done with it at the end of its block. */
#define DEFINE_CLASS(name, type, end, begin, arguments...) \
	typedef type class_##name##_t; \
	K_INLINE void class_##name##_destructor(class_##name##_t *p) { class_##name##_t _T = *p; end; } \
	K_INLINE class_##name##_t class_##name##_constructor(arguments) { class_##name##_t t = begin; return t; }
#define EXTEND_CLASS(name, more, begin, arguments...) \
	typedef class_##name##_t class_##name##more##_t; \
	K_INLINE void class_##name##more##_destructor(class_##name##_t *p) { class_##name##_destructor(p); } \
	K_INLINE class_##name##_t class_##name##more##_constructor(arguments) { class_##name##_t t = begin; return t; }
#define CLASS(name, variable) class_##name##_t variable __cleanup(class_##name##_destructor) = class_##name##_constructor
/* A guard is a class whose value is the lock, or where it needs more begins with it; none where a lock that is tried is not got. */
#define DEFINE_GUARD(name, type, enter, leave) DEFINE_CLASS(name, type, if (_T) { leave; }, ({ enter; _T; }), type _T)
#define DEFINE_GUARD_COND(name, more, tried) EXTEND_CLASS(name, more, ({ void *_t = _T; if (_T && !(tried)) _t = NULL; _t; }), class_##name##_t _T)
#define DEFINE_LOCK_GUARD_0(name, enter, leave, members...) \
	typedef struct { void *lock; members; } class_##name##_t; \
	K_INLINE void class_##name##_destructor(class_##name##_t *_T) { if (_T->lock) { leave; } } \
	K_INLINE class_##name##_t class_##name##_constructor(void) { class_##name##_t _t = { .lock = (void *)1 }, *_T __maybe_unused = &_t; enter; return _t; }
#define DEFINE_LOCK_GUARD_1(name, type, enter, leave, members...) \
	typedef struct { type *lock; members; } class_##name##_t; \
	K_INLINE void class_##name##_destructor(class_##name##_t *_T) { if (_T->lock) { leave; } } \
	K_INLINE class_##name##_t class_##name##_constructor(type *l) { class_##name##_t _t = { .lock = l }, *_T = &_t; enter; return _t; }
#define DEFINE_LOCK_GUARD_1_COND(name, more, tried) EXTEND_CLASS(name, more, ({ class_##name##_t _t = { .lock = l }, *_T = &_t; if (_T->lock && !(tried)) _T->lock = NULL; _t; }), __typeof__(((class_##name##_t *)0)->lock) l)
#define K_GOT(variable) (*(void **)&(variable))
#define guard(name) CLASS(name, K_JOIN(k_held_, __COUNTER__))
#define scoped_guard(name, lock...) for (int k_done = 0; !k_done; k_done = 1) for (CLASS(name, k_held)(lock); K_GOT(k_held) && !k_done; k_done = 1)
#define scoped_cond_guard(name, otherwise, lock...) for (int k_done = 0; !k_done; k_done = 1) for (CLASS(name, k_held)(lock); !k_done; k_done = 1) if (!K_GOT(k_held)) otherwise; else
#define scoped_class(name, variable, arguments...) for (int k_done = 0; !k_done; k_done = 1) for (CLASS(name, variable)(arguments); !k_done; k_done = 1)
#define ACQUIRE(name, variable) CLASS(name, variable)
#define ACQUIRE_ERR(name, variable) (K_GOT(*(variable)) ? 0 : -EBUSY)
DEFINE_GUARD(mutex, struct mutex *, mutex_lock(_T), mutex_unlock(_T))
DEFINE_GUARD_COND(mutex, _try, mutex_trylock(_T))
DEFINE_GUARD_COND(mutex, _intr, mutex_lock_interruptible(_T) == 0)
DEFINE_GUARD_COND(mutex, _kill, mutex_lock_killable(_T) == 0)
#define K_SPIN_GUARD(name, type, kind) DEFINE_GUARD(name, type *, kind##_lock(_T), kind##_unlock(_T)) DEFINE_GUARD_COND(name, _try, kind##_trylock(_T))
K_SPIN_GUARD(spinlock, spinlock_t, spin)
K_SPIN_GUARD(spinlock_irq, spinlock_t, spin)
K_SPIN_GUARD(spinlock_irqsave, spinlock_t, spin)
K_SPIN_GUARD(spinlock_bh, spinlock_t, spin)
K_SPIN_GUARD(raw_spinlock, raw_spinlock_t, spin)
K_SPIN_GUARD(raw_spinlock_irq, raw_spinlock_t, spin)
K_SPIN_GUARD(raw_spinlock_irqsave, raw_spinlock_t, spin)
DEFINE_GUARD(spinlock_nested, spinlock_t *, spin_lock(_T), spin_unlock(_T))
DEFINE_GUARD(read_lock, rwlock_t *, read_lock(_T), read_unlock(_T))
DEFINE_GUARD(read_lock_irq, rwlock_t *, read_lock(_T), read_unlock(_T))
DEFINE_GUARD(read_lock_irqsave, rwlock_t *, read_lock(_T), read_unlock(_T))
DEFINE_GUARD(write_lock, rwlock_t *, write_lock(_T), write_unlock(_T))
DEFINE_GUARD(write_lock_irq, rwlock_t *, write_lock(_T), write_unlock(_T))
DEFINE_GUARD(write_lock_irqsave, rwlock_t *, write_lock(_T), write_unlock(_T))
DEFINE_GUARD(rwsem_read, struct rw_semaphore *, down_read(_T), up_read(_T))
DEFINE_GUARD_COND(rwsem_read, _try, down_read_trylock(_T))
DEFINE_GUARD_COND(rwsem_read, _intr, down_read_interruptible(_T) == 0)
DEFINE_GUARD(rwsem_write, struct rw_semaphore *, down_write(_T), up_write(_T))
DEFINE_GUARD_COND(rwsem_write, _try, down_write_trylock(_T))
DEFINE_GUARD_COND(rwsem_write, _kill, down_write_killable(_T) == 0)
DEFINE_GUARD(local_lock, local_lock_t *, local_lock(_T), local_unlock(_T))
DEFINE_LOCK_GUARD_0(preempt, preempt_disable(), preempt_enable())
DEFINE_LOCK_GUARD_0(migrate, migrate_disable(), migrate_enable())
DEFINE_LOCK_GUARD_0(irq, local_irq_disable(), local_irq_enable())
DEFINE_LOCK_GUARD_0(irqsave, local_irq_save(_T->flags), local_irq_restore(_T->flags), unsigned long flags)
DEFINE_LOCK_GUARD_0(cpus_read_lock, cpus_read_lock(), cpus_read_unlock())
#define DEFINE_FREE(name, type, expression) K_INLINE void __free_##name(void *p) { type _T = *(type *)p; expression; }
#define __free(name) __cleanup(__free_##name)
DEFINE_FREE(kfree, void *, if (!IS_ERR_OR_NULL(_T)) kfree(_T))
DEFINE_FREE(kfree_sensitive, void *, if (_T) kfree_sensitive(_T))
DEFINE_FREE(vfree, void *, if (_T) vfree(_T))
DEFINE_FREE(bitmap, unsigned long *, if (_T) bitmap_free(_T))
DEFINE_FREE(kvfree, void *, if (!IS_ERR_OR_NULL(_T)) kvfree(_T))
DEFINE_FREE(free_percpu, void *, free_percpu(_T))
#define no_free_ptr(p) ({ __auto_type _kept = (p); (p) = NULL; _kept; })
#define retain_and_null_ptr(p) ((void)no_free_ptr(p))
#define return_ptr(p) return no_free_ptr(p)
#endif
