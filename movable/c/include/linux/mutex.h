/* Locks whose holder may sleep. */
#ifndef _LINUX_MUTEX_H
#define _LINUX_MUTEX_H
#include <linux/spinlock.h>
struct mutex { long k_lock; };
#define __MUTEX_INITIALIZER(name) { 0 }
#define DEFINE_MUTEX(name) struct mutex name = __MUTEX_INITIALIZER(name)
#define mutex_init(lock) ((void)k_call(K_LOCK_INIT, (long)(lock), 0, 0, 0))
#define mutex_destroy(lock) ((void)(lock))
#define mutex_lock(lock) ((void)k_call(K_LOCK, (long)(lock), K_MUTEX, 0, 0))
#define mutex_lock_nested(lock, depth) mutex_lock(lock)
#define mutex_lock_interruptible(lock) (mutex_lock(lock), 0)
#define mutex_lock_killable(lock) (mutex_lock(lock), 0)
#define mutex_trylock(lock) ((int)k_call(K_TRYLOCK, (long)(lock), K_MUTEX, 0, 0))
#define mutex_unlock(lock) ((void)k_call(K_UNLOCK, (long)(lock), K_MUTEX, 0, 0))
#define mutex_is_locked(lock) ((int)k_call(K_IS_LOCKED, (long)(lock), K_MUTEX, 0, 0))
struct rw_semaphore { long k_lock; };
#define __RWSEM_INITIALIZER(name) { 0 }
#define DECLARE_RWSEM(name) struct rw_semaphore name = __RWSEM_INITIALIZER(name)
#define init_rwsem(sem) ((void)k_call(K_LOCK_INIT, (long)(sem), 0, 0, 0))
#define down_read(sem) ((void)k_call(K_READ_LOCK, (long)(sem), K_SEMAPHORE, 0, 0))
#define up_read(sem) ((void)k_call(K_READ_UNLOCK, (long)(sem), K_SEMAPHORE, 0, 0))
#define down_write(sem) ((void)k_call(K_WRITE_LOCK, (long)(sem), K_SEMAPHORE, 0, 0))
#define up_write(sem) ((void)k_call(K_WRITE_UNLOCK, (long)(sem), K_SEMAPHORE, 0, 0))
#define down_read_trylock(sem) ((int)k_call(K_READ_TRYLOCK, (long)(sem), K_SEMAPHORE, 0, 0))
#define down_write_trylock(sem) ((int)k_call(K_WRITE_TRYLOCK, (long)(sem), K_SEMAPHORE, 0, 0))
#define down_read_killable(sem) (down_read(sem), 0)
#define down_write_killable(sem) (down_write(sem), 0)
#define mutex_lock_io(lock) mutex_lock(lock)
#define down_read_interruptible(sem) (down_read(sem), 0)
#define down_read_nested(sem, depth) down_read(sem)
#define down_write_nested(sem, depth) down_write(sem)
#define rwsem_is_locked(sem) ((int)k_call(K_IS_LOCKED, (long)(sem), K_SEMAPHORE, 0, 0))
#define downgrade_write(sem) ((void)k_call(K_WRITE_UNLOCK, (long)(sem), K_SEMAPHORE, 1, 0))
/* Readers on each processor: there is one, and the lock is the same. */
#define percpu_rw_semaphore rw_semaphore
#define DEFINE_STATIC_PERCPU_RWSEM(name) static DECLARE_RWSEM(name)
#define percpu_init_rwsem(sem) (init_rwsem(sem), 0)
#define percpu_free_rwsem(sem) ((void)(sem))
#define percpu_down_read(sem) down_read(sem)
#define percpu_up_read(sem) up_read(sem)
#define percpu_down_write(sem) down_write(sem)
#define percpu_up_write(sem) up_write(sem)
#define cpus_read_lock() ((void)0)		/* ignored: processors stay */
#define cpus_read_unlock() ((void)0)		/* ignored: processors stay */
#define get_online_cpus() cpus_read_lock()
#define put_online_cpus() cpus_read_unlock()
#define mutex_lock_interruptible_nested(lock, depth) mutex_lock_interruptible(lock)
#define mutex_lock_killable_nested(lock, depth) mutex_lock_killable(lock)
#define mutex_lock_nest_lock(lock, outer) mutex_lock(lock)
#define rwsem_is_contended(sem) 0		/* ignored: a hint */
#define rwsem_assert_held(sem) lockdep_assert_held(sem)
#define rwsem_assert_held_write(sem) lockdep_assert_held_write(sem)
#define percpu_down_read_trylock(sem) down_read_trylock(sem)
#endif
