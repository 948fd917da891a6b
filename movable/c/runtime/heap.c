/* Memory for drivers, and copying. Objects lie one behind the other with red zones between; none is handed out twice while there is
 * room, so that a use after free or an overrun is always told. */
#include "rt.h"
#include <stdarg.h>
#include <stdio.h>

struct object { u64 at, size; void *made, *freed; const void *cache; int task; u8 kept, kind; };	/* kept: nobody expects it to be freed */
#define NR_OBJECTS (1u << 20)
static struct object objects[NR_OBJECTS];
static u32 nr_objects;
static u64 top[NR_TASKS];
u8 shadow[HEAP_SIZE / 8];
#define RED 16ull

static u64 slice_start(int task) { return task ? FIRST_SLICE + (task - 1) * SLICE : 0; }
static u64 slice_size(int task) { return task ? SLICE : FIRST_SLICE; }

static void mark(u64 off, u64 size)
{
	u64 whole = size / 8;

	memset(shadow + off / 8, 8, whole);
	if (size & 7)
		shadow[off / 8 + whole] = size & 7;
}

/* Once a slice is full: the object that was freed first and is large enough is used again. */
static struct object *again(int task, u64 size, u64 align)
{
	static u32 from;

	for (u32 tried = 0; tried < nr_objects; tried++) {
		struct object *o = &objects[from++ % nr_objects];

		if (o->freed && o->task == task && o->size >= size && o->size <= 2 * size && !(o->at & (align - 1)))
			return o;
	}
	return NULL;
}

void *k_alloc(unsigned long size, unsigned int gfp, int zero, unsigned long align)
{
	void *pc = __builtin_return_address(0);
	int task = running ? running->task : 0;
	u64 need = size ? size : 1, start = slice_start(task), at;
	struct object *o;

	if (running && running->mode != QUIET && gfp) {
		k_request.a[0] = gfp;
		k_request.pc = (u64)pc;
		if (cross(K_ALLOC_OBJECT))
			return NULL;
	}
	if (align < 16)
		align = 16;
	at = (top[task] + RED + align - 1) & ~(align - 1);
	if (at + need + RED > slice_size(task) || nr_objects >= NR_OBJECTS) {
		o = again(task, need, align);
		if (!o)
			return NULL;
		memset(shadow + (o->at - HEAP) / 8, 0, (o->size + 7) / 8);
	} else {
		o = &objects[nr_objects++];
		top[task] = at + ((need + 15) & ~15ull);
		o->at = HEAP + start + at;
		*(u64 *)(o->at - 8) = o - objects;
	}
	o->size = need;
	o->made = pc;
	o->freed = NULL;
	o->task = task;
	o->cache = NULL;
	o->kept = 0;
	o->kind = zero >> 1 ? zero >> 1 : K_OF_KMALLOC;
	mark(o->at - HEAP, need);
	memset((void *)o->at, zero & 1 ? 0 : 0xa5, need);
	return (void *)o->at;
}

static struct object *object_at(u64 a)
{
	struct object *best = NULL;

	for (u32 i = 0; i < nr_objects; i++)
		if (objects[i].at <= a && a < objects[i].at + objects[i].size + 2 * RED && (!best || objects[i].at > best->at))
			best = &objects[i];
	return best;
}

static struct object *exactly(u64 a)
{
	u64 n;

	if (a - HEAP >= HEAP_SIZE || a & 7 || a - HEAP < RED || !shadow[(a - HEAP) / 8])
		return NULL;
	n = *(u64 *)(a - 8);
	return n < nr_objects && objects[n].at == a ? &objects[n] : NULL;
}

void k_keep(const void *p)
{
	struct object *o = exactly((u64)p);

	if (o)
		o->kept = 1;
}

/* The cache that an object was taken from. */
void k_set_cache(const void *p, const void *cache)
{
	struct object *o = exactly((u64)p);

	if (o)
		o->cache = cache;
}

const void *k_cache_of(const void *p)
{
	struct object *o = exactly((u64)p);

	return o && !o->freed ? o->cache : NULL;
}

u32 k_left_of(const void *cache)
{
	u32 n = 0;

	for (u32 i = 0; i < nr_objects; i++)
		n += objects[i].cache == cache && !objects[i].freed;
	return n;
}

/* The first object of the driver's own that was never freed: its size, where it was made. Returns how many there are. */
u32 k_left(u64 *out)
{
	u32 n = 0;

	for (u32 i = nr_objects; i-- > 0;) {
		struct object *o = &objects[i];

		if (o->freed || o->kept || (u64)o->made - image_lo >= image_span)
			continue;
		out[0] = o->size;
		out[1] = (u64)o->made;
		n++;
	}
	return n;
}

unsigned long k_size(const void *p)
{
	struct object *o = exactly((u64)p);

	return o && !o->freed ? o->size : 0;
}

