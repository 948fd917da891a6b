/* Locks. The model keeps them by address; the words here only give them one. */
#ifndef _LINUX_SPINLOCK_H
#define _LINUX_SPINLOCK_H
#include <linux/bug.h>
typedef struct { long k_lock; } spinlock_t, raw_spinlock_t, local_lock_t;
typedef struct { long k_lock; } rwlock_t;
struct lock_class_key { char dummy; };
#define __SPIN_LOCK_UNLOCKED(name) { 0 }
#define __RW_LOCK_UNLOCKED(name) { 0 }
#define DEFINE_SPINLOCK(name) spinlock_t name = __SPIN_LOCK_UNLOCKED(name)
#define DEFINE_RAW_SPINLOCK(name) raw_spinlock_t name = __SPIN_LOCK_UNLOCKED(name)
#define DEFINE_RWLOCK(name) rwlock_t name = __RW_LOCK_UNLOCKED(name)
#define K_SPIN_LOCK 0
#define K_MUTEX 1
#define K_SEMAPHORE 2
#define spin_lock_init(lock) ((void)k_call(K_LOCK_INIT, (long)(lock), 0, 0, 0))
#define rwlock_init(lock) spin_lock_init(lock)
#define spin_lock(lock) ((void)k_call(K_LOCK, (long)(lock), K_SPIN_LOCK, 0, 0))
#define spin_trylock(lock) ((int)k_call(K_TRYLOCK, (long)(lock), K_SPIN_LOCK, 0, 0))
#define spin_unlock(lock) ((void)k_call(K_UNLOCK, (long)(lock), K_SPIN_LOCK, 0, 0))
#define spin_is_locked(lock) ((int)k_call(K_IS_LOCKED, (long)(lock), K_SPIN_LOCK, 0, 0))
#define assert_spin_locked(lock) ((void)k_call(K_ASSERT_HELD, (long)(lock), 0, 0, 0))
#define lockdep_assert_held(lock) ((void)k_call(K_ASSERT_HELD, (long)(lock), 0, 0, 0))
#define lockdep_assert_held_write(lock) lockdep_assert_held(lock)
#define lockdep_assert_held_read(lock) lockdep_assert_held(lock)
#define lockdep_assert_held_once(lock) lockdep_assert_held(lock)
#define lockdep_assert_not_held(lock) ((void)(lock))	/* ignored: lock dependency checks are the kit's */
#define lockdep_assert(x) WARN_ON(!(x))
#define lockdep_assert_irqs_enabled() ((void)0)	/* ignored: there are no interrupts */
#define lockdep_set_subclass(lock, depth) ((void)(lock))	/* ignored: lock dependency checks are the kit's */
#define lockdep_set_class_and_name(lock, key, name) ((void)(lock))	/* ignored: lock dependency checks are the kit's */
#define lockdep_set_novalidate_class(lock) ((void)(lock))	/* ignored: lock dependency checks are the kit's */
#define lockdep_is_held(lock) 1			/* ignored: lock dependency checks are the kit's */
#define lockdep_set_class(lock, key) ((void)0)	/* ignored: lock dependency checks are the kit's */
#define lockdep_init_map(map, name, key, sub) ((void)0)	/* ignored: lock dependency checks are the kit's */
#define spin_is_contended(lock) 0		/* ignored: a hint */
#define rwlock_is_contended(lock) 0		/* ignored: a hint */
#define spin_needbreak(lock) 0			/* ignored: a hint */
#define SINGLE_DEPTH_NESTING 1
#define spin_lock_nested(lock, depth) spin_lock(lock)
#define spin_lock_nest_lock(lock, outer) spin_lock(lock)
#define spin_lock_irqsave_nested(lock, flags, depth) spin_lock_irqsave(lock, flags)
#define raw_spin_lock_nested(lock, depth) spin_lock(lock)
#define raw_spin_lock_irq(lock) spin_lock(lock)
#define raw_spin_unlock_irq(lock) spin_unlock(lock)
#define raw_spin_is_locked(lock) spin_is_locked(lock)
#define __RAW_SPIN_LOCK_UNLOCKED(name) { 0 }
#define spin_lock_irq(lock) spin_lock(lock)
#define spin_unlock_irq(lock) spin_unlock(lock)
#define spin_lock_bh(lock) spin_lock(lock)
#define spin_unlock_bh(lock) spin_unlock(lock)
#define spin_trylock_irq(lock) spin_trylock(lock)
#define spin_trylock_bh(lock) spin_trylock(lock)
#define spin_lock_irqsave(lock, flags) do { (flags) = 0; spin_lock(lock); } while (0)
#define spin_unlock_irqrestore(lock, flags) do { (void)(flags); spin_unlock(lock); } while (0)
#define spin_trylock_irqsave(lock, flags) ((flags) = 0, spin_trylock(lock))
#define raw_spin_lock_init(lock) spin_lock_init(lock)
#define raw_spin_lock(lock) spin_lock(lock)
#define raw_spin_unlock(lock) spin_unlock(lock)
#define raw_spin_trylock(lock) spin_trylock(lock)
#define raw_spin_lock_irqsave(lock, flags) spin_lock_irqsave(lock, flags)
#define raw_spin_unlock_irqrestore(lock, flags) spin_unlock_irqrestore(lock, flags)
#define read_lock(lock) ((void)k_call(K_READ_LOCK, (long)(lock), 0, 0, 0))
#define read_trylock(lock) ((int)k_call(K_READ_TRYLOCK, (long)(lock), 0, 0, 0))
#define read_unlock(lock) ((void)k_call(K_READ_UNLOCK, (long)(lock), 0, 0, 0))
#define write_lock(lock) ((void)k_call(K_WRITE_LOCK, (long)(lock), 0, 0, 0))
#define write_trylock(lock) ((int)k_call(K_WRITE_TRYLOCK, (long)(lock), 0, 0, 0))
#define write_unlock(lock) ((void)k_call(K_WRITE_UNLOCK, (long)(lock), 0, 0, 0))
#define write_lock_nested(lock, depth) write_lock(lock)
#define read_lock_irq(lock) read_lock(lock)
#define read_unlock_irq(lock) read_unlock(lock)
#define write_lock_irq(lock) write_lock(lock)
#define write_unlock_irq(lock) write_unlock(lock)
#define read_lock_bh(lock) read_lock(lock)
#define read_unlock_bh(lock) read_unlock(lock)
#define write_lock_bh(lock) write_lock(lock)
#define write_unlock_bh(lock) write_unlock(lock)
#define read_lock_irqsave(lock, flags) do { (flags) = 0; read_lock(lock); } while (0)
#define read_unlock_irqrestore(lock, flags) do { (void)(flags); read_unlock(lock); } while (0)
#define write_lock_irqsave(lock, flags) do { (flags) = 0; write_lock(lock); } while (0)
#define write_unlock_irqrestore(lock, flags) do { (void)(flags); write_unlock(lock); } while (0)
#define INIT_LOCAL_LOCK(name) { 0 }
#define local_lock_init(lock) ((void)(lock))
#define local_lock(lock) spin_lock(lock)
#define local_unlock(lock) spin_unlock(lock)
#define local_lock_irqsave(lock, flags) spin_lock_irqsave(lock, flags)
#define local_unlock_irqrestore(lock, flags) spin_unlock_irqrestore(lock, flags)
#define lockdep_assert_irqs_disabled() ((void)0)	/* ignored: there are no interrupts */
#define lockdep_assert_preemption_disabled() ((void)0)	/* ignored: lock dependency checks are the kit's */
#define lockdep_register_key(key) ((void)(key))		/* ignored: lock dependency checks are the kit's */
#define lockdep_unregister_key(key) ((void)(key))	/* ignored: lock dependency checks are the kit's */
#define lockdep_set_class_and_subclass(lock, key, sub) ((void)(lock))	/* ignored: lock dependency checks are the kit's */
#define lockdep_off() ((void)0)				/* ignored: lock dependency checks are the kit's */
#define lockdep_on() ((void)0)				/* ignored: lock dependency checks are the kit's */
struct lockdep_map { const char *name; };
#define STATIC_LOCKDEP_MAP_INIT(text, key) { .name = (text) }
#define lock_map_acquire(map) ((void)(map))		/* ignored: lock dependency checks are the kit's */
#define lock_map_acquire_read(map) ((void)(map))	/* ignored: lock dependency checks are the kit's */
#define lock_map_release(map) ((void)(map))		/* ignored: lock dependency checks are the kit's */
#define local_lock_irq(lock) local_lock(lock)
#define local_unlock_irq(lock) local_unlock(lock)
#define local_trylock(lock) spin_trylock(lock)
#endif
