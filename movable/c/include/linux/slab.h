/* Memory for objects. What is freed is not handed out again in the same execution. */
#ifndef _LINUX_SLAB_H
#define _LINUX_SLAB_H
#include <linux/mm.h>
#define kmalloc(n, gfp) k_alloc(n, gfp, !!((gfp) & __GFP_ZERO), 0)
#define kzalloc(n, gfp) k_alloc(n, gfp, 1, 0)
#define kmalloc_node(n, gfp, node) kmalloc(n, gfp)
#define kzalloc_node(n, gfp, node) kzalloc(n, gfp)
#define kcalloc(a, b, gfp) k_alloc((unsigned long)(a) * (b), gfp, 1, 0)
#define kmalloc_array(a, b, gfp) k_alloc((unsigned long)(a) * (b), gfp, 0, 0)
#define kvmalloc(n, gfp) k_alloc(n, gfp, K_AS(K_OF_KVMALLOC, (gfp) & __GFP_ZERO), 0)
#define kvzalloc(n, gfp) k_alloc(n, gfp, K_AS(K_OF_KVMALLOC, 1), 0)
#define kvmalloc_node(n, gfp, node) kvmalloc(n, gfp)
#define kvzalloc_node(n, gfp, node) kvzalloc(n, gfp)
#define kcalloc_node(a, b, gfp, node) kcalloc(a, b, gfp)
#define kmalloc_array_node(a, b, gfp, node) kmalloc_array(a, b, gfp)
#define kmalloc_track_caller(n, gfp) kmalloc(n, gfp)
#define kvcalloc(a, b, gfp) kvzalloc((unsigned long)(a) * (b), gfp)
#define kvmalloc_array(a, b, gfp) kvmalloc((unsigned long)(a) * (b), gfp)
#define vmalloc(n) k_alloc(n, GFP_KERNEL, K_AS(K_OF_VMALLOC, 0), 0)
#define vzalloc(n) k_alloc(n, GFP_KERNEL, K_AS(K_OF_VMALLOC, 1), 0)
#define vmalloc_array(a, b) vmalloc((unsigned long)(a) * (b))
#define vcalloc(a, b) vzalloc((unsigned long)(a) * (b))
#define vmalloc_node(n, node) vmalloc(n)
#define vzalloc_node(n, node) vzalloc(n)
#define K_SECOND(first, second, rest...) second
#define K_GFP(gfp...) K_SECOND(~, ##gfp, GFP_KERNEL)	/* which may be left out */
#define kmalloc_obj(object, gfp...) kmalloc(sizeof(object), K_GFP(gfp))
#define vmalloc_32(n) vmalloc(n)
#define vmalloc_huge(n, gfp) vmalloc(n)
#define __vmalloc(n, gfp...) vmalloc(n)
#define kfree(p) k_free(p, K_OF_KMALLOC)
#define kfree_sensitive(p) kfree(p)
#define kzfree(p) kfree(p)
#define vfree(p) k_free(p, K_OF_VMALLOC)
#define kvfree(p) k_free(p, K_OF_KMALLOC | K_OF_VMALLOC | K_OF_KVMALLOC)
#define kvfree_sensitive(p, n) kvfree(p)
#define ksize(p) k_size(p)
K_INLINE void *krealloc(const void *old, size_t n, gfp_t gfp)
{
	void *fresh = kmalloc(n, gfp);
	size_t before = old ? ksize(old) : 0;

	if (fresh && before)
		memcpy(fresh, old, before < n ? before : n);
	if (fresh)
		kfree(old);
	return fresh;
}
#define KMALLOC_MAX_SIZE (1ul << 22)
#define KMALLOC_MAX_CACHE_SIZE (1ul << 13)
#define ARCH_KMALLOC_MINALIGN 8
#define ZERO_SIZE_PTR ((void *)16)
#define ZERO_OR_NULL_PTR(p) ((unsigned long)(p) <= (unsigned long)ZERO_SIZE_PTR)
#define krealloc_array(old, a, b, gfp) krealloc(old, array_size(a, b), gfp)
#define kmalloc_size_roundup(n) ((size_t)(n))
#define kmemdup_array(from, a, b, gfp) kmemdup(from, array_size(a, b), gfp)
#define kvmemdup(from, n, gfp) ({ const void *_from = (from); size_t _size = (n); void *_to = kvmalloc(_size, gfp); _to ? memcpy(_to, _from, _size) : NULL; })
#define kzalloc_obj(object, gfp...) kzalloc(sizeof(object), K_GFP(gfp))
#define kvzalloc_obj(object, gfp...) kvzalloc(sizeof(object), K_GFP(gfp))
#define kfree_bulk(n, all) do { void **_all = (all); for (size_t _i = 0; _i < (n); _i++) kfree(_all[_i]); } while (0)
K_INLINE void *kmemdup(const void *from, size_t n, gfp_t gfp) { void *to = kmalloc(n, gfp); if (to) memcpy(to, from, n); return to; }
K_INLINE char *kstrdup(const char *s, gfp_t gfp) { return s ? kmemdup(s, strlen(s) + 1, gfp) : NULL; }
#define kfree_const(p) do { } while (0)		/* ignored: kstrdup_const does not copy */
#define kstrdup_const(s, gfp) (s)
K_INLINE char *kmemdup_nul(const char *s, size_t n, gfp_t gfp)
{
	char *to = kmalloc(n + 1, gfp);

	if (to) {
		memcpy(to, s, n);
		to[n] = 0;
	}
	return to;
}
K_INLINE char *kstrndup(const char *s, size_t most, gfp_t gfp) { return s ? kmemdup_nul(s, strnlen(s, most), gfp) : NULL; }
#define kasprintf(gfp, f...) ({ char _text[1024]; k_format(_text, sizeof _text, f); kstrdup(_text, gfp); })
#define kvasprintf(gfp, f, list) ({ char _text[1024]; k_vformat(_text, sizeof _text, f, list); kstrdup(_text, gfp); })
#define kasprintf_const(gfp, f...) kasprintf(gfp, f)
#define bitmap_zalloc(bits, gfp) ((unsigned long *)kcalloc(BITS_TO_LONGS(bits), sizeof(long), gfp))
#define bitmap_alloc(bits, gfp) ((unsigned long *)kmalloc_array(BITS_TO_LONGS(bits), sizeof(long), gfp))
#define bitmap_free(map) kfree(map)
struct kmem_cache { unsigned int size, align; const char *name; void (*ctor)(void *); };
#define SLAB_HWCACHE_ALIGN 0			/* ignored: a hint on placement */
#define SLAB_PANIC 0				/* ignored: the caller sees the failure */
#define SLAB_RECLAIM_ACCOUNT 0			/* ignored: nobody counts slab pages */
#define SLAB_POISON 0				/* ignored: everything is poisoned */
#define SLAB_RED_ZONE 0				/* ignored: everything has red zones */
#define SLAB_STORE_USER 0			/* ignored: reports show who made and freed an object */
#define SLAB_CONSISTENCY_CHECKS 0		/* ignored: everything is checked */
#define SLAB_NO_MERGE 0				/* ignored: caches are never merged */
#define SLAB_MEM_SPREAD 0			/* ignored: a hint on placement */
#define SLAB_TEMPORARY 0			/* ignored: nobody counts slab pages */
#define SLAB_ACCOUNT 0				/* ignored: there are no control groups */
K_INLINE struct kmem_cache *kmem_cache_create(const char *name, unsigned int size, unsigned int align, slab_flags_t flags, void (*ctor)(void *))
{
	struct kmem_cache *cache = kzalloc(sizeof *cache, GFP_KERNEL);

	(void)flags;
	if (cache) {
		cache->name = name;
		cache->size = size;
		cache->align = align;
		cache->ctor = ctor;
	}
	return cache;
}
#define KMEM_CACHE(type, flags) kmem_cache_create(#type, sizeof(struct type), __alignof__(struct type), flags, NULL)
#define kmem_cache_alloc(cache, gfp) ({ struct kmem_cache *_c = (cache); void *_o = k_alloc(_c->size, gfp, !!((gfp) & __GFP_ZERO), _c->align); k_set_cache(_o, _c); if (_o && _c->ctor) _c->ctor(_o); _o; })
#define kmem_cache_zalloc(cache, gfp) ({ struct kmem_cache *_c = (cache); void *_o = k_alloc(_c->size, gfp, 1, _c->align); k_set_cache(_o, _c); _o; })
#define kmem_cache_alloc_node(cache, gfp, node) ((void)(node), kmem_cache_alloc(cache, gfp))
/* What a kernel warns of here: an object of another cache, and a cache whose objects are still in use. */
#define kmem_cache_free(cache, p) ({ struct kmem_cache *_c = (cache); const void *_o = (p); \
	const void *_from = k_cache_of(_o); \
	if (_from != _c && k_size(_o)) WARN(1, "kmem_cache_free(%s): the object was taken from %s", _c->name, _from ? "another cache" : "no cache"); \
	k_free(_o, K_OF_KMALLOC); })
