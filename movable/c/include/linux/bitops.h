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
#define __change_bit(n, a) ((void)(((unsigned long *)(a))[BIT_WORD(n)] ^= BIT_MASK(n)))
#define __assign_bit(n, a, v) ((v) ? __set_bit(n, a) : __clear_bit(n, a))
#define test_bit_acquire(n, a) test_bit(n, a)
#define set_mask_bits(p, mask, bits) ({ __typeof__(*(p)) _was = READ_ONCE(*(p)); while (!try_cmpxchg(p, &_was, (_was & ~(mask)) | (bits))) ; _was; })
#define BITS_PER_TYPE(type) (sizeof(type) * BITS_PER_BYTE)
#define BITS_PER_LONG_LONG 64
K_INLINE u32 rol32(u32 x, unsigned int n) { return x << (n & 31) | x >> (-n & 31); }
K_INLINE u32 ror32(u32 x, unsigned int n) { return x >> (n & 31) | x << (-n & 31); }
K_INLINE u64 rol64(u64 x, unsigned int n) { return x << (n & 63) | x >> (-n & 63); }
K_INLINE u64 ror64(u64 x, unsigned int n) { return x >> (n & 63) | x << (-n & 63); }
K_INLINE s32 sign_extend32(u32 x, int bit) { return (s32)(x << (31 - bit)) >> (31 - bit); }
#define hweight16(x) k_popcount((u16)(x))
#define const_ilog2(x) ilog2(x)
#define get_count_order(x) order_base_2(x)
#define assign_bit(n, a, v) ((v) ? set_bit(n, a) : clear_bit(n, a))
K_INLINE unsigned int k_popcount(u64 x)
{
	x -= x >> 1 & 0x5555555555555555ull;
	x = (x & 0x3333333333333333ull) + (x >> 2 & 0x3333333333333333ull);
	return ((x + (x >> 4)) & 0x0f0f0f0f0f0f0f0full) * 0x0101010101010101ull >> 56;
}
K_INLINE int fls(unsigned int x) { return x ? 32 - __builtin_clz(x) : 0; }
K_INLINE int fls64(u64 x) { return x ? 64 - __builtin_clzll(x) : 0; }
K_INLINE int ffs(int x) { return __builtin_ffs(x); }
#define __fls(x) (63 - __builtin_clzl(x))
#define __ffs(x) __builtin_ctzl(x)
#define ffz(x) __ffs(~(x))
#define hweight8(x) k_popcount((u8)(x))
#define hweight32(x) k_popcount((u32)(x))
#define hweight64(x) k_popcount(x)
#define hweight_long(x) k_popcount(x)
#define ilog2(x) (63 - __builtin_clzll(x))
#define order_base_2(x) ((x) > 1 ? ilog2((x) - 1) + 1 : 0)
#define is_power_of_2(x) ((x) != 0 && ((x) & ((x) - 1)) == 0)
#define roundup_pow_of_two(x) (1UL << order_base_2(x))
#define rounddown_pow_of_two(x) (1UL << ilog2(x))
/* Word by word, as kernels do it: each word is one marked read. */
#define K_FIND(name, word) K_INLINE unsigned long name(const unsigned long *a, unsigned long size, unsigned long n) \
{ \
	for (; n < size; n = (n | (BITS_PER_LONG - 1)) + 1) { \
		unsigned long bits = (word) >> n % BITS_PER_LONG; \
		if (bits) { n += __builtin_ctzl(bits); return n < size ? n : size; } \
	} \
	return size; \
}
#define K_WORD(a, n) __atomic_load_n((a) + BIT_WORD(n), K_SEQ)
K_FIND(find_next_bit, K_WORD(a, n))
K_FIND(find_next_zero_bit, ~K_WORD(a, n))
#define find_first_bit(a, size) find_next_bit(a, size, 0)
#define find_first_zero_bit(a, size) find_next_zero_bit(a, size, 0)
#define for_each_set_bit(bit, a, size) for ((bit) = find_first_bit(a, size); (bit) < (size); (bit) = find_next_bit(a, size, (bit) + 1))
#define bitmap_zero(a, bits) memset(a, 0, BITS_TO_LONGS(bits) * sizeof(long))
#define bitmap_fill(a, bits) memset(a, 0xff, BITS_TO_LONGS(bits) * sizeof(long))
#define bitmap_empty(a, bits) (find_first_bit(a, bits) == (bits))
#define bitmap_full(a, bits) (find_first_zero_bit(a, bits) == (bits))
K_INLINE void bitmap_set(unsigned long *map, unsigned int from, unsigned int n) { for (; n; n--) __set_bit(from++, map); }
K_INLINE void bitmap_clear(unsigned long *map, unsigned int from, unsigned int n) { for (; n; n--) __clear_bit(from++, map); }
#define K_LAST_WORD(bits) (~0ul >> (-(bits) & (BITS_PER_LONG - 1)))
#define BITMAP_LAST_WORD_MASK(bits) K_LAST_WORD((unsigned long)(bits))
#define BITMAP_FIRST_WORD_MASK(from) (~0ul << ((from) & (BITS_PER_LONG - 1)))
#define K_PART(a, n, bits) (K_WORD(a, n) & ((bits) - (n) < BITS_PER_LONG ? K_LAST_WORD((unsigned long)(bits)) : ~0ul))
#define K_WORDS(n, bits) for (unsigned long n = 0; n < (bits); n += BITS_PER_LONG)
K_INLINE unsigned int bitmap_weight(const unsigned long *map, unsigned int bits) { unsigned int sum = 0; K_WORDS(n, bits) sum += k_popcount(K_PART(map, n, bits)); return sum; }
K_INLINE bool bitmap_equal(const unsigned long *a, const unsigned long *b, unsigned int bits) { K_WORDS(n, bits) if (K_PART(a, n, bits) != K_PART(b, n, bits)) return false; return true; }
K_INLINE bool bitmap_intersects(const unsigned long *a, const unsigned long *b, unsigned int bits) { K_WORDS(n, bits) if (K_PART(a, n, bits) & K_PART(b, n, bits)) return true; return false; }
K_INLINE bool bitmap_subset(const unsigned long *a, const unsigned long *b, unsigned int bits) { K_WORDS(n, bits) if (K_PART(a, n, bits) & ~K_PART(b, n, bits)) return false; return true; }
K_INLINE void bitmap_copy(unsigned long *to, const unsigned long *a, unsigned int bits) { K_WORDS(n, bits) to[BIT_WORD(n)] = a[BIT_WORD(n)]; }
K_INLINE void bitmap_complement(unsigned long *to, const unsigned long *a, unsigned int bits) { K_WORDS(n, bits) to[BIT_WORD(n)] = ~a[BIT_WORD(n)]; }
#define K_BITMAP_OP(name, sign) \
	K_INLINE bool name(unsigned long *to, const unsigned long *a, const unsigned long *b, unsigned int bits) { unsigned long any = 0; K_WORDS(n, bits) any |= to[BIT_WORD(n)] = K_PART(a, n, bits) sign K_PART(b, n, bits); return any; }
