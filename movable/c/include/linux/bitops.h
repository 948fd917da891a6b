/* Bits in words. Those of a page's flags word are the model's. */
#ifndef _LINUX_BITOPS_H
#define _LINUX_BITOPS_H
#include <linux/atomic.h>
#include <linux/mm_types.h>
#define BITS_PER_LONG 64
#define BITS_PER_BYTE 8
#define BIT(n) (1UL << (n))
#define BIT_ULL(n) (1ULL << (n))
#define BIT_MASK(n) (1UL << ((n) % BITS_PER_LONG))
#define BIT_WORD(n) ((n) / BITS_PER_LONG)
#define BITS_TO_LONGS(n) DIV_ROUND_UP(n, BITS_PER_LONG)
#define GENMASK_ULL(hi, lo) ((~0ull << (lo)) & (~0ull >> (63 - (hi))))
#define FIELD_GET(mask, word) (((word) & (mask)) >> __builtin_ctzl(mask))
#define FIELD_PREP(mask, value) (((__typeof__(mask))(value) << __builtin_ctzl(mask)) & (mask))
#define change_bit(n, at) ((void)__atomic_fetch_xor((unsigned long *)(at) + (n) / BITS_PER_LONG, 1ul << ((n) % BITS_PER_LONG), K_SEQ))
#define GENMASK(hi, lo) ((~0UL << (lo)) & (~0UL >> (BITS_PER_LONG - 1 - (hi))))
#define DECLARE_BITMAP(name, bits) unsigned long name[BITS_TO_LONGS(bits)]
#define K_IN_FLAGS(a) ((unsigned long)(a) - K_PAGES < K_NR_PAGES * 64 && !((unsigned long)(a) & 63))
K_INLINE void set_bit(long n, volatile unsigned long *a)
{
	if (K_IN_FLAGS(a))
		k_call(K_SET_FLAG, (long)a, n, 0, 0);
	else
		__atomic_fetch_or(a + BIT_WORD(n), BIT_MASK(n), K_SEQ);
}
K_INLINE void clear_bit(long n, volatile unsigned long *a)
{
	if (K_IN_FLAGS(a))
		k_call(K_CLEAR_FLAG, (long)a, n, 0, 0);
	else
		__atomic_fetch_and(a + BIT_WORD(n), ~BIT_MASK(n), K_SEQ);
}
K_INLINE int test_bit(long n, const volatile unsigned long *a)
{
	return K_IN_FLAGS(a) ? k_call(K_TEST_FLAG, (long)a, n, 0, 0) : (int)(__atomic_load_n(a + BIT_WORD(n), K_SEQ) >> n % BITS_PER_LONG & 1);
}
K_INLINE int test_and_set_bit(long n, volatile unsigned long *a)
{
	return K_IN_FLAGS(a) ? k_call(K_TEST_SET_FLAG, (long)a, n, 0, 0) : !!(__atomic_fetch_or(a + BIT_WORD(n), BIT_MASK(n), K_SEQ) & BIT_MASK(n));
}
K_INLINE int test_and_clear_bit(long n, volatile unsigned long *a)
{
	return K_IN_FLAGS(a) ? k_call(K_TEST_CLEAR_FLAG, (long)a, n, 0, 0) : !!(__atomic_fetch_and(a + BIT_WORD(n), ~BIT_MASK(n), K_SEQ) & BIT_MASK(n));
}
K_INLINE int test_and_change_bit(long n, volatile unsigned long *a) { return !!(__atomic_fetch_xor(a + BIT_WORD(n), BIT_MASK(n), K_SEQ) & BIT_MASK(n)); }
K_INLINE void __set_bit(long n, volatile unsigned long *a) { if (K_IN_FLAGS(a)) set_bit(n, a); else ((unsigned long *)a)[BIT_WORD(n)] |= BIT_MASK(n); }
K_INLINE void __clear_bit(long n, volatile unsigned long *a) { if (K_IN_FLAGS(a)) clear_bit(n, a); else ((unsigned long *)a)[BIT_WORD(n)] &= ~BIT_MASK(n); }
K_INLINE int __test_and_set_bit(long n, volatile unsigned long *a) { int was = test_bit(n, a); __set_bit(n, a); return was; }
K_INLINE int __test_and_clear_bit(long n, volatile unsigned long *a) { int was = test_bit(n, a); __clear_bit(n, a); return was; }
#define assign_bit(n, a, v) ((v) ? set_bit(n, a) : clear_bit(n, a))
K_INLINE int fls(unsigned int x) { return x ? 32 - __builtin_clz(x) : 0; }
K_INLINE int fls64(u64 x) { return x ? 64 - __builtin_clzll(x) : 0; }
K_INLINE int ffs(int x) { return __builtin_ffs(x); }
#define __fls(x) (63 - __builtin_clzl(x))
#define __ffs(x) __builtin_ctzl(x)
#define ffz(x) __ffs(~(x))
#define hweight8(x) __builtin_popcount((u8)(x))
#define hweight32(x) __builtin_popcount(x)
#define hweight64(x) __builtin_popcountll(x)
#define hweight_long(x) __builtin_popcountl(x)
#define ilog2(x) (63 - __builtin_clzll(x))
#define order_base_2(x) ((x) > 1 ? ilog2((x) - 1) + 1 : 0)
#define is_power_of_2(x) ((x) != 0 && ((x) & ((x) - 1)) == 0)
#define roundup_pow_of_two(x) (1UL << order_base_2(x))
#define rounddown_pow_of_two(x) (1UL << ilog2(x))
K_INLINE unsigned long find_next_bit(const unsigned long *a, unsigned long size, unsigned long n) { while (n < size && !test_bit(n, a)) n++; return n < size ? n : size; }
K_INLINE unsigned long find_next_zero_bit(const unsigned long *a, unsigned long size, unsigned long n) { while (n < size && test_bit(n, a)) n++; return n < size ? n : size; }
#define find_first_bit(a, size) find_next_bit(a, size, 0)
#define find_first_zero_bit(a, size) find_next_zero_bit(a, size, 0)
#define for_each_set_bit(bit, a, size) for ((bit) = find_first_bit(a, size); (bit) < (size); (bit) = find_next_bit(a, size, (bit) + 1))
#define bitmap_zero(a, bits) memset(a, 0, BITS_TO_LONGS(bits) * sizeof(long))
#define bitmap_fill(a, bits) memset(a, 0xff, BITS_TO_LONGS(bits) * sizeof(long))
#define bitmap_empty(a, bits) (find_first_bit(a, bits) == (bits))
#define bitmap_full(a, bits) (find_first_zero_bit(a, bits) == (bits))
K_INLINE void bitmap_set(unsigned long *map, unsigned int from, unsigned int n) { for (; n; n--) __set_bit(from++, map); }
K_INLINE void bitmap_clear(unsigned long *map, unsigned int from, unsigned int n) { for (; n; n--) __clear_bit(from++, map); }
K_INLINE unsigned int bitmap_weight(const unsigned long *map, unsigned int bits) { unsigned int n = 0; for (unsigned int bit = 0; bit < bits; bit++) n += test_bit(bit, map); return n; }
K_INLINE unsigned long find_last_bit(const unsigned long *map, unsigned long size) { unsigned long bit = size; while (bit-- > 0) if (test_bit(bit, map)) return bit; return size; }
#define for_each_clear_bit(bit, a, size) for ((bit) = find_first_zero_bit(a, size); (bit) < (size); (bit) = find_next_zero_bit(a, size, (bit) + 1))
#endif
