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
#define VM_BUG_ON(x) BUG_ON(x)
#define VM_BUG_ON_PAGE(x, page) BUG_ON(x)
#define VM_WARN_ON(x) WARN_ON(x)
#define VM_WARN_ON_ONCE(x) WARN_ON(x)
#define VM_WARN_ON_PAGE(x, page) WARN_ON(x)
#define VM_WARN_ON_ONCE_PAGE(x, page) WARN_ON(x)
#define BUILD_BUG_ON(x) ((void)sizeof(char[1 - 2 * !!(x)]))
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
#define pr_emerg(f...) printk(f)
#define pr_alert(f...) printk(f)
#define pr_crit(f...) printk(f)
#define pr_err(f...) printk(f)
#define pr_warn(f...) printk(f)
#define pr_warning(f...) printk(f)
#define pr_notice(f...) printk(f)
#define pr_info(f...) printk(f)
#define pr_cont(f...) printk(f)
#define pr_err_once(f...) printk(f)
#define pr_warn_once(f...) printk(f)
#define pr_info_once(f...) printk(f)
#define pr_err_ratelimited(f...) printk(f)
#define pr_warn_ratelimited(f...) printk(f)
#define pr_info_ratelimited(f...) printk(f)
#define pr_debug(f...) ((void)0)		/* ignored: debug output is off, as in a kernel */
#define pr_devel(f...) ((void)0)		/* ignored: debug output is off, as in a kernel */
#define printk_once(f...) printk(f)
#define printk_ratelimited(f...) printk(f)
#define dev_err(dev, f...) printk(f)
#define dev_warn(dev, f...) printk(f)
#define dev_info(dev, f...) printk(f)
#define dev_info_ratelimited(dev, f...) printk(f)
#define dev_dbg(dev, f...) ((void)0)		/* ignored: debug output is off, as in a kernel */
#define printk_ratelimit() 1
#define trace_printk(f...) printk(f)
#endif
