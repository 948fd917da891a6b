/* Hashes and checksums of bytes. A driver may rely on nothing but that equal bytes have equal ones. */
#ifndef _LINUX_JHASH_H
#define _LINUX_JHASH_H
#include <linux/bitops.h>
#define JHASH_INITVAL 0xdeadbeef
K_INLINE u32 k_mix(u32 hash, u32 word) { hash = (hash ^ word) * 0x9E3779B1u; return hash ^ hash >> 15; }
K_INLINE u32 jhash(const void *key, u32 n, u32 hash) { for (u32 i = 0; i < n; i++) hash = k_mix(hash, ((const u8 *)key)[i]); return k_mix(hash, n); }
K_INLINE u32 jhash2(const u32 *key, u32 n, u32 hash) { for (u32 i = 0; i < n; i++) hash = k_mix(hash, key[i]); return k_mix(hash, n); }
#define jhash_1word(a, hash) k_mix(k_mix(hash, a), 1)
#define jhash_2words(a, b, hash) k_mix(k_mix(k_mix(hash, a), b), 2)
#define jhash_3words(a, b, c, hash) k_mix(k_mix(k_mix(k_mix(hash, a), b), c), 3)
K_INLINE u32 crc32_le(u32 crc, const void *from, size_t n)
{
	for (const u8 *p = from; n; n--, p++) {
		crc ^= *p;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
	}
	return crc;
}
#define crc32(crc, from, n) crc32_le(crc, from, n)
#define crc32c(crc, from, n) crc32_le(crc, from, n)
K_INLINE u64 xxh64(const void *from, size_t n, u64 seed) { return (u64)jhash(from, n, seed) << 32 | jhash(from, n, ~seed); }
K_INLINE u32 xxh32(const void *from, size_t n, u32 seed) { return jhash(from, n, seed); }
#endif