/* What an object is, by the function that made it; 0 for what is none. */
int k_kind(const void *p)
{
	struct object *o = exactly((u64)p);

	return o && !o->freed ? o->kind : 0;
}

void k_free(const void *p, int kinds)
{
	void *pc = __builtin_return_address(0);
	struct object *o;

	if (!p)
		return;
	o = exactly((u64)p);
	if (!o || o->freed) {
		k_request.a[0] = (u64)p;
		k_request.a[1] = 0;
		k_request.a[2] = WRITE;
		k_request.pc = (u64)pc;
		if (running)
			cross(K_BAD_HEAP);
		return;
	}
	if (!(o->kind & kinds) && running) {
		k_request.a[0] = (u64)p;
		k_request.a[1] = o->kind;
		k_request.a[2] = kinds;
		k_request.pc = (u64)pc;
		cross(K_WRONG_FREE);
		return;
	}
	access_range(o->at, o->size, WRITE, pc);		/* whoever uses it beside this races with it */
	o->freed = pc;
	memset(shadow + (o->at - HEAP) / 8, FREED, (o->size + 7) / 8);
	memset((void *)o->at, 0x6b, o->size);
}

/* What there is to say of the object at or before an address: start, size, where made, where freed, task, number. */
int k_object(u64 *out)
{
	struct object *o = object_at(out[0]);

	if (!o)
		return 0;
	out[0] = o->at;
	out[1] = o->size;
	out[2] = (u64)o->made;
	out[3] = (u64)o->freed;
	out[4] = o->task;
	out[5] = o - objects;
	return 1;
}

int k_live(void)
{
	int n = 0;

	for (u32 i = 0; i < nr_objects; i++)
		n += !objects[i].freed;
	return n;
}

/* ---- words that lead to pages, for whoever asks where a driver keeps them ---- */
static u32 pages_in(u64 from, u64 to, u64 *out, u32 n, u32 most)
{
	for (u64 a = (from + 7) & ~7ull; a + 8 <= to && n < most; a += 8) {
		u64 value = *(u64 *)a;

		if (value - PAGES < NR_PAGES * 64 && value >= PAGES) {
			out[2 * n] = a;
			out[2 * n + 1] = value;
			n++;
		}
	}
	return n;
}

extern u32 each_segment(u64 (*ranges)[2]);
u32 k_page_words(u64 *out, int most)
{
	u64 ranges[8][2];
	u32 n = 0, nr = each_segment(ranges);

	for (u32 i = 0; i < nr; i++)
		n = pages_in(ranges[i][0], ranges[i][1], out, n, most);
	for (u32 i = 0; i < nr_objects; i++)
		if (!objects[i].freed)
			n = pages_in(objects[i].at, objects[i].at + objects[i].size, out, n, most);
	return n;
}

/* ---- state ---- */
void heap_reset(void)
{
	for (u64 t = 0; t < NR_TASKS; t++)
		if (top[t]) {
			memset(shadow + slice_start(t) / 8, 0, top[t] / 8 + 1);
			top[t] = 0;
		}
	nr_objects = 0;
}

u64 heap_fingerprint(u64 n)
{
	for (u64 t = 0; t < NR_TASKS; t++)
		for (u64 at = 0; at + 8 <= top[t]; at += 8)
			n = (n ^ *(u64 *)(HEAP + slice_start(t) + at)) * 0x100000001b3ull;
	return n;
}

#define PUT(p, size) do { if (to) memcpy(to + n, (void *)(p), (size)); n += (size); } while (0)
u64 heap_save(char *to)
{
	u64 n = 0;

	PUT(top, sizeof top);
	PUT(&nr_objects, sizeof nr_objects);
	PUT(objects, nr_objects * sizeof *objects);
	for (u64 t = 0; t < NR_TASKS; t++)
		if (top[t]) {
			PUT(HEAP + slice_start(t), top[t]);
			PUT(shadow + slice_start(t) / 8, top[t] / 8 + 1);
		}
	return n;
}

#define GET(p, size) do { memcpy((void *)(p), from + n, (size)); n += (size); } while (0)
u64 heap_restore(const char *from)
{
	u64 n = 0;

	heap_reset();
	GET(top, sizeof top);
	GET(&nr_objects, sizeof nr_objects);
	GET(objects, nr_objects * sizeof *objects);
	for (u64 t = 0; t < NR_TASKS; t++)
		if (top[t]) {
			GET(HEAP + slice_start(t), top[t]);
			GET(shadow + slice_start(t) / 8, top[t] / 8 + 1);
		}
	return n;
}

