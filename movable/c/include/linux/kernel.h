/* Arithmetic and what has no better place. */
#ifndef _LINUX_KERNEL_H
#define _LINUX_KERNEL_H
#include <linux/compiler.h>
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof *(a))
#define sizeof_field(type, member) sizeof(((type *)0)->member)
#define min(a, b) ({ __typeof__(a) _one = (a); __typeof__(b) _two = (b); _one < _two ? _one : _two; })
#define max(a, b) ({ __typeof__(a) _one = (a); __typeof__(b) _two = (b); _one > _two ? _one : _two; })
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define min3(a, b, c) min(min(a, b), c)
#define max3(a, b, c) max(max(a, b), c)
#define min_t(t, a, b) ({ t _one = (a); t _two = (b); _one < _two ? _one : _two; })
#define max_t(t, a, b) ({ t _one = (a); t _two = (b); _one > _two ? _one : _two; })
#define clamp(v, lo, hi) min(max(v, lo), hi)
#define clamp_t(t, v, lo, hi) min_t(t, max_t(t, v, lo), hi)
#define clamp_val(v, lo, hi) clamp_t(__typeof__(v), v, lo, hi)
#define in_range(v, start, n) ((unsigned long long)(v) - (start) < (unsigned long long)(n))
#define abs_diff(a, b) ((a) > (b) ? (a) - (b) : (b) - (a))
#define typecheck(type, x) ({ type _one; __typeof__(x) _two; (void)(&_one == &_two); 1; })
#define PTR_IF(condition, p) ((condition) ? (p) : NULL)
#define container_of_const(p, type, member) container_of(p, type, member)
#define container_of_safe(p, type, member) ({ __typeof__(p) _at = (p); (unsigned long)_at >= -4095ul || !_at ? (type *)(void *)_at : container_of(_at, type, member); })
#define offsetofend(type, member) (offsetof(type, member) + sizeof_field(type, member))
#define FIELD_SIZEOF(type, member) sizeof_field(type, member)
#define struct_group(name, members...) union { struct { members }; struct { members } name; }
#define struct_group_tagged(tag, name, members...) union { struct { members }; struct tag { members } name; }
#define DECLARE_FLEX_ARRAY(type, name) struct { struct { } k_empty_##name; type name[]; }
#define min_not_zero(a, b) ({ __typeof__(a) _m = (a); __typeof__(b) _n = (b); !_m ? _n : !_n ? _m : _m < _n ? _m : _n; })
#define check_add_overflow(a, b, to) __builtin_add_overflow(a, b, to)
#define check_sub_overflow(a, b, to) __builtin_sub_overflow(a, b, to)
#define check_mul_overflow(a, b, to) __builtin_mul_overflow(a, b, to)
#define size_mul(a, b) ({ size_t _size; check_mul_overflow((size_t)(a), (size_t)(b), &_size) ? SIZE_MAX : _size; })
#define size_add(a, b) ({ size_t _size; check_add_overflow((size_t)(a), (size_t)(b), &_size) ? SIZE_MAX : _size; })
#define array_size(a, b) size_mul(a, b)
#define struct_size(p, member, n) size_add(sizeof(*(p)), size_mul(sizeof(*(p)->member), n))
#define size_sub(a, b) ((size_t)(a) < (size_t)(b) ? SIZE_MAX : (size_t)(a) - (size_t)(b))
#define array3_size(a, b, c) size_mul(size_mul(a, b), c)
#define flex_array_size(p, member, n) size_mul(sizeof(*(p)->member), n)
#define struct_size_t(type, member, n) size_add(sizeof(type), size_mul(sizeof(((type *)0)->member[0]), n))
#define typeof_member(type, member) __typeof__(((type *)0)->member)
#define swap(a, b) do { __typeof__(a) _kept = (a); (a) = (b); (b) = _kept; } while (0)
#define abs(x) ({ __typeof__(x) _value = (x); _value < 0 ? -_value : _value; })
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define DIV_ROUND_CLOSEST(n, d) (((n) + (d) / 2) / (d))
#define ALIGN(x, a) (((x) + (__typeof__(x))(a) - 1) & ~((__typeof__(x))(a) - 1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a) - 1))
#define PTR_ALIGN(p, a) ((__typeof__(p))ALIGN((unsigned long)(p), a))
#define IS_ALIGNED(x, a) (((x) & ((__typeof__(x))(a) - 1)) == 0)
#define round_up(x, y) ((((x) - 1) | ((__typeof__(x))((y) - 1))) + 1)
#define round_down(x, y) ((x) & ~((__typeof__(x))((y) - 1)))
#define roundup(x, y) (((x) + (y) - 1) / (y) * (y))
#define rounddown(x, y) ((x) - (x) % (y))
#define upper_32_bits(n) ((u32)((unsigned long)(n) >> 32))
#define lower_32_bits(n) ((u32)(n))
#define U8_MAX ((u8)~0)
#define U16_MAX ((u16)~0)
#define U32_MAX ((u32)~0u)
#define U64_MAX (~0ull)
#define S8_MAX 127
#define S8_MIN (-128)
#define S16_MAX 32767
#define S16_MIN (-32768)
#define S32_MAX INT_MAX
#define S32_MIN INT_MIN
#define S64_MAX LLONG_MAX
#define S64_MIN (-LLONG_MAX - 1)
#define SHRT_MAX 32767
#define SHRT_MIN (-32768)
#define USHRT_MAX 65535
#define LLONG_MAX 0x7fffffffffffffffll
#define LLONG_MIN (-LLONG_MAX - 1)
#define ULLONG_MAX (~0ull)
#define LONG_MIN (-LONG_MAX - 1)
#define SSIZE_MAX LONG_MAX
#define SZ_256 256
#define SZ_512 512
#define SZ_1K 1024
#define SZ_2K 2048
#define SZ_4K 4096
#define SZ_8K 8192
#define SZ_16K 16384
#define SZ_64K 65536
#define SZ_1M 0x100000
#define SZ_2M 0x200000
#define INT_MAX 0x7fffffff
#define INT_MIN (-INT_MAX - 1)
#define UINT_MAX (~0u)
#define LONG_MAX 0x7fffffffffffffffl
#define ULONG_MAX (~0ul)
#define SIZE_MAX (~0ul)
#define _AC(x, y) (x##y)
#define do_div(n, by) ({ u32 _rest = (n) % (by); (n) /= (by); _rest; })
#define DIV_ROUND_UP_ULL(n, d) DIV_ROUND_UP((unsigned long long)(n), d)
#define DIV_ROUND_DOWN_ULL(n, d) ((unsigned long long)(n) / (d))
#define DIV64_U64_ROUND_UP(n, d) DIV_ROUND_UP((u64)(n), d)
#define div64_u64(n, by) ((u64)(n) / (u64)(by))
#define div64_s64(n, by) ((s64)(n) / (s64)(by))
#define div64_ul(n, by) div64_u64(n, by)
#define div_s64(n, by) ((s64)(n) / (s32)(by))
#define div_u64_rem(n, by, rest) ({ u64 _n = (n); *(rest) = _n % (u32)(by); _n / (u32)(by); })
#define div64_u64_rem(n, by, rest) ({ u64 _n = (n); *(rest) = _n % (u64)(by); _n / (u64)(by); })
#define mul_u32_u32(a, b) ((u64)(u32)(a) * (u32)(b))
K_INLINE unsigned long gcd(unsigned long a, unsigned long b) { while (b) { unsigned long rest = a % b; a = b; b = rest; } return a; }
K_INLINE unsigned long lcm(unsigned long a, unsigned long b) { return a && b ? a / gcd(a, b) * b : 0; }
K_INLINE unsigned long int_sqrt(unsigned long n) { unsigned long root = 0; for (unsigned long bit = 1ul << 31; bit; bit >>= 1) if ((root + bit) * (root + bit) <= n) root += bit; return root; }
#define div_u64(n, by) ((u64)(n) / (u32)(by))
#define mult_frac(x, n, d) ((x) / (d) * (n) + (x) % (d) * (n) / (d))
#define IS_ENABLED(option) 0			/* ignored: every option is off */
#define IS_BUILTIN(option) 0			/* ignored: every option is off */
#define IS_MODULE(option) 0			/* ignored: every option is off */
#define IS_REACHABLE(option) 0			/* ignored: every option is off */
#define LINUX_VERSION_CODE MOVABLE_VERSION
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))
#define in_interrupt() 0			/* ignored: there are no interrupts */
#define in_task() 1				/* ignored: there are no interrupts */
#define in_softirq() 0				/* ignored: there are no interrupts */
#define in_irq() 0				/* ignored: there are no interrupts */
#define in_hardirq() 0				/* ignored: there are no interrupts */
#define in_nmi() 0				/* ignored: there are no interrupts */
#define in_serving_softirq() 0			/* ignored: there are no interrupts */
#define local_bh_disable() ((void)0)		/* ignored: there are no interrupts */
#define local_bh_enable() ((void)0)		/* ignored: there are no interrupts */
#define capable(what) true			/* ignored: whoever calls may do it */
#define irqs_disabled() 0			/* ignored: there are no interrupts */
#define local_irq_save(f) ((void)((f) = 0))	/* ignored: there are no interrupts */
#define local_irq_restore(f) ((void)(f))	/* ignored: there are no interrupts */
#define local_irq_disable() ((void)0)		/* ignored: there are no interrupts */
#define local_irq_enable() ((void)0)		/* ignored: there are no interrupts */
#define kmemleak_not_leak(p) k_keep(p)
#define kmemleak_ignore(p) k_keep(p)
#define kmemleak_alloc(p, size, count, gfp) ((void)(p))	/* ignored: the heap is the kit's */
#define kmemleak_free(p) ((void)(p))			/* ignored: the heap is the kit's */
#define kmemleak_no_scan(p) ((void)(p))			/* ignored: the heap is the kit's */
/* Branches that are decided at run time: here by a variable like any other. */
struct static_key { int enabled; };
struct static_key_false { struct static_key key; };
struct static_key_true { struct static_key key; };
#define DEFINE_STATIC_KEY_FALSE(name) struct static_key_false name = { { 0 } }
#define DEFINE_STATIC_KEY_TRUE(name) struct static_key_true name = { { 1 } }
#define DECLARE_STATIC_KEY_FALSE(name) extern struct static_key_false name
#define DECLARE_STATIC_KEY_TRUE(name) extern struct static_key_true name
#define static_key_enabled(k) (READ_ONCE((k)->key.enabled) > 0)
#define static_branch_likely(k) static_key_enabled(k)
#define static_branch_unlikely(k) static_key_enabled(k)
#define static_branch_enable(k) WRITE_ONCE((k)->key.enabled, 1)
#define static_branch_disable(k) WRITE_ONCE((k)->key.enabled, 0)
#define static_branch_inc(k) ((void)__atomic_fetch_add(&(k)->key.enabled, 1, 5))
#define static_branch_dec(k) ((void)__atomic_fetch_sub(&(k)->key.enabled, 1, 5))
#define check_shl_overflow(a, s, to) ({ __typeof__(a) _a = (a); __typeof__(to) _to = (to); unsigned int _s = (s), _by = _s < sizeof *_to * 8 ? _s : 0; *_to = (unsigned long long)_a << _by; _by != _s || _a < 0 || *_to < 0 || *_to >> _by != _a; })
#define SZ_128K 0x20000
#define SZ_256K 0x40000
#define SZ_512K 0x80000
#define SZ_4M 0x400000
#define SZ_1G 0x40000000
#define MSEC_PER_SEC 1000L
#define USEC_PER_MSEC 1000L
#define USEC_PER_SEC 1000000L
#define NSEC_PER_USEC 1000L
#define NSEC_PER_MSEC 1000000L
#define NSEC_PER_SEC 1000000000L
#define array_index_nospec(index, n) (index)	/* ignored: nothing is speculated */
#define cmp_int(a, b) (((a) > (b)) - ((a) < (b)))
#define ns_capable(space, what) 1		/* ignored: whoever calls may do it */
/* Numbers as others write them; this machine's are little-endian. */
#define cpu_to_le16(n) ((__le16)(n))
#define cpu_to_le32(n) ((__le32)(n))
#define cpu_to_le64(n) ((__le64)(n))
#define le16_to_cpu(n) ((u16)(n))
#define le32_to_cpu(n) ((u32)(n))
#define le64_to_cpu(n) ((u64)(n))
#define cpu_to_le16p(p) cpu_to_le16(*(p))
#define cpu_to_le32p(p) cpu_to_le32(*(p))
#define cpu_to_le64p(p) cpu_to_le64(*(p))
#define le16_to_cpup(p) le16_to_cpu(*(const __le16 *)(p))
#define le32_to_cpup(p) le32_to_cpu(*(const __le32 *)(p))
#define le64_to_cpup(p) le64_to_cpu(*(const __le64 *)(p))
#define be16_to_cpup(p) be16_to_cpu(*(const __be16 *)(p))
#define be32_to_cpup(p) be32_to_cpu(*(const __be32 *)(p))
#define be64_to_cpup(p) be64_to_cpu(*(const __be64 *)(p))
#define le16_add_cpu(p, n) ((void)(*(p) = cpu_to_le16(le16_to_cpu(*(p)) + (n))))
#define le32_add_cpu(p, n) ((void)(*(p) = cpu_to_le32(le32_to_cpu(*(p)) + (n))))
#define le64_add_cpu(p, n) ((void)(*(p) = cpu_to_le64(le64_to_cpu(*(p)) + (n))))
#define swab16(n) __builtin_bswap16(n)
#define swab32(n) __builtin_bswap32(n)
#define swab64(n) __builtin_bswap64(n)
#define cpu_to_be16(n) ((__be16)swab16(n))
#define cpu_to_be32(n) ((__be32)swab32(n))
#define cpu_to_be64(n) ((__be64)swab64(n))
#define be16_to_cpu(n) swab16(n)
#define be32_to_cpu(n) swab32(n)
#define be64_to_cpu(n) swab64(n)
#define get_unaligned(p) ({ const struct { __typeof__(*(p)) x; } __attribute__((packed)) *_at = (const void *)(p); _at->x; })
#define put_unaligned(v, p) do { struct { __typeof__(*(p)) x; } __attribute__((packed)) *_at = (void *)(p); _at->x = (v); } while (0)
#define get_unaligned_le16(p) le16_to_cpu(get_unaligned((const __le16 *)(p)))
#define get_unaligned_le32(p) le32_to_cpu(get_unaligned((const __le32 *)(p)))
#define get_unaligned_le64(p) le64_to_cpu(get_unaligned((const __le64 *)(p)))
#define put_unaligned_le16(n, p) put_unaligned(cpu_to_le16(n), (__le16 *)(p))
#define put_unaligned_le32(n, p) put_unaligned(cpu_to_le32(n), (__le32 *)(p))
#define put_unaligned_le64(n, p) put_unaligned(cpu_to_le64(n), (__le64 *)(p))
/* Rings whose size is a power of two. */
struct circ_buf { char *buf; int head, tail; };
#define CIRC_CNT(head, tail, size) (((head) - (tail)) & ((size) - 1))
#define CIRC_SPACE(head, tail, size) CIRC_CNT(tail, (head) + 1, size)
#define CIRC_CNT_TO_END(head, tail, size) min((int)CIRC_CNT(head, tail, size), (int)((size) - (tail)))
#define CIRC_SPACE_TO_END(head, tail, size) min((int)CIRC_SPACE(head, tail, size), (int)((size) - (head)))
#endif
