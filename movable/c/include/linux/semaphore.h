/* Counting semaphores; only for files that include it, for its names are short. */
#ifndef _LINUX_SEMAPHORE_H
#define _LINUX_SEMAPHORE_H
#include <linux/wait.h>
struct semaphore { atomic_t count; wait_queue_head_t wait; };
#define __SEMAPHORE_INITIALIZER(name, n) { ATOMIC_INIT(n), { 0 } }
#define DEFINE_SEMAPHORE(name, n...) struct semaphore name = __SEMAPHORE_INITIALIZER(name, 1)
K_INLINE void sema_init(struct semaphore *sem, int n) { atomic_set(&sem->count, n); init_waitqueue_head(&sem->wait); }
#define down(sem) do { struct semaphore *_s = (sem); wait_event(_s->wait, atomic_dec_if_positive(&_s->count) >= 0); } while (0)
#define down_interruptible(sem) ({ down(sem); 0; })
#define down_killable(sem) ({ down(sem); 0; })
#define down_trylock(sem) (atomic_dec_if_positive(&(sem)->count) < 0)
K_INLINE void up(struct semaphore *sem) { atomic_inc(&sem->count); wake_up(&sem->wait); }
#endif