K_BITMAP_OP(bitmap_and, &)
K_BITMAP_OP(bitmap_or, |)
K_BITMAP_OP(bitmap_xor, ^)
K_BITMAP_OP(bitmap_andnot, & ~)
K_INLINE unsigned long find_last_bit(const unsigned long *map, unsigned long size) { unsigned long last = size; K_WORDS(n, size) if (K_PART(map, n, size)) last = n + 63 - __builtin_clzl(K_PART(map, n, size)); return last; }
K_INLINE unsigned long bitmap_find_next_zero_area(unsigned long *map, unsigned long size, unsigned long from, unsigned int n, unsigned long align)
{
	for (;;) {
		unsigned long start = (find_next_zero_bit(map, size, from) + align) & ~align, taken;

		if (start + n > size)
			return start + n;
		taken = find_next_bit(map, start + n, start);
		if (taken >= start + n)
			return start;
		from = taken + 1;
	}
}
K_INLINE int bitmap_find_free_region(unsigned long *map, unsigned int bits, int order)
{
	for (unsigned int at = 0; at + (1u << order) <= bits; at += 1u << order)
		if (find_next_bit(map, at + (1u << order), at) >= at + (1u << order)) {
			bitmap_set(map, at, 1u << order);
			return at;
		}
	return -12;
}
#define bitmap_release_region(map, at, order) bitmap_clear(map, at, 1u << (order))
#define find_next_and_bit(a, b, size, n) ({ unsigned long _b = (n); while (_b < (size) && !(test_bit(_b, a) && test_bit(_b, b))) _b++; _b; })
#define find_first_and_bit(a, b, size) find_next_and_bit(a, b, size, 0)
#define for_each_set_bit_from(bit, a, size) for ((bit) = find_next_bit(a, size, bit); (bit) < (size); (bit) = find_next_bit(a, size, (bit) + 1))
#define for_each_clear_bit_from(bit, a, size) for ((bit) = find_next_zero_bit(a, size, bit); (bit) < (size); (bit) = find_next_zero_bit(a, size, (bit) + 1))
#define for_each_clear_bit(bit, a, size) for ((bit) = find_first_zero_bit(a, size); (bit) < (size); (bit) = find_next_zero_bit(a, size, (bit) + 1))
#endif
