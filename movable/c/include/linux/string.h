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
#define vsnprintf(to, n, f, list) k_vformat(to, n, f, list)
#define vsprintf(to, f, list) k_vformat(to, 4096, f, list)
#define vscnprintf(to, n, f, list) k_written(k_vformat(to, n, f, list), n)
#define sscanf(from, f...) k_scan(from, f)
#define scnprintf(to, n, f...) k_written(k_format(to, n, f), n)
K_INLINE int k_written(int n, size_t size) { return n < (int)size ? n : size ? (int)size - 1 : 0; }
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
K_INLINE size_t strnlen(const char *s, size_t most) { size_t n = 0; while (n < most && s[n]) n++; return n; }
K_INLINE char *strncpy(char *to, const char *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		to[i] = *from;
		from += !!*from;
	}
	return to;
}
#define strtomem_pad(to, from, byte) strncpy(to, from, sizeof(to))
K_INLINE ssize_t strscpy_pad(char *to, const char *from, size_t size)
{
	ssize_t n = strscpy(to, from, size);

	if (n >= 0)
		memset(to + n, 0, size - n);
	return n;
}
K_INLINE char *strcat(char *to, const char *from) { strcpy(to + strlen(to), from); return to; }
K_INLINE size_t strlcat(char *to, const char *from, size_t size) { size_t n = strlen(to), more = strlen(from); if (n < size) strscpy(to + n, from, size - n); return n + more; }
K_INLINE char *strncat(char *to, const char *from, size_t most) { size_t n = strlen(to), more = strnlen(from, most); memcpy(to + n, from, more); to[n + more] = 0; return to; }
K_INLINE char *strnchr(const char *s, size_t n, int c) { for (; n--; s++) { if (*s == (char)c) return (char *)s; if (!*s) break; } return NULL; }
K_INLINE char *strchr(const char *s, int c) { return strnchr(s, ~0ul, c); }
K_INLINE char *strchrnul(const char *s, int c) { while (*s && *s != (char)c) s++; return (char *)s; }
K_INLINE char *strrchr(const char *s, int c) { const char *last = NULL; do if (*s == (char)c) last = s; while (*s++); return (char *)last; }
K_INLINE char *strnstr(const char *s, const char *what, size_t most)
{
	size_t n = strlen(what), all = strnlen(s, most);

	for (; all >= n; all--, s++)
		if (!memcmp(s, what, n))
			return (char *)s;
	return NULL;
}
#define strstr(s, what) strnstr(s, what, ~0ul)
#define K_LOWER(c) ((c) >= 'A' && (c) <= 'Z' ? (c) | 32 : (c))
K_INLINE int strncasecmp(const char *a, const char *b, size_t n) { for (; n; n--, a++, b++) { int c = K_LOWER(*a) - K_LOWER(*b); if (c || !*a) return c; } return 0; }
#define strcasecmp(a, b) strncasecmp(a, b, ~0ul)
K_INLINE size_t strspn(const char *s, const char *any) { size_t n = 0; while (s[n] && strchr(any, s[n])) n++; return n; }
K_INLINE size_t strcspn(const char *s, const char *any) { size_t n = 0; while (s[n] && !strchr(any, s[n])) n++; return n; }
K_INLINE char *strpbrk(const char *s, const char *any) { s += strcspn(s, any); return *s ? (char *)s : NULL; }
K_INLINE char *strsep(char **at, const char *any) { char *s = *at, *end; if (!s) return NULL; end = strpbrk(s, any); if (end) *end++ = 0; *at = end; return s; }
#define isspace(c) ((c) == ' ' || ((c) >= 9 && (c) <= 13))
#define isdigit(c) ((c) >= '0' && (c) <= '9')
#define isalpha(c) (((c) | 32) >= 'a' && ((c) | 32) <= 'z')
#define isalnum(c) (isalpha(c) || isdigit(c))
#define isxdigit(c) (isdigit(c) || (((c) | 32) >= 'a' && ((c) | 32) <= 'f'))
#define isprint(c) ((c) >= ' ' && (c) < 127)
#define toupper(c) ((c) >= 'a' && (c) <= 'z' ? (c) & ~32 : (c))
#define tolower(c) K_LOWER(c)
K_INLINE char *skip_spaces(const char *s) { while (isspace(*s)) s++; return (char *)s; }
K_INLINE char *strim(char *s) { size_t n = strlen(s); while (n && isspace(s[n - 1])) n--; s[n] = 0; return skip_spaces(s); }
#define strstrip(s) strim(s)
K_INLINE size_t str_has_prefix(const char *s, const char *begin) { size_t n = strlen(begin); return strncmp(s, begin, n) ? 0 : n; }
K_INLINE bool sysfs_streq(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b || (!*a && *b == 10 && !b[1]) || (*a == 10 && !a[1] && !*b);
}
K_INLINE int match_string(const char *const *names, size_t n, const char *s) { for (size_t i = 0; i < n && names[i]; i++) if (!strcmp(names[i], s)) return i; return -22; }
K_INLINE int sysfs_match_string_n(const char *const *names, size_t n, const char *s) { for (size_t i = 0; i < n && names[i]; i++) if (sysfs_streq(names[i], s)) return i; return -22; }
#define sysfs_match_string(names, s) sysfs_match_string_n(names, ARRAY_SIZE(names), s)
K_INLINE void *memchr(const void *from, int c, size_t n) { const unsigned char *p = from; for (; n; n--, p++) if (*p == (unsigned char)c) return (void *)p; return NULL; }
K_INLINE void *memscan(void *from, int c, size_t n) { unsigned char *p = from; for (; n && *p != (unsigned char)c; n--) p++; return p; }
K_INLINE void *memset32(u32 *to, u32 v, size_t n) { for (size_t i = 0; i < n; i++) to[i] = v; return to; }
K_INLINE void *memset64(u64 *to, u64 v, size_t n) { for (size_t i = 0; i < n; i++) to[i] = v; return to; }
#define memset_l(to, v, n) memset64((u64 *)(to), v, n)
#define memset_p(to, v, n) memset64((u64 *)(to), (unsigned long)(v), n)
#define memcpy_and_pad(to, size, from, n, byte) do { memset(to, byte, size); memcpy(to, from, min_t(size_t, n, size)); } while (0)
#define mem_is_zero(at, n) (!memchr_inv(at, 0, n))
#define str_yes_no(v) ((v) ? "yes" : "no")
#define str_on_off(v) ((v) ? "on" : "off")
#define str_enabled_disabled(v) ((v) ? "enabled" : "disabled")
#define str_true_false(v) ((v) ? "true" : "false")
/* Numbers in text. */
K_INLINE const char *k_digits(const char *s, unsigned int base, unsigned long long *to, int *error)
{
	unsigned long long n = 0;
	int found = 0;

	if ((!base || base == 16) && *s == '0' && (s[1] | 32) == 'x') {
		base = 16;
		s += 2;
	} else if (!base) {
		base = *s == '0' ? 8 : 10;
	}
	for (;; s++, found = 1) {
		unsigned int digit = isdigit(*s) ? *s - '0' : isalpha(*s) ? (*s | 32) - 'a' + 10 : 99;

		if (digit >= base)
			break;
		if (n > (~0ull - digit) / base)
			*error = -34;
		n = n * base + digit;
	}
	if (!found)
		*error = -22;
	*to = n;
	return s;
}
K_INLINE int k_number(const char *s, unsigned int base, bool sign, unsigned long long most, unsigned long long *to)
{
	bool minus = sign && *s == '-';
	int error = 0;

	s = k_digits(s + (minus || *s == '+'), base, to, &error);
	s += *s == 10;
	if (*s || error == -22)
		return -22;
	if (error || *to > most + minus)
		return -34;
	*to = minus ? -*to : *to;
	return 0;
}
#define K_KSTRTO(name, type, sign, most) K_INLINE int name(const char *s, unsigned int base, type *to) { unsigned long long n; int ret = k_number(s, base, sign, most, &n); if (!ret) *to = (type)n; return ret; }
K_KSTRTO(kstrtou8, u8, false, U8_MAX)
K_KSTRTO(kstrtos8, s8, true, S8_MAX)
K_KSTRTO(kstrtou16, u16, false, U16_MAX)
K_KSTRTO(kstrtos16, s16, true, S16_MAX)
K_KSTRTO(kstrtouint, unsigned int, false, U32_MAX)
K_KSTRTO(kstrtoint, int, true, INT_MAX)
K_KSTRTO(kstrtoul, unsigned long, false, ULONG_MAX)
K_KSTRTO(kstrtol, long, true, LONG_MAX)
K_KSTRTO(kstrtoull, unsigned long long, false, ULLONG_MAX)
K_KSTRTO(kstrtoll, long long, true, LLONG_MAX)
#define kstrtou32(s, base, to) kstrtouint(s, base, to)
#define kstrtos32(s, base, to) kstrtoint(s, base, to)
#define kstrtou64(s, base, to) kstrtoull(s, base, to)
#define kstrtos64(s, base, to) kstrtoll(s, base, to)
K_INLINE int kstrtobool(const char *s, bool *to)
{
	int c;

	if (!s)
		return -22;
	c = *s | 32;
	if (c == 'y' || c == 't' || *s == '1' || (c == 'o' && (s[1] | 32) == 'n'))
		*to = true;
	else if (c == 'n' || c == 'f' || *s == '0' || (c == 'o' && (s[1] | 32) == 'f'))
		*to = false;
	else
		return -22;
	return 0;
}
#define strtobool(s, to) kstrtobool(s, to)
K_INLINE unsigned long long simple_strtoull(const char *s, char **end, unsigned int base) { unsigned long long n; int error = 0; const char *at = k_digits(s, base, &n, &error); if (end) *end = (char *)at; return n; }
K_INLINE long simple_strtol(const char *s, char **end, unsigned int base) { return *s == '-' ? -(long)simple_strtoull(s + 1, end, base) : (long)simple_strtoull(s, end, base); }
#define simple_strtoul(s, end, base) ((unsigned long)simple_strtoull(s, end, base))
#define simple_strtoll(s, end, base) ((long long)simple_strtol(s, end, base))
K_INLINE unsigned long long memparse(const char *s, char **end)
{
	char *at;
	unsigned long long n = simple_strtoull(s, &at, 0);
	int shift = (*at | 32) == 'k' ? 10 : (*at | 32) == 'm' ? 20 : (*at | 32) == 'g' ? 30 : 0;

	if (end)
		*end = at + !!shift;
	return n << shift;
}
#endif
