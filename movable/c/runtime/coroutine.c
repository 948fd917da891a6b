/* Every call of a C function runs on a stack of its own. It runs until it needs something, writes a request, and switches back:
 * C never calls Python, so a Python task that is suspended has nothing of the driver's on its own stack, and a call that is to
 * end is simply dropped. */
#include "rt.h"

struct request k_request;
char k_text[1024];
u64 k_crossings, k_accesses;
struct coroutine coroutines[NR_STACKS];
u8 busy[NR_STACKS];
struct coroutine *running;
u64 stack_lo, stack_span;
static void *python_sp;

#ifndef __x86_64__
#error "the switch between stacks is written for x86-64"
#endif
__attribute__((naked, noinline)) static void switch_to(void **save, void *to)
{
	__asm__("push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
		"mov %rsp, (%rdi)\n mov %rsi, %rsp\n"
		"pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n ret");
}

static void first(void)
{
	struct coroutine *me = running;
	long ret = me->fn(me->arg[0], me->arg[1], me->arg[2], me->arg[3]);

	for (;;) {
		k_request.op = K_DONE;
		k_request.ret = ret;
		switch_to(&running->sp, python_sp);
	}
}

/* A coroutine for a call of `fn` by a task; -1 when its calls are nested too deep. Arguments stand in the request. */
int k_start(int task, int mode)
{
	for (u64 n = 0; n < NESTED; n++) {
		struct coroutine *co = &coroutines[task * NESTED + n];
		void **sp;

		if (busy[co - coroutines])
			continue;
		memset(co, 0, sizeof *co);
		busy[co - coroutines] = 1;
		co->task = task;
		co->mode = mode;
		co->lo = STACKS + (task * NESTED + n) * STACK;
		co->fn = (void *)k_request.a[0];
		for (int i = 0; i < 4; i++)
			co->arg[i] = k_request.a[1 + i];
		sp = (void **)(co->lo + STACK - 64);
		*--sp = NULL;
		*--sp = (void *)first;
		for (int i = 0; i < 6; i++)
			*--sp = NULL;
		co->sp = sp;
		return co - coroutines;
	}
	return -1;
}

/* Run it until its next request, whose number is returned. The answer to the last one stands in k_request.ret. */
int k_resume(int number)
{
	struct coroutine *before = running, *co = &coroutines[number];
	void *sp_before = python_sp;

	running = co;
	stack_lo = co->lo;
	stack_span = STACK;
	switch_to(&python_sp, co->sp);
	running = before;
	python_sp = sp_before;
	stack_lo = before ? before->lo : 0;
	stack_span = before ? STACK : 0;
	return k_request.op;
}

/* A call of a machine's ends; one that is put aside has it in what was put aside. */
void k_drop(int number, int machine)
{
	if (machine == k_machine)
		busy[number] = 0;
}
u64 k_sp(int number) { return (u64)coroutines[number].sp; }
void k_mode(int number, int mode) { coroutines[number].mode = mode; }
u64 *k_pc(int number) { k_request.a[5] = coroutines[number].pc; return &k_request.a[5]; }

/* From a signal: the coroutine is lost. */
void to_python(void)
{
	void *lost;

	switch_to(&lost, python_sp);
}

long cross(int op)
{
	k_request.op = op;
	running->pc = k_request.pc;
	k_crossings++;
	switch_to(&running->sp, python_sp);
	running->live = 0;
	return k_request.ret;
}

long k_call(int op, long a, long b, long c, long d)
{
	if (!running)
		return -1;
	k_request.a[0] = a;
	k_request.a[1] = b;
	k_request.a[2] = c;
	k_request.a[3] = d;
	k_request.a[4] = op < K_LOCK || op > K_BIT_UNLOCK || address_ok(a, 1);	/* a lock is in living memory */
	k_request.pc = (u64)__builtin_return_address(0);
	running->live = (u64)__builtin_frame_address(0) + 16;	/* where the caller's begin */
	return cross(op);
}

/* A loop that waits has come round. Does what it read look as it did the last time, and has it written nothing meanwhile? */
long k_relax(long sleeps)
{
	struct coroutine *me = running;
	u64 pc = (u64)__builtin_return_address(0);
	int idle;

	if (!me)
		return 0;
	idle = me->nr_looks && !me->wrote && me->relaxed_at == pc && me->seen == me->seen_before;
	me->seen_before = me->seen;
	me->relaxed_at = pc;
	k_request.a[0] = sleeps;
	k_request.a[1] = idle;
	k_request.a[2] = me->nr_looks;
	k_request.a[3] = (u64)me->looks;
	k_request.pc = pc;
	cross(K_RELAX);
	me->seen = me->wrote = me->nr_looks = 0;
	return 0;
}
