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
#define min_not_zero(a, b) ({ __typeof__(a) _m = (a); __typeof__(b) _n = (b); !_m ? _n : !_n ? _m : _m < _n ? _m : _n; })
#define check_add_overflow(a, b, to) __builtin_add_overflow(a, b, to)
#define check_sub_overflow(a, b, to) __builtin_sub_overflow(a, b, to)
#define check_mul_overflow(a, b, to) __builtin_mul_overflow(a, b, to)
#define size_mul(a, b) ({ size_t _size; check_mul_overflow((size_t)(a), (size_t)(b), &_size) ? SIZE_MAX : _size; })
#define size_add(a, b) ({ size_t _size; check_add_overflow((size_t)(a), (size_t)(b), &_size) ? SIZE_MAX : _size; })
#define array_size(a, b) size_mul(a, b)
#define struct_size(p, member, n) size_add(sizeof(*(p)), size_mul(sizeof(*(p)->member), n))
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
#define INT_MAX 0x7fffffff
#define INT_MIN (-INT_MAX - 1)
#define UINT_MAX (~0u)
#define LONG_MAX 0x7fffffffffffffffl
#define ULONG_MAX (~0ul)
#define SIZE_MAX (~0ul)
#define _AC(x, y) (x##y)
#define do_div(n, by) ({ u32 _rest = (n) % (by); (n) /= (by); _rest; })
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
#define irqs_disabled() 0			/* ignored: there are no interrupts */
#define local_irq_save(f) ((void)((f) = 0))	/* ignored: there are no interrupts */
#define local_irq_restore(f) ((void)(f))	/* ignored: there are no interrupts */
#define local_irq_disable() ((void)0)		/* ignored: there are no interrupts */
#define local_irq_enable() ((void)0)		/* ignored: there are no interrupts */
#define kmemleak_not_leak(p) k_keep(p)
#define kmemleak_ignore(p) k_keep(p)
#endif
