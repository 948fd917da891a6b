/* Files that a driver shows its state in: of the debugging file system and of /proc. They are accepted, and nobody opens them. */
#ifndef _LINUX_SEQ_FILE_H
#define _LINUX_SEQ_FILE_H
#include <linux/fs.h>
struct seq_file;
struct seq_operations {
	void *(*start)(struct seq_file *, loff_t *);
	void (*stop)(struct seq_file *, void *);
	void *(*next)(struct seq_file *, void *, loff_t *);
	int (*show)(struct seq_file *, void *);
};
struct seq_file { char *buf; size_t size, from, count; loff_t index; const struct seq_operations *op; int (*k_show)(struct seq_file *, void *); struct file *file; void *private; };
#define seq_printf(m, f...) ({ struct seq_file *_m = (m); if (_m->buf && _m->count < _m->size) _m->count += scnprintf(_m->buf + _m->count, _m->size - _m->count, f); })
#define seq_puts(m, s) seq_printf(m, "%s", s)
#define seq_putc(m, c) seq_printf(m, "%c", c)
#define seq_write(m, data, n) (seq_printf(m, "%.*s", (int)(n), (const char *)(data)), 0)
#define seq_has_overflowed(m) ((m)->count == (m)->size)
#define seq_put_decimal_ull(m, before, n) seq_printf(m, "%s%llu", before, (unsigned long long)(n))
K_INLINE int single_open(struct file *file, int (*show)(struct seq_file *, void *), void *data)
{
	struct seq_file *m = kzalloc(sizeof *m, GFP_KERNEL);

	if (!m)
		return -ENOMEM;
	m->k_show = show;
	m->file = file;
	m->private = data;
	file->private_data = m;
	return 0;
}
K_INLINE int seq_open(struct file *file, const struct seq_operations *op)
{
	int ret = single_open(file, NULL, NULL);

	if (!ret)
		((struct seq_file *)file->private_data)->op = op;
	return ret;
}
__maybe_unused static int single_release(struct inode *inode, struct file *file) { (void)inode; kfree(file->private_data); return 0; }
__maybe_unused static int seq_release(struct inode *inode, struct file *file) { return single_release(inode, file); }
__maybe_unused static ssize_t seq_read(struct file *file, char *to, size_t n, loff_t *at) { (void)file; (void)to; (void)n; (void)at; return 0; }
__maybe_unused static loff_t seq_lseek(struct file *file, loff_t at, int whence) { (void)file; (void)whence; return at; }
__maybe_unused static ssize_t seq_read_iter(void *how, void *to) { (void)how; (void)to; return 0; }
#define DEFINE_SHOW_ATTRIBUTE(name) \
	static int name##_open(struct inode *inode, struct file *file) { return single_open(file, name##_show, inode->i_private); } \
	static const struct file_operations name##_fops __maybe_unused = { .owner = THIS_MODULE, .open = name##_open, .read = seq_read, .llseek = seq_lseek, .release = single_release }
#define DEFINE_SEQ_ATTRIBUTE(name) \
	static int name##_open(struct inode *inode, struct file *file) { return seq_open(file, &name##_sops); } \
	static const struct file_operations name##_fops __maybe_unused = { .owner = THIS_MODULE, .open = name##_open, .read = seq_read, .llseek = seq_lseek, .release = seq_release }
#define DEFINE_SIMPLE_ATTRIBUTE(name, get, set, format) \
	static int name##_open(struct inode *inode, struct file *file) { int (*_get)(void *, u64 *) = (get); int (*_set)(void *, u64) = (set); (void)_get; (void)_set; (void)inode; (void)file; return 0; } \
	static const struct file_operations name __maybe_unused = { .owner = THIS_MODULE, .open = name##_open }
#define DEFINE_DEBUGFS_ATTRIBUTE(name, get, set, format) DEFINE_SIMPLE_ATTRIBUTE(name, get, set, format)
struct proc_dir_entry { long dummy; };
struct proc_ops {
	int (*proc_open)(struct inode *, struct file *);
	ssize_t (*proc_read)(struct file *, char *, size_t, loff_t *);
	ssize_t (*proc_write)(struct file *, const char *, size_t, loff_t *);
	loff_t (*proc_lseek)(struct file *, loff_t, int);
	int (*proc_release)(struct inode *, struct file *);
};
#define K_PROC ((struct proc_dir_entry *)&k_no_file)
#define proc_mkdir(name, parent) ((void)(parent), K_PROC)		/* ignored: nobody opens the files */
#define proc_create(name, mode, parent, ops) ((void)(parent), (void)(ops), K_PROC)	/* ignored: nobody opens the files */
#define proc_create_data(name, mode, parent, ops, data) ((void)(parent), (void)(ops), K_PROC)	/* ignored: nobody opens the files */
#define proc_create_single(name, mode, parent, show) ((void)(parent), (void)(show), K_PROC)	/* ignored: nobody opens the files */
#define proc_create_single_data(name, mode, parent, show, data) ((void)(parent), (void)(show), K_PROC)	/* ignored: nobody opens the files */
#define proc_create_seq(name, mode, parent, ops) ((void)(parent), (void)(ops), K_PROC)	/* ignored: nobody opens the files */
#define proc_remove(entry) ((void)(entry))		/* ignored: nobody opens the files */
#define remove_proc_entry(name, parent) ((void)(parent))	/* ignored: nobody opens the files */
#define remove_proc_subtree(name, parent) ((void)(parent), 0)	/* ignored: nobody opens the files */
K_INLINE struct list_head *seq_list_start(struct list_head *head, loff_t at)
{
	struct list_head *node;

	list_for_each(node, head)
		if (at-- == 0)
			return node;
	return NULL;
}
K_INLINE struct list_head *seq_list_start_head(struct list_head *head, loff_t at) { return at ? seq_list_start(head, at - 1) : head; }
K_INLINE struct list_head *seq_list_next(void *node, struct list_head *head, loff_t *at)
{
	struct list_head *next = ((struct list_head *)node)->next;

	++*at;
	return next == head ? NULL : next;
}
#define seq_setwidth(m, n) ((void)(m))		/* ignored: nobody reads the files */
#define seq_pad(m, c) seq_putc(m, c)
#define seq_open_private(file, ops, n) seq_open(file, ops)
#define seq_release_private seq_release
#define single_open_size(file, show, data, n) single_open(file, show, data)
#define DEFINE_PROC_SHOW_ATTRIBUTE(name) \
	static int name##_open(struct inode *inode, struct file *file) { return single_open(file, name##_show, inode->i_private); } \
	static const struct proc_ops name##_proc_ops __maybe_unused = { .proc_open = name##_open, .proc_read = seq_read, .proc_lseek = seq_lseek, .proc_release = single_release }
#define pde_data(inode) ((inode)->i_private)
#define PDE_DATA(inode) pde_data(inode)
#define proc_set_size(entry, n) ((void)(entry))	/* ignored: nobody opens the files */
#endif
