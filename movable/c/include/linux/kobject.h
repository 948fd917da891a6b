/* Objects with a count and a name, and what hangs on them: attributes and devices. Nobody reads or writes the files. */
#ifndef _LINUX_KOBJECT_H
#define _LINUX_KOBJECT_H
#include <linux/refcount.h>
#include <linux/slab.h>
struct kobject;
struct attribute { const char *name; umode_t mode; };
struct bin_attribute { struct attribute attr; size_t size; void *private; };
struct attribute_group {
	const char *name;
	umode_t (*is_visible)(struct kobject *, struct attribute *, int);
	struct attribute **attrs;
	struct bin_attribute **bin_attrs;
};
struct sysfs_ops {
	ssize_t (*show)(struct kobject *, struct attribute *, char *);
	ssize_t (*store)(struct kobject *, struct attribute *, const char *, size_t);
};
struct kobj_type {
	void (*release)(struct kobject *);
	const struct sysfs_ops *sysfs_ops;
	struct attribute **default_attrs;
	const struct attribute_group **default_groups;
};
struct kobject { const char *name; struct list_head entry; struct kobject *parent; struct kset *kset; const struct kobj_type *ktype; struct kref kref; };
struct kobj_attribute {
	struct attribute attr;
	ssize_t (*show)(struct kobject *, struct kobj_attribute *, char *);
	ssize_t (*store)(struct kobject *, struct kobj_attribute *, const char *, size_t);
};
extern struct kobject k_kobjects[4];
__weak struct kobject k_kobjects[4];
#define kernel_kobj (&k_kobjects[0])
#define mm_kobj (&k_kobjects[1])
#define fs_kobj (&k_kobjects[2])
__maybe_unused static const struct sysfs_ops kobj_sysfs_ops;
#define kobject_name(kobj) ((kobj)->name)
#define kobject_set_name(kobj, f...) ((kobj)->name = K_FIRST(f, ), 0)
#define kobject_uevent(kobj, action) ((void)(kobj), 0)	/* ignored: nobody is told */
#define KOBJ_ADD 0
#define KOBJ_REMOVE 1
#define KOBJ_CHANGE 2
K_INLINE void kobject_init(struct kobject *kobj, const struct kobj_type *type) { kref_init(&kobj->kref); INIT_LIST_HEAD(&kobj->entry); kobj->ktype = type; }
K_INLINE struct kobject *kobject_get(struct kobject *kobj) { if (kobj) kref_get(&kobj->kref); return kobj; }
K_INLINE void kobject_put(struct kobject *kobj) { if (kobj && refcount_dec_and_test(&kobj->kref.refcount) && kobj->ktype && kobj->ktype->release) kobj->ktype->release(kobj); }
#define kobject_get_unless_zero(kobj) (kref_get_unless_zero(&(kobj)->kref) ? (kobj) : NULL)
K_INLINE int k_kobject_add(struct kobject *kobj, struct kobject *parent, const char *name) { kobj->parent = parent; kobj->name = name; return 0; }
#define kobject_add(kobj, up, name...) k_kobject_add(kobj, up, K_FIRST(name, ))
#define kobject_init_and_add(kobj, type, up, name...) ({ struct kobject *_k = (kobj); kobject_init(_k, type); kobject_add(_k, up, name); })
#define kobject_del(kobj) ((void)(kobj))
__maybe_unused static void k_kobject_release(struct kobject *kobj) { kfree(kobj); }
__maybe_unused static const struct kobj_type k_kobject_type = { .release = k_kobject_release };
K_INLINE struct kobject *kobject_create_and_add(const char *name, struct kobject *parent)
{
	struct kobject *kobj = kzalloc(sizeof *kobj, GFP_KERNEL);

	if (kobj) {
		kobject_init(kobj, &k_kobject_type);
		k_kobject_add(kobj, parent, name);
	}
	return kobj;
}
#define S_IRUGO 0444
#define S_IWUGO 0222
#define S_IRUSR 0400
#define S_IWUSR 0200
#define S_IRWXU 0700
#define S_IFREG 0100000
#define VERIFY_OCTAL_PERMISSIONS(mode) (mode)
#define __ATTR(n, how, get, put) { .attr = { .name = __stringify(n), .mode = (how) }, .show = (get), .store = (put) }
#define __ATTR_RO(n) __ATTR(n, 0444, n##_show, NULL)
#define __ATTR_WO(n) __ATTR(n, 0200, NULL, n##_store)
#define __ATTR_RW(n) __ATTR(n, 0644, n##_show, n##_store)
#define __ATTR_RO_MODE(n, how) __ATTR(n, how, n##_show, NULL)
#define __ATTR_NULL { .attr = { .name = NULL } }
#define ATTRIBUTE_GROUPS(n) \
	static const struct attribute_group n##_group = { .attrs = n##_attrs }; \
	static const struct attribute_group *n##_groups[] __maybe_unused = { &n##_group, NULL }
