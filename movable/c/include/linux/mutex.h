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
struct rw_semaphore { struct mutex k_mutex; };
#define DECLARE_RWSEM(name) struct rw_semaphore name
#define init_rwsem(sem) mutex_init(&(sem)->k_mutex)
#define down_read(sem) mutex_lock(&(sem)->k_mutex)
#define up_read(sem) mutex_unlock(&(sem)->k_mutex)
#define down_write(sem) mutex_lock(&(sem)->k_mutex)
#define up_write(sem) mutex_unlock(&(sem)->k_mutex)
#define down_read_trylock(sem) mutex_trylock(&(sem)->k_mutex)
#define down_write_trylock(sem) mutex_trylock(&(sem)->k_mutex)
#endif
