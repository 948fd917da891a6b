/* Modules: parameters, init and exit, exported names. */
#ifndef _LINUX_MODULE_H
#define _LINUX_MODULE_H
#include <linux/slab.h>
struct module { const char *name; };
struct kernel_param;
struct kernel_param_ops {
	unsigned int flags;
	int (*set)(const char *, const struct kernel_param *);
	int (*get)(char *, const struct kernel_param *);
};
struct kernel_param { const char *name; const struct kernel_param_ops *ops; void *arg; unsigned short perm; };
struct k_param { struct kernel_param param; const char *type; int size; };
#define K_PARAM(n, kind, at, callbacks, mode) const struct k_param k_param_##n __attribute__((used)) = { { #n, callbacks, (void *)(at), mode }, kind, sizeof *(at) };
#define module_param(n, kind, mode) module_param_named(n, n, kind, mode)
#define module_param_named(n, variable, kind, mode) K_PARAM(n, #kind, &(variable), 0, mode)
#define module_param_unsafe(n, kind, mode) module_param(n, kind, mode)
#define module_param_cb(n, callbacks, at, mode) const struct k_param k_param_##n __attribute__((used)) = { { #n, callbacks, (void *)(at), mode }, "callback", 0 };
#define core_param(n, variable, kind, mode) module_param_named(n, variable, kind, mode)
#define module_param_array(n, kind, count, mode) const struct k_param k_param_##n __attribute__((used)) = { { #n, 0, (void *)(n), mode }, "array", sizeof (n)[0] };
#define module_param_string(n, text, length, mode) const struct k_param k_param_##n __attribute__((used)) = { { #n, 0, (void *)(text), mode }, "text", length };
#define module_param_array_named(n, variable, kind, count, mode) const struct k_param k_param_##n __attribute__((used)) = { { #n, 0, (void *)(variable), mode }, "array", sizeof (variable)[0] };
#define module_param_call(n, setter, getter, at, mode) static const struct kernel_param_ops k_param_ops_##n = { 0, (setter), (getter) }; module_param_cb(n, &k_param_ops_##n, at, mode)
#define module_param_hw(n, kind, hw, mode) module_param(n, kind, mode)
#define module_param_hw_named(n, variable, kind, hw, mode) module_param_named(n, variable, kind, mode)
#define kernel_param_lock(module) ((void)(module))	/* ignored: each setter runs under the lock already */
#define kernel_param_unlock(module) ((void)(module))	/* ignored: each setter runs under the lock already */
/* What a setter of a driver's own calls in the end. */
#define K_PARAM_OPS(kind, type, parse, format) \
	__maybe_unused static int param_set_##kind(const char *text, const struct kernel_param *param) { type v; int ret = parse; if (!ret) *(type *)param->arg = v; return ret; } \
	__maybe_unused static int param_get_##kind(char *to, const struct kernel_param *param) { return sprintf(to, format, *(type *)param->arg); } \
	__maybe_unused static const struct kernel_param_ops param_ops_##kind = { 0, param_set_##kind, param_get_##kind };
K_PARAM_OPS(byte, u8, kstrtou8(text, 0, &v), "%u\n")
K_PARAM_OPS(short, s16, kstrtos16(text, 0, &v), "%d\n")
K_PARAM_OPS(ushort, u16, kstrtou16(text, 0, &v), "%u\n")
K_PARAM_OPS(int, int, kstrtoint(text, 0, &v), "%d\n")
K_PARAM_OPS(uint, unsigned int, kstrtouint(text, 0, &v), "%u\n")
K_PARAM_OPS(long, long, kstrtol(text, 0, &v), "%ld\n")
K_PARAM_OPS(ulong, unsigned long, kstrtoul(text, 0, &v), "%lu\n")
K_PARAM_OPS(ullong, unsigned long long, kstrtoull(text, 0, &v), "%llu\n")
K_PARAM_OPS(bool, bool, kstrtobool(text, &v), "%d\n")
K_INLINE int param_set_uint_minmax(const char *text, const struct kernel_param *param, unsigned int least, unsigned int most)
{
	unsigned int v;
	int ret = kstrtouint(text, 0, &v);

	if (ret || v < least || v > most)
		return ret ? ret : -EINVAL;
	*(unsigned int *)param->arg = v;
	return 0;
}
#define MODULE_PARM_DESC(n, text)		/* ignored: for people */
#define MODULE_LICENSE(text)			/* ignored: for people */
#define MODULE_AUTHOR(text)			/* ignored: for people */
#define MODULE_DESCRIPTION(text)		/* ignored: for people */
#define MODULE_VERSION(text)			/* ignored: for people */
#define MODULE_ALIAS(text)			/* ignored: for the module loader */
#define MODULE_INFO(tag, text)			/* ignored: for the module loader */
#define MODULE_SOFTDEP(text)			/* ignored: for the module loader */
#define MODULE_IMPORT_NS(space)			/* ignored: for the module loader */
#define MODULE_FIRMWARE(text)			/* ignored: for the module loader */
#define __setup(text, fn)			/* ignored: there is no command line */
#define early_param(text, fn)			/* ignored: there is no command line */
#define MODULE_DEVICE_TABLE(bus, table)		/* ignored: for the module loader */
#define THIS_MODULE ((struct module *)0)
typedef int (*initcall_t)(void);
#define module_refcount(module) 1
#define try_module_get(module) 1
#define module_put(module) ((void)0)
#define __module_get(module) ((void)0)
#define EXPORT_SYMBOL(name)			/* every function of the file can be called by an operation */
#define EXPORT_SYMBOL_GPL(name)
#define EXPORT_SYMBOL_NS(name, space)
#define EXPORT_SYMBOL_NS_GPL(name, space)
#define module_init(fn) int k_module_init(void) { return fn(); }
#define module_exit(fn) void k_module_exit(void) { fn(); }
#define late_initcall(fn) module_init(fn)
#define subsys_initcall(fn) module_init(fn)
#define fs_initcall(fn) module_init(fn)
#define device_initcall(fn) module_init(fn)
#define late_initcall_sync(fn) module_init(fn)
#define postcore_initcall(fn) module_init(fn)
#define arch_initcall(fn) module_init(fn)
#define pure_initcall(fn) module_init(fn)
#define __initcall(fn) module_init(fn)
#define core_initcall(fn) module_init(fn)
#endif
