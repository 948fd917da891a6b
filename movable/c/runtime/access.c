/* The compiler calls these before every load and store of the driver's. Each is checked; those that others may see become steps.
 *
 * A location is a granule of eight bytes. One that a single task uses, or that nobody writes, cannot make a difference between two
 * schedules: which ones tasks share is learned here, as the explorer learns it for Python drivers. */
#include "rt.h"

u64 image_lo, image_span, data_lo, data_span;
int stacks_shared;
int k_private_told;			/* of struct page: in kernels whose marks stay it says whose a page is */

/* ---- which granules tasks share ---- */
struct cell { u64 granule; u8 owner, wrote, shared; };
#define NR_CELLS (1u << 14)
#define SEVERAL 255
static struct cell cells[NR_CELLS];
static u32 nr_cells;
static u32 quiet;				/* accesses in a row that were not told */
#define PATIENCE 20000

void forget_cells(void)
{
	memset(cells, 0, sizeof cells);
	nr_cells = 0;
	stacks_shared = 0;
}

u64 k_cells(char *to, const char *from)
{
	u64 n = sizeof cells + sizeof nr_cells + sizeof stacks_shared;

	if (to) {
		memcpy(to, cells, sizeof cells);
		memcpy(to + sizeof cells, &nr_cells, sizeof nr_cells);
		memcpy(to + sizeof cells + sizeof nr_cells, &stacks_shared, sizeof stacks_shared);
	} else if (from) {
		memcpy(cells, from, sizeof cells);
		memcpy(&nr_cells, from + sizeof cells, sizeof nr_cells);
		memcpy(&stacks_shared, from + sizeof cells + sizeof nr_cells, sizeof stacks_shared);
	} else {
		forget_cells();
	}
	return n;
}

static struct cell *cell_of(u64 granule)
{
	u32 h = (u32)((granule * 0x9E3779B97F4A7C15ull) >> 40) & (NR_CELLS - 1);

	for (;; h = (h + 1) & (NR_CELLS - 1)) {
		if (cells[h].granule == granule)
			return &cells[h];
		if (!cells[h].granule) {
			if (nr_cells >= NR_CELLS - NR_CELLS / 8)
				return NULL;
			cells[h].granule = granule;
			nr_cells++;
			return &cells[h];
		}
	}
}

/* ---- what may be touched ---- */
static int page_held(u64 pfn) { return ((u32 *)(PAGES + pfn * 64))[13] != 0; }

static int stack_ok(u64 a)
{
	u64 n = (a - STACKS) / STACK;

	return busy[n] && a >= (coroutines[n].live ? coroutines[n].live : (u64)coroutines[n].sp);
}

/* 0, or the request that tells what is wrong with an address */
static int wrong_with(u64 a, u64 size)
{
	if (a - HEAP < HEAP_SIZE)
		return heap_valid(a, size) ? 0 : K_BAD_HEAP;
	if (a - CONTENT < CONTENT_SIZE)
		return page_held((a - CONTENT) >> 12) ? 0 : K_BAD_PAGE;
	if (a - PAGES < NR_PAGES * 64)
		return page_held((a - PAGES) >> 6) ? 0 : K_BAD_STRUCT;
	if (a - STACKS < STACKS_SIZE)
		return stack_ok(a) ? 0 : K_BAD_STACK;
	return a - image_lo < image_span ? 0 : K_BAD_POINTER;
}
int address_ok(u64 a, u64 size) { return (running && a - stack_lo < stack_span) || !wrong_with(a, size); }

__attribute__((noinline)) static void refuse(int op, u64 a, u64 size, int kind, void *pc)
{
	k_request.a[0] = a;
	k_request.a[1] = size;
	k_request.a[2] = kind;
	k_request.pc = (u64)pc;
	cross(op);
}

/* ---- steps ---- */
__attribute__((noinline)) static void point(u64 a, long size, int kind, int grew, void *pc)
{
	k_request.a[0] = a;
	k_request.a[1] = size;
	k_request.a[2] = kind;
	k_request.a[3] = grew;
	k_request.pc = (u64)pc;
	quiet = 0;
	cross(K_POINT);
}

static u64 value_at(u64 a, int size)
{
	return size >= 8 ? *(u64 *)a : size == 4 ? *(u32 *)a : size == 2 ? *(u16 *)a : *(u8 *)a;
}

/* A size that can be read at once. */
static int shape(u64 a, int size) { return size == 3 || size > 4 ? (a & 7 ? 1 : 8) : size; }

