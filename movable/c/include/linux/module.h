/* Modules: parameters, init and exit, exported names. */
#ifndef _LINUX_MODULE_H
#define _LINUX_MODULE_H
#include <linux/bug.h>
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
#define param_set_int(text, param) 0
#define param_get_int(text, param) 0
#define MODULE_PARM_DESC(n, text)		/* ignored: for people */
#define MODULE_LICENSE(text)			/* ignored: for people */
#define MODULE_AUTHOR(text)			/* ignored: for people */
#define MODULE_DESCRIPTION(text)		/* ignored: for people */
#define MODULE_VERSION(text)			/* ignored: for people */
#define MODULE_ALIAS(text)			/* ignored: for the module loader */
#define MODULE_INFO(tag, text)			/* ignored: for the module loader */
#define MODULE_SOFTDEP(text)			/* ignored: for the module loader */
#define MODULE_IMPORT_NS(space)			/* ignored: for the module loader */
#define MODULE_DEVICE_TABLE(bus, table)		/* ignored: for the module loader */
#define THIS_MODULE ((struct module *)0)
#define KBUILD_MODNAME "driver"
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
#define core_initcall(fn) module_init(fn)
#endif
