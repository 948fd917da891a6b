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
#define wait_event_timeout(queue, condition, n) ({ wait_event(queue, condition); 1L; })
#define wait_event_interruptible_timeout(queue, condition, n) ({ wait_event(queue, condition); 1L; })
#define wake_up(queue) ((void)k_call(K_WAKE, (long)(queue), 0, 0, 0))
#define wake_up_all(queue) wake_up(queue)
#define wake_up_interruptible(queue) wake_up(queue)
#define wake_up_interruptible_all(queue) wake_up(queue)
#define wake_up_locked(queue) wake_up(queue)
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
#define wait_for_completion_timeout(c, n) ({ wait_for_completion(c); 1UL; })
#endif
