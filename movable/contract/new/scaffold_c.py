"""What the driver of ``movable new --c`` looks like in another kernel than 6.1."""

from __future__ import annotations

import re

from movable.contract.new.scaffold_era import Edits, edited
from movable.eras import Era

C_DEFAULT = "6.1"
"""The kernel of the template."""

BEFORE_6_0: Edits = (
    ("#include <linux/highmem.h>\n", "#include <linux/fs.h>\n#include <linux/highmem.h>\n"),
    ("#include <linux/module.h>\n", "#include <linux/module.h>\n#include <linux/mount.h>\n"),
    ("static const struct movable_operations NAME_ops;\n", "static struct vfsmount *mount;\nstatic struct inode *inode;\n"),
    ("_migrate(struct page *newpage, struct page *page, enum migrate_mode mode)\n",
     "_migratepage(struct address_space *mapping, struct page *newpage, struct page *page,\n\t\t\t    enum migrate_mode mode)\n"),
    ("__SetPageMovable(newpage, &NAME_ops);\n", "__SetPageMovable(newpage, mapping);\n"),
    ("static const struct movable_operations NAME_ops = {\n", "static const struct address_space_operations NAME_ops = {\n"),
    ("\t.migrate_page = NAME_migrate,\n", "\t.migratepage = NAME_migratepage,\n"),
    ("__SetPageMovable(page, &NAME_ops);\n", "__SetPageMovable(page, inode->i_mapping);\n"),
    ("static int __init NAME_init(void)\n{\n",
     """/* Pages are marked with the mapping of an inode, which comes from a file system that nobody sees. */
static struct dentry *NAME_mount(struct file_system_type *type, int flags, const char *device, void *data)
{
	return mount_pseudo(type, "NAME:", NULL, NULL, 0x6d6f7661);
}

static struct file_system_type NAME_fs = {
	.name = "NAME",
	.mount = NAME_mount,
	.kill_sb = kill_anon_super,
};

static int __init NAME_init(void)
{
	mount = kern_mount(&NAME_fs);
	if (IS_ERR(mount))
		return PTR_ERR(mount);
	inode = alloc_anon_inode(mount->mnt_sb);
	if (IS_ERR(inode)) {
		kern_unmount(mount);
		return PTR_ERR(inode);
	}
	inode->i_mapping->a_ops = &NAME_ops;
"""),
    ("node)->id);\n}\n", "node)->id);\n\tiput(inode);\n\tkern_unmount(mount);\n}\n"),
)  # fmt: skip

STICKY: Edits = (
    ("#include <linux/spinlock.h>\n",
     "#include <linux/spinlock.h>\n#include <linux/wait.h>\n"),
    ("static int count;\n",
     "static int count;\nstatic atomic_t isolated;\t\t/* pages that the core has, whether we still want them or not */\n"
     "static DECLARE_WAIT_QUEUE_HEAD(came_back);\n"),
    ("static const struct movable_operations NAME_ops;\n", """
/* The type and the mark stay as long as the page lives. */
static void mark(struct page *page)
{
	__SetPageZsmalloc(page);
	SetPageMovableOps(page);
}

/* The core is done with a page. */
static void came(void)
{
	if (atomic_dec_and_test(&isolated))
		wake_up(&came_back);
}
"""),
    ("/* The core holds the page lock. The page stays in our table: only its content will move. */\n",
     "/* The core holds the page lock. A page without an item was erased. */\n"),
    ("{\n\treturn true;\n}\n", "{\n\tif (!page_private(page))\n\t\treturn false;\n\tatomic_inc(&isolated);\n\treturn true;\n}\n"),
    ("/* Both page locks are held, and nobody else can reach the old page's number: readers take the lock. */\n",
     "/* Both page locks are held. What was erased while it was isolated has nothing to move. */\n"),
    ("\tspin_lock(&lock);\n\tcopy_highpage(newpage, page);\n",
     "\tif (!item)\n\t\tgoto done;\n\tspin_lock(&lock);\n\tcopy_highpage(newpage, page);\n"),
    ("\t__SetPageMovable(newpage, &NAME_ops);\n\t__ClearPageMovable(page);\n\tput_page(page);\n\treturn MIGRATEPAGE_SUCCESS;\n",
     "\tmark(newpage);\n\tput_page(page);\ndone:\n\tcame();\n\treturn 0;\n"),
    ("_putback(struct page *page)\n{\n}\n", "_putback(struct page *page)\n{\n\tcame();\n}\n"),
    ("\t__SetPageMovable(page, &NAME_ops);\n", "\tmark(page);\n"),
    ("\t__ClearPageMovable(page);\n\tset_page_private(page, 0);\n",
     "\tset_page_private(page, 0);\t/* gives the page up: the mark stays */\n"),
    ('\tpr_info("NAME: ready\\n");\n\treturn 0;\n', "\treturn set_movable_ops(&NAME_ops, PGTY_zsmalloc);\n"),
    ("node)->id);\n}\n",
     "node)->id);\n\twait_event(came_back, !atomic_read(&isolated));\n\tset_movable_ops(NULL, PGTY_zsmalloc);\n}\n"),
)  # fmt: skip
NO_MODE: Edits = (("\tif (mode == MIGRATE_SYNC_NO_COPY)\n\t\treturn -EINVAL;\n", ""),)


def for_era(text: str, package: str, era: Era) -> str:
    """The text of a template as kernels of ``era`` want it; a text that is no driver, or is for 6.1, is returned as it is."""
    if f"\n[{package}]\n" in text and era.name != C_DEFAULT:
        return text.replace(f"[{package}]\n", f'[{package}]\nera = "{era.name}"\n')
    if "#include <linux/migrate.h>" not in text:
        return text
    edits: Edits = BEFORE_6_0 if era.mapping_argument else ()
    if not era.no_copy_mode:
        edits += NO_MODE
    if era.sticky_mark:
        edits += STICKY
    text = edited(text, tuple((old.replace("NAME", package), new.replace("NAME", package)) for old, new in edits))
    return re.sub(r"\n{3,}", "\n\n", text)
