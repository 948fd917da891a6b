/* Shrinkers, which the model asks when memory is short. */
#ifndef _LINUX_SHRINKER_H
#define _LINUX_SHRINKER_H
#include <linux/slab.h>
struct mem_cgroup;
struct shrink_control { gfp_t gfp_mask; int nid; unsigned long nr_to_scan, nr_scanned; struct mem_cgroup *memcg; };
struct shrinker {
	unsigned long (*count_objects)(struct shrinker *, struct shrink_control *);
	unsigned long (*scan_objects)(struct shrinker *, struct shrink_control *);
	long batch;
	int seeks;
	unsigned int flags;
	void *private_data;
};
#define DEFAULT_SEEKS 2
#define SHRINK_STOP (~0UL)
#define SHRINK_EMPTY (~0UL - 1)
#define SHRINKER_NUMA_AWARE 1			/* ignored: shrinkers are asked for all nodes */
#define SHRINKER_MEMCG_AWARE 2			/* ignored: there are no control groups */
#define register_shrinker(s, name...) ((int)k_call(K_SHRINKER, (long)(s), 0, 0, 0))
#define prealloc_shrinker(s, name...) 0
#define register_shrinker_prepared(s) ((void)k_call(K_SHRINKER, (long)(s), 0, 0, 0))
#define unregister_shrinker(s) ((void)k_call(K_NO_SHRINKER, (long)(s), 0, 0, 0))
#define shrinker_alloc(flags, name...) ((struct shrinker *)kzalloc(sizeof(struct shrinker), GFP_KERNEL))
#define shrinker_register(s) ((void)k_call(K_SHRINKER, (long)(s), 0, 0, 0))
K_INLINE void shrinker_free(struct shrinker *s) { if (s) { k_call(K_NO_SHRINKER, (long)s, 0, 0, 0); kfree(s); } }
#define free_prealloced_shrinker(s) ((void)(s))
#define synchronize_shrinkers() ((void)0)	/* ignored: unregister_shrinker waits for who asks */
#endif
