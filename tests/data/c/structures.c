/* Calls most names of the headers that hold data structures, and looks at what they answer: the init function fails at a line. */
#include <linux/module.h>
#include <linux/rbtree.h>
#include <linux/xarray.h>
#include <linux/idr.h>
#include <linux/mempool.h>
#include <linux/hashtable.h>
#include <linux/llist.h>
#include <linux/radix-tree.h>
struct item { struct rb_node node; struct hlist_node hash; struct llist_node ll; int key; };
static struct rb_root root = RB_ROOT;
static DEFINE_XARRAY(xa);
static DEFINE_XARRAY_ALLOC(xb);
static DEFINE_IDR(idr);
static DEFINE_IDA(ida);
static DEFINE_HASHTABLE(table, 3);
static LLIST_HEAD(ll);
static RADIX_TREE(tree, GFP_KERNEL);
#define CHECK(x) do { if (!(x)) { pr_err("line %d\n", __LINE__); return -EINVAL; } } while (0)
static bool less(struct rb_node *a, const struct rb_node *b) { return rb_entry(a, struct item, node)->key < rb_entry(b, struct item, node)->key; }
static int cmp(const void *key, const struct rb_node *b) { return *(const int *)key - rb_entry(b, struct item, node)->key; }
static int rb(void)
{
	struct item *items = kcalloc(32, sizeof *items, GFP_KERNEL), *p, *n;
	struct rb_node *at;
	int i, last, count, key;
	CHECK(items);
	for (i = 0; i < 32; i++) { items[i].key = (i * 13) % 32; rb_add(&items[i].node, &root, less); }
	for (last = -1, count = 0, at = rb_first(&root); at; at = rb_next(at), count++) { CHECK(rb_entry(at, struct item, node)->key == last + 1); last++; }
	CHECK(count == 32);
	key = 17; CHECK(rb_entry(rb_find(&key, &root, cmp), struct item, node)->key == 17);
	for (i = 0; i < 32; i += 3) { rb_erase(&items[i].node, &root); RB_CLEAR_NODE(&items[i].node); items[i].key = -1; 
		for (last = 100, count = 0, at = rb_last(&root); at; at = rb_prev(at), count++) { CHECK(rb_entry(at, struct item, node)->key < last); last = rb_entry(at, struct item, node)->key; }
		CHECK(count == 31 - i / 3); }
	count = 0;
	rbtree_postorder_for_each_entry_safe(p, n, &root, node) count++;
	CHECK(count == 21);
	root = RB_ROOT;
	kfree(items);
	return 0;
}
static int x(void)
{
	unsigned long index; void *e; u32 id; int count = 0;
	CHECK(xa_empty(&xa));
	CHECK(!xa_store(&xa, 5, &xa, GFP_KERNEL));
	CHECK(!xa_store(&xa, 1, &idr, GFP_KERNEL));
	CHECK(!xa_store(&xa, 9, xa_mk_value(7), GFP_KERNEL));
	CHECK(xa_load(&xa, 5) == &xa && !xa_load(&xa, 4) && xa_to_value(xa_load(&xa, 9)) == 7);
	CHECK(xa_insert(&xa, 5, &idr, GFP_KERNEL) == -EBUSY);
	xa_for_each(&xa, index, e) count += index;
	CHECK(count == 15);
	xa_set_mark(&xa, 9, XA_MARK_1); count = 0;
	xa_for_each_marked(&xa, index, e, XA_MARK_1) count += index;
	CHECK(count == 9);
	CHECK(xa_erase(&xa, 5) == &xa && !xa_load(&xa, 5));
	CHECK(xa_cmpxchg(&xa, 1, &idr, NULL, GFP_KERNEL) == &idr);
	xa_erase(&xa, 9); CHECK(xa_empty(&xa)); xa_destroy(&xa);
	for (int i = 0; i < 4; i++) { CHECK(!xa_alloc(&xb, &id, &xa, XA_LIMIT(2, 5), GFP_KERNEL)); CHECK(id == i + 2); }
	CHECK(xa_alloc(&xb, &id, &xa, XA_LIMIT(2, 5), GFP_KERNEL) == -EBUSY);
	CHECK(xa_err(K_XA_ERROR(-ENOMEM)) == -ENOMEM && !xa_is_err(&xa) && !xa_is_err(NULL));
	xa_destroy(&xb);
	return 0;
}
static int i(void)
{
	int id; void *p; int n = 0;
	CHECK(idr_alloc(&idr, &xa, 3, 5, GFP_KERNEL) == 3 && idr_alloc(&idr, &xb, 3, 5, GFP_KERNEL) == 4 && idr_alloc(&idr, &xb, 3, 5, GFP_KERNEL) == -ENOSPC);
	CHECK(idr_find(&idr, 3) == &xa && !idr_find(&idr, 2));
	CHECK(idr_replace(&idr, &xb, 3) == &xa);
	idr_for_each_entry(&idr, p, id) n += id;
	CHECK(n == 7);
	CHECK(idr_remove(&idr, 3) == &xb && idr_remove(&idr, 3) == NULL);
	CHECK(idr_alloc_cyclic(&idr, &xa, 0, 0, GFP_KERNEL) == 0 && idr_alloc_cyclic(&idr, &xa, 0, 0, GFP_KERNEL) == 1);
	idr_remove(&idr, 0); CHECK(idr_alloc_cyclic(&idr, &xa, 0, 0, GFP_KERNEL) == 2);
	idr_destroy(&idr);
	CHECK(ida_alloc(&ida, GFP_KERNEL) == 0 && ida_alloc_min(&ida, 5, GFP_KERNEL) == 5 && ida_simple_get(&ida, 0, 0, GFP_KERNEL) == 1);
	ida_free(&ida, 0); ida_free(&ida, 5); ida_simple_remove(&ida, 1); CHECK(ida_is_empty(&ida)); ida_destroy(&ida);
	CHECK(!radix_tree_insert(&tree, 8, &xa) && radix_tree_insert(&tree, 8, &xa) == -EEXIST && radix_tree_lookup(&tree, 8) == &xa && radix_tree_delete(&tree, 8) == &xa);
	return 0;
}
static int h(void)
{
	struct item *p = kcalloc(9, sizeof *p, GFP_KERNEL), *q; struct hlist_node *n; int b, c = 0; mempool_t *pool;
	void *e[4];
	CHECK(p);
	CHECK(hash_empty(table));
	for (int i = 0; i < 9; i++) { p[i].key = i; hash_add(table, &p[i].hash, i); llist_add(&p[i].ll, &ll); }
	hash_for_each_possible(table, q, hash, 4) if (q->key == 4) c++;
	CHECK(c == 1);
	hash_for_each_safe(table, b, n, q, hash) { hash_del(&q->hash); c++; }
	CHECK(c == 10 && hash_empty(table));
	c = 0; llist_for_each_entry(q, llist_reverse_order(llist_del_all(&ll)), ll) CHECK(q->key == c++);
	CHECK(c == 9 && llist_empty(&ll));
	kfree(p);
	pool = mempool_create_kmalloc_pool(2, 64);
	CHECK(pool);
	for (int i = 0; i < 4; i++) CHECK(e[i] = mempool_alloc(pool, GFP_KERNEL));
	for (int i = 0; i < 4; i++) mempool_free(e[i], pool);
	mempool_destroy(pool);
	return 0;
}
#if MOVABLE_VERSION > 0x050000
static int f(void) { struct folio *f = folio_alloc(GFP_KERNEL, 0); CHECK(f); folio_lock(f); folio_attach_private(f, &xa); CHECK(folio_detach_private(f) == &xa); folio_unlock(f); folio_put(f); return 0; }
#else
static int f(void) { return 0; }
#endif
static int __init go(void) { int r = rb() ?: x() ?: i() ?: h() ?: f(); return r; }
module_init(go);
static void __exit bye(void) { }
module_exit(bye);
MODULE_LICENSE("GPL");