/* ---- copying: what is read is what was there when the reading was told ---- */
#define PC __builtin_return_address(0)
#define CHUNK 4096ul
static void *copy(void *to, const void *from, unsigned long size, void *pc)
{
	char part[CHUNK];

	for (unsigned long done = 0; done < size; done += CHUNK) {
		unsigned long n = size - done < CHUNK ? size - done : CHUNK;

		access_range((u64)from + done, n, 0, pc);
		memcpy(part, (char *)from + done, n);
		access_range((u64)to + done, n, WRITE, pc);
		memcpy((char *)to + done, part, n);
	}
	return to;
}
void *k_copy(void *to, const void *from, unsigned long size) { return copy(to, from, size, PC); }
void *k_move(void *to, const void *from, unsigned long size)
{
	if (size > CHUNK && to > from) {			/* from the end, so that what overlaps is read first */
		unsigned long head = size - CHUNK;

		copy((char *)to + head, (const char *)from + head, CHUNK, PC);
		k_move(to, from, head);
		return to;
	}
	return copy(to, from, size, PC);
}
void *k_fill(void *to, int byte, unsigned long size)
{
	access_range((u64)to, size, WRITE, PC);
	return memset(to, byte, size);
}
int k_compare(const void *one, const void *two, unsigned long size)
{
	access_range((u64)one, size, 0, PC);
	access_range((u64)two, size, 0, PC);
	return memcmp(one, two, size);
}
unsigned long k_length(const char *text)
{
	unsigned long n = 0;

	for (;; n++) {
		access_one((u64)text + n, 1, 0, PC);
		if (!text[n])
			return n;
	}
}
int k_compare_text(const char *one, const char *two, unsigned long most)
{
	for (unsigned long n = 0; n < most; n++) {
		access_one((u64)one + n, 1, 0, PC);
		access_one((u64)two + n, 1, 0, PC);
		if (one[n] != two[n])
			return (unsigned char)one[n] - (unsigned char)two[n];
		if (!one[n])
			break;
	}
	return 0;
}

/* ---- words ---- */
/* Only the bytes that are written are touched, however much room there is. */
static int format(char *to, unsigned long size, const char *format, va_list list, void *pc)
{
	char text[CHUNK];
	unsigned long length;
	int n;

	called_at = (u64)pc;
	n = vsnprintf(text, sizeof text, format, list);
	called_at = 0;
	length = n < (int)sizeof text ? n : sizeof text - 1;
	if (size) {
		length = length < size ? length : size - 1;
		text[length] = 0;
		access_range((u64)to, length + 1, WRITE, pc);
		memcpy(to, text, length + 1);
	}
	return n;
}
int k_vformat(char *to, unsigned long size, const char *f, va_list list) { return format(to, size, f, list, PC); }
int k_format(char *to, unsigned long size, const char *f, ...)
{
	va_list list;
	int n;

	va_start(list, f);
	n = format(to, size, f, list, PC);
	va_end(list);
	return n;
}
int k_scan(const char *from, const char *f, ...)
{
	va_list list;
	int n;

	access_range((u64)from, k_length(from) + 1, 0, PC);
	called_at = (u64)PC;
	va_start(list, f);
	n = vsscanf(from, f, list);
	called_at = 0;
	va_end(list);
	return n;
}

void k_tell(int request, const char *file, int line, const char *format, ...)
{
	char text[sizeof k_text];
	va_list list;

	if (!running)
		return;
	called_at = (u64)PC;
	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);		/* here, where a bad pointer is the driver's own crash */
	called_at = 0;
	va_end(list);
	memcpy(k_text, text, sizeof text);
	k_request.a[0] = (u64)file;
	k_request.a[1] = line;
	k_request.pc = (u64)PC;
	cross(request);
}

/* ---- lists ---- */
struct links { struct links *next, *prev; };
static void wrong_list(const void *node, const char *what, void *pc)
{
	strcpy(k_text, what);
	k_request.a[0] = (u64)node;
	k_request.pc = (u64)pc;
	cross(K_LIST);
}
void k_check_add(const void *node, const void *before, const void *after)
{
	const struct links *n = node, *b = before, *a = after;

	if (!running || !address_ok((u64)b, 16) || !address_ok((u64)a, 16))
		return;						/* the access that follows is told */
	if (a->prev != b || b->next != a)
		wrong_list(node, "it is added between two nodes that do not lead to each other", PC);
	else if (n == b || n == a)
		wrong_list(node, "it is added beside itself: it is on the list already", PC);
}
void k_check_del(const void *node)
{
	const struct links *n = node;

	if (!running || !address_ok((u64)n, 16))
		return;
	if ((u64)n->next == 0x100 || (u64)n->prev == 0x122)
		wrong_list(node, "it is removed, and was removed before", PC);
	else if (address_ok((u64)n->next, 16) && address_ok((u64)n->prev, 16) && (n->prev->next != n || n->next->prev != n))
		wrong_list(node, "it is removed, and its neighbours do not lead to it", PC);
}
