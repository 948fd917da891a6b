/* Pools that keep some objects back, so that an allocation that may wait never fails. */
#ifndef _LINUX_MEMPOOL_H
#define _LINUX_MEMPOOL_H
#include <linux/wait.h>
typedef void *mempool_alloc_t(gfp_t gfp, void *data);
typedef void mempool_free_t(void *element, void *data);
typedef struct mempool { spinlock_t lock; int min_nr, curr_nr; void **elements; void *pool_data; mempool_alloc_t *alloc; mempool_free_t *free; wait_queue_head_t wait; } mempool_t;
__maybe_unused static void *mempool_kmalloc(gfp_t gfp, void *data) { return kmalloc((size_t)data, gfp); }
__maybe_unused static void mempool_kfree(void *element, void *data) { (void)data; kfree(element); }
__maybe_unused static void *mempool_alloc_slab(gfp_t gfp, void *data) { return kmem_cache_alloc((struct kmem_cache *)data, gfp); }
__maybe_unused static void mempool_free_slab(void *element, void *data) { kmem_cache_free((struct kmem_cache *)data, element); }
__maybe_unused static void *mempool_alloc_pages(gfp_t gfp, void *data) { return alloc_pages(gfp, (long)data); }
__maybe_unused static void mempool_free_pages(void *element, void *data) { __free_pages((struct page *)element, (long)data); }
K_INLINE void mempool_exit(mempool_t *pool)
{
	while (pool->curr_nr)
		pool->free(pool->elements[--pool->curr_nr], pool->pool_data);
	kfree(pool->elements);
	pool->elements = NULL;
}
K_INLINE int mempool_init(mempool_t *pool, int nr, mempool_alloc_t *alloc, mempool_free_t *release, void *data)
{
	spin_lock_init(&pool->lock);
	init_waitqueue_head(&pool->wait);
	pool->min_nr = nr;
	pool->curr_nr = 0;
	pool->pool_data = data;
	pool->alloc = alloc;
	pool->free = release;
	pool->elements = kmalloc_array(nr, sizeof(void *), GFP_KERNEL);
	if (!pool->elements)
		return -ENOMEM;
	for (; pool->curr_nr < nr; pool->curr_nr++) {
		pool->elements[pool->curr_nr] = alloc(GFP_KERNEL, data);
		if (!pool->elements[pool->curr_nr]) {
			mempool_exit(pool);
			return -ENOMEM;
		}
	}
	return 0;
}
K_INLINE void mempool_destroy(mempool_t *pool) { if (!pool) return; mempool_exit(pool); kfree(pool); }
K_INLINE mempool_t *mempool_create(int nr, mempool_alloc_t *alloc, mempool_free_t *release, void *data)
{
	mempool_t *pool = kzalloc(sizeof *pool, GFP_KERNEL);

	if (pool && mempool_init(pool, nr, alloc, release, data)) {
		kfree(pool);
		pool = NULL;
	}
	return pool;
}
#define mempool_create_kmalloc_pool(nr, size) mempool_create(nr, mempool_kmalloc, mempool_kfree, (void *)(unsigned long)(size))
#define mempool_create_slab_pool(nr, cache) mempool_create(nr, mempool_alloc_slab, mempool_free_slab, cache)
#define mempool_create_page_pool(nr, order) mempool_create(nr, mempool_alloc_pages, mempool_free_pages, (void *)(unsigned long)(order))
#define mempool_init_kmalloc_pool(pool, nr, size) mempool_init(pool, nr, mempool_kmalloc, mempool_kfree, (void *)(unsigned long)(size))
#define mempool_init_slab_pool(pool, nr, cache) mempool_init(pool, nr, mempool_alloc_slab, mempool_free_slab, cache)
#define mempool_init_page_pool(pool, nr, order) mempool_init(pool, nr, mempool_alloc_pages, mempool_free_pages, (void *)(unsigned long)(order))
K_INLINE void *k_mempool_take(mempool_t *pool)
{
	void *element = NULL;

	spin_lock(&pool->lock);
	if (pool->curr_nr)
		element = pool->elements[--pool->curr_nr];
	spin_unlock(&pool->lock);
	return element;
}
K_INLINE void *mempool_alloc(mempool_t *pool, gfp_t gfp)
{
	void *element;

	might_sleep_if(gfp & __GFP_DIRECT_RECLAIM);
	element = pool->alloc((gfp & ~__GFP_DIRECT_RECLAIM) | __GFP_NOWARN, pool->pool_data);
	if (!element)
		element = k_mempool_take(pool);
	if (!element && gfp & __GFP_DIRECT_RECLAIM)
		wait_event(pool->wait, (element = k_mempool_take(pool)));
	return element;
}
K_INLINE void mempool_free(void *element, mempool_t *pool)
{
	if (!element)
		return;
	spin_lock(&pool->lock);
	if (pool->curr_nr < pool->min_nr) {
		pool->elements[pool->curr_nr++] = element;
		spin_unlock(&pool->lock);
		wake_up(&pool->wait);
		return;
	}
	spin_unlock(&pool->lock);
	pool->free(element, pool->pool_data);
}
#endif
