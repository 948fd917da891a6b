/* Calls names of the headers that hold small helpers, and looks at what they answer: the init function fails at a line. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/module.h>
#include <linux/kfifo.h>
#include <linux/sort.h>
#include <linux/list_sort.h>
#include <linux/jhash.h>
#include <linux/crc32.h>
#include <linux/list_lru.h>
#include <linux/list_bl.h>
#include <linux/debugfs.h>
#include <linux/sysfs.h>
#include <linux/notifier.h>
#include <linux/kthread.h>
#include <linux/miscdevice.h>
#include <linux/sysctl.h>
#include <linux/pagevec.h>
#include <linux/reboot.h>
#define CHECK(x) do { if (!(x)) { pr_err("line %d\n", __LINE__); return -EINVAL; } } while (0)
#include <linux/cleanup.h>
#include <linux/circ_buf.h>
#include <linux/tracepoint.h>
static DEFINE_KFIFO(fifo, u32, 4);
static int calls;
TRACE_EVENT(help, TP_PROTO(struct page *page, int n), TP_ARGS(page, n), TP_STRUCT__entry(__field(int, n)), TP_fast_assign(__entry->n = n;), TP_printk("%d", __entry->n));
struct held { struct mutex lock; spinlock_t spin; struct rw_semaphore sem; int refs; };
static struct held held;
DEFINE_CLASS(held_ref, struct held *, if (_T) _T->refs--, ({ h->refs++; h; }), struct held *h)
DEFINE_LOCK_GUARD_1(held_lock, struct held, mutex_lock(&_T->lock->lock), mutex_unlock(&_T->lock->lock), int extra)
DEFINE_GUARD(held, struct held *, mutex_lock(&_T->lock), mutex_unlock(&_T->lock))
static int tried(void) { scoped_cond_guard(mutex_try, return -EBUSY, &held.lock) return 0; return 1; }
static int cleaned(void)
{
	int n = 0;
	scoped_guard(spinlock_irqsave, &held.spin) { n++; if (n) break; n = 9; }
	CHECK(n == 1 && !spin_is_locked(&held.spin));
	scoped_guard(held, &held) CHECK(mutex_is_locked(&held.lock) && tried() == -EBUSY);
	scoped_guard(mutex_try, &held.lock) { n++; scoped_guard(mutex_try, &held.lock) n = 9; }
	CHECK(n == 2 && !mutex_is_locked(&held.lock) && !tried());
	{ CLASS(held_ref, r)(&held); guard(rwsem_read)(&r->sem); guard(held_lock)(r); guard(preempt)(); CHECK(r->refs == 1 && rwsem_is_locked(&held.sem)); }
	{ ACQUIRE(mutex_intr, one)(&held.lock); CHECK(!ACQUIRE_ERR(mutex_intr, &one) && mutex_is_locked(&held.lock)); }
	CHECK(!held.refs && !mutex_is_locked(&held.lock) && !rwsem_is_locked(&held.sem));
	trace_help(NULL, n); CHECK(!trace_help_enabled() && CIRC_CNT(1, 6, 8) == 3 && CIRC_SPACE(1, 6, 8) == 4 && cpu_to_be32(1) == 1 << 24);
	return 0;
}
static int text(void)
{
	char buf[32], *p = buf, *q; int n; unsigned long ul; u8 small; bool on;
	CHECK(snprintf(buf, sizeof(buf), "%s=%d", "a", 42) == 4 && !strcmp(buf, "a=42"));
	CHECK(scnprintf(buf, 3, "abcdef") == 2 && strlen(buf) == 2 && scnprintf(NULL, 0, "abc") == 0 && snprintf(NULL, 0, "abc") == 3);
	CHECK(!kstrtoint("-17\n", 10, &n) && n == -17 && kstrtoint("12x", 10, &n) == -EINVAL && kstrtoint("99999999999", 0, &n) == -ERANGE);
	CHECK(!kstrtoul("0x1f", 0, &ul) && ul == 31 && !kstrtoul("017", 0, &ul) && ul == 15 && kstrtoul("-1", 0, &ul) == -EINVAL && kstrtoul("", 0, &ul) == -EINVAL);
	CHECK(!kstrtou8("255", 10, &small) && small == 255 && kstrtou8("256", 10, &small) == -ERANGE);
	CHECK(!kstrtobool("yes", &on) && on && !kstrtobool("0", &on) && !on && kstrtobool("q", &on) == -EINVAL && kstrtobool(NULL, &on) == -EINVAL);
	CHECK(simple_strtoul("12k", &q, 10) == 12 && *q == 'k' && memparse("2K", &q) == 2048 && !*q);
	CHECK(strscpy(buf, "one,two", sizeof(buf)) == 7 && strscpy(buf, "overlong", 4) == -E2BIG && !strcmp(buf, "ove"));
	strcpy(buf, "one,two"); CHECK(!strcmp(strsep(&p, ","), "one") && !strcmp(p, "two"));
	strcpy(buf, "  trim \n"); CHECK(!strcmp(strim(buf), "trim"));
	CHECK(strchr("abcb", 'b')[1] == 'c' && !strrchr("abcb", 'b')[1] && !strchr("a", 'x') && !strcmp(strstr("find me", "me"), "me") && !strstr("a", "b"));
	CHECK(strnlen("abc", 2) == 2 && !strncasecmp("ABx", "aby", 2) && sysfs_streq("on\n", "on") && !sysfs_streq("on", "off") && strcspn("ab,c", ",") == 2);
	CHECK(sscanf("7 8", "%d %lu", &n, &ul) == 2 && n == 7 && ul == 8);
	p = kasprintf(GFP_KERNEL, "%s-%d", "x", ++calls); CHECK(p && !strcmp(p, "x-1") && calls == 1); kfree(p);
	p = kstrndup("abcdef", 3, GFP_KERNEL); CHECK(p && !strcmp(p, "abc")); kfree(p);
	return 0;
}
static int bits(void)
{
	DECLARE_BITMAP(a, 130); DECLARE_BITMAP(b, 130); unsigned int bit, n = 0; u64 wide; u8 narrow;
	bitmap_zero(a, 130); bitmap_zero(b, 130); set_bit(3, a); set_bit(64, a); set_bit(129, a); __set_bit(64, b);
	CHECK(find_first_bit(a, 130) == 3 && find_next_bit(a, 130, 4) == 64 && find_next_bit(a, 130, 65) == 129 && find_next_bit(a, 129, 65) == 129);
	CHECK(find_first_zero_bit(a, 130) == 0 && find_next_zero_bit(a, 130, 64) == 65 && find_last_bit(a, 130) == 129 && bitmap_weight(a, 130) == 3 && bitmap_weight(a, 129) == 2);
	for_each_set_bit(bit, a, 130) n += bit;
	CHECK(n == 196 && bitmap_intersects(a, b, 130) && bitmap_subset(b, a, 130) && !bitmap_equal(a, b, 130));
	CHECK(bitmap_and(b, a, b, 130) && bitmap_weight(b, 130) == 1 && bitmap_andnot(a, a, b, 130) && !test_bit(64, a));
	CHECK(bitmap_find_next_zero_area(a, 130, 0, 10, 0) == 4 && bitmap_find_free_region(a, 130, 2) == 4 && test_bit(7, a));
	bitmap_fill(a, 130); CHECK(bitmap_full(a, 130) && find_first_zero_bit(a, 130) == 130 && rol32(1, 31) == 1u << 31 && hweight16(0xff) == 8);
	CHECK(!check_shl_overflow(1, 40, &wide) && wide == 1ULL << 40 && check_shl_overflow(1, 8, &narrow) && check_shl_overflow(-1, 0, &wide));
	CHECK(!check_shl_overflow(3, 6, &narrow) && narrow == 192 && check_shl_overflow(256, 0, &narrow) && check_shl_overflow(1ULL, 64, &wide));
	return 0;
}
static int by_number(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
struct node { struct list_head list; struct hlist_bl_node bl; int key; };
static int by_key(void *data, const struct list_head *a, const struct list_head *b) { return list_entry(a, struct node, list)->key - list_entry(b, struct node, list)->key; }
static enum lru_status drop(struct list_head *item, struct list_lru_one *one,
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
	spinlock_t *lock,
#endif
	void *arg) { list_lru_isolate(one, item); (*(int *)arg)++; return LRU_REMOVED; }
static int lists(void)
{
	int numbers[] = { 5, 1, 4, 1, 3 }, key = 4, count = 0; struct node nodes[4], *p, *n; LIST_HEAD(head); LIST_HEAD(rest); u32 v; struct list_lru lru; struct hlist_bl_head bl; struct hlist_bl_node *at;
	sort(numbers, 5, sizeof(int), by_number, NULL);
	CHECK(numbers[0] == 1 && numbers[2] == 3 && numbers[4] == 5 && *(int *)bsearch(&key, numbers, 5, sizeof(int), by_number) == 4);
	INIT_HLIST_BL_HEAD(&bl);
	for (int i = 0; i < 4; i++) { nodes[i].key = 9 - i; list_add_tail(&nodes[i].list, &head); hlist_bl_lock(&bl); hlist_bl_add_head(&nodes[i].bl, &bl); hlist_bl_unlock(&bl); }
	list_sort(NULL, &head, by_key); CHECK(list_first_entry(&head, struct node, list)->key == 6 && list_last_entry(&head, struct node, list)->key == 9);
	list_cut_before(&rest, &head, nodes[1].list.next == &head ? &head : &nodes[1].list); CHECK(list_count_nodes(&rest) == 2 && list_count_nodes(&head) == 2);
	hlist_bl_lock(&bl); hlist_bl_del_init(&nodes[2].bl); hlist_bl_for_each_entry(p, at, &bl, bl) count += p->key; hlist_bl_unlock(&bl); CHECK(count == 23);
	CHECK(!list_lru_init(&lru)); list_for_each_entry_safe(p, n, &head, list) { list_del_init(&p->list); list_lru_add_obj(&lru, &p->list); }
	count = 0; CHECK(list_lru_count(&lru) == 2 && list_lru_walk(&lru, drop, &count, 10) == 2 && count == 2 && !list_lru_count(&lru)); list_lru_destroy(&lru);
	for (v = 1; v < 6; v++) CHECK(kfifo_put(&fifo, v) == (v < 5));
	CHECK(kfifo_is_full(&fifo) && kfifo_get(&fifo, &v) && v == 1 && kfifo_len(&fifo) == 3 && kfifo_peek(&fifo, &v) && v == 2 && kfifo_avail(&fifo) == 1);
	CHECK(kfifo_out(&fifo, numbers, 5) == 3 && numbers[2] == 4 && kfifo_is_empty(&fifo));
	CHECK(jhash("ab", 2, 0) == jhash("ab", 2, 0) && jhash("ab", 2, 0) != jhash("ba", 2, 0) && ~crc32(~0, "123456789", 9) == 0xCBF43926);
	return 0;
}
static int told; static int hear(struct notifier_block *block, unsigned long event, void *data) { told = told * 10 + block->priority; return event == 7 ? NOTIFY_STOP : NOTIFY_OK; }
static BLOCKING_NOTIFIER_HEAD(chain); static ATOMIC_NOTIFIER_HEAD(quick);
static ssize_t size_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf) { return sysfs_emit(buf, "%d\n", told); }
static struct kobj_attribute size_attr = __ATTR_RO(size);
static struct attribute *my_attrs[] = { &size_attr.attr, NULL }; ATTRIBUTE_GROUPS(my);
static int stats_show(struct seq_file *m, void *v) { seq_printf(m, "%d\n", told); seq_puts(m, "end\n"); return 0; } DEFINE_SHOW_ATTRIBUTE(stats);
static DECLARE_RWSEM(sem); static DEFINE_SPINLOCK(spin); static DEFINE_STATIC_KEY_FALSE(key); static struct ratelimit_state rs; static DECLARE_WAIT_QUEUE_HEAD(wq); static int ready;
static int gone; static int leave(unsigned int cpu) { gone++; return 0; }
static int ends(void *x) { if (x) kthread_complete_and_exit(NULL, 7); return 1; }
static int waits(void *x) { DECLARE_WAITQUEUE(wait, current); add_wait_queue(&wq, &wait); for (;;) { set_current_state(TASK_INTERRUPTIBLE); if (READ_ONCE(ready)) break; schedule(); } __set_current_state(TASK_RUNNING); remove_wait_queue(&wq, &wait); while (!kthread_should_stop()) msleep(1); return 5; }
static int rest(void)
{
	struct notifier_block one = { .notifier_call = hear, .priority = 1 }, two = { .notifier_call = hear, .priority = 2 }; struct kobject *k; struct dentry *dir; struct task_struct *t; struct node *made, *more; atomic_t a = ATOMIC_INIT(3); atomic64_t b; u64 c = 5;
	CHECK(!blocking_notifier_chain_register(&chain, &one) && !blocking_notifier_chain_register(&chain, &two) && blocking_notifier_call_chain(&chain, 3, NULL) == NOTIFY_OK && told == 21);
	CHECK(blocking_notifier_call_chain(&chain, 7, NULL) == NOTIFY_STOP && told == 212 && !blocking_notifier_chain_unregister(&chain, &two) && blocking_notifier_chain_unregister(&chain, &two) == -ENOENT && !blocking_notifier_chain_unregister(&chain, &one));
	CHECK(!atomic_notifier_chain_register(&quick, &one) && !atomic_notifier_chain_unregister(&quick, &one) && notifier_to_errno(notifier_from_errno(-EBUSY)) == -EBUSY);
	k = kobject_create_and_add("k", kernel_kobj); CHECK(k && !sysfs_create_group(k, &my_group)); sysfs_remove_group(k, &my_group); kobject_put(k);
	dir = debugfs_create_dir("d", NULL); CHECK(!IS_ERR_OR_NULL(dir)); debugfs_create_file("stats", 0444, dir, NULL, &stats_fops); debugfs_remove_recursive(dir);
	down_write(&sem); CHECK(rwsem_is_locked(&sem)); downgrade_write(&sem); CHECK(down_read_trylock(&sem) && !down_write_trylock(&sem)); up_read(&sem); up_read(&sem); CHECK(!rwsem_is_locked(&sem));
	spin_lock(&spin); made = kmalloc_obj(*made, GFP_ATOMIC); spin_unlock(&spin); more = kzalloc_obj(*more); CHECK(made && more && ksize(made) == sizeof(*made)); kfree(made); kfree(more);
	CHECK(cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN, "x", leave, leave) == CPUHP_AP_ONLINE_DYN && !gone); cpuhp_remove_state(CPUHP_AP_ONLINE_DYN); CHECK(gone == 1);
	CHECK(!static_branch_unlikely(&key)); static_branch_enable(&key); CHECK(static_branch_likely(&key) && __ratelimit(&rs));
	CHECK(atomic_add_unless(&a, 1, 4) && !atomic_add_unless(&a, 1, 4) && atomic_cmpxchg_relaxed(&a, 4, 9) == 4 && atomic_fetch_inc_relaxed(&a) == 9 && atomic_dec_return_release(&a) == 9 && atomic_xchg(&a, 1) == 9 && atomic_fetch_andnot(1, &a) == 1 && !atomic_read(&a));
	atomic64_set(&b, 1); CHECK(atomic64_fetch_add(2, &b) == 1 && atomic64_dec_and_test(&b) == 0 && atomic64_inc_return(&b) == 3 && cmpxchg64(&c, 5, 6) == 5 && c == 6 && xchg_relaxed(&c, 1) == 6);
	CHECK(gcd(12, 18) == 6 && int_sqrt(17) == 4 && DIV_ROUND_UP_ULL(7, 2) == 4 && clamp_val(9, 1, 5) == 5 && in_range(5, 3, 3) && !in_range(6, 3, 3) && size_sub(1, 2) == SIZE_MAX && offsetofend(struct node, list) == 16);
	t = kthread_run(ends, &told, "ends"); CHECK(!IS_ERR(t) && kthread_stop(t) == 7);
	t = kthread_run(waits, NULL, "waits"); CHECK(!IS_ERR(t)); WRITE_ONCE(ready, 1); wake_up(&wq); CHECK(kthread_stop(t) == 5);
	return 0;
}
static struct item { struct work_struct work; struct device dev; } mine; static int runs; static void run(struct work_struct *work) { runs++; } static void let_go(struct device *dev) { runs += 10; }
static long control(struct file *file, unsigned int cmd, unsigned long arg) { return cmd == _IOW('h', 1, int) ? _IOC_NR(cmd) : -ENOTTY; }
static const struct file_operations control_fops = { .owner = THIS_MODULE, .unlocked_ioctl = control, .compat_ioctl = compat_ptr_ioctl, .llseek = noop_llseek };
static struct miscdevice misc = { .minor = MISC_DYNAMIC_MINOR, .name = "helpers", .fops = &control_fops }; MODULE_ALIAS_MISCDEV(MISC_DYNAMIC_MINOR);
static struct ctl_table settings[] = { { .procname = "level", .data = &runs, .maxlen = sizeof(int), .mode = 0644, .proc_handler = proc_dointvec_minmax, .extra1 = SYSCTL_ZERO, .extra2 = SYSCTL_ONE } };
static RADIX_TREE(tree, GFP_KERNEL); static struct bus_type bus = { .name = "helpers" }; static DEVICE_INT_ATTR(runs, 0444, runs);
static int more(void)
{
	struct page *page = alloc_page(GFP_KERNEL), *other = alloc_page(GFP_KERNEL); struct pagevec vec; struct radix_tree_iter iter; struct ctl_table_header *table; void **slot, *found[2]; int n = 0; __le32 number = cpu_to_le32(7);
	CHECK(page && other && !misc_register(&misc)); dev_info(misc.this_device, "there\n"); misc_deregister(&misc); table = register_sysctl("vm/helpers", settings); CHECK(table); unregister_sysctl_table(table);
	CHECK(!radix_tree_insert(&tree, 3, page) && !radix_tree_insert(&tree, 9, &n)); slot = radix_tree_lookup_slot(&tree, 3); CHECK(slot && radix_tree_deref_slot_protected(slot, &spin) == page && !radix_tree_lookup_slot(&tree, 4));
	radix_tree_replace_slot(&tree, slot, other); CHECK(radix_tree_lookup(&tree, 3) == other && !radix_tree_delete_item(&tree, 3, page) && radix_tree_gang_lookup(&tree, found, 0, 2) == 2 && found[1] == &n);
	radix_tree_for_each_slot(slot, &tree, &iter, 4) n += iter.index; CHECK(n == 9); radix_tree_delete(&tree, 3); radix_tree_delete(&tree, 9); idr_destroy(&tree);
	pagevec_init(&vec); get_page(page); page_ref_dec(page); CHECK(pagevec_add(&vec, page) == 14 && pagevec_add(&vec, other) == 13 && pagevec_count(&vec) == 2); pagevec_release(&vec);
	mine.dev.release = let_go; mine.dev.bus = &bus; CHECK(!bus_register(&bus) && !device_register(&mine.dev) && get_device(&mine.dev) == &mine.dev); put_device(&mine.dev); CHECK(!runs); device_unregister(&mine.dev); CHECK(runs == 10); bus_unregister(&bus);
	CHECK(le32_to_cpup(&number) == 7 && get_unaligned_le32(&number) == 7 && !mem_is_zero(&number, 4) && SYS_HALT > SYS_RESTART && dev_attr_runs.var == &runs);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	INIT_WORK(&mine.work, run); CHECK(schedule_work(&mine.work) && disable_work_sync(&mine.work) && !disable_work(&mine.work) && !schedule_work(&mine.work) && !enable_work(&mine.work) && enable_and_queue_work(system_wq, &mine.work)); flush_work(&mine.work); CHECK(runs == 11);
#endif
	return 0;
}
static int level; module_param(level, int, 0644);
static int checked = 2; static int set_checked(const char *text, const struct kernel_param *param) { int ret = param_set_int(text, param); return ret ?: checked > 9 ? -ERANGE : 0; }
static const struct kernel_param_ops checked_ops = { .set = set_checked, .get = param_get_int }; module_param_cb(checked, &checked_ops, &checked, 0644);
static int __init go(void) { return text() ?: cleaned() ?: bits() ?: lists() ?: rest() ?: more(); }
module_init(go);
static void __exit bye(void) { }
module_exit(bye);
MODULE_LICENSE("GPL");
