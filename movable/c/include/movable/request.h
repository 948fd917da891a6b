/* What C code can ask of the model: one word for the request, up to four arguments, one word for the answer.
 * The runtime, the headers and Python all read this list. */
#ifndef MOVABLE_REQUEST_H
#define MOVABLE_REQUEST_H

enum k_request {
	/* of the runtime itself */
	K_DONE,			/* the function has returned */
	K_POINT,		/* an access that others may see: place, kind, whether it became shared, address, size */
	K_SPIN,			/* many accesses and none that others may see */
	K_BAD_HEAP, K_BAD_POINTER, K_BAD_PAGE, K_BAD_STRUCT, K_BAD_STACK,
	K_CRASH, K_HANG,
	K_WRONG_FREE,		/* an object that another function frees: where it is, what it is, what it should be */
	/* what is told */
	K_BUG, K_WARN, K_PRINT, K_LIST,
	/* waiting in a loop, and whatever may sleep */
	K_RELAX, K_MIGHT_SLEEP, K_ALLOC_OBJECT,
	/* locks */
	K_LOCK, K_TRYLOCK, K_UNLOCK, K_LOCK_INIT, K_IS_LOCKED, K_ASSERT_HELD,
	K_READ_LOCK, K_READ_TRYLOCK, K_READ_UNLOCK, K_WRITE_LOCK, K_WRITE_TRYLOCK, K_WRITE_UNLOCK,
	K_BIT_LOCK, K_BIT_TRYLOCK, K_BIT_UNLOCK,
	/* the processor: what of it, and with K_CPU_USE whether a kernel with checks would look, with K_CPU_BIND by how much */
	K_CPU,
	/* pages */
	K_GET_PAGE, K_PUT_PAGE, K_GET_UNLESS_ZERO, K_PAGE_COUNT, K_LOCK_PAGE, K_TRYLOCK_PAGE, K_UNLOCK_PAGE, K_PAGE_LOCKED,
	K_WAIT_PAGE_LOCKED, K_SET_MOVABLE, K_CLEAR_MOVABLE, K_PAGE_MOVABLE, K_PAGE_MOVABLE_HINT, K_PAGE_MAPPING, K_PAGE_ISOLATED,
	K_SET_FLAG, K_CLEAR_FLAG, K_TEST_FLAG, K_TEST_SET_FLAG, K_TEST_CLEAR_FLAG, K_COPY_PAGE, K_CLEAR_PAGE, K_ALLOC_PAGES,
	K_SET_OFFLINE, K_CLEAR_OFFLINE, K_PAGE_OFFLINE, K_SET_TYPE, K_CLEAR_TYPE, K_PAGE_TYPE, K_SET_MOVABLE_OPS, K_ZONE_STAT, K_PAGE_ZONE, K_PAGE_NODE, K_VM_EVENT,
	/* tasks, work, waiting */
	K_THREAD_RUN, K_THREAD_EXIT, K_THREAD_STOP, K_SHOULD_STOP, K_WAKE_THREAD, K_CURRENT,
	K_WORK_QUEUE, K_DESTROY_QUEUE, K_FLUSH_QUEUE, K_DRAIN_QUEUE, K_QUEUE_WORK, K_CANCEL_WORK, K_ENABLE_WORK, K_FLUSH_WORK, K_WORK_PENDING,
	K_WAIT_TICKET, K_WAIT, K_WAKE, K_STATE, K_SCHEDULE, K_TIMED_OUT,
	/* the rest of the kernel */
	K_SHRINKER, K_NO_SHRINKER, K_FREE_SPACE, K_BALLOON_HOOK, K_BALLOON_COUNT,
	K_REQUESTS
};

enum k_cpu { K_CPU_DISABLE, K_CPU_ENABLE, K_CPU_USE, K_CPU_ENTER, K_CPU_BIND };

long k_call(int request, long a, long b, long c, long d);
/* What an object is, and which ones a function frees; an allocation has one of them, shifted, beside whether it is zeroed. */
enum k_kind { K_OF_KMALLOC = 1, K_OF_VMALLOC = 2, K_OF_KVMALLOC = 4, K_OF_PERCPU = 8 };
#define K_AS(kind, zero) ((kind) << 1 | !!(zero))
void *k_alloc(unsigned long size, unsigned int gfp, int zero, unsigned long align);
void k_free(const void *object, int kinds);
unsigned long k_size(const void *object);
int k_kind(const void *object);
void k_keep(const void *object);
void k_set_cache(const void *object, const void *cache);
const void *k_cache_of(const void *object);
unsigned int k_left_of(const void *cache);
void *k_copy(void *to, const void *from, unsigned long size);
void *k_move(void *to, const void *from, unsigned long size);
void *k_fill(void *to, int byte, unsigned long size);
int k_compare(const void *one, const void *two, unsigned long size);
unsigned long k_length(const char *text);
int k_compare_text(const char *one, const char *two, unsigned long most);
int k_format(char *to, unsigned long size, const char *format, ...);
int k_vformat(char *to, unsigned long size, const char *format, va_list list);
int k_scan(const char *from, const char *format, ...);
void k_tell(int request, const char *file, int line, const char *format, ...);
void k_check_add(const void *node, const void *before, const void *after);
void k_check_del(const void *node);
void k_marked(int change);

#endif