#define sysfs_create_file(kobj, attr) ((void)(kobj), (void)(attr), 0)		/* ignored: nobody reads or writes the files */
#define sysfs_create_files(kobj, attrs) ((void)(kobj), (void)(attrs), 0)	/* ignored: nobody reads or writes the files */
#define sysfs_create_group(kobj, group) ((void)(kobj), (void)(group), 0)	/* ignored: nobody reads or writes the files */
#define sysfs_create_groups(kobj, groups) ((void)(kobj), (void)(groups), 0)	/* ignored: nobody reads or writes the files */
#define sysfs_create_link(kobj, to, name) ((void)(kobj), (void)(to), 0)		/* ignored: nobody reads or writes the files */
#define sysfs_remove_file(kobj, attr) ((void)(kobj))	/* ignored: nobody reads or writes the files */
#define sysfs_remove_files(kobj, attrs) ((void)(kobj))	/* ignored: nobody reads or writes the files */
#define sysfs_remove_group(kobj, group) ((void)(kobj))	/* ignored: nobody reads or writes the files */
#define sysfs_remove_groups(kobj, groups) ((void)(kobj))	/* ignored: nobody reads or writes the files */
#define sysfs_remove_link(kobj, name) ((void)(kobj))	/* ignored: nobody reads or writes the files */
#define sysfs_notify(kobj, folder, name) ((void)(kobj))	/* ignored: nobody is told */
#define sysfs_attr_init(attr) ((void)(attr))		/* ignored: lock dependency checks are the kit's */
#define sysfs_emit(to, f...) scnprintf(to, PAGE_SIZE, f)
#define sysfs_emit_at(to, at, f...) scnprintf((to) + (at), PAGE_SIZE - (at), f)
/* Devices: a place for a driver's data. */
struct bus_type { const char *name, *dev_name; const struct attribute_group **bus_groups, **dev_groups; };
struct device { struct kobject kobj; struct device *parent; const struct bus_type *bus; u32 id; const struct attribute_group **groups; const char *init_name; void *platform_data, *driver_data; void (*release)(struct device *); dev_t devt; };
struct device_attribute {
	struct attribute attr;
	ssize_t (*show)(struct device *, struct device_attribute *, char *);
	ssize_t (*store)(struct device *, struct device_attribute *, const char *, size_t);
};
#define DEVICE_ATTR(n, how, get, put) struct device_attribute dev_attr_##n = __ATTR(n, how, get, put)
#define DEVICE_ATTR_RO(n) struct device_attribute dev_attr_##n = __ATTR_RO(n)
#define DEVICE_ATTR_WO(n) struct device_attribute dev_attr_##n = __ATTR_WO(n)
#define DEVICE_ATTR_RW(n) struct device_attribute dev_attr_##n = __ATTR_RW(n)
struct dev_ext_attribute { struct device_attribute attr; void *var; };
#define DEVICE_ULONG_ATTR(n, how, at) struct dev_ext_attribute dev_attr_##n = { __ATTR(n, how, NULL, NULL), &(at) }
#define DEVICE_INT_ATTR(n, how, at) struct dev_ext_attribute dev_attr_##n = { __ATTR(n, how, NULL, NULL), &(at) }
#define DEVICE_BOOL_ATTR(n, how, at) struct dev_ext_attribute dev_attr_##n = { __ATTR(n, how, NULL, NULL), &(at) }
#define dev_name(dev) ((dev)->init_name ?: (dev)->kobj.name ?: "device")
#define dev_set_name(dev, f...) kobject_set_name(&(dev)->kobj, f)
#define dev_get_drvdata(dev) ((dev)->driver_data)
#define dev_set_drvdata(dev, data) ((void)((dev)->driver_data = (data)))
#define kobj_to_dev(k) container_of(k, struct device, kobj)
__maybe_unused static void k_device_release(struct kobject *kobj) { struct device *dev = kobj_to_dev(kobj); if (dev->release) dev->release(dev); }
__maybe_unused static const struct kobj_type k_device_type = { .release = k_device_release };
#define device_initialize(dev) kobject_init(&(dev)->kobj, &k_device_type)
#define device_add(dev) ((void)(dev), 0)		/* ignored: nobody looks for the device */
#define device_del(dev) ((void)(dev))			/* ignored: nobody looks for the device */
#define get_device(dev) ({ struct device *_d = (dev); if (_d) kobject_get(&_d->kobj); _d; })
#define put_device(dev) do { struct device *_d = (dev); if (_d) kobject_put(&_d->kobj); } while (0)
#define device_register(dev) (device_initialize(dev), device_add(dev))
#define device_unregister(dev) put_device(dev)
#define bus_register(bus) ((void)(bus), 0)		/* ignored: nobody looks for the bus */
#define bus_unregister(bus) ((void)(bus))		/* ignored: nobody looks for the bus */
#define subsys_system_register(bus, groups) ((void)(bus), (void)(groups), 0)	/* ignored: nobody looks for the bus */
#define subsys_virtual_register(bus, groups) ((void)(bus), (void)(groups), 0)	/* ignored: nobody looks for the bus */
#define device_create_file(dev, attr) sysfs_create_file(&(dev)->kobj, attr)	/* ignored: nobody reads or writes the files */
#define device_remove_file(dev, attr) sysfs_remove_file(&(dev)->kobj, attr)	/* ignored: nobody reads or writes the files */
#endif
