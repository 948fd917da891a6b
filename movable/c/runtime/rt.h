/* The C side of the bridge, shared by its files. Compiled without instrumentation; one thread. */
#ifndef MOVABLE_RT_H
#define MOVABLE_RT_H
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>
#include <string.h>
#include "../include/movable/request.h"

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;

/* The address plan. It is fixed, so that a location has the same address in every execution. */
#define ARENA		0x610000000000ull
#define PAGES		ARENA			/* struct page, 64 bytes each */
#define NR_PAGES	65536ull
#define HEAP		(ARENA + 0x08000000ull)	/* a slice for each task: addresses do not depend on the schedule */
#define NR_TASKS	64ull
#define FIRST_SLICE	0x04000000ull		/* of what runs alone */
#define SLICE		0x00400000ull		/* of every other task */
#define HEAP_SIZE	(FIRST_SLICE + (NR_TASKS - 1) * SLICE)
#define STACKS		(ARENA + 0x28000000ull)
#define STACK		0x10000ull		/* 64 KiB, of which the lowest page is a guard */
#define NESTED		8ull			/* calls of one task inside each other */
#define NR_STACKS	(NR_TASKS * NESTED)
#define STACKS_SIZE	(NR_STACKS * STACK)
#define CONTENT		(ARENA + 0x40000000ull)	/* what pages hold */
#define CONTENT_SIZE	(NR_PAGES << 12)
#define ARENA_SIZE	(0x40000000ull + CONTENT_SIZE)

/* What a coroutine tells Python of. */
enum mode { QUIET, FIELDS, SHARED, ALL };	/* nothing; flags and mapping of pages; what tasks share; everything */

enum { WRITE = 1, MARKED = 2, RANGE = 4, CHANGE = 8 };	/* kinds of accesses; CHANGE reads and writes in one step */

struct request { u64 op, a[6], pc; long ret; };
extern struct request k_request;
extern char k_text[1024];
extern u64 k_crossings, k_accesses;

#define LOOKS 64
struct look { u64 at; u64 value; u32 size; };	/* something that was read, and what was there */

struct coroutine {
	void *sp;
	u64 lo, pc, live;		/* where its frames that are in use begin, 0: at sp */
	int task, mode, marked;
	long (*fn)(long, long, long, long);
	long arg[4];
	/* what it has read since it last waited in a loop, and whether it has written */
	struct look looks[LOOKS];
	u32 nr_looks, wrote;
	u64 seen, seen_before, relaxed_at;
};
extern struct coroutine coroutines[NR_STACKS];
extern u8 busy[NR_STACKS];	/* which of them are in use; beside them, for all are looked through again and again */
extern struct coroutine *running;
extern u64 stack_lo, stack_span;
extern int stacks_shared, k_machine, k_private_told;
extern u64 image_lo, image_span, data_lo, data_span, called_at;

long cross(int op);
void to_python(void);

/* the heap */
extern u8 shadow[HEAP_SIZE / 8];		/* 0 not allocated, 1 to 8 bytes valid, FREED */
#define FREED 0xfd
static inline int heap_valid(u64 a, u64 size)
{
	u64 off = a - HEAP, last = off + size - 1;
	u8 from, to;

	if (off >= HEAP_SIZE || last >= HEAP_SIZE)
		return 0;
	from = shadow[off >> 3];
	to = shadow[last >> 3];
	return from && from != FREED && to && to != FREED && (last & 7) < to;
}
void heap_reset(void);
u64 heap_fingerprint(u64 n);
u64 heap_save(char *to);
u64 heap_restore(const char *from);
void forget_cells(void);
void access_range(u64 a, long size, int kind, void *pc);
void access_one(u64 a, int size, int kind, void *pc);
int address_ok(u64 a, u64 size);

#endif
