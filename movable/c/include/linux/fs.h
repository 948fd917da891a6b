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
/* Without CONFIG_DEBUG_FS: nothing can be made, and nobody minds. */
#define debugfs_initialized() false		/* ignored: there are no pseudo files */
#define debugfs_create_dir(name, parent) ((struct dentry *)ERR_PTR(-ENODEV))	/* ignored: there are no pseudo files */
#define debugfs_create_file(name, mode, parent, data, ops) debugfs_create_dir(name, parent)	/* ignored: there are no pseudo files */
#define debugfs_create_u8(name, mode, parent, at) ((void)(at))	/* ignored: there are no pseudo files */
#define debugfs_create_u32(name, mode, parent, at) ((void)(at))	/* ignored: there are no pseudo files */
#define debugfs_create_u64(name, mode, parent, at) ((void)(at))	/* ignored: there are no pseudo files */
#define debugfs_create_ulong(name, mode, parent, at) ((void)(at))	/* ignored: there are no pseudo files */
#define debugfs_create_size_t(name, mode, parent, at) ((void)(at))	/* ignored: there are no pseudo files */
#define debugfs_create_bool(name, mode, parent, at) ((void)(at))	/* ignored: there are no pseudo files */
#define debugfs_create_atomic_t(name, mode, parent, at) ((void)(at))	/* ignored: there are no pseudo files */
#define debugfs_remove(dentry) ((void)(dentry))	/* ignored: there are no pseudo files */
#define debugfs_remove_recursive(dentry) ((void)(dentry))	/* ignored: there are no pseudo files */
#define inode_init_once(inode) do { (inode)->i_mapping = &(inode)->i_data; (inode)->i_data.host = (inode); } while (0)
K_INLINE void iput(struct inode *inode)
{
	if (!inode)
		return;
	k_call(K_FREE_SPACE, (long)inode->i_mapping, 0, 0, 0);
	kfree(inode);
}
#endif
