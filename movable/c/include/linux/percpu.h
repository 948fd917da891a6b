/* Per-CPU data of one processor. */
#ifndef _LINUX_PERCPU_H
#define _LINUX_PERCPU_H
#include <linux/slab.h>
#define K_CPU_SAYS(what, much) k_call(K_CPU, what, much, 0, 0)
#define K_MINE(x, say...) ({ K_CPU_SAYS(say); (x); })
#define __percpu				/* ignored: an annotation for checkers */
#define DEFINE_PER_CPU(type, name) type name
#define DECLARE_PER_CPU(type, name) extern type name
#define DEFINE_PER_CPU_ALIGNED(type, name) type name
#define DEFINE_PER_CPU_SHARED_ALIGNED(type, name) type name
#define DEFINE_PER_CPU_READ_MOSTLY(type, name) type name
#define DEFINE_PER_CPU_PAGE_ALIGNED(type, name) type name
#define __alloc_percpu(size, align) k_alloc(size, GFP_KERNEL, K_AS(K_OF_PERCPU, 1), align)
#define alloc_percpu(type) ((type *)__alloc_percpu(sizeof(type), __alignof__(type)))
#define alloc_percpu_gfp(type, gfp) ((type *)k_alloc(sizeof(type), gfp, K_AS(K_OF_PERCPU, 1), __alignof__(type)))
#define free_percpu(p) k_free(p, K_OF_PERCPU)
#define this_cpu_ptr(p) K_MINE(p, K_CPU_USE, 1)
#define raw_cpu_ptr(p) K_MINE(p, K_CPU_USE, 0)
#define per_cpu_ptr(p, cpu) ((void)(cpu), K_MINE(p, K_CPU_USE, 0))
#define per_cpu(name, cpu) (*((void)(cpu), K_MINE(&(name), K_CPU_USE, 0)))
#define get_cpu_var(name) (*K_MINE(&(name), K_CPU_ENTER, 1))
#define put_cpu_var(name) ((void)&(name), (void)K_CPU_SAYS(K_CPU_ENABLE, 0))
#define get_cpu_ptr(p) K_MINE(p, K_CPU_ENTER, 1)
#define put_cpu_ptr(p) ((void)(p), (void)K_CPU_SAYS(K_CPU_ENABLE, 0))
#define get_cpu() ((int)K_CPU_SAYS(K_CPU_DISABLE, 0))
#define put_cpu() ((void)K_CPU_SAYS(K_CPU_ENABLE, 0))
#define K_ENTERED(x) ({ K_CPU_SAYS(K_CPU_ENTER, 1); __typeof__(x) _r = (x); K_CPU_SAYS(K_CPU_ENABLE, 0); _r; })
#define this_cpu_read(x) READ_ONCE(x)
#define this_cpu_write(x, v) ((void)K_ENTERED(WRITE_ONCE(x, v)))
#define this_cpu_add_return(x, v) K_ENTERED(__atomic_add_fetch(&(x), v, K_SEQ))
#define this_cpu_add(x, v) ((void)this_cpu_add_return(x, v))
#define this_cpu_sub(x, v) this_cpu_add(x, -(v))
#define this_cpu_inc(x) this_cpu_add(x, 1)
#define this_cpu_dec(x) this_cpu_add(x, -1)
#define this_cpu_inc_return(x) this_cpu_add_return(x, 1)
#define this_cpu_dec_return(x) this_cpu_add_return(x, -1)
#define this_cpu_xchg(x, v) K_ENTERED(__atomic_exchange_n(&(x), v, K_SEQ))
#define this_cpu_cmpxchg(x, was, v) K_ENTERED(cmpxchg(&(x), was, v))
#define this_cpu_try_cmpxchg(x, was, v) K_ENTERED(try_cmpxchg(&(x), was, v))
#define this_cpu_or(x, v) ((void)K_ENTERED(__atomic_fetch_or(&(x), v, K_SEQ)))
#define this_cpu_and(x, v) ((void)K_ENTERED(__atomic_fetch_and(&(x), v, K_SEQ)))
#define __this_cpu_inc_return(x) (++*this_cpu_ptr(&(x)))
#define __this_cpu_dec_return(x) (--*this_cpu_ptr(&(x)))
#define __this_cpu_add_return(x, v) (*this_cpu_ptr(&(x)) += (v))
#define raw_cpu_read(x) (*raw_cpu_ptr(&(x)))
#define raw_cpu_write(x, v) ((void)(*raw_cpu_ptr(&(x)) = (v)))
#define raw_cpu_add(x, v) ((void)(*raw_cpu_ptr(&(x)) += (v)))
#define raw_cpu_inc(x) raw_cpu_add(x, 1)
#define raw_cpu_dec(x) raw_cpu_add(x, -1)
#define __this_cpu_read(x) (*this_cpu_ptr(&(x)))
#define __this_cpu_write(x, v) ((void)(*this_cpu_ptr(&(x)) = (v)))
#define __this_cpu_add(x, v) ((void)(*this_cpu_ptr(&(x)) += (v)))
#define __this_cpu_sub(x, v) __this_cpu_add(x, -(v))
#define __this_cpu_inc(x) __this_cpu_add(x, 1)
#define __this_cpu_dec(x) __this_cpu_sub(x, 1)
#define for_each_possible_cpu(cpu) for ((cpu) = 0; (cpu) < 1; (cpu)++)
#define for_each_online_cpu(cpu) for_each_possible_cpu(cpu)
#define smp_processor_id() ((int)k_call(K_CPU, K_CPU_USE, 2, 0, 0))
#define raw_smp_processor_id() 0
#define cpu_online(cpu) ((cpu) == 0)
#define num_online_cpus() 1
#define num_possible_cpus() 1
#define num_present_cpus() 1
#define for_each_present_cpu(cpu) for_each_possible_cpu(cpu)
#define cpu_possible(cpu) ((cpu) == 0)
/* Sets of processors: of the one that there is. */
struct cpumask { unsigned long bits[1]; };
typedef struct cpumask cpumask_t, cpumask_var_t[1];
extern const struct cpumask k_cpus;
__weak const struct cpumask k_cpus = { { 1 } };
#define cpu_online_mask (&k_cpus)
#define cpu_possible_mask (&k_cpus)
#define cpumask_of(cpu) (&k_cpus)
#define cpumask_weight(mask) hweight_long((mask)->bits[0])
#define cpumask_empty(mask) ((mask)->bits[0] == 0)
#define cpumask_first(mask) ((mask)->bits[0] ? 0u : 1u)
#define cpumask_test_cpu(cpu, mask) test_bit(cpu, (mask)->bits)
#define cpumask_set_cpu(cpu, mask) set_bit(cpu, (mask)->bits)
#define cpumask_clear_cpu(cpu, mask) clear_bit(cpu, (mask)->bits)
#define cpumask_clear(mask) ((void)((mask)->bits[0] = 0))
#define cpumask_copy(to, from) ((void)(*(to) = *(from)))
#define for_each_cpu(cpu, mask) for ((cpu) = 0; (cpu) < 1 && cpumask_test_cpu(cpu, mask); (cpu)++)
#define zalloc_cpumask_var(mask, gfp) (cpumask_clear(*(mask)), true)
#define alloc_cpumask_var(mask, gfp) zalloc_cpumask_var(mask, gfp)
#define free_cpumask_var(mask) ((void)(mask))
#define nr_cpu_ids 1
#define NR_CPUS 1
enum cpuhp_state { CPUHP_MM_ZS_PREPARE, CPUHP_AP_ONLINE_DYN, K_CPUHP_STATES };
/* The one processor comes when a state is set up and goes when it is removed: what it was given is given back then. */
extern int (*k_cpuhp_down[K_CPUHP_STATES])(unsigned int);
__attribute__((weak)) int (*k_cpuhp_down[K_CPUHP_STATES])(unsigned int);
#define cpuhp_setup_state(state, name, up, down) ({ \
	enum cpuhp_state _state = (state); int (*_up)(unsigned int) = (up), _ret = _up ? _up(0) : 0; \
	if (!_ret) { k_cpuhp_down[_state] = (down); _ret = _state == CPUHP_AP_ONLINE_DYN ? (int)_state : 0; } \
	_ret; })
