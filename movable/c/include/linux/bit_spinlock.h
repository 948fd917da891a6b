/* A lock that is one bit of a word. */
#ifndef _LINUX_BIT_SPINLOCK_H
#define _LINUX_BIT_SPINLOCK_H
#include <linux/bitops.h>
K_INLINE void bit_spin_lock(int bit, unsigned long *word) { k_call(K_BIT_LOCK, (long)word, bit, 0, 0); }
K_INLINE int bit_spin_trylock(int bit, unsigned long *word) { return k_call(K_BIT_TRYLOCK, (long)word, bit, 0, 0); }
K_INLINE void bit_spin_unlock(int bit, unsigned long *word) { k_call(K_BIT_UNLOCK, (long)word, bit, 0, 0); }
K_INLINE void __bit_spin_unlock(int bit, unsigned long *word) { bit_spin_unlock(bit, word); }
K_INLINE int bit_spin_is_locked(int bit, unsigned long *word) { return test_bit(bit, word); }
#define test_and_set_bit_lock(bit, word) test_and_set_bit(bit, word)
#define clear_bit_unlock(bit, word) clear_bit(bit, word)
#endif
