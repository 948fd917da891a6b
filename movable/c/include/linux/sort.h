/* Sorting and searching arrays; only for files that include it, for its names are short. */
#ifndef _LINUX_SORT_H
#define _LINUX_SORT_H
#include <linux/string.h>
typedef int (*cmp_func_t)(const void *, const void *);
typedef void (*swap_func_t)(void *, void *, int);
K_INLINE void sort(void *base, size_t n, size_t size, cmp_func_t compare, swap_func_t exchange)
{
	for (size_t i = 1; i < n; i++)
		for (char *at = (char *)base + i * size; at > (char *)base && compare(at - size, at) > 0; at -= size) {
			if (exchange) {
				exchange(at - size, at, size);
				continue;
			}
			for (size_t byte = 0; byte < size; byte++)
				swap(at[byte], (at - size)[byte]);
		}
}
K_INLINE void *bsearch(const void *key, const void *base, size_t n, size_t size, cmp_func_t compare)
{
	while (n) {
		const char *middle = (const char *)base + n / 2 * size;
		int c = compare(key, middle);

		if (!c)
			return (void *)middle;
		if (c > 0) {
			base = middle + size;
			n--;
		}
		n /= 2;
	}
	return NULL;
}
#endif