static void remember(struct coroutine *me, u64 a, int size, int kind)
{
	u64 value;

	if (kind & WRITE) {
		me->wrote = 1;
		if (!(kind & CHANGE))
			return;
	}
	if (size > 8 || (a & 7) + size > 8)
		size = 8 - (a & 7);
	value = value_at(a, shape(a, size));
	me->seen = (me->seen ^ a ^ (value << 17 | value >> 47)) * 0x9E3779B97F4A7C15ull;
	for (u32 i = 0; i < me->nr_looks && i < LOOKS; i++)
		if (me->looks[i].at == a)
			return;
	if (me->nr_looks < LOOKS)
		me->looks[me->nr_looks] = (struct look){ a, value, size };
	me->nr_looks++;
}

/* Has anything changed that a suspended coroutine has read since it last waited? */
int k_changed(int number)
{
	struct coroutine *co = &coroutines[number];

	for (u32 i = 0; i < co->nr_looks && i < LOOKS; i++) {
		struct look *look = &co->looks[i];

		if (!address_ok(look->at, look->size) || value_at(look->at, shape(look->at, look->size)) != look->value)
			return 1;
	}
	return 0;
}

/* From now on a granule is shared, whoever has used it. */
void k_share(u64 a)
{
	struct cell *c = cell_of(a >> 3);

	if (c) {
		c->owner = SEVERAL;
		c->wrote = c->shared = 1;
	}
}

/* A request that reads the state of a page is a look as well; the bits of mine will be clear when it is waited. */
void k_look(int number, u64 a, int size, u64 mine)
{
	struct coroutine *co = &coroutines[number];
	u32 before = co->nr_looks;

	remember(co, a, size, 0);
	if (mine && co->nr_looks > before && before < LOOKS)
		co->looks[before].value &= ~mine;
}

/* One access inside one granule. */
static void granule(struct coroutine *me, u64 a, int size, int kind, int own_stack, void *pc)
{
	struct cell *c;
	int who = me->task + 1, write = kind & WRITE, grew = 0;

	if (a - image_lo < image_span && a - data_lo >= data_span)
		return;						/* a constant */
	if (me->mode == ALL) {
		point(a, size, kind, 0, pc);
		return;
	}
	c = cell_of(a >> 3);
	if (!c) {
		refuse(K_SPIN, a, size, kind, pc);
		return;
	}
	if (!c->owner) {
		c->owner = who;
		c->wrote = write;
	} else if (c->owner != who || (write && !c->wrote)) {
		int several = c->owner != who;

		c->wrote |= write;
		if (several)
			c->owner = SEVERAL;
		if (several && c->wrote && !c->shared)
			c->shared = grew = 1;
	}
	if (!own_stack && a - STACKS < STACKS_SIZE && !c->shared) {	/* whose stack it is has used it too */
		c->owner = SEVERAL;
		c->shared = grew = stacks_shared = 1;
	}
	if (c->shared) {
		point(a, size, kind, grew, pc);
	} else if (++quiet >= PATIENCE) {				/* it may be waiting for a task that has had no turn */
		quiet = 0;
		refuse(K_SPIN, a, size, kind, pc);
	}
}

static inline __attribute__((always_inline)) void access_(u64 a, int size, int kind, void *pc)
{
	struct coroutine *me = running;
	int own = 0, op;

	k_accesses++;
	if (!me)
		return;
	if (me->marked)
		kind |= MARKED;
	if (a - stack_lo < stack_span) {
		if (me->mode != ALL && !stacks_shared)
			return;
		own = 1;
	} else if ((op = wrong_with(a, size))) {
		refuse(op, a, size, kind, pc);
		return;
	}
	if (me->mode >= SHARED) {
		if (a - PAGES < NR_PAGES * 64 || a - CONTENT < CONTENT_SIZE) {
			point(a, size, kind, 0, pc);
		} else if ((a & 7) + size <= 8) {
			granule(me, a, size, kind, own, pc);
		} else {
			int done = 8 - (a & 7);

			granule(me, a, done, kind, own, pc);
			for (; done < size; done += 8)
				granule(me, a + done, size - done > 8 ? 8 : size - done, kind, own, pc);
		}
		if (!own && (op = wrong_with(a, size))) {		/* others may have run meanwhile */
			refuse(op, a, size, kind, pc);
			return;
		}
	} else if (me->mode == FIELDS && a - PAGES < NR_PAGES * 64) {
		int field = a & 63;

		if (field < 8 || (field >= 24 && field < 32) || (k_private_told && field >= 40 && field < 48))
			point(a, size, kind, 0, pc);
	}
	if (!own)
		remember(me, a, size, kind);
}

