/* Devices of the kind misc: they are there, and nobody opens them; operations of the workload stand for what users do. */
#ifndef _LINUX_MISCDEVICE_H
#define _LINUX_MISCDEVICE_H
#include <linux/fs.h>
#include <linux/kobject.h>
#define MISC_DYNAMIC_MINOR 255
struct miscdevice {
	int minor;
	const char *name;
	const struct file_operations *fops;
	struct list_head list;
	struct device *parent, *this_device;
	const struct attribute_group **groups;
	const char *nodename;
	umode_t mode;
};
extern struct device k_misc_device;
__weak struct device k_misc_device;
#define misc_register(misc) ((misc)->this_device = &k_misc_device, 0)	/* ignored: nobody opens the device */
#define misc_deregister(misc) ((void)((misc)->this_device = NULL))	/* ignored: nobody opens the device */
#define MODULE_ALIAS_MISCDEV(minor)		/* ignored: for the module loader */
#endif
