/* Assertions and printing. */
#ifndef _LINUX_BUG_H
#define _LINUX_BUG_H
#include <linux/kernel.h>
#define BUG() do { k_tell(K_BUG, __FILE__, __LINE__, "BUG()"); __builtin_unreachable(); } while (0)
#define BUG_ON(x) do { if (unlikely(x)) { k_tell(K_BUG, __FILE__, __LINE__, "%s", "BUG_ON(" #x ")"); __builtin_unreachable(); } } while (0)
#define WARN(x, f...) ({ int _w = !!(x); if (unlikely(_w)) k_tell(K_WARN, __FILE__, __LINE__, f); _w; })
#define WARN_ON(x) WARN(x, "%s", "WARN_ON(" #x ")")
#define WARN_ON_ONCE(x) WARN_ON(x)
#define WARN_ONCE(x, f...) WARN(x, f)
#define WARN_TAINT(x, taint, f...) WARN(x, f)
#define WARN_TAINT_ONCE(x, taint, f...) WARN(x, f)
#define CHECK_DATA_CORRUPTION(x, f...) WARN(x, f)
#define DEBUG_LOCKS_WARN_ON(x) WARN_ON(x)
#define panic(f...) do { k_tell(K_BUG, __FILE__, __LINE__, "panic: " f); __builtin_unreachable(); } while (0)
#define VM_BUG_ON(x) BUG_ON(x)
#define VM_WARN(x, f...) WARN(x, f)
#define VM_WARN_ONCE(x, f...) WARN(x, f)
#define VM_BUG_ON_FOLIO(x, folio) BUG_ON(x)
#define VM_WARN_ON_FOLIO(x, folio) WARN_ON(x)
#define VM_WARN_ON_ONCE_FOLIO(x, folio) WARN_ON(x)
#define VM_BUG_ON_PAGE(x, page) BUG_ON(x)
#define VM_WARN_ON(x) WARN_ON(x)
#define VM_WARN_ON_ONCE(x) WARN_ON(x)
#define VM_WARN_ON_PAGE(x, page) WARN_ON(x)
#define VM_WARN_ON_ONCE_PAGE(x, page) WARN_ON(x)
#define BUILD_BUG_ON(x) ((void)sizeof(char[1 - 2 * !!(x)]))
#define BUILD_BUG_ON_ZERO(x) ((int)sizeof(struct { int : -!!(x); }))
#define BUILD_BUG_ON_NOT_POWER_OF_2(n) BUILD_BUG_ON((n) == 0 || ((n) & ((n) - 1)) != 0)
#define BUILD_BUG_ON_INVALID(x) ((void)sizeof((long)(x)))
#define compiletime_assert(x, text) BUILD_BUG_ON(!(x))
#define BUILD_BUG_ON_MSG(x, text) BUILD_BUG_ON(x)
#define BUILD_BUG() ((void)0)			/* ignored: decided at compile time, and the compiler is another one */
#define static_assert(x, text...) _Static_assert(x, #x)
#define dump_page(page, why) ((void)(page))	/* ignored: reports show the page */
#define dump_stack() ((void)0)			/* ignored: reports show the place */
#define KERN_EMERG ""
#define KERN_ALERT ""
#define KERN_CRIT ""
#define KERN_ERR ""
#define KERN_WARNING ""
#define KERN_NOTICE ""
#define KERN_INFO ""
#define KERN_DEBUG ""
#define KERN_CONT ""
#define printk(f...) k_tell(K_PRINT, __FILE__, __LINE__, f)
#ifndef KBUILD_MODNAME
#define KBUILD_MODNAME "driver"
#endif
#ifndef pr_fmt
#define pr_fmt(fmt) fmt
#endif
#define pr_emerg(fmt, args...) printk(pr_fmt(fmt), ##args)
#define pr_alert(fmt, args...) printk(pr_fmt(fmt), ##args)
#define pr_crit(fmt, args...) printk(pr_fmt(fmt), ##args)
#define pr_err(fmt, args...) printk(pr_fmt(fmt), ##args)
#define pr_warn(fmt, args...) printk(pr_fmt(fmt), ##args)
#define pr_warning(fmt, args...) printk(pr_fmt(fmt), ##args)
#define pr_notice(fmt, args...) printk(pr_fmt(fmt), ##args)
#define pr_info(fmt, args...) printk(pr_fmt(fmt), ##args)
#define pr_cont(f...) printk(f)
#define pr_emerg_once(f...) pr_emerg(f)
#define pr_emerg_ratelimited(f...) pr_emerg(f)
#define pr_alert_once(f...) pr_alert(f)
#define pr_alert_ratelimited(f...) pr_alert(f)
#define pr_crit_once(f...) pr_crit(f)
#define pr_crit_ratelimited(f...) pr_crit(f)
#define pr_err_once(f...) pr_err(f)
#define pr_err_ratelimited(f...) pr_err(f)
#define pr_warn_once(f...) pr_warn(f)
#define pr_warn_ratelimited(f...) pr_warn(f)
#define pr_notice_once(f...) pr_notice(f)
#define pr_notice_ratelimited(f...) pr_notice(f)
#define pr_info_once(f...) pr_info(f)
#define pr_info_ratelimited(f...) pr_info(f)
#define pr_debug(f...) ((void)0)		/* ignored: debug output is off, as in a kernel */
#define pr_devel(f...) ((void)0)		/* ignored: debug output is off, as in a kernel */
#define pr_debug_once(f...) ((void)0)		/* ignored: debug output is off, as in a kernel */
#define pr_debug_ratelimited(f...) ((void)0)	/* ignored: debug output is off, as in a kernel */
#define no_printk(f...) 0			/* ignored: debug output is off, as in a kernel */
#define print_hex_dump(level, prefix, type, row, group, at, n, text) ((void)(at))	/* ignored: debug output is off, as in a kernel */
#define print_hex_dump_bytes(prefix, type, at, n) ((void)(at))	/* ignored: debug output is off, as in a kernel */
#define printk_deferred(f...) printk(f)
#define printk_once(f...) printk(f)
#define printk_ratelimited(f...) printk(f)
#define dev_emerg(dev, f...) ((void)(dev), printk(f))
#define dev_crit(dev, f...) ((void)(dev), printk(f))
#define dev_err(dev, f...) ((void)(dev), printk(f))
#define dev_warn(dev, f...) ((void)(dev), printk(f))
#define dev_notice(dev, f...) ((void)(dev), printk(f))
#define dev_info(dev, f...) ((void)(dev), printk(f))
#define dev_err_once(dev, f...) ((void)(dev), printk(f))
#define dev_warn_once(dev, f...) ((void)(dev), printk(f))
#define dev_info_once(dev, f...) ((void)(dev), printk(f))
#define dev_err_ratelimited(dev, f...) ((void)(dev), printk(f))
#define dev_warn_ratelimited(dev, f...) ((void)(dev), printk(f))
#define dev_info_ratelimited(dev, f...) ((void)(dev), printk(f))
#define dev_dbg(dev, f...) ((void)0)		/* ignored: debug output is off, as in a kernel */
#define printk_ratelimit() 1
struct ratelimit_state { int interval, burst; };
#define DEFINE_RATELIMIT_STATE(name, every, most) struct ratelimit_state name = { every, most }
#define ratelimit_state_init(state, every, most) ((void)(state))
#define __ratelimit(state) ((void)(state), 1)
#define DEFAULT_RATELIMIT_INTERVAL 1250
#define DEFAULT_RATELIMIT_BURST 10
#define trace_printk(f...) printk(f)
#define DO_ONCE(fn, args...) ({ static int _done; int _now = !xchg(&_done, 1); if (_now) fn(args); _now; })
#define DO_ONCE_LITE(fn, args...) DO_ONCE(fn, args)
#define DO_ONCE_LITE_IF(x, fn, args...) ({ bool _x = !!(x); if (_x) DO_ONCE(fn, args); _x; })
/* Trace points: nobody listens. */
#define TP_PROTO(args...) args
#define TP_ARGS(args...) args
#define K_TRACE(name, args...) \
	K_INLINE void trace_##name(args) { } \
	K_INLINE bool trace_##name##_enabled(void) { return false; }	/* ignored: nobody listens */
#define TRACE_EVENT(name, args, rest...) K_TRACE(name, args)
#define TRACE_EVENT_CONDITION(name, args, rest...) K_TRACE(name, args)
#define DECLARE_TRACE(name, args, rest...) K_TRACE(name, args)
#define DECLARE_EVENT_CLASS(name, args...)
#define DEFINE_EVENT(kind, name, args, rest...) K_TRACE(name, args)
#define DEFINE_EVENT_PRINT(kind, name, args, rest...) K_TRACE(name, args)
#define TRACE_DEFINE_ENUM(x)
#define EXPORT_TRACEPOINT_SYMBOL(name)
#define EXPORT_TRACEPOINT_SYMBOL_GPL(name)
#endif
