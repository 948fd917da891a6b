/* Ordered trees. They are not balanced: a driver sees the order of the nodes, and nothing of the shape. */
#ifndef _LINUX_RBTREE_H
#define _LINUX_RBTREE_H
#include <linux/bug.h>
struct rb_node { unsigned long __rb_parent_color; struct rb_node *rb_right, *rb_left; };
struct rb_root { struct rb_node *rb_node; };
struct rb_root_cached { struct rb_root rb_root; struct rb_node *rb_leftmost; };
#define RB_ROOT (struct rb_root){ NULL }
#define RB_ROOT_CACHED (struct rb_root_cached){ { NULL }, NULL }
#define rb_parent(node) ((struct rb_node *)((node)->__rb_parent_color & ~3ul))
#define rb_entry(p, type, member) container_of(p, type, member)
#define rb_entry_safe(p, type, member) ({ struct rb_node *_node = (p); _node ? rb_entry(_node, type, member) : NULL; })
#define RB_EMPTY_ROOT(root) (READ_ONCE((root)->rb_node) == NULL)
#define RB_EMPTY_NODE(node) ((node)->__rb_parent_color == (unsigned long)(node))
#define RB_CLEAR_NODE(node) ((node)->__rb_parent_color = (unsigned long)(node))
K_INLINE void rb_link_node(struct rb_node *node, struct rb_node *parent, struct rb_node **link)
{
	node->__rb_parent_color = (unsigned long)parent;
	node->rb_left = node->rb_right = NULL;
	*link = node;
}
K_INLINE bool k_rb_linked(const struct rb_node *node, const struct rb_root *root)
{
	struct rb_node *parent = rb_parent(node);

	return parent ? parent->rb_left == node || parent->rb_right == node : root->rb_node == node;
}
K_INLINE void rb_insert_color(struct rb_node *node, struct rb_root *root) { WARN(!k_rb_linked(node, root), "rb_insert_color: the node is not linked"); }
K_INLINE void k_rb_replace(struct rb_node *node, struct rb_node *heir, struct rb_root *root)
{
	struct rb_node *parent = rb_parent(node);

	if (!parent)
		root->rb_node = heir;
	else if (parent->rb_left == node)
		parent->rb_left = heir;
	else
		parent->rb_right = heir;
	if (heir)
		heir->__rb_parent_color = (unsigned long)parent;
}
K_INLINE void rb_erase(struct rb_node *node, struct rb_root *root)
{
	struct rb_node *left = node->rb_left, *right = node->rb_right, *heir;

	if (RB_EMPTY_NODE(node) || !k_rb_linked(node, root)) {
		WARN(1, "rb_erase: the node is not in the tree");
		return;
	}
	if (!left || !right) {
		k_rb_replace(node, left ? left : right, root);
		return;
	}
	for (heir = right; heir->rb_left; heir = heir->rb_left)
		;
	if (heir != right) {				/* it leaves its own place first */
		k_rb_replace(heir, heir->rb_right, root);
		heir->rb_right = right;
		right->__rb_parent_color = (unsigned long)heir;
	}
	k_rb_replace(node, heir, root);
	heir->rb_left = left;
	left->__rb_parent_color = (unsigned long)heir;
}
K_INLINE void rb_replace_node(struct rb_node *old, struct rb_node *node, struct rb_root *root)
{
	*node = *old;
	k_rb_replace(old, node, root);
	if (node->rb_left)
		node->rb_left->__rb_parent_color = (unsigned long)node;
	if (node->rb_right)
		node->rb_right->__rb_parent_color = (unsigned long)node;
}
/* To either side: the outermost node below one, and the next one. */
#define K_RB_SIDE(node, left) (*((left) ? &(node)->rb_left : &(node)->rb_right))
K_INLINE struct rb_node *k_rb_outermost(struct rb_node *node, bool left)
{
	while (node && K_RB_SIDE(node, left))
		node = K_RB_SIDE(node, left);
	return node;
}
K_INLINE struct rb_node *k_rb_step(const struct rb_node *node, bool left)
{
	struct rb_node *up;

	if (RB_EMPTY_NODE(node))
		return NULL;
	if (K_RB_SIDE(node, left))
		return k_rb_outermost(K_RB_SIDE(node, left), !left);
	for (up = rb_parent(node); up && node == K_RB_SIDE(up, left); up = rb_parent(up))
		node = up;
	return up;
}
K_INLINE struct rb_node *rb_first(const struct rb_root *root) { return k_rb_outermost(root->rb_node, true); }
K_INLINE struct rb_node *rb_last(const struct rb_root *root) { return k_rb_outermost(root->rb_node, false); }
K_INLINE struct rb_node *rb_next(const struct rb_node *node) { return k_rb_step(node, false); }
K_INLINE struct rb_node *rb_prev(const struct rb_node *node) { return k_rb_step(node, true); }
K_INLINE struct rb_node *k_rb_deepest(const struct rb_node *node)
{
	while (node && (node->rb_left || node->rb_right))
		node = node->rb_left ? node->rb_left : node->rb_right;
	return (struct rb_node *)node;
}
#define rb_first_postorder(root) k_rb_deepest((root)->rb_node)
K_INLINE struct rb_node *rb_next_postorder(const struct rb_node *node)
{
	struct rb_node *parent = node ? rb_parent(node) : NULL;

	return parent && node == parent->rb_left && parent->rb_right ? k_rb_deepest(parent->rb_right) : parent;
}
#define rbtree_postorder_for_each_entry_safe(p, n, root, member) \
	for (p = rb_entry_safe(rb_first_postorder(root), __typeof__(*p), member); \
	     p && ({ n = rb_entry_safe(rb_next_postorder(&p->member), __typeof__(*p), member); 1; }); p = n)