#define cpuhp_remove_state(state) ({ \
	enum cpuhp_state _gone = (state); int (*_down)(unsigned int) = k_cpuhp_down[_gone]; \
	k_cpuhp_down[_gone] = NULL; \
	if (_down) _down(0); })
/* Counters that are counted on each processor: on one they are exact. */
struct percpu_counter { atomic64_t count; };
#define percpu_counter_init(c, n, gfp) (atomic64_set(&(c)->count, n), 0)
#define percpu_counter_destroy(c) ((void)(c))
#define percpu_counter_set(c, n) atomic64_set(&(c)->count, n)
#define percpu_counter_add(c, n) atomic64_add(n, &(c)->count)
#define percpu_counter_sub(c, n) atomic64_sub(n, &(c)->count)
#define percpu_counter_inc(c) percpu_counter_add(c, 1)
#define percpu_counter_dec(c) percpu_counter_sub(c, 1)
#define percpu_counter_read(c) ((s64)atomic64_read(&(c)->count))
#define percpu_counter_sum(c) percpu_counter_read(c)
#define percpu_counter_read_positive(c) max_t(s64, percpu_counter_read(c), 0)
#define percpu_counter_sum_positive(c) percpu_counter_read_positive(c)
#define percpu_counter_add_batch(c, n, batch) percpu_counter_add(c, n)
#define percpu_counter_compare(c, n) ({ s64 _is = percpu_counter_read(c), _to = (n); _is > _to ? 1 : _is < _to ? -1 : 0; })
#define percpu_counter_initialized(c) true
#define cpuhp_setup_state_nocalls(state, name, up, down) ((void)(up), cpuhp_setup_state(state, name, NULL, down))
#define cpuhp_remove_state_nocalls(state) ((void)(k_cpuhp_down[state] = NULL))
#endif
