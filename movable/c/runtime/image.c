/* The driver's own memory: loading it, putting it back as it was, and putting a whole machine aside for another one. */
#include "rt.h"
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>

#define NR_SEGMENTS 8
struct segment { char *at, *fresh; u64 size; };
struct kept { const char *name; struct segment segments[NR_SEGMENTS]; u32 nr; u64 lo, span; };	/* what there is to know of a driver */
int k_machine;				/* the number of the one in the arena, 0 for none */
static struct segment segments[NR_SEGMENTS];
static u32 nr_segments;

static int look_at(struct dl_phdr_info *info, size_t size, void *wanted)
{
	struct kept *kept = wanted;
	u64 relro = 0;

	(void)size;
	if (!info->dlpi_name || strcmp(info->dlpi_name, kept->name))
		return 0;
	kept->lo = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_GNU_RELRO)
			relro = info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		u64 from = p->p_vaddr, to = p->p_vaddr + p->p_memsz;
		struct segment *one = &kept->segments[kept->nr];

		if (p->p_type != PT_LOAD)
			continue;
		if (to > kept->span)
			kept->span = to;
		if (!(p->p_flags & PF_W))
			continue;
		if (relro > from && relro <= to)
			from = relro;
		if (kept->nr == NR_SEGMENTS || from == to)
			continue;
		one->at = (char *)info->dlpi_addr + from;
		one->size = to - from;
		one->fresh = malloc(one->size);
		memcpy(one->fresh, one->at, one->size);
		kept->nr++;
	}
	return 1;
}

/* Load a driver; its base address, or 0 with the reason in k_text. Its handle stands in the request. */
u64 *k_load(const char *path)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	struct link_map *map;

	k_request.a[0] = k_request.a[1] = 0;
	if (!handle) {
		snprintf(k_text, sizeof k_text, "%s", dlerror());
		return NULL;
	}
	dlinfo(handle, RTLD_DI_LINKMAP, &map);
	k_request.a[0] = (u64)handle;
	k_request.a[1] = map->l_addr;
	return k_request.a;
}

/* Look a loaded driver's memory over. Another one may be in use, and stays so. */
struct kept *k_take(const char *path)
{
	struct kept *kept = calloc(1, sizeof *kept);
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	struct link_map *map;

	dlinfo(handle, RTLD_DI_LINKMAP, &map);
	kept->name = map->l_name;
	dl_iterate_phdr(look_at, kept);
	return kept;
}

/* Make a driver that was looked over the one whose memory is looked after. */
void k_use(const struct kept *kept)
{
	memcpy(segments, kept->segments, sizeof segments);
	nr_segments = kept->nr;
	image_lo = kept->lo;
	image_span = kept->span;
	data_lo = nr_segments ? (u64)segments[0].at : 0;
	data_span = nr_segments ? (u64)segments[nr_segments - 1].at + segments[nr_segments - 1].size - data_lo : 0;
}

u32 each_segment(u64 (*ranges)[2])
{
	for (u32 i = 0; i < nr_segments; i++) {
		ranges[i][0] = (u64)segments[i].at;
		ranges[i][1] = (u64)segments[i].at + segments[i].size;
	}
	return nr_segments;
}

/* Everything as it was before the driver's first instruction, for a machine of so many frames. */
void k_reset(int frames)
{
	for (u32 i = 0; i < nr_segments; i++)
		memcpy(segments[i].at, segments[i].fresh, segments[i].size);
	heap_reset();
	memset((void *)PAGES, 0, frames * 64ull);
	memset(busy, 0, sizeof busy);
}

/* A number for the driver's memory: its variables and the heap. */
void k_fingerprint(void)
{
	u64 n = 0x9E3779B97F4A7C15ull;

	for (u32 i = 0; i < nr_segments; i++)
		for (u64 at = 0; at + 8 <= segments[i].size; at += 8)
			n = (n ^ *(u64 *)(segments[i].at + at)) * 0x100000001b3ull;
	k_request.a[0] = heap_fingerprint(n) & 0x7fffffffffffffffull;
}

/* Put the machine aside: driver, heap, stacks in use, pages, and what some of them hold. Returns the size; writes where `to` is given. */
u64 k_save(char *to, int frames, int contents)
{
	u64 n = 0, size;

#define PUT(p, size) do { if (to) memcpy(to + n, (void *)(p), (size)); n += (size); } while (0)
	for (u32 i = 0; i < nr_segments; i++)
		PUT(segments[i].at, segments[i].size);
	PUT(busy, sizeof busy);
	for (u64 i = 0; i < NR_STACKS; i++) {
		if (!busy[i])
			continue;
		PUT(&coroutines[i], sizeof coroutines[i]);
		size = coroutines[i].lo + STACK - (u64)coroutines[i].sp;
		PUT(coroutines[i].sp, size);
	}
	n += heap_save(to ? to + n : NULL);
	PUT(PAGES, frames * 64ull);
	PUT(CONTENT, contents * 4096ull);
	k_request.a[0] = n;
	return n;
}

void k_restore(const char *from, int frames, int contents)
{
	u64 n = 0, size;

#define GET(p, size) do { memcpy((void *)(p), from + n, (size)); n += (size); } while (0)
	for (u32 i = 0; i < nr_segments; i++)
		GET(segments[i].at, segments[i].size);
	GET(busy, sizeof busy);
	for (u64 i = 0; i < NR_STACKS; i++) {
		if (!busy[i])
			continue;
		GET(&coroutines[i], sizeof coroutines[i]);
		size = coroutines[i].lo + STACK - (u64)coroutines[i].sp;
		GET(coroutines[i].sp, size);
	}
	n += heap_restore(from + n);
	GET(PAGES, frames * 64ull);
	GET(CONTENT, contents * 4096ull);
}

/* Another machine comes into the arena: the one that was there goes to `to`, unless it is gone, and the new one comes from `from`,
 * unless it is new. One call, so that nothing of Python's runs in the middle, whatever ends it. */
void k_swap(char *to, int frames, const char *from, int come, const struct kept *kept, int number, int sticky)
{
	if (to)
		k_save(to, frames, frames);
	k_machine = number;
	k_use(kept);
	k_private_told = sticky;
	if (from)
		k_restore(from, come, come);
}
