/* struct page. Its words are the page: the model reads and writes the same memory. */
#ifndef _LINUX_MM_TYPES_H
#define _LINUX_MM_TYPES_H
#include <linux/atomic.h>
struct address_space;
struct movable_operations;
struct page {
	unsigned long flags;
	struct list_head lru;
	struct address_space *mapping;
	union { unsigned long index; void *freelist; };
	unsigned long private;
	union { atomic_t _mapcount; unsigned int page_type; unsigned int units; };
	atomic_t _refcount;
	unsigned long memcg_data;
};
#define K_PAGES 0x610000000000ul
#define K_CONTENT 0x610040000000ul
#define K_NR_PAGES 65536ul
#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define MAX_PHYSMEM_BITS 46
#define page_to_pfn(p) (((unsigned long)(p) - K_PAGES) / sizeof(struct page))
#define pfn_to_page(pfn) ((struct page *)(K_PAGES + (unsigned long)(pfn) * sizeof(struct page)))
#define pfn_valid(pfn) ((unsigned long)(pfn) < K_NR_PAGES)
#define page_address(page) ((void *)(K_CONTENT + (page_to_pfn(page) << PAGE_SHIFT)))
#define virt_to_page(a) pfn_to_page(((unsigned long)(a) - K_CONTENT) >> PAGE_SHIFT)
#define virt_to_head_page(a) virt_to_page(a)
#define page_to_virt(page) page_address(page)
#define offset_in_page(a) ((unsigned long)(a) & ~PAGE_MASK)
#define PAGE_ALIGN(a) ALIGN(a, PAGE_SIZE)
#define PFN_UP(x) (((x) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define PFN_DOWN(x) ((x) >> PAGE_SHIFT)
#endif