#define rb_first_cached(root) ((root)->rb_leftmost)
K_INLINE void rb_insert_color_cached(struct rb_node *node, struct rb_root_cached *root, bool leftmost)
{
	if (leftmost)
		root->rb_leftmost = node;
	rb_insert_color(node, &root->rb_root);
}
K_INLINE void rb_erase_cached(struct rb_node *node, struct rb_root_cached *root)
{
	if (root->rb_leftmost == node)
		root->rb_leftmost = rb_next(node);
	rb_erase(node, &root->rb_root);
}
/* With a function that compares; each is a place of its own in the driver. */
#define rb_add(node, root, less) ({ \
	struct rb_node *_new = (node), *_up = NULL; struct rb_root *_root = (root); \
	struct rb_node **_link = &_root->rb_node; \
	while (*_link) { _up = *_link; _link = less(_new, _up) ? &_up->rb_left : &_up->rb_right; } \
	rb_link_node(_new, _up, _link); rb_insert_color(_new, _root); })
#define rb_add_cached(node, root, less) ({ \
	struct rb_root_cached *_cached = (root); struct rb_node *_added = (node); \
	rb_add(_added, &_cached->rb_root, less); \
	_cached->rb_leftmost = rb_first(&_cached->rb_root); })
#define rb_find(key, root, compare) ({ \
	struct rb_node *_at = (root)->rb_node; const void *_key = (key); int _c; \
	while (_at && (_c = compare(_key, _at))) _at = _c < 0 ? _at->rb_left : _at->rb_right; \
	_at; })
#define rb_find_add(node, root, compare) ({ \
	struct rb_node *_new = (node), *_up = NULL, *_found = NULL; struct rb_root *_root = (root); \
	struct rb_node **_link = &_root->rb_node; int _c; \
	while (*_link) { _up = *_link; _c = compare(_new, _up); if (!_c) { _found = _up; break; } _link = _c < 0 ? &_up->rb_left : &_up->rb_right; } \
	if (!_found) { rb_link_node(_new, _up, _link); rb_insert_color(_new, _root); } \
	_found; })
#endif
