"""Small C drivers, each right in one way and wrong in another, for tests of what the kit sees in C."""

from __future__ import annotations

BASE = """
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/wait.h>
#include <linux/kthread.h>
static struct page *pages[4];
static DEFINE_SPINLOCK(lock);
static const struct movable_operations ops;
static bool isolate(struct page *page, isolate_mode_t mode) { return true; }
static int migrate(struct page *newpage, struct page *page, enum migrate_mode mode)
{
	int slot = page_private(page);

	if (mode == MIGRATE_SYNC_NO_COPY)
		return -EINVAL;
	spin_lock(&lock);
	copy_highpage(newpage, page);
	pages[slot] = newpage;
	spin_unlock(&lock);
	set_page_private(newpage, slot);
	get_page(newpage);
	__SetPageMovable(newpage, &ops);
	__ClearPageMovable(page);
	set_page_private(page, 0);
	put_page(page);
	return 0;
}
static void putback(struct page *page) { }
static const struct movable_operations ops = { isolate, migrate, putback };
static int __init make_pages(void)
{
	for (int i = 0; i < 2; i++) {
		struct page *page = alloc_page(GFP_HIGHUSER_MOVABLE);

		if (!page)
			return -ENOMEM;
		*(long *)page_address(page) = i;
		set_page_private(page, i);
		lock_page(page);
		__SetPageMovable(page, &ops);
		unlock_page(page);
		pages[i] = page;
	}
	return 0;
}
static void release(int slot)
{
	struct page *page;

again:
	spin_lock(&lock);
	page = pages[slot];
	if (page)
		get_page(page);
	spin_unlock(&lock);
	if (!page)
		return;
	lock_page(page);
	spin_lock(&lock);
	if (pages[slot] != page) {
		spin_unlock(&lock);
		unlock_page(page);
		put_page(page);
		goto again;
	}
	pages[slot] = NULL;
	spin_unlock(&lock);
	__ClearPageMovable(page);
	unlock_page(page);
	put_page(page);
	put_page(page);
}
static void __exit drop_pages(void) { for (int i = 0; i < 4; i++) release(i); }
module_init(make_pages);
module_exit(drop_pages);
"""
"""Two pages, rightly held; pieces add what they are about."""

