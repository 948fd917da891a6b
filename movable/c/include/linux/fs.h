/* Inodes, as far as drivers before 6.0 need one for their mapping, and the pseudo file system that it came from. */
#ifndef _LINUX_FS_H
#define _LINUX_FS_H
#include <linux/migrate.h>
#include <linux/slab.h>
struct super_block { long dummy; };
struct vfsmount { struct super_block *mnt_sb; struct super_block k_sb; };
struct inode { struct address_space *i_mapping; struct address_space i_data; void *i_private; struct super_block *i_sb; };
struct dentry { long dummy; };
struct fs_context { long dummy; };
struct dentry_operations { char *(*d_dname)(struct dentry *, char *, int); };
struct file_system_type {
	const char *name;
	struct dentry *(*mount)(struct file_system_type *, int, const char *, void *);
	int (*init_fs_context)(struct fs_context *);
	void (*kill_sb)(struct super_block *);
	void *owner;
};
K_INLINE char *simple_dname(struct dentry *dentry, char *buffer, int length) { (void)dentry; (void)length; return buffer; }
K_INLINE void kill_anon_super(struct super_block *sb) { (void)sb; }
#define mount_pseudo(type, name, ops, dops, magic) NULL
#define init_pseudo(context, magic) ((void *)1)
K_INLINE struct vfsmount *kern_mount(struct file_system_type *type) { struct vfsmount *mount = kzalloc(sizeof *mount, GFP_KERNEL); (void)type; if (!mount) return ERR_PTR(-ENOMEM); mount->mnt_sb = &mount->k_sb; return mount; }
#define kern_unmount(mount) kfree(mount)
K_INLINE struct inode *alloc_anon_inode(struct super_block *sb)
{
	struct inode *inode = k_alloc(sizeof *inode, GFP_KERNEL, 1, 64);

	if (!inode)
		return ERR_PTR(-ENOMEM);
	inode->i_sb = sb;
	inode->i_mapping = &inode->i_data;
	inode->i_data.host = inode;
	return inode;
}
struct file { struct inode *f_inode; void *private_data; unsigned int f_flags, f_mode; loff_t f_pos; };
struct kiocb;
struct iov_iter;
struct vm_area_struct;
struct poll_table_struct;
struct seq_file;
struct file_operations {
	void *owner;
	loff_t (*llseek)(struct file *, loff_t, int);
	ssize_t (*read)(struct file *, char *, size_t, loff_t *);
	ssize_t (*write)(struct file *, const char *, size_t, loff_t *);
	long (*unlocked_ioctl)(struct file *, unsigned int, unsigned long);
	int (*open)(struct inode *, struct file *);
	int (*release)(struct inode *, struct file *);
	long (*compat_ioctl)(struct file *, unsigned int, unsigned long);
	ssize_t (*read_iter)(struct kiocb *, struct iov_iter *);
	ssize_t (*write_iter)(struct kiocb *, struct iov_iter *);
	unsigned int (*poll)(struct file *, struct poll_table_struct *);
	int (*mmap)(struct file *, struct vm_area_struct *);
	int (*flush)(struct file *, void *);
	int (*fsync)(struct file *, loff_t, loff_t, int);
	int (*fasync)(int, struct file *, int);
	void (*show_fdinfo)(struct seq_file *, struct file *);
};
#define _IOC(how, type, nr, size) (((how) << 30) | ((size) << 16) | ((type) << 8) | (nr))
#define _IO(type, nr) _IOC(0u, type, nr, 0u)
#define _IOW(type, nr, kind) _IOC(1u, type, nr, (unsigned int)sizeof(kind))
#define _IOR(type, nr, kind) _IOC(2u, type, nr, (unsigned int)sizeof(kind))
#define _IOWR(type, nr, kind) _IOC(3u, type, nr, (unsigned int)sizeof(kind))
#define _IOC_NR(cmd) ((cmd) & 0xff)
#define _IOC_TYPE(cmd) (((cmd) >> 8) & 0xff)
#define _IOC_SIZE(cmd) (((cmd) >> 16) & 0x3fff)
#define _IOC_DIR(cmd) ((cmd) >> 30)
__maybe_unused static long compat_ptr_ioctl(struct file *file, unsigned int cmd, unsigned long arg) { (void)file; (void)cmd; (void)arg; return 0; }	/* ignored: nobody opens the files */
#define file_inode(file) ((file)->f_inode)
__maybe_unused static int simple_open(struct inode *inode, struct file *file) { file->private_data = inode->i_private; return 0; }
__maybe_unused static int nonseekable_open(struct inode *inode, struct file *file) { (void)inode; (void)file; return 0; }
__maybe_unused static loff_t default_llseek(struct file *file, loff_t at, int whence) { (void)file; (void)whence; return at; }
__maybe_unused static loff_t noop_llseek(struct file *file, loff_t at, int whence) { (void)at; (void)whence; return file->f_pos; }
__maybe_unused static int stream_open(struct inode *inode, struct file *file) { (void)inode; (void)file; return 0; }
__maybe_unused static loff_t no_llseek(struct file *file, loff_t at, int whence) { (void)file; (void)at; (void)whence; return -ESPIPE; }
/* The debugging file system: everything can be made, and nobody opens it. */
extern struct dentry k_no_file;
__weak struct dentry k_no_file;
#define debugfs_initialized() true
#define debugfs_create_dir(name, parent) ((void)(parent), &k_no_file)	/* ignored: nobody opens the files */
#define debugfs_create_file(name, mode, parent, data, ops) ((void)(parent), (void)(data), (void)(ops), &k_no_file)	/* ignored: nobody opens the files */
#define debugfs_create_file_unsafe(name, mode, parent, data, ops) debugfs_create_file(name, mode, parent, data, ops)	/* ignored: nobody opens the files */
#define debugfs_create_symlink(name, parent, to) ((void)(parent), &k_no_file)	/* ignored: nobody opens the files */
#define debugfs_lookup(name, parent) ((void)(parent), &k_no_file)	/* ignored: nobody opens the files */
#define debugfs_lookup_and_remove(name, parent) ((void)(parent))	/* ignored: nobody opens the files */
#define debugfs_create_devm_seqfile(dev, name, parent, show) ((void)(show))	/* ignored: nobody opens the files */
#define debugfs_create_u8(name, mode, parent, at) ((void)(parent), (void)(at), &k_no_file)	/* ignored: nobody opens the files */
#define debugfs_create_u16(name, mode, parent, at) ((void)(parent), (void)(at), &k_no_file)	/* ignored: nobody opens the files */
#define debugfs_create_u32(name, mode, parent, at) ((void)(parent), (void)(at), &k_no_file)	/* ignored: nobody opens the files */
#define debugfs_create_u64(name, mode, parent, at) ((void)(parent), (void)(at), &k_no_file)	/* ignored: nobody opens the files */
#define debugfs_create_x8(name, mode, parent, at) ((void)(parent), (void)(at), &k_no_file)	/* ignored: nobody opens the files */
#define debugfs_create_x16(name, mode, parent, at) ((void)(parent), (void)(at), &k_no_file)	/* ignored: nobody opens the files */
#define debugfs_create_x32(name, mode, parent, at) ((void)(parent), (void)(at), &k_no_file)	/* ignored: nobody opens the files */
#define debugfs_create_x64(name, mode, parent, at) ((void)(parent), (void)(at), &k_no_file)	/* ignored: nobody opens the files */
#define debugfs_create_ulong(name, mode, parent, at) ((void)(parent), (void)(at), &k_no_file)	/* ignored: nobody opens the files */
#define debugfs_create_size_t(name, mode, parent, at) ((void)(parent), (void)(at), &k_no_file)	/* ignored: nobody opens the files */
#define debugfs_create_bool(name, mode, parent, at) ((void)(parent), (void)(at), &k_no_file)	/* ignored: nobody opens the files */
#define debugfs_create_atomic_t(name, mode, parent, at) ((void)(parent), (void)(at), &k_no_file)	/* ignored: nobody opens the files */
#define debugfs_create_blob(name, mode, parent, at) ((void)(parent), (void)(at), &k_no_file)	/* ignored: nobody opens the files */
#define debugfs_create_str(name, mode, parent, at) ((void)(parent), (void)(at), &k_no_file)	/* ignored: nobody opens the files */
#define debugfs_remove(dentry) ((void)(dentry))	/* ignored: nobody opens the files */
#define debugfs_remove_recursive(dentry) ((void)(dentry))	/* ignored: nobody opens the files */
#define inode_init_once(inode) do { (inode)->i_mapping = &(inode)->i_data; (inode)->i_data.host = (inode); } while (0)
K_INLINE void iput(struct inode *inode)
{
	if (!inode)
		return;
	k_call(K_FREE_SPACE, (long)inode->i_mapping, 0, 0, 0);
	kfree(inode);
}
#endif
