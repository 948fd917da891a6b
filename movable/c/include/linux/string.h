/* Memory and text; every byte that is touched is an access like any other. */
#ifndef _LINUX_STRING_H
#define _LINUX_STRING_H
#include <linux/kernel.h>
#define memcpy(to, from, n) k_copy(to, from, n)
#define memmove(to, from, n) k_move(to, from, n)
#define memset(to, byte, n) k_fill(to, byte, n)
#define memcmp(a, b, n) k_compare(a, b, n)
#define memzero_explicit(p, n) k_fill(p, 0, n)
#define strlen(s) k_length(s)
#define strcmp(a, b) k_compare_text(a, b, ~0ul)
#define strncmp(a, b, n) k_compare_text(a, b, n)
#define sprintf(to, f...) k_format(to, 4096, f)
#define snprintf(to, n, f...) k_format(to, n, f)
#define scnprintf(to, n, f...) ({ int _n = k_format(to, n, f); _n < (int)(n) ? _n : (int)(n) - 1; })
K_INLINE ssize_t strscpy(char *to, const char *from, size_t size)
{
	size_t n = strlen(from), most = n < size ? n : size - 1;

	if (!size)
		return -7;
	memcpy(to, from, most);
	to[most] = 0;
	return n < size ? (ssize_t)n : -7;
}
#define strlcpy(to, from, n) ((size_t)strscpy(to, from, n))
#define strcpy(to, from) ({ const char *_from = (from); (char *)memcpy(to, _from, strlen(_from) + 1); })
K_INLINE void *memchr_inv(const void *from, int byte, size_t n)
{
	const unsigned char *p = from;

	for (; n; n--, p++)
		if (*p != (unsigned char)byte)
			return (void *)p;
	return NULL;
}
#define fault_in_readable(p, n) ((void)0)	/* ignored: there is no user memory */
#endif
