/* Ring buffers. One who puts and one who takes need no lock between them: each counter is written by one and read marked. */
#ifndef _LINUX_KFIFO_H
#define _LINUX_KFIFO_H
#include <linux/slab.h>
#include <linux/spinlock.h>
struct __kfifo { unsigned int in, out, mask, esize; void *data; };
#define K_FIFO(type, size) { struct __kfifo kfifo; type *k_type[0]; type buf[size]; }
struct kfifo K_FIFO(unsigned char, 0);
#define STRUCT_KFIFO(type, size) struct K_FIFO(type, size)
#define STRUCT_KFIFO_PTR(type) struct K_FIFO(type, 0)
#define DECLARE_KFIFO(name, type, size) STRUCT_KFIFO(type, size) name
#define DECLARE_KFIFO_PTR(name, type) STRUCT_KFIFO_PTR(type) name
#define DEFINE_KFIFO(name, type, size) DECLARE_KFIFO(name, type, size) = { .kfifo = { 0, 0, (size) - 1, sizeof(type), name.buf } }
#define K_FIFO_TYPE(f) __typeof__(**(f)->k_type)
#define K_FIFO_AT(f) (&(f)->kfifo)
#define INIT_KFIFO(f) ((void)((f).kfifo = (struct __kfifo){ 0, 0, ARRAY_SIZE((f).buf) - 1, sizeof((f).buf[0]), (f).buf }))
#define kfifo_initialized(f) ((f)->kfifo.mask != 0)
#define kfifo_esize(f) ((f)->kfifo.esize)
#define kfifo_size(f) ((f)->kfifo.mask + 1)
#define kfifo_len(f) (READ_ONCE((f)->kfifo.in) - READ_ONCE((f)->kfifo.out))
#define kfifo_is_empty(f) (READ_ONCE((f)->kfifo.in) == READ_ONCE((f)->kfifo.out))
#define kfifo_is_full(f) (kfifo_len(f) > (f)->kfifo.mask)
#define kfifo_avail(f) (kfifo_size(f) - kfifo_len(f))
#define kfifo_reset(f) do { WRITE_ONCE((f)->kfifo.in, 0); WRITE_ONCE((f)->kfifo.out, 0); } while (0)
#define kfifo_reset_out(f) WRITE_ONCE((f)->kfifo.out, READ_ONCE((f)->kfifo.in))
#define kfifo_skip(f) WRITE_ONCE((f)->kfifo.out, READ_ONCE((f)->kfifo.out) + 1)
#define kfifo_skip_count(f, n) WRITE_ONCE((f)->kfifo.out, READ_ONCE((f)->kfifo.out) + (n))
K_INLINE int k_fifo_init(struct __kfifo *f, void *data, unsigned int n, unsigned int esize)
{
	*f = (struct __kfifo){ 0, 0, data ? n - 1 : 0, esize, data };
	return !data ? -ENOMEM : n < 2 ? -EINVAL : 0;
}
#define kfifo_alloc(f, n, gfp) ({ unsigned int _n = roundup_pow_of_two(n); k_fifo_init(K_FIFO_AT(f), kmalloc_array(_n, sizeof(K_FIFO_TYPE(f)), gfp), _n, sizeof(K_FIFO_TYPE(f))); })
#define kfifo_init(f, at, size) k_fifo_init(K_FIFO_AT(f), at, rounddown_pow_of_two((size) / sizeof(K_FIFO_TYPE(f))), sizeof(K_FIFO_TYPE(f)))
#define kfifo_free(f) do { kfree((f)->kfifo.data); (f)->kfifo = (struct __kfifo){ }; } while (0)
#define K_FIFO_PLACE(f, n) ((char *)(f)->data + ((n) & (f)->mask) * (f)->esize)
K_INLINE unsigned int k_fifo_in(struct __kfifo *f, const void *from, unsigned int n)
{
	unsigned int in = READ_ONCE(f->in), room = f->mask + 1 - (in - READ_ONCE(f->out));

	n = n < room ? n : room;
	for (unsigned int i = 0; i < n; i++)
		memcpy(K_FIFO_PLACE(f, in + i), (const char *)from + i * f->esize, f->esize);
	WRITE_ONCE(f->in, in + n);
	return n;
}
K_INLINE unsigned int k_fifo_out(struct __kfifo *f, void *to, unsigned int n, bool take)
{
	unsigned int out = READ_ONCE(f->out), there = READ_ONCE(f->in) - out;

	n = n < there ? n : there;
	for (unsigned int i = 0; i < n; i++)
		memcpy((char *)to + i * f->esize, K_FIFO_PLACE(f, out + i), f->esize);
	if (take)
		WRITE_ONCE(f->out, out + n);
	return n;
}
#define kfifo_in(f, from, n) k_fifo_in(K_FIFO_AT(f), from, n)
#define kfifo_out(f, to, n) k_fifo_out(K_FIFO_AT(f), to, n, true)
#define kfifo_out_peek(f, to, n) k_fifo_out(K_FIFO_AT(f), to, n, false)
#define kfifo_put(f, v) ({ K_FIFO_TYPE(f) _v = (v); (int)k_fifo_in(K_FIFO_AT(f), &_v, 1); })
#define kfifo_get(f, p) ((int)k_fifo_out(K_FIFO_AT(f), p, 1, true))
#define kfifo_peek(f, p) ((int)k_fifo_out(K_FIFO_AT(f), p, 1, false))
#define K_FIFO_LOCKED(lock, call) ({ unsigned int _ret; spin_lock(lock); _ret = call; spin_unlock(lock); _ret; })
#define kfifo_in_spinlocked(f, from, n, lock) K_FIFO_LOCKED(lock, kfifo_in(f, from, n))
#define kfifo_out_spinlocked(f, to, n, lock) K_FIFO_LOCKED(lock, kfifo_out(f, to, n))
#define kfifo_in_locked(f, from, n, lock) kfifo_in_spinlocked(f, from, n, lock)
#define kfifo_out_locked(f, to, n, lock) kfifo_out_spinlocked(f, to, n, lock)
#define kfifo_in_spinlocked_noirqsave(f, from, n, lock) kfifo_in_spinlocked(f, from, n, lock)
#define kfifo_out_spinlocked_noirqsave(f, to, n, lock) kfifo_out_spinlocked(f, to, n, lock)
#define kfifo_is_empty_spinlocked(f, lock) ({ spin_lock(lock); bool _e = kfifo_is_empty(f); spin_unlock(lock); _e; })
#define kfifo_is_empty_spinlocked_noirqsave(f, lock) kfifo_is_empty_spinlocked(f, lock)
#endif
