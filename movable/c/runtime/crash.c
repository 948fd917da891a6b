/* A crash or an endless loop inside a driver ends its call, not the process. */
#include "rt.h"
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
#define NR_CRASHES (sizeof crashes / sizeof *crashes)
static struct sigaction before[NR_CRASHES];
#define TICK_NS 250000000l		/* of processor time */
int k_ticks = 4;			/* so many without a request are no end */
static int ticking;

u64 called_at;			/* where the driver has called a function of the C library's through us; 0 outside of them */

/* An address of the driver's code: where it stands, where it has called us, or the nearest caller on the stack. */
static u64 place_of(u64 pc, u64 sp)
{
	if (pc - image_lo < image_span || sp - stack_lo >= stack_span)
		return pc;
	if (called_at) {
		pc = called_at;
		called_at = 0;
		return pc;
	}
	for (u64 *at = (u64 *)(sp & ~7ull); (u64)at < stack_lo + STACK - 64; at++)
		if (*at - image_lo < image_span && *at - data_lo >= data_span)
			return *at;
	return pc;
}

static void on_crash(int number, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	u64 pc = uc->uc_mcontext.gregs[REG_RIP], sp = uc->uc_mcontext.gregs[REG_RSP];

	int sent = info->si_code <= 0;				/* by kill or raise: nothing happens again by going on */

	if (!running || sent) {					/* not the driver's: whoever was asked before is asked again */
		for (u64 i = 0; i < NR_CRASHES; i++)
			if (crashes[i] == number)
				sigaction(number, &before[i], NULL);
		if (sent)
			raise(number);
		return;
	}
	k_request.a[0] = (u64)info->si_addr;
	k_request.a[1] = number;
	k_request.a[2] = number == SIGSEGV && ((u64)info->si_addr - stack_lo < 4096 || sp - stack_lo < 4096 + 512);
	k_request.pc = running->pc = place_of(pc, sp);
	k_request.op = K_CRASH;
	to_python();
}

static void on_tick(int number, siginfo_t *info, void *context)
{
	static u64 last;
	static int same;
	u64 pc = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP], sp = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RSP];

	(void)number; (void)info;
	if (!running || k_crossings != last) {
		last = k_crossings;
		same = 0;
		return;
	}
	if (++same < k_ticks)
		return;
	if (sp - stack_lo >= stack_span)
		return;
	same = 0;
	k_request.op = K_HANG;
	k_request.pc = running->pc = place_of(pc, sp);		/* in a hook its caller stands further up */
	to_python();
}

static void child(void) { ticking = 0; }

/* Ticks of processor time for this process, which a fork does not inherit. */
void k_tick(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 5 };
	struct itimerspec every = { { 0, TICK_NS }, { 0, TICK_NS } };
	timer_t timer;

	if (ticking)
		return;
	ticking = 1;
	if (!timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer))
		timer_settime(timer, 0, &every, NULL);
}

/* Reserve the arena and take the signals; -1 where the addresses are taken. */
int k_init(void)
{
	static char alternate[65536];
	static int done;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
	stack_t stack = { .ss_sp = alternate, .ss_size = sizeof alternate };
	struct sigaction action = { .sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
	struct sigaction tick = { .sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART };

	if (done)
		return 0;
	if (mmap((void *)ARENA, ARENA_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0) != (void *)ARENA)
		return -1;
	for (u64 i = 0; i < NR_STACKS; i++)
		mprotect((void *)(STACKS + i * STACK), 4096, PROT_NONE);
	sigaltstack(&stack, NULL);
	for (u64 i = 0; i < NR_CRASHES; i++)
		sigaction(crashes[i], &action, &before[i]);
	sigaction(SIGRTMIN + 5, &tick, NULL);
	pthread_atfork(NULL, NULL, child);
	done = 1;
	return 0;
}