#define kmem_cache_destroy(cache) ({ struct kmem_cache *_c = (cache); \
	if (_c && k_left_of(_c)) WARN(1, "kmem_cache_destroy(%s): %u objects are still in use", _c->name, k_left_of(_c)); \
	kfree(_c); })
#define kmem_cache_size(cache) ((cache)->size)
#define kmem_cache_create_usercopy(name, size, align, flags, from, length, ctor) kmem_cache_create(name, size, align, flags, ctor)
#define KMEM_CACHE_USERCOPY(type, flags, member) KMEM_CACHE(type, flags)
#define kmem_cache_shrink(cache) ((void)(cache), 0)	/* ignored: what is freed is not handed out again */
#define kmem_cache_free_bulk(cache, n, all) do { void **_all = (all); for (size_t _i = 0; _i < (n); _i++) kmem_cache_free(cache, _all[_i]); } while (0)
#define kmem_cache_alloc_bulk(cache, gfp, n, all) ({ void **_all = (all); size_t _got = 0; while (_got < (n) && (_all[_got] = kmem_cache_alloc(cache, gfp))) _got++; if (_got < (n)) { kmem_cache_free_bulk(cache, _got, _all); _got = 0; } (int)_got; })
#define is_vmalloc_addr(p) ((bool)(k_kind(p) & (K_OF_VMALLOC | K_OF_KVMALLOC)))
#define kvrealloc(p, n, gfp) krealloc(p, n, gfp)
#define vmalloc_user(n) vzalloc(n)
#endif
