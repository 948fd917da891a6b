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
#define DECLARE_WAIT_QUEUE_HEAD_ONSTACK(name) DECLARE_WAIT_QUEUE_HEAD(name)
#define wait_event_hrtimeout(queue, condition, n) (wait_event_timeout(queue, condition, 1) ? 0 : -ETIME)
#define wait_event_interruptible_hrtimeout(queue, condition, n) wait_event_hrtimeout(queue, condition, n)
#define wait_event_exclusive(queue, condition) wait_event(queue, condition)
#define wait_event_interruptible_exclusive(queue, condition) wait_event_interruptible(queue, condition)
#define wait_event_killable_exclusive(queue, condition) wait_event_killable(queue, condition)
#define wait_event_lock_irq_timeout(queue, condition, lock, n) ({ long _left; spin_unlock_irq(&(lock)); _left = wait_event_timeout(queue, ({ spin_lock_irq(&(lock)); bool _so = (condition); if (!_so) spin_unlock_irq(&(lock)); _so; }), n); if (!_left) spin_lock_irq(&(lock)); _left; })
/* By hand: prepare_to_wait, a look, schedule, finish_wait. */
struct wait_queue_entry { void *private; long k_ticket; };
typedef struct wait_queue_entry wait_queue_entry_t;
#define DEFINE_WAIT(name) struct wait_queue_entry name = { NULL }
#define init_wait(entry) ((void)((entry)->private = NULL))
#define prepare_to_wait(queue, entry, state) ((void)(entry), (void)k_call(K_WAIT_TICKET, (long)(queue), 2, 0, 0))
#define init_wait_entry(entry, flags) init_wait(entry)
#define init_waitqueue_entry(entry, task) ((void)((entry)->private = (task)))
#define prepare_to_wait_event(queue, entry, state) (prepare_to_wait(queue, entry, state), 0l)
/* An entry that stays on a queue: whoever sets its state meanwhile is woken by the queue, too. */
#define DECLARE_WAITQUEUE(name, task) struct wait_queue_entry name = { task }
#define DEFINE_WAIT_FUNC(name, fn) struct wait_queue_entry name = { NULL }
#define add_wait_queue(queue, entry) ((void)((entry)->private = (void *)(queue)), (void)((entry)->k_ticket = k_call(K_WAIT_TICKET, (long)(queue), 5, 0, 0)))
#define wait_woken(entry, mode, n) ({ struct wait_queue_entry *_e = (entry); long _n = (n); \
	k_call(K_WAIT, (long)_e->private, _e->k_ticket, _n < MAX_SCHEDULE_TIMEOUT, 0); \
	_n = k_call(K_TIMED_OUT, 0, 0, 0, 0) ? 0 : _n; \
	_e->k_ticket = k_call(K_WAIT_TICKET, (long)_e->private, 1, 0, 0); _n; })
#define add_wait_queue_exclusive(queue, entry) add_wait_queue(queue, entry)
#define remove_wait_queue(queue, entry) ((void)((entry)->private = NULL), (void)k_call(K_WAIT_TICKET, (long)(queue), 9, 0, 0))
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
#define wake_up_all_locked(queue) wake_up(queue)
#define wake_up_interruptible_nr(queue, n) wake_up(queue)
#define wake_up_poll(queue, mask) wake_up(queue)
#define wake_up_interruptible_poll(queue, mask) wake_up(queue)
#define wake_up_locked_poll(queue, mask) wake_up(queue)
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
#define wait_for_completion_state(c, state) ({ wait_for_completion(c); 0; })
#define complete_on_current_cpu(c) complete(c)
#define wait_on_bit_io(word, bit, mode) wait_on_bit(word, bit, mode)
#define wait_on_bit_timeout(word, bit, mode, n) (wait_event_timeout(K_QUEUE_AT(word), !test_bit(bit, word), n) ? 0 : -EAGAIN)
#define test_and_clear_wake_up_bit(bit, word) ({ bool _was = test_and_clear_bit(bit, word); if (_was) wake_up_bit(word, bit); _was; })
/* Simple wait queues. */
#define swait_queue_head wait_queue_head
#define DECLARE_SWAIT_QUEUE_HEAD(name) DECLARE_WAIT_QUEUE_HEAD(name)
#define DECLARE_SWAIT_QUEUE_HEAD_ONSTACK(name) DECLARE_WAIT_QUEUE_HEAD(name)
#define init_swait_queue_head(queue) init_waitqueue_head(queue)
#define swait_event_exclusive(queue, condition) wait_event(queue, condition)
#define swait_event_interruptible_exclusive(queue, condition) wait_event_interruptible(queue, condition)
#define swait_event_timeout_exclusive(queue, condition, n) wait_event_timeout(queue, condition, n)
#define swait_event_idle_exclusive(queue, condition) wait_event(queue, condition)
#define swake_up_one(queue) wake_up(queue)
#define swake_up_all(queue) wake_up(queue)
#endif
