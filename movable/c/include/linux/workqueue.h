/* Work for later. Each item has a worker of its own, an ordered queue one for all its items; a delay only says "not now". */
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
#define WQ_UNBOUND 2
#define WQ_FREEZABLE 4				/* ignored: the machine does not sleep */
#define WQ_MEM_RECLAIM 8			/* ignored: there is always a worker */
#define WQ_HIGHPRI 16				/* ignored: every schedule is tried */
#define system_wq ((struct workqueue_struct *)0)
#define system_unbound_wq system_wq
#define system_freezable_wq system_wq
#define system_highpri_wq system_wq
#define system_long_wq system_wq
#define system_power_efficient_wq system_wq
#define system_freezable_power_efficient_wq system_wq
#define system_percpu_wq system_wq
#define system_dfl_wq system_wq
#define WORK_CPU_UNBOUND 0
#define queue_work(queue, w) ((bool)k_call(K_QUEUE_WORK, (long)(queue), (long)(w), 0, 0))
#define schedule_work(w) queue_work(system_wq, w)
#define queue_work_on(cpu, queue, w) queue_work(queue, w)
#define schedule_work_on(cpu, w) schedule_work(w)
#define queue_work_node(node, queue, w) queue_work(queue, w)
#define DECLARE_DEFERRABLE_WORK(name, fn) DECLARE_DELAYED_WORK(name, fn)
#define INIT_DELAYED_WORK_ONSTACK(d, fn) INIT_DELAYED_WORK(d, fn)
#define destroy_delayed_work_on_stack(d) ((void)(d))
#define WQ_MAX_ACTIVE 512
#define WQ_DFL_ACTIVE 256
#define WQ_UNBOUND_MAX_ACTIVE WQ_MAX_ACTIVE
#define workqueue_set_max_active(queue, n) ((void)(queue))	/* ignored: every schedule is tried */
#define set_worker_desc(f...) ((void)0)			/* ignored: reports show the function */
#define work_on_cpu(cpu, fn, data) ((void)(cpu), fn(data))
#define schedule_on_each_cpu(fn) ({ struct work_struct _w = __WORK_INITIALIZER(_w, fn); schedule_work(&_w); flush_work(&_w); 0; })
#define queue_delayed_work(queue, d, delay) ((void)(delay), queue_work(queue, &(d)->work))
#define mod_delayed_work(queue, d, delay) (!queue_delayed_work(queue, d, delay))
#define mod_delayed_work_on(cpu, queue, d, delay) mod_delayed_work(queue, d, delay)
#define schedule_delayed_work(d, delay) queue_delayed_work(system_wq, d, delay)
#define queue_delayed_work_on(cpu, queue, d, delay) queue_delayed_work(queue, d, delay)
#define schedule_delayed_work_on(cpu, d, delay) schedule_delayed_work(d, delay)
#define cancel_work_sync(w) ((bool)k_call(K_CANCEL_WORK, (long)(w), 1, 0, 0))
#define cancel_work(w) ((bool)k_call(K_CANCEL_WORK, (long)(w), 0, 0, 0))
#define cancel_delayed_work_sync(d) cancel_work_sync(&(d)->work)
#define cancel_delayed_work(d) cancel_work(&(d)->work)
#if MOVABLE_VERSION >= 0x060a00
#define disable_work_sync(w) ((bool)k_call(K_CANCEL_WORK, (long)(w), 1, 1, 0))
#define disable_work(w) ((bool)k_call(K_CANCEL_WORK, (long)(w), 0, 1, 0))
#define enable_work(w) ((bool)k_call(K_ENABLE_WORK, (long)(w), 0, 0, 0))
#define enable_and_queue_work(queue, w) (enable_work(w) && queue_work(queue, w))
#else
#define K_NO_DISABLING "kernels before 6.10 cannot disable a work item; cancel it, and let it not be queued again"
#define disable_work_sync(w) K_GONE("disable_work_sync: " K_NO_DISABLING)
#define disable_work(w) K_GONE("disable_work: " K_NO_DISABLING)
#define enable_work(w) K_GONE("enable_work: " K_NO_DISABLING)
#define enable_and_queue_work(queue, w) K_GONE("enable_and_queue_work: " K_NO_DISABLING)
#endif
#define disable_delayed_work_sync(d) disable_work_sync(&(d)->work)
#define disable_delayed_work(d) disable_work(&(d)->work)
#define enable_delayed_work(d) enable_work(&(d)->work)
#define flush_work(w) ((bool)k_call(K_FLUSH_WORK, (long)(w), 0, 0, 0))
#define flush_delayed_work(d) flush_work(&(d)->work)
#define work_pending(w) ((int)k_call(K_WORK_PENDING, (long)(w), 0, 0, 0))
#define work_busy(w) work_pending(w)
#define delayed_work_pending(d) work_pending(&(d)->work)
#define flush_workqueue(queue) ((void)k_call(K_FLUSH_QUEUE, (long)(queue), 0, 0, 0))
#define drain_workqueue(queue) ((void)k_call(K_DRAIN_QUEUE, (long)(queue), 0, 0, 0))
#define flush_scheduled_work() flush_workqueue(system_wq)
#define destroy_workqueue(queue) ((void)k_call(K_DESTROY_QUEUE, (long)(queue), 0, 0, 0))
#define WQ_SYSFS 64				/* ignored: there is no sysfs */
#define WQ_CPU_INTENSIVE 32			/* ignored: every schedule is tried */
#define WQ_PERCPU 256				/* ignored: the machine has one processor for per-CPU data */
#define __WQ_ORDERED (1 << 17)
/* A queue is ordered where it is said, and before 6.6 where it is bound to no processor and does one item at a time. */
#define K_ORDERED(flags, most...) (((flags) & __WQ_ORDERED) || (MOVABLE_VERSION < 0x060600 && ((flags) & WQ_UNBOUND) && (K_FIRST(most, 0)) == 1))
#define alloc_workqueue(name, flags, most...) ((struct workqueue_struct *)k_call(K_WORK_QUEUE, (long)(name), K_ORDERED(flags, most), 0, 0))
#define alloc_ordered_workqueue(name, flags...) ((struct workqueue_struct *)k_call(K_WORK_QUEUE, (long)(name), 1, 0, 0))
#define create_workqueue(name) alloc_workqueue(name, 0, 1)
#define create_singlethread_workqueue(name) alloc_ordered_workqueue(name, 0)
#define create_freezable_workqueue(name) alloc_workqueue(name, WQ_FREEZABLE | WQ_UNBOUND, 1)
/* A thread that does work: an ordered queue of its own. */
struct kthread_work { struct work_struct work; };
typedef void (*kthread_work_func_t)(struct kthread_work *);
struct kthread_delayed_work { struct kthread_work work; };
#define kthread_worker workqueue_struct
#define K_KTHREAD_WORK(fn) ((work_func_t)(void *)_Generic((fn), kthread_work_func_t: (fn)))
#define DEFINE_KTHREAD_WORK(name, fn) struct kthread_work name = { { .func = (work_func_t)(void *)(fn) } }
#define kthread_init_work(w, fn) INIT_WORK(&(w)->work, K_KTHREAD_WORK(fn))
#define kthread_init_delayed_work(d, fn) kthread_init_work(&(d)->work, fn)
#define kthread_create_worker(flags, name...) ({ struct workqueue_struct *_q = alloc_ordered_workqueue(K_FIRST(name, ), 0); _q ? _q : ERR_PTR(-ENOMEM); })
#define kthread_run_worker(flags, name...) kthread_create_worker(flags, name)
#define kthread_queue_work(queue, w) queue_work(queue, &(w)->work)
#define kthread_queue_delayed_work(queue, d, delay) ((void)(delay), kthread_queue_work(queue, &(d)->work))
#define kthread_mod_delayed_work(queue, d, delay) kthread_queue_delayed_work(queue, d, delay)
#define kthread_flush_work(w) ((void)flush_work(&(w)->work))
#define kthread_flush_worker(queue) flush_workqueue(queue)
#define kthread_cancel_work_sync(w) cancel_work_sync(&(w)->work)
#define kthread_cancel_delayed_work_sync(d) kthread_cancel_work_sync(&(d)->work)
#define kthread_destroy_worker(queue) destroy_workqueue(queue)
#endif
