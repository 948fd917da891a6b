/* Work for later. A queue is done by one worker, in order; a delay only says "not now". */
#ifndef _LINUX_WORKQUEUE_H
#define _LINUX_WORKQUEUE_H
#include <linux/sched.h>
struct work_struct { void (*func)(struct work_struct *); long data; struct list_head entry; };
typedef void (*work_func_t)(struct work_struct *);
struct delayed_work { struct work_struct work; };
struct workqueue_struct { long id; };
#define __WORK_INITIALIZER(name, fn) { .func = (fn) }
#define DECLARE_WORK(name, fn) struct work_struct name = __WORK_INITIALIZER(name, fn)
#define DECLARE_DELAYED_WORK(name, fn) struct delayed_work name = { __WORK_INITIALIZER(name.work, fn) }
#define INIT_WORK(w, fn) ((void)((w)->func = (fn), (w)->data = 0))
#define INIT_WORK_ONSTACK(w, fn) INIT_WORK(w, fn)
#define INIT_DELAYED_WORK(d, fn) INIT_WORK(&(d)->work, fn)
#define INIT_DEFERRABLE_WORK(d, fn) INIT_WORK(&(d)->work, fn)
#define to_delayed_work(w) container_of(w, struct delayed_work, work)
#define destroy_work_on_stack(w) ((void)(w))
#define WQ_UNBOUND 2				/* ignored: there is one worker */
#define WQ_FREEZABLE 4				/* ignored: the machine does not sleep */
#define WQ_MEM_RECLAIM 8			/* ignored: there is always a worker */
#define WQ_HIGHPRI 16				/* ignored: every schedule is tried */
#define system_wq ((struct workqueue_struct *)0)
#define system_unbound_wq system_wq
#define system_freezable_wq system_wq
#define system_highpri_wq system_wq
#define system_long_wq system_wq
#define queue_work(queue, w) ((bool)k_call(K_QUEUE_WORK, (long)(queue), (long)(w), 0, 0))
#define schedule_work(w) queue_work(system_wq, w)
#define queue_work_on(cpu, queue, w) queue_work(queue, w)
#define schedule_work_on(cpu, w) schedule_work(w)
#define queue_delayed_work(queue, d, delay) ((void)(delay), queue_work(queue, &(d)->work))
#define mod_delayed_work(queue, d, delay) queue_delayed_work(queue, d, delay)
#define schedule_delayed_work(d, delay) queue_delayed_work(system_wq, d, delay)
#define queue_delayed_work_on(cpu, queue, d, delay) queue_delayed_work(queue, d, delay)
#define schedule_delayed_work_on(cpu, d, delay) schedule_delayed_work(d, delay)
#define cancel_work_sync(w) ((bool)k_call(K_CANCEL_WORK, (long)(w), 1, 0, 0))
#define cancel_work(w) ((bool)k_call(K_CANCEL_WORK, (long)(w), 0, 0, 0))
#define cancel_delayed_work_sync(d) cancel_work_sync(&(d)->work)
#define cancel_delayed_work(d) cancel_work(&(d)->work)
#define flush_work(w) ((bool)k_call(K_FLUSH_WORK, (long)(w), 0, 0, 0))
#define flush_delayed_work(d) flush_work(&(d)->work)
#define work_pending(w) ((int)k_call(K_WORK_PENDING, (long)(w), 0, 0, 0))
#define work_busy(w) work_pending(w)
#define delayed_work_pending(d) work_pending(&(d)->work)
#define flush_workqueue(queue) ((void)k_call(K_FLUSH_QUEUE, (long)(queue), 0, 0, 0))
#define drain_workqueue(queue) ((void)k_call(K_DRAIN_QUEUE, (long)(queue), 0, 0, 0))
#define flush_scheduled_work() flush_workqueue(system_wq)
#define destroy_workqueue(queue) ((void)k_call(K_DESTROY_QUEUE, (long)(queue), 0, 0, 0))
#define alloc_workqueue(name, flags, most...) ((struct workqueue_struct *)k_call(K_WORK_QUEUE, (long)(name), 0, 0, 0))
#define alloc_ordered_workqueue(name, flags...) ((struct workqueue_struct *)k_call(K_WORK_QUEUE, (long)(name), 0, 0, 0))
#define create_workqueue(name) alloc_workqueue(name, 0, 1)
#define create_singlethread_workqueue(name) alloc_workqueue(name, 0, 1)
#define create_freezable_workqueue(name) alloc_workqueue(name, 0, 1)
#endif