PAIRS: dict[str, tuple[str, str, set[str]]] = {
    "a counter without its lock": (
        "static int n; void add(void) { spin_lock(&lock); n++; spin_unlock(&lock); }",
        "static int n; void add(void) { n++; }",
        {"D53"},
    ),
    "neighbours in one word": (
        "static struct { char a, b; } n; static DEFINE_SPINLOCK(la); static DEFINE_SPINLOCK(lb);"
        "void one(void) { spin_lock(&la); n.a++; spin_unlock(&la); } void two(void) { spin_lock(&lb); n.b++; spin_unlock(&lb); }",
        "static union { short a; char b; } n; static DEFINE_SPINLOCK(la); static DEFINE_SPINLOCK(lb);"
        "void one(void) { spin_lock(&la); n.a++; spin_unlock(&la); } void two(void) { spin_lock(&lb); n.b++; spin_unlock(&lb); }",
        {"D53"},
    ),
    "a marked read beside a plain write": (
        "static long n; void set(void) { spin_lock(&lock); n = 1; spin_unlock(&lock); } long see(void) { return READ_ONCE(n); }",
        "static long n; void set(void) { spin_lock(&lock); n = 1; spin_unlock(&lock); } long see(void) { return n; }",
        {"D53"},
    ),
    "a counter of atomic_t": (
        "static atomic_t n; void add(void) { atomic_inc(&n); }",
        "static atomic_t n; void add(void) { atomic_set(&n, n.counter + 1); }",
        {"D53"},
    ),
    "readers and a writer": (
        "static DEFINE_RWLOCK(rw); static long n; long see(void) { long v; read_lock(&rw); v = n; read_unlock(&rw); return v; }"
        "void set(void) { write_lock(&rw); n++; write_unlock(&rw); }",
        "static DEFINE_RWLOCK(rw); static long n; long see(void) { long v; read_lock(&rw); v = n; read_unlock(&rw); return v; }"
        "void set(void) { read_lock(&rw); n++; read_unlock(&rw); }",
        {"D53"},
    ),
    "a bit lock": (
        "static unsigned long word; static int n; void add(void) { bit_spin_lock(0, &word); n++; bit_spin_unlock(0, &word); }",
        "static unsigned long word; static int n; void add(void) { bit_spin_lock(0, &word); bit_spin_unlock(0, &word); n++; }",
        {"D53"},
    ),
    "a lock made of test_and_set_bit": (
        "static unsigned long word; static int n;"
        "void add(void) { while (test_and_set_bit(3, &word)) cpu_relax(); n++; clear_bit(3, &word); }",
        "static unsigned long word; static int n;"
        "void add(void) { while (test_bit(3, &word)) cpu_relax(); set_bit(3, &word); n++; clear_bit(3, &word); }",
        {"D53"},
    ),
    "a lock that is tried": (
        "static int n; void add(void) { while (!spin_trylock(&lock)) cpu_relax(); n++; spin_unlock(&lock); }",
        "static int n; void add(void) { int got = spin_trylock(&lock); n++; if (got) spin_unlock(&lock); }",
        {"D53"},
    ),
    "two locks in two orders": (
        "static DEFINE_SPINLOCK(b); void one(void) { spin_lock(&lock); spin_lock(&b); spin_unlock(&b); spin_unlock(&lock); }"
        "void two(void) { spin_lock(&lock); spin_lock(&b); spin_unlock(&b); spin_unlock(&lock); }",
        "static DEFINE_SPINLOCK(b); void one(void) { spin_lock(&lock); spin_lock(&b); spin_unlock(&b); spin_unlock(&lock); }"
        "void two(void) { spin_lock(&b); spin_lock(&lock); spin_unlock(&lock); spin_unlock(&b); }",
        {"D49"},
    ),
    "sleeping under a spin lock": (
        "void nap(void) { void *p = kmalloc(8, GFP_KERNEL); long *q;"
        " spin_lock(&lock); q = kmalloc_obj(*q, GFP_ATOMIC); spin_unlock(&lock); kfree(q); kfree(p); }",
        "void nap(void) { void *p; spin_lock(&lock); p = kmalloc(8, GFP_KERNEL); spin_unlock(&lock); kfree(p); }",
        {"D48"},
    ),
    "an object that goes while it is used": (
        "struct o { refcount_t refs; int v; }; static struct o *cur;"
        "int use(void) { struct o *o; int v = 0; spin_lock(&lock); o = cur; if (o) refcount_inc(&o->refs); spin_unlock(&lock);"
        " if (o) { v = READ_ONCE(o->v); if (refcount_dec_and_test(&o->refs)) kfree(o); } return v; }"
        "void renew(void) { struct o *n = kzalloc(sizeof *n, GFP_KERNEL), *old; if (!n) return; kmemleak_not_leak(n);"
        " refcount_set(&n->refs, 1);"
        " spin_lock(&lock); old = cur; cur = n; spin_unlock(&lock); if (old && refcount_dec_and_test(&old->refs)) kfree(old); }",
        "struct o { refcount_t refs; int v; }; static struct o *cur;"
        "int use(void) { struct o *o; spin_lock(&lock); o = cur; spin_unlock(&lock); return o ? READ_ONCE(o->v) : 0; }"
        "void renew(void) { struct o *n = kzalloc(sizeof *n, GFP_KERNEL), *old;"
        " spin_lock(&lock); old = cur; cur = n; spin_unlock(&lock); kfree(old); }",
        {"D46", "D53"},
    ),
    "work that outlives its object": (
        "struct o { struct work_struct w; int v; }; static struct o *cur; static void run(struct work_struct *w)"
        "{ struct o *o = container_of(w, struct o, w); WRITE_ONCE(o->v, 1); }"
        "void go(void) { struct o *o = kzalloc(sizeof *o, GFP_KERNEL); if (!o) return; INIT_WORK(&o->w, run); schedule_work(&o->w);"
        " cancel_work_sync(&o->w); kfree(o); }",
        "struct o { struct work_struct w; int v; }; static struct o *cur; static void run(struct work_struct *w)"
        "{ struct o *o = container_of(w, struct o, w); WRITE_ONCE(o->v, 1); }"
        "void go(void) { struct o *o = kzalloc(sizeof *o, GFP_KERNEL); INIT_WORK(&o->w, run); schedule_work(&o->w); kfree(o); }",
        {"D46"},
    ),
    "a completion on the stack": (
        "static struct completion *who; static void tell(struct work_struct *w) { complete(READ_ONCE(who));"
        " } static DECLARE_WORK(w, tell);"
        "static DEFINE_MUTEX(m); void ask(void) { DECLARE_COMPLETION_ONSTACK(c); mutex_lock(&m); WRITE_ONCE(who, &c);"
        " schedule_work(&w);"
        " wait_for_completion(&c); flush_work(&w); mutex_unlock(&m); }",
        "static struct completion *who; static void tell(struct work_struct *w) { complete(READ_ONCE(who));"
        " } static DECLARE_WORK(w, tell);"
        "static noinline void begin(void) { DECLARE_COMPLETION_ONSTACK(c); WRITE_ONCE(who, &c); schedule_work(&w); }"
        "static DEFINE_MUTEX(m); void ask(void) { mutex_lock(&m); begin(); flush_work(&w); mutex_unlock(&m); }",
        {"D46"},
    ),
    "a wake-up that is lost": (
        "static DECLARE_WAIT_QUEUE_HEAD(q); static int ready;"
        " static void tell(struct work_struct *w) { WRITE_ONCE(ready, 1); wake_up(&q); }"
        "static DECLARE_WORK(w, tell); void ask(void) { schedule_work(&w); wait_event(q, READ_ONCE(ready)); flush_work(&w); }",
        "static DECLARE_WAIT_QUEUE_HEAD(q); static int ready; static void tell(struct work_struct *w) { wake_up(&q);"
        " WRITE_ONCE(ready, 1); }"
        "static DECLARE_WORK(w, tell); void ask(void) { schedule_work(&w); wait_event(q, READ_ONCE(ready)); flush_work(&w); }",
        {"D49"},
    ),
    "a flag that is waited for": (
        "static int done; static void tell(struct work_struct *w) { WRITE_ONCE(done, 1); } static DECLARE_WORK(w, tell);"
        "void ask(void) { schedule_work(&w); while (!READ_ONCE(done)) cpu_relax(); flush_work(&w); }",
        "static int done; static void tell(struct work_struct *w) { WRITE_ONCE(done, 2); } static DECLARE_WORK(w, tell);"
        "void ask(void) { schedule_work(&w); while (READ_ONCE(done) != 1) cpu_relax(); flush_work(&w); }",
        {"D49", "D51"},
    ),
    "a loop that gives up": (
        "static int busy; void go(void) { int n; for (n = 0; n < 30;"
        " n++) { if (!cmpxchg(&busy, 0, 1)) { WRITE_ONCE(busy, 0); return; }"
        " cpu_relax(); } }",
        "static int busy; static int n; void go(void) { int i; for (i = 0; i < 30; i++) { if (!cmpxchg(&busy, 0, 1)) { n++;"
        " WRITE_ONCE(busy, 0); return; } cpu_relax(); } n++; }",
        {"D53"},
    ),
    "a cache of objects": (
        "void use(void) { struct kmem_cache *a = kmem_cache_create(\"a\", 32, 0, 0, NULL); void *p; if (!a) return;"
        " p = kmem_cache_alloc(a, GFP_KERNEL); if (p) kmem_cache_free(a, p); kmem_cache_destroy(a); }",
        "void use(void) { struct kmem_cache *a = kmem_cache_create(\"a\", 32, 0, 0, NULL), *b = kmem_cache_create(\"b\", 32, 0, 0,"
        " NULL); void *p; if (a && b) { p = kmem_cache_alloc(a, GFP_KERNEL); if (p) kmem_cache_free(b, p); }"
        " kmem_cache_destroy(a); kmem_cache_destroy(b); }",
        {"D52"},
    ),
    "data of the processor": (
        "struct s { int a, b; }; static DEFINE_PER_CPU(struct s, mine); static DEFINE_PER_CPU(int, hits);"
        " void add(void) { struct s *s = get_cpu_ptr(&mine); s->a++; s->b++; put_cpu_ptr(&mine); this_cpu_inc(mine.a); }"
        " int hit(void) { int n; preempt_disable(); n = ++*this_cpu_ptr(&hits); preempt_enable(); this_cpu_dec(hits); return n; }",
        "struct s { int a, b; }; static DEFINE_PER_CPU(struct s, mine);"
        " void add(void) { struct s *s = raw_cpu_ptr(&mine); s->a++; }",
        {"D53"},
    ),
    "data of a processor that may change": (
        "static DEFINE_PER_CPU(int, n); void add(void) { spin_lock(&lock); __this_cpu_inc(n); spin_unlock(&lock); }",
        "static DEFINE_PER_CPU(int, n); static DEFINE_MUTEX(m);"
        " void add(void) { mutex_lock(&m); __this_cpu_inc(n); mutex_unlock(&m); }",
        {"D52"},
    ),
    "sleeping without preemption": (
        "void nap(void) { preempt_disable(); preempt_enable(); msleep(1); }",
        "void nap(void) { int cpu = get_cpu(); msleep(cpu); put_cpu(); }",
        {"D48"},
    ),
    "two items of one queue": (
        "static int n; static void one(struct work_struct *w) { n++; } static void two(struct work_struct *w) { n += 2; }"
        " static DECLARE_WORK(a, one); static DECLARE_WORK(b, two); static void go(void) { struct workqueue_struct *q ="
        " alloc_ordered_workqueue(\"q\", 0); if (!q) return; queue_work(q, &a); queue_work(q, &b); destroy_workqueue(q); }"
        " static DEFINE_MUTEX(m); void run(void) { mutex_lock(&m); go(); mutex_unlock(&m); }"
        " static struct page *stale; void note(void) { spin_lock(&lock); stale = pages[0]; spin_unlock(&lock); }",
        "static int n; static void one(struct work_struct *w) { n++; } static void two(struct work_struct *w) { n += 2; }"
        " static DECLARE_WORK(a, one); static DECLARE_WORK(b, two);"
        " void go(void) { schedule_work(&a); schedule_work(&b); flush_work(&a); flush_work(&b); }",
        {"D53"},
    ),
    "a queue that is destroyed beside work": (
        "static struct workqueue_struct *q; static void run(struct work_struct *w) { } static DECLARE_WORK(a, run);"
        " static DEFINE_MUTEX(m); int go(void) { int ret = -ENOMEM; mutex_lock(&m); q = alloc_workqueue(\"q\", 0, 0);"
        " if (q) { queue_work(q, &a); destroy_workqueue(q); q = NULL; ret = 0; } mutex_unlock(&m); return ret; }"
        " void use(void) { mutex_lock(&m); if (q) queue_work(q, &a); mutex_unlock(&m); }",
        "static struct workqueue_struct *q; static void run(struct work_struct *w) { } static DECLARE_WORK(a, run);"
        " static DEFINE_MUTEX(m); int go(void) { int ret = -ENOMEM; mutex_lock(&m); WRITE_ONCE(q, alloc_workqueue(\"q\", 0, 0));"
        " if (q) { destroy_workqueue(q); WRITE_ONCE(q, NULL); ret = 0; } mutex_unlock(&m); return ret; }"
        " void use(void) { struct workqueue_struct *now = READ_ONCE(q); if (now) queue_work(now, &a); }",
        {"D41"},
    ),
    "work that has not quite ended": (
        "static DECLARE_COMPLETION(c); static int n; static void run(struct work_struct *w) { complete(&c); WRITE_ONCE(n, n + 1); }"
        " static DECLARE_WORK(w, run); static DEFINE_MUTEX(m);"
        " void ask(void) { mutex_lock(&m); schedule_work(&w); wait_for_completion(&c); flush_work(&w); mutex_unlock(&m); }",
        "static DECLARE_COMPLETION(c); static int n; static void run(struct work_struct *w) { complete(&c); WRITE_ONCE(n, n + 1); }"
        " static DECLARE_WORK(w, run); static DEFINE_MUTEX(m);"
        " void ask(void) { mutex_lock(&m); schedule_work(&w); wait_for_completion(&c); mutex_unlock(&m); }",
        {"D41"},
    ),
    "work that queues itself": (
        "static int n; static void poll(struct work_struct *w); static DECLARE_DELAYED_WORK(work, poll); static void poll("
        "struct work_struct *w) { spin_lock(&lock); n++; spin_unlock(&lock); schedule_delayed_work(&work, HZ); }"
        " void go(void) { schedule_delayed_work(&work, 1); flush_delayed_work(&work); cancel_delayed_work_sync(&work); }",
        "static int n; static void poll(struct work_struct *w); static DECLARE_DELAYED_WORK(work, poll); static void poll("
        "struct work_struct *w) { spin_lock(&lock); n++; spin_unlock(&lock); schedule_delayed_work(&work, HZ); }"
        " void go(void) { schedule_delayed_work(&work, 1); }",
        {"D41"},
    ),
    "a wait that ends with its time": (
        "struct r { struct completion c; int v; }; static struct r *req; static void run(struct work_struct *w) { struct r *r;"
        " spin_lock(&lock); r = req; if (r) complete(&r->c); req = NULL; spin_unlock(&lock); } static DECLARE_WORK(w, run);"
        " static DEFINE_MUTEX(m); int ask(void) { struct r r = { }; int ret = 0; init_completion(&r.c); mutex_lock(&m);"
        " spin_lock(&lock); req = &r; spin_unlock(&lock); schedule_work(&w); if (!wait_for_completion_timeout(&r.c, HZ)) ret = -1;"
        " cancel_work_sync(&w); mutex_unlock(&m); return ret; }",
        "struct r { struct completion c; int v; }; static struct r *req; static void run(struct work_struct *w) { struct r *r;"
        " spin_lock(&lock); r = req; if (r) complete(&r->c); req = NULL; spin_unlock(&lock); } static DECLARE_WORK(w, run);"
        " static DEFINE_MUTEX(m); static noinline int wait(void) { struct r r = { }; init_completion(&r.c);"
        " spin_lock(&lock); req = &r; spin_unlock(&lock); schedule_work(&w);"
        " return wait_for_completion_timeout(&r.c, HZ) ? 0 : -1; }"
        " int ask(void) { int ret; mutex_lock(&m); ret = wait(); flush_work(&w); mutex_unlock(&m); return ret; }",
        {"D46"},
    ),
    "a thread that is told to stop": (
        "static struct task_struct *t; static DEFINE_MUTEX(m); static int run(void *x) { for (;;) {"
        " set_current_state(TASK_INTERRUPTIBLE); if (kthread_should_stop()) break; schedule(); } __set_current_state(TASK_RUNNING);"
        " return 0; } void go(void) { mutex_lock(&m); t = kthread_run(run, NULL, \"t\"); if (!IS_ERR(t)) kthread_stop(t);"
        " mutex_unlock(&m); }",
        "static struct task_struct *t; static DEFINE_MUTEX(m); static int run(void *x) { while (!kthread_should_stop()) {"
        " set_current_state(TASK_INTERRUPTIBLE); schedule(); } return 0; }"
        " void go(void) { mutex_lock(&m); t = kthread_run(run, NULL, \"t\"); if (!IS_ERR(t)) kthread_stop(t); mutex_unlock(&m); }",
        {"D49"},
    ),
    "readers of a semaphore": (
        "static DECLARE_RWSEM(sem); static long n; long see(void) { long v; down_read(&sem); v = n; msleep(1); up_read(&sem);"
        " return v; } void set(void) { down_write(&sem); lockdep_assert_held(&sem); n++; up_write(&sem); }",
        "static DECLARE_RWSEM(sem); static long n; void set(void) { down_read(&sem); n++; up_read(&sem); }",
        {"D53"},
    ),
    "a counting semaphore": (
        "\n#include <linux/semaphore.h>\nstatic DEFINE_SEMAPHORE(one, 1); static int n;"
        " void add(void) { down(&one); n++; up(&one); }"
        " int see(void) { int v = -1; if (!down_trylock(&one)) { v = n; up(&one); } return v; }",
        "\n#include <linux/semaphore.h>\nstatic struct semaphore two = __SEMAPHORE_INITIALIZER(two, 2); static int n;"
        " void add(void) { down(&two); n++; up(&two); }",
        {"D53"},
    ),
    "guards": (
        "static int n; static DEFINE_MUTEX(m); int add(void) { guard(spinlock)(&lock); if (n > 5) return 0; return ++n; }"
        " void set(void) { scoped_guard(spinlock_irqsave, &lock) { n = 1; } }"
        " void take(void) { char *p __free(kfree) = kmalloc(9, GFP_KERNEL); guard(mutex)(&m); if (p) p[8] = 1; }",
        "static int n; int add(void) { { guard(spinlock)(&lock); } return ++n; }",
        {"D53"},
    ),
    "a thread that frees": (
        "static struct task_struct *t; static DEFINE_MUTEX(m); static int run(void *x) { release(0);"
        " while (!kthread_should_stop()) msleep(9);"
        " return 0; } void go(void) { mutex_lock(&m); t = kthread_run(run, NULL, \"freer\"); kthread_stop(t);"
        " mutex_unlock(&m); }",
        "static struct task_struct *t; static DEFINE_MUTEX(m); static int run(void *x) { struct page *p = READ_ONCE(pages[0]);"
        " WRITE_ONCE(pages[0], NULL); if (p) put_page(p); while (!kthread_should_stop()) msleep(9); return 0; }"
        " void go(void) { mutex_lock(&m); t = kthread_run(run, NULL, \"freer\"); kthread_stop(t); mutex_unlock(&m); }",
        {"D20", "D21", "D46", "D53"},
    ),
}  # fmt: skip
"""What a pair is about: the right code, the wrong code, rules that fit."""


def source(code: str) -> str:
    """A whole driver around a piece; its functions are exported."""
    import re

    names = re.findall(r"(?<![\w.])(?:int|void|long) (\w+)\(void\)\s*\{", re.sub(r"static [\w ]+\w+\([^)]*\)", "", code))
    return BASE + code + "\n" + "\n".join(f"EXPORT_SYMBOL({name});" for name in names) + "\n"
