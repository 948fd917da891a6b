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
#define __cacheline_aligned	/* ignored: a hint on placement */
#define __cacheline_aligned_in_smp	/* ignored: a hint on placement */
#define ____cacheline_internodealigned_in_smp	/* ignored: a hint on placement */
#define __section(x)		/* ignored: a hint on placement */
#define __initconst		/* ignored: no section is freed after the init function */
#define __exitdata		/* ignored: the exit function is always there */
#define __exit_p(x) x
#define __ref			/* ignored: no section is freed after the init function */
#define __refdata		/* ignored: no section is freed after the init function */
#define __meminit		/* ignored: no section is freed after the init function */
#define __private		/* ignored: an annotation for checkers */
#define __bitwise		/* ignored: an annotation for checkers */
#define __nocast		/* ignored: an annotation for checkers */
#define __kernel		/* ignored: an annotation for checkers */
#define __counted_by(x)		/* ignored: an annotation for checkers */
#define __cond_acquires(x...)	/* ignored: an annotation for checkers */
#define __guarded_by(x...)	/* ignored: an annotation for checkers */
#define __nonstring		/* ignored: a warning of the compiler */
#define __deprecated		/* ignored: a warning of the compiler */
#define __malloc		/* ignored: a hint to the compiler */
#define __alloc_size(x...)	/* ignored: a hint to the compiler */
#define __attribute_const__	/* ignored: a hint to the compiler */
#define __visible __attribute__((used))
#define __noreturn __attribute__((noreturn))
#define __no_kcsan __attribute__((no_sanitize_thread))
#define noinline_for_stack noinline
#define notrace			/* ignored: there is no tracing of functions */
#define nokprobe_inline inline
#define NOKPROBE_SYMBOL(x)	/* ignored: there is no tracing of functions */
#define asmlinkage
#define unreachable() __builtin_unreachable()
#define uninitialized_var(x) x = x
#define OPTIMIZER_HIDE_VAR(x) ((void)(x))	/* ignored: a hint to the compiler */
#define L1_CACHE_SHIFT 6
#define L1_CACHE_BYTES 64
#define SMP_CACHE_BYTES 64
#define cache_line_size() 64
#define prefetch(p) ((void)(p))			/* ignored: a hint */
#define prefetchw(p) ((void)(p))		/* ignored: a hint */
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
#define smp_mb__after_spinlock() mb()		/* ignored: executions are sequentially consistent */
#define smp_mb__after_unlock_lock() mb()	/* ignored: executions are sequentially consistent */
#define smp_acquire__after_ctrl_dep() mb()	/* ignored: executions are sequentially consistent */
#define smp_read_barrier_depends() mb()		/* ignored: executions are sequentially consistent */
#define dma_rmb() mb()				/* ignored: executions are sequentially consistent */
#define dma_wmb() mb()				/* ignored: executions are sequentially consistent */
#define ASSERT_EXCLUSIVE_WRITER(x) ((void)0)	/* ignored: every race is told */
#define ASSERT_EXCLUSIVE_ACCESS(x) ((void)0)	/* ignored: every race is told */
#define smp_cond_load_relaxed(p, condition) ({ __typeof__(*(p)) VAL; for (;;) { VAL = READ_ONCE(*(p)); if (condition) break; cpu_relax(); } VAL; })
#define smp_cond_load_acquire(p, condition) smp_cond_load_relaxed(p, condition)
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define READ_ONCE_NOCHECK(x) READ_ONCE(x)
#define ACCESS_ONCE(x) (*(volatile __typeof__(x) *)&(x))
#define data_race(x) ({ k_marked(1); __auto_type _value = (x); k_marked(-1); _value; })
#define smp_load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define smp_store_mb(x, v) ((void)__atomic_exchange_n(&(x), v, __ATOMIC_SEQ_CST))
#define offsetof(type, member) __builtin_offsetof(type, member)
#define __same_type(a, b) __builtin_types_compatible_p(__typeof__(a), __typeof__(b))
#define ACCESS_PRIVATE(p, member) ((p)->member)
#define __stringify_1(x...) #x
#define __stringify(x...) __stringify_1(x)
#endif
