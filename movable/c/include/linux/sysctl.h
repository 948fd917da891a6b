/* Tables of settings: they are there, and nobody reads or writes them. */
#ifndef _LINUX_SYSCTL_H
#define _LINUX_SYSCTL_H
#include <linux/slab.h>
#if MOVABLE_VERSION >= 0x060b00
#define K_CTL_TABLE const struct ctl_table
#else
#define K_CTL_TABLE struct ctl_table
#endif
struct ctl_table;
struct ctl_table_header { long dummy; };
typedef int proc_handler(K_CTL_TABLE *, int, void *, size_t *, loff_t *);
struct ctl_table {
	const char *procname;
	void *data;
	int maxlen;
	umode_t mode;
	struct ctl_table *child;
	proc_handler *proc_handler;
	void *poll, *extra1, *extra2;
};
#define K_HANDLER(name) __maybe_unused static int name(K_CTL_TABLE *table, int write, void *buffer, size_t *n, loff_t *at) { (void)table; (void)write; (void)buffer; (void)n; (void)at; return 0; }	/* ignored: nobody reads or writes the settings */
K_HANDLER(proc_dostring)
K_HANDLER(proc_dobool)
K_HANDLER(proc_dointvec)
K_HANDLER(proc_dointvec_minmax)
K_HANDLER(proc_dointvec_jiffies)
K_HANDLER(proc_douintvec)
K_HANDLER(proc_douintvec_minmax)
K_HANDLER(proc_doulongvec_minmax)
K_HANDLER(proc_dou8vec_minmax)
__maybe_unused static const int sysctl_vals[] = { 0, 1, 2, 3, 4, 100, 200, 1000, 3000, INT_MAX, 65535, -1 };
#define SYSCTL_ZERO ((void *)&sysctl_vals[0])
#define SYSCTL_ONE ((void *)&sysctl_vals[1])
#define SYSCTL_TWO ((void *)&sysctl_vals[2])
#define SYSCTL_ONE_HUNDRED ((void *)&sysctl_vals[5])
#define SYSCTL_INT_MAX ((void *)&sysctl_vals[9])
extern struct ctl_table_header k_no_settings;
__weak struct ctl_table_header k_no_settings;
#define register_sysctl(path, table) ((void)(table), &k_no_settings)	/* ignored: nobody reads or writes the settings */
#define register_sysctl_sz(path, table, n) ((void)(table), &k_no_settings)	/* ignored: nobody reads or writes the settings */
#define register_sysctl_init(path, table) ((void)(table))	/* ignored: nobody reads or writes the settings */
#define register_sysctl_table(table) ((void)(table), &k_no_settings)	/* ignored: nobody reads or writes the settings */
#define unregister_sysctl_table(header) ((void)(header))	/* ignored: nobody reads or writes the settings */
#endif
