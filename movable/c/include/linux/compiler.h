/* Attributes, barriers and marked accesses. */
#ifndef _LINUX_COMPILER_H
#define _LINUX_COMPILER_H
#include <linux/types.h>
#define K_INLINE static inline __attribute__((always_inline, unused))
#define K_SINCE_6_17 (MOVABLE_VERSION >= 0x061100)
#define K_GONE(what) ({ _Static_assert(0, what); 0L; })	/* a name that kernels of this version do not have */
#define noinline __attribute__((noinline))
#define __always_inline inline __attribute__((always_inline))
#define __init			/* ignored: no section is freed after the init function */
#define __exit			/* ignored: the exit function is always there */
#define __initdata		/* ignored: no section is freed after the init function */
#define __user			/* ignored: an annotation for checkers */
#define __iomem			/* ignored: an annotation for checkers */
#define __force			/* ignored: an annotation for checkers */
#define __rcu			/* ignored: an annotation for checkers */
#define __acquires(x)		/* ignored: an annotation for checkers */
#define __releases(x)		/* ignored: an annotation for checkers */
#define __must_hold(x)		/* ignored: an annotation for checkers */
#define __acquire(x) ((void)0)	/* ignored: an annotation for checkers */
#define __release(x) ((void)0)	/* ignored: an annotation for checkers */
#define __must_check		/* ignored: a warning of the compiler */
#define __read_mostly		/* ignored: a hint on placement */
#define __ro_after_init		/* ignored: a hint on placement */
#define ____cacheline_aligned_in_smp	/* ignored: a hint on placement */
#define ____cacheline_aligned	/* ignored: a hint on placement */
#define __maybe_unused __attribute__((unused))
#define __always_unused __attribute__((unused))
#define __used __attribute__((used))
#define __packed __attribute__((packed))
#define __aligned(x) __attribute__((aligned(x)))
#define __printf(a, b) __attribute__((format(printf, a, b)))
#define __pure __attribute__((pure))
#define __cold
#define __weak __attribute__((weak))
#define fallthrough __attribute__((fallthrough))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define barrier() __asm__ __volatile__("" ::: "memory")	/* ignored: executions are sequentially consistent */
#define mb() __atomic_thread_fence(5)		/* ignored: executions are sequentially consistent */
#define rmb() mb()				/* ignored: executions are sequentially consistent */
#define wmb() mb()				/* ignored: executions are sequentially consistent */
#define smp_mb() mb()				/* ignored: executions are sequentially consistent */
#define smp_rmb() mb()				/* ignored: executions are sequentially consistent */
#define smp_wmb() mb()				/* ignored: executions are sequentially consistent */
#define smp_mb__before_atomic() mb()		/* ignored: executions are sequentially consistent */
#define smp_mb__after_atomic() mb()		/* ignored: executions are sequentially consistent */
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define ACCESS_ONCE(x) (*(volatile __typeof__(x) *)&(x))
#define data_race(x) ({ k_marked(1); __auto_type _value = (x); k_marked(-1); _value; })
#define smp_load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define smp_store_mb(x, v) ((void)__atomic_exchange_n(&(x), v, __ATOMIC_SEQ_CST))
#define offsetof(type, member) __builtin_offsetof(type, member)
#define __stringify_1(x...) #x
#define __stringify(x...) __stringify_1(x)
#endif