/* Inside data_race() nothing is a race. */
void k_marked(int change)
{
	if (running)
		running->marked += change;
}

void access_one(u64 a, int size, int kind, void *pc) { access_(a, size, kind, pc); }

/* Many bytes: those of a page are one step, others one a granule. */
void access_range(u64 a, long size, int kind, void *pc)
{
	while (size > 0) {
		long n = 8 - (a & 7);

		if (running && a - CONTENT < CONTENT_SIZE) {
			n = 4096 - (a & 4095);
			if (n > size)
				n = size;
			if (running->mode >= SHARED && page_held((a - CONTENT) >> 12))
				point(a, n, kind, 0, pc);
			if (!page_held((a - CONTENT) >> 12))
				refuse(K_BAD_PAGE, a, n, kind, pc);
			if (kind & WRITE)
				running->wrote = 1;
		} else {
			if (n > size)
				n = size;
			access_(a, n, kind, pc);
		}
		a += n;
		size -= n;
	}
}

/* ---- the interface of the instrumentation ---- */
#define PC __builtin_return_address(0)
#define PLAIN(prefix, n, extra) \
	void __tsan_##prefix##read##n(void *p) { access_((u64)p, n, extra, PC); } \
	void __tsan_##prefix##write##n(void *p) { access_((u64)p, n, (extra) | WRITE, PC); }
#define SIZE(n) PLAIN(, n, 0) PLAIN(unaligned_, n, 0) PLAIN(volatile_, n, MARKED) PLAIN(unaligned_volatile_, n, MARKED)
SIZE(1) SIZE(2) SIZE(4) SIZE(8) SIZE(16)
void __tsan_read_range(void *p, long n) { access_range((u64)p, n, 0, PC); }
void __tsan_write_range(void *p, long n) { access_range((u64)p, n, WRITE, PC); }
void __tsan_init(void) { }
void __tsan_func_entry(void *pc) { (void)pc; }
void __tsan_func_exit(void) { }
void __tsan_vptr_update(void **a, void *b) { (void)a; (void)b; }
void __tsan_atomic_thread_fence(int order) { (void)order; }
void __tsan_atomic_signal_fence(int order) { (void)order; }

#define RMW(bits, T, name, expression) \
	T __tsan_atomic##bits##_##name(T *p, T v, int order) \
	{ T old; (void)order; access_((u64)p, bits / 8, MARKED | WRITE | CHANGE, PC); old = *(volatile T *)p; *(volatile T *)p = (expression); return old; }
#define ATOMIC(bits, T) \
	T __tsan_atomic##bits##_load(const T *p, int order) { (void)order; access_((u64)p, bits / 8, MARKED, PC); return *(volatile T *)p; } \
	void __tsan_atomic##bits##_store(T *p, T v, int order) { (void)order; access_((u64)p, bits / 8, MARKED | WRITE, PC); *(volatile T *)p = v; } \
	RMW(bits, T, exchange, v) RMW(bits, T, fetch_add, old + v) RMW(bits, T, fetch_sub, old - v) \
	RMW(bits, T, fetch_and, old & v) RMW(bits, T, fetch_or, old | v) RMW(bits, T, fetch_xor, old ^ v) RMW(bits, T, fetch_nand, ~(old & v)) \
	int __tsan_atomic##bits##_compare_exchange_strong(T *p, T *e, T v, int order, int other) \
	{ (void)order; (void)other; access_((u64)p, bits / 8, MARKED | WRITE | CHANGE, PC); if (*p == *e) { *p = v; return 1; } *e = *p; return 0; } \
	int __tsan_atomic##bits##_compare_exchange_weak(T *p, T *e, T v, int order, int other) \
	{ return __tsan_atomic##bits##_compare_exchange_strong(p, e, v, order, other); } \
	T __tsan_atomic##bits##_compare_exchange_val(T *p, T e, T v, int order, int other) \
	{ T old; (void)order; (void)other; access_((u64)p, bits / 8, MARKED | WRITE | CHANGE, PC); old = *p; if (old == e) *p = v; return old; }
ATOMIC(8, u8) ATOMIC(16, u16) ATOMIC(32, u32) ATOMIC(64, u64)
