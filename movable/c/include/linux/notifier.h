/* Chains of functions that are told of events. Those of the kernel's own are accepted, and nothing happens there. */
#ifndef _LINUX_NOTIFIER_H
#define _LINUX_NOTIFIER_H
#include <linux/mutex.h>
struct notifier_block;
typedef int (*notifier_fn_t)(struct notifier_block *, unsigned long, void *);
struct notifier_block { notifier_fn_t notifier_call; struct notifier_block *next; int priority; };
struct raw_notifier_head { struct notifier_block *head; };
struct atomic_notifier_head { rwlock_t lock; struct raw_notifier_head raw; };
struct blocking_notifier_head { struct rw_semaphore rwsem; struct raw_notifier_head raw; };
#define NOTIFY_DONE 0
#define NOTIFY_OK 1
#define NOTIFY_STOP_MASK 0x8000
#define NOTIFY_BAD (NOTIFY_STOP_MASK | 2)
#define NOTIFY_STOP (NOTIFY_OK | NOTIFY_STOP_MASK)
#define notifier_from_errno(e) ({ int _e = (e); _e ? NOTIFY_STOP_MASK | (NOTIFY_OK - _e) : NOTIFY_OK; })
#define notifier_to_errno(ret) ({ int _r = (ret) & ~NOTIFY_STOP_MASK; _r > NOTIFY_OK ? NOTIFY_OK - _r : 0; })
#define RAW_NOTIFIER_INIT(name) { NULL }
#define ATOMIC_NOTIFIER_INIT(name) { { 0 }, { NULL } }
#define BLOCKING_NOTIFIER_INIT(name) { { 0 }, { NULL } }
#define RAW_NOTIFIER_HEAD(name) struct raw_notifier_head name = RAW_NOTIFIER_INIT(name)
#define ATOMIC_NOTIFIER_HEAD(name) struct atomic_notifier_head name = ATOMIC_NOTIFIER_INIT(name)
#define BLOCKING_NOTIFIER_HEAD(name) struct blocking_notifier_head name = BLOCKING_NOTIFIER_INIT(name)
#define RAW_INIT_NOTIFIER_HEAD(name) ((void)((name)->head = NULL))
#define ATOMIC_INIT_NOTIFIER_HEAD(name) do { rwlock_init(&(name)->lock); (name)->raw.head = NULL; } while (0)
#define BLOCKING_INIT_NOTIFIER_HEAD(name) do { init_rwsem(&(name)->rwsem); (name)->raw.head = NULL; } while (0)
K_INLINE int raw_notifier_chain_register(struct raw_notifier_head *chain, struct notifier_block *block)
{
	struct notifier_block **at = &chain->head;

	for (; *at && (*at)->priority >= block->priority; at = &(*at)->next)
		if (*at == block) {
			WARN(1, "a notifier is registered twice");
			return -EEXIST;
		}
	block->next = *at;
	WRITE_ONCE(*at, block);
	return 0;
}
K_INLINE int raw_notifier_chain_unregister(struct raw_notifier_head *chain, struct notifier_block *block)
{
	struct notifier_block **at = &chain->head;

	while (*at && *at != block)
		at = &(*at)->next;
	if (!*at)
		return -ENOENT;
	WRITE_ONCE(*at, block->next);
	return 0;
}
K_INLINE int raw_notifier_call_chain(struct raw_notifier_head *chain, unsigned long event, void *data)
{
	struct notifier_block *block, *next;
	int ret = NOTIFY_DONE;

	for (block = chain->head; block && !(ret & NOTIFY_STOP_MASK); block = next) {
		next = block->next;
		ret = block->notifier_call(block, event, data);
	}
	return ret;
}
#define K_CHAIN(kind, lock, enter, leave, enter_all, leave_all) \
	K_INLINE int kind##_notifier_chain_register(struct kind##_notifier_head *chain, struct notifier_block *block) { int ret; enter_all(&chain->lock); ret = raw_notifier_chain_register(&chain->raw, block); leave_all(&chain->lock); return ret; } \
	K_INLINE int kind##_notifier_chain_unregister(struct kind##_notifier_head *chain, struct notifier_block *block) { int ret; enter_all(&chain->lock); ret = raw_notifier_chain_unregister(&chain->raw, block); leave_all(&chain->lock); return ret; } \
	K_INLINE int kind##_notifier_call_chain(struct kind##_notifier_head *chain, unsigned long event, void *data) { int ret; enter(&chain->lock); ret = raw_notifier_call_chain(&chain->raw, event, data); leave(&chain->lock); return ret; }
K_CHAIN(atomic, lock, read_lock, read_unlock, write_lock, write_unlock)
K_CHAIN(blocking, rwsem, down_read, up_read, down_write, up_write)
struct memory_notify { unsigned long start_pfn, nr_pages; int status_change_nid; };
#define MEM_ONLINE 1
#define MEM_GOING_OFFLINE 2
#define MEM_OFFLINE 4
#define MEM_GOING_ONLINE 8
#define MEM_CANCEL_ONLINE 16
#define MEM_CANCEL_OFFLINE 32
#define register_memory_notifier(block) ((void)(block), 0)	/* ignored: the model tells no notifier */
#define unregister_memory_notifier(block) ((void)(block))	/* ignored: the model tells no notifier */
#define register_hotmemory_notifier(block) ((void)(block), 0)	/* ignored: the model tells no notifier */
#define unregister_hotmemory_notifier(block) ((void)(block))	/* ignored: the model tells no notifier */
#define register_oom_notifier(block) ((void)(block), 0)		/* ignored: the model tells no notifier */
#define unregister_oom_notifier(block) ((void)(block), 0)	/* ignored: the model tells no notifier */
#define SYS_DOWN 1
#define SYS_RESTART SYS_DOWN
#define SYS_HALT 2
#define SYS_POWER_OFF 3
#define register_reboot_notifier(block) ((void)(block), 0)	/* ignored: the model tells no notifier */
#define unregister_reboot_notifier(block) ((void)(block), 0)	/* ignored: the model tells no notifier */
#define register_pm_notifier(block) ((void)(block), 0)		/* ignored: the model tells no notifier */
#define unregister_pm_notifier(block) ((void)(block), 0)	/* ignored: the model tells no notifier */
#define register_panic_notifier(block) ((void)(block), 0)	/* ignored: the model tells no notifier */
#define hotplug_memory_notifier(fn, priority) ((void)(fn), 0)	/* ignored: the model tells no notifier */
#endif
