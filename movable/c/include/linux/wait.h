/* Wait queues and completions. */
#ifndef _LINUX_WAIT_H
#define _LINUX_WAIT_H
#include <linux/sched.h>
struct wait_queue_head { long k_queue; };
typedef struct wait_queue_head wait_queue_head_t;
#define __WAIT_QUEUE_HEAD_INITIALIZER(name) { 0 }
#define DECLARE_WAIT_QUEUE_HEAD(name) wait_queue_head_t name
#define init_waitqueue_head(queue) ((void)((queue)->k_queue = 0))
#define wait_event(queue, condition) do { for (;;) { long _ticket = k_call(K_WAIT_TICKET, (long)&(queue), 0, 0, 0); if (condition) break; k_call(K_WAIT, (long)&(queue), _ticket, 0, 0); } } while (0)
#define wait_event_interruptible(queue, condition) ({ wait_event(queue, condition); 0; })
#define wait_event_killable(queue, condition) ({ wait_event(queue, condition); 0; })
#define wait_event_freezable(queue, condition) ({ wait_event(queue, condition); 0; })
/* What is left of n, 0 where the time was up and the condition did not hold; no condition is left unseen. */
#define wait_event_timeout(queue, condition, n) ({ long _n = (n), _left = _n > 0 ? _n : 0; for (;;) { \
	long _ticket = k_call(K_WAIT_TICKET, (long)&(queue), 0, 0, 0); \
	if (condition) { _left = _left ? _left : 1; break; } \
	if (!_left) break; \
	k_call(K_WAIT, (long)&(queue), _ticket, _n < MAX_SCHEDULE_TIMEOUT, 0); \
	if (k_call(K_TIMED_OUT, 0, 0, 0, 0)) _left = 0; \
	} _left; })
#define wait_event_interruptible_timeout(queue, condition, n) wait_event_timeout(queue, condition, n)
#define wait_event_killable_timeout(queue, condition, n) wait_event_timeout(queue, condition, n)
#define wait_event_freezable_timeout(queue, condition, n) wait_event_timeout(queue, condition, n)
#define wait_event_idle(queue, condition) wait_event(queue, condition)
#define wait_event_idle_timeout(queue, condition, n) wait_event_timeout(queue, condition, n)
#define wait_event_cmd(queue, condition, before, after) do { for (;;) { \
	long _ticket = k_call(K_WAIT_TICKET, (long)&(queue), 1, 0, 0); \
	if (condition) break; \
	before; \
	k_call(K_WAIT, (long)&(queue), _ticket, 0, 0); \
	after; } } while (0)
#define wait_event_lock_irq(queue, condition, lock) wait_event_cmd(queue, condition, spin_unlock_irq(&(lock)), spin_lock_irq(&(lock)))
#define wait_event_lock_irq_cmd(queue, condition, lock, cmd) wait_event_cmd(queue, condition, spin_unlock_irq(&(lock)); cmd, spin_lock_irq(&(lock)))
#define wait_event_interruptible_lock_irq(queue, condition, lock) ({ wait_event_lock_irq(queue, condition, lock); 0; })
/* By hand: prepare_to_wait, a look, schedule, finish_wait. */
struct wait_queue_entry { void *private; };
typedef struct wait_queue_entry wait_queue_entry_t;
#define DEFINE_WAIT(name) struct wait_queue_entry name = { NULL }
#define init_wait(entry) ((void)((entry)->private = NULL))
#define prepare_to_wait(queue, entry, state) ((void)(entry), (void)k_call(K_WAIT_TICKET, (long)(queue), 2, 0, 0))
#define prepare_to_wait_exclusive(queue, entry, state) prepare_to_wait(queue, entry, state)
#define finish_wait(queue, entry) ((void)(queue), (void)(entry), (void)k_call(K_STATE, 0, 0, 0, 0))
/* Bits and variables that are waited for: the queue is at their address. */
#define K_QUEUE_AT(p) (*(wait_queue_head_t *)(p))
#define wait_on_bit(word, bit, mode) ({ wait_event(K_QUEUE_AT(word), !test_bit(bit, word)); 0; })
#define wait_on_bit_lock(word, bit, mode) ({ wait_event(K_QUEUE_AT(word), !test_and_set_bit(bit, word)); 0; })
#define wake_up_bit(word, bit) ((void)(bit), wake_up(&K_QUEUE_AT(word)))
#define clear_and_wake_up_bit(bit, word) do { clear_bit(bit, word); wake_up_bit(word, bit); } while (0)
#define wait_var_event(var, condition) wait_event(K_QUEUE_AT(var), condition)
#define wait_var_event_timeout(var, condition, n) wait_event_timeout(K_QUEUE_AT(var), condition, n)
#define wake_up_var(var) wake_up(&K_QUEUE_AT(var))
#define wake_up(queue) ((void)k_call(K_WAKE, (long)(queue), 0, 0, 0))
#define wake_up_all(queue) wake_up(queue)
#define wake_up_interruptible(queue) wake_up(queue)
#define wake_up_interruptible_all(queue) wake_up(queue)
#define wake_up_locked(queue) wake_up(queue)
#define wake_up_nr(queue, n) wake_up(queue)
#define wake_up_sync(queue) wake_up(queue)
#define wake_up_interruptible_sync(queue) wake_up(queue)
#define waitqueue_active(queue) 1		/* ignored: a wake-up without sleepers does nothing */
#define wq_has_sleeper(queue) 1			/* ignored: a wake-up without sleepers does nothing */
struct completion { unsigned int done; wait_queue_head_t wait; };
#define COMPLETION_INITIALIZER(name) { 0, { 0 } }
#define COMPLETION_INITIALIZER_ONSTACK(name) COMPLETION_INITIALIZER(name)
#define DECLARE_COMPLETION(name) struct completion name = COMPLETION_INITIALIZER(name)
#define DECLARE_COMPLETION_ONSTACK(name) DECLARE_COMPLETION(name)
#define init_completion(c) ((c)->done = 0)
#define reinit_completion(c) ((c)->done = 0)
#define completion_done(c) (__atomic_load_n(&(c)->done, K_SEQ) != 0)
K_INLINE void complete(struct completion *c) { __atomic_fetch_add(&c->done, 1, K_SEQ); wake_up(&c->wait); }
K_INLINE void complete_all(struct completion *c) { __atomic_store_n(&c->done, UINT_MAX / 2, K_SEQ); wake_up(&c->wait); }
K_INLINE bool try_wait_for_completion(struct completion *c)
{
	unsigned int was = __atomic_load_n(&c->done, K_SEQ);

	while (was && was < UINT_MAX / 2 && !try_cmpxchg(&c->done, &was, was - 1))
		;
	return was != 0;
}
#define wait_for_completion(c) do { struct completion *_c = (c); wait_event(_c->wait, try_wait_for_completion(_c)); } while (0)
#define wait_for_completion_interruptible(c) ({ wait_for_completion(c); 0; })
#define wait_for_completion_killable(c) ({ wait_for_completion(c); 0; })
#define wait_for_completion_timeout(c, n) ({ struct completion *_c = (c); (unsigned long)wait_event_timeout(_c->wait, try_wait_for_completion(_c), n); })
#define wait_for_completion_interruptible_timeout(c, n) ((long)wait_for_completion_timeout(c, n))
#define wait_for_completion_killable_timeout(c, n) ((long)wait_for_completion_timeout(c, n))
#define wait_for_completion_io(c) wait_for_completion(c)
#endif
