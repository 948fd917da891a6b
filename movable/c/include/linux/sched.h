/* Tasks, threads, and loops that wait. */
#ifndef _LINUX_SCHED_H
#define _LINUX_SCHED_H
#include <linux/slab.h>
#include <linux/spinlock.h>
long k_relax(long sleeps);
struct task_struct { int pid, k_id; char comm[16]; unsigned int flags; };
static struct task_struct k_task __maybe_unused = { 1, 0, "task", 0 };
K_INLINE struct task_struct *k_current(void) { long task = k_call(K_CURRENT, 0, 0, 0, 0); return task ? (struct task_struct *)task : &k_task; }
#define current k_current()
#define MAX_SCHEDULE_TIMEOUT LONG_MAX
#define TASK_RUNNING 0
#define TASK_INTERRUPTIBLE 1
#define TASK_UNINTERRUPTIBLE 2
#define TASK_KILLABLE 258
#define TASK_IDLE 1026
#define TASK_NORMAL 3
#define set_current_state(state) ((void)k_call(K_STATE, state, 0, 0, 0))
#define __set_current_state(state) set_current_state(state)
/* A task that has said what it waits for sleeps until it is woken; any other lets others run. */
K_INLINE long k_schedule(long n)
{
	if (!k_call(K_SCHEDULE, n < MAX_SCHEDULE_TIMEOUT, 0, 0, 0)) {
		k_relax(1);
		return 0;
	}
	return k_call(K_TIMED_OUT, 0, 0, 0, 0) ? 0 : n;
}
#define schedule() ((void)k_schedule(MAX_SCHEDULE_TIMEOUT))
#define schedule_timeout(n) k_schedule(n)
#define schedule_timeout_interruptible(n) ((void)(n), (long)k_relax(1))
#define schedule_timeout_uninterruptible(n) schedule_timeout_interruptible(n)
#define schedule_timeout_idle(n) schedule_timeout_interruptible(n)
#define io_schedule() schedule()
#define cond_resched() ((int)k_relax(1))
#define cond_resched_lock(lock) (spin_unlock(lock), k_relax(1), spin_lock(lock), 1)
#define yield() ((void)k_relax(1))
#define msleep(ms) ((void)(ms), (void)k_relax(1))
#define msleep_interruptible(ms) ((void)(ms), (unsigned long)k_relax(1))
#define ssleep(s) ((void)(s), (void)k_relax(1))
#define usleep_range(from, to) ((void)k_relax(1))
#define fsleep(us) ((void)k_relax(1))
#define udelay(us) ((void)(us), (void)k_relax(0))
#define ndelay(ns) ((void)(ns), (void)k_relax(0))
#define mdelay(ms) ((void)(ms), (void)k_relax(0))
#define cpu_relax() ((void)k_relax(0))
#define might_sleep() ((void)k_call(K_MIGHT_SLEEP, 0, 0, 0, 0))
#define might_sleep_if(x) do { if (x) might_sleep(); } while (0)
#define need_resched() 0			/* ignored: every step is a place to be interrupted at */
#define signal_pending(task) 0			/* ignored: there are no signals */
#define fatal_signal_pending(task) 0		/* ignored: there are no signals */
#define preempt_disable() ((void)k_call(K_CPU, K_CPU_DISABLE, 0, 0, 0))
#define preempt_enable() ((void)k_call(K_CPU, K_CPU_ENABLE, 0, 0, 0))
#define preempt_disable_notrace() preempt_disable()
#define preempt_enable_notrace() preempt_enable()
#define preempt_enable_no_resched() preempt_enable()
#define migrate_disable() ((void)k_call(K_CPU, K_CPU_BIND, 1, 0, 0))
#define migrate_enable() ((void)k_call(K_CPU, K_CPU_BIND, -1, 0, 0))
#define memalloc_nofs_save() 0			/* ignored: there is no reclaim into file systems */
#define memalloc_nofs_restore(flags) ((void)(flags))	/* ignored: there is no reclaim into file systems */
#define memalloc_noreclaim_save() 0		/* ignored: there is no reclaim into file systems */
#define memalloc_noreclaim_restore(flags) ((void)(flags))	/* ignored: there is no reclaim into file systems */
#define wake_up_process(task) ((int)k_call(K_WAKE_THREAD, (long)(task), 0, 0, 0))
K_INLINE struct task_struct *k_thread(int (*fn)(void *), void *data, const char *name, int run)
{
	struct task_struct *task = kzalloc(sizeof *task, GFP_KERNEL);

	if (!task)
		return ERR_PTR(-ENOMEM);
	strscpy(task->comm, name, sizeof task->comm);
	k_call(K_THREAD_RUN, (long)task, (long)fn, (long)data, run);
	return task;
}
#define K_THREAD(fn, data, run, name...) ({ char _comm[16]; snprintf(_comm, sizeof _comm, name); k_thread(fn, data, _comm, run); })
#define kthread_run(fn, data, name...) K_THREAD(fn, data, 1, name)
#define kthread_create(fn, data, name...) K_THREAD(fn, data, 0, name)
#define kthread_create_on_node(fn, data, node, name...) kthread_create(fn, data, name)
#define kthread_exit(code) do { k_call(K_THREAD_EXIT, code, 0, 0, 0); __builtin_unreachable(); } while (0)
#define do_exit(code) kthread_exit(code)
#define kthread_complete_and_exit(c, code) do { struct completion *_done = (c); if (_done) complete(_done); kthread_exit(code); } while (0)
#define complete_and_exit(c, code) kthread_complete_and_exit(c, code)
#define K_FIRST(first, rest...) first
#define kthread_bind(task, cpu) ((void)0)	/* ignored: there is one processor for per-CPU data */
#define set_user_nice(task, nice) ((void)0)	/* ignored: every schedule is tried */
#define kthread_should_stop() ((bool)k_call(K_SHOULD_STOP, 0, 0, 0, 0))
#define kthread_should_park() 0			/* ignored: threads are not parked */
#define kthread_parkme() ((void)0)		/* ignored: threads are not parked */
#define kthread_freezable_should_stop(frozen) kthread_should_stop()
#define try_to_freeze() 0			/* ignored: the machine does not sleep */
#define set_freezable() ((void)0)		/* ignored: the machine does not sleep */
K_INLINE int kthread_stop(struct task_struct *task) { int ret = k_call(K_THREAD_STOP, (long)task, 0, 0, 0); kfree(task); return ret; }
#define get_task_struct(task) ((void)(task))	/* ignored: kthread_stop frees the task */
#define put_task_struct(task) ((void)(task))	/* ignored: kthread_stop frees the task */
#define HZ 250
#define msecs_to_jiffies(ms) ((ms) * HZ / 1000)
#define usecs_to_jiffies(us) ((us) * HZ / 1000000)
#define secs_to_jiffies(s) ((s) * HZ)
#define jiffies_to_msecs(n) ((unsigned int)((n) * 1000 / HZ))
#define nsecs_to_jiffies(ns) ((ns) / (1000000000 / HZ))
#define jiffies_to_usecs(n) ((unsigned int)((n) * 1000000 / HZ))
#define round_jiffies(n) (n)
#define round_jiffies_relative(n) (n)
#define round_jiffies_up(n) (n)
#define round_jiffies_up_relative(n) (n)
#define task_pid_nr(task) ((task)->pid)
#define PF_KTHREAD 0x200000
#define PF_MEMALLOC 0x800
#define MAX_NICE 19
#define MIN_NICE (-20)
#define sched_set_fifo(task) ((void)(task))	/* ignored: every schedule is tried */
#define sched_set_fifo_low(task) ((void)(task))	/* ignored: every schedule is tried */
#define sched_set_normal(task, nice) ((void)(task))	/* ignored: every schedule is tried */
#define allow_signal(n) ((void)0)		/* ignored: there are no signals */
#define flush_signals(task) ((void)(task))	/* ignored: there are no signals */
#define signal_pending_state(state, task) 0	/* ignored: there are no signals */
#define kthread_create_on_cpu(fn, data, cpu, name...) kthread_create(fn, data, name)
#define kthread_run_on_cpu(fn, data, cpu, name...) kthread_run(fn, data, name)
#define memalloc_noio_save() 0			/* ignored: there is no reclaim into file systems */
#define memalloc_noio_restore(flags) ((void)(flags))	/* ignored: there is no reclaim into file systems */
#define might_fault() might_sleep()
#define might_lock(lock) ((void)(lock))		/* ignored: lock dependency checks are the kit's */
#define wake_up_state(task, state) wake_up_process(task)
#define schedule_timeout_killable(t) schedule_timeout_interruptible(t)
#define io_schedule_timeout(t) schedule_timeout_uninterruptible(t)
#endif
