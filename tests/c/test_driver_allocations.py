"""Objects of a C driver: an allocation may fail, what is left when the driver goes is told, and so is what the driver warns of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from movable.c.bridge.requests.memory import drop_slab
from movable.c.target import find
from movable.concurrent.search import interleavings
from movable.concurrent.stage import subject
from movable.contract.examine import check
from movable.workload.workload import workload_for
from tests.c.building import loaded, needs_compiler, written

pytestmark = needs_compiler

USES = """
struct o { int v; };
static struct o *kept;
void careful(int n) { struct o *o = kzalloc(sizeof *o, GFP_KERNEL); if (o) o->v = n; kfree(o); }
EXPORT_SYMBOL(careful);
void both(int n)
{
	struct page *page = alloc_page(GFP_KERNEL);
	struct o *o = page ? kmalloc(sizeof *o, GFP_ATOMIC) : NULL;

	kfree(o);
	if (page)
		__free_page(page);
}
EXPORT_SYMBOL(both);
void sure(void) { struct o *o = kmalloc(sizeof *o, GFP_KERNEL | __GFP_NOFAIL); o->v = 1; kfree(o); }
EXPORT_SYMBOL(sure);
void keeps(void) { if (!kept) { kept = vmalloc(sizeof *kept); kmemleak_not_leak(kept); } }
EXPORT_SYMBOL(keeps);
int run(void) { return 0; }
EXPORT_SYMBOL(run);
#ifdef NEVER
void nobody_is_here(void) { }
EXPORT_SYMBOL(nobody_is_here);
#endif
"""
WRONG = {
    "careless": ("D46", r"driver\.c:\d+ careless writes 4 bytes at a null pointer",
                 "void careless(int n) { struct o *o = kzalloc(sizeof *o, GFP_KERNEL); o->v = n; kfree(o); }"),
    "forgets": ("D34", r"1 page\(s\) are still in use after the driver was removed",
                "void forgets(int n) { struct page *p = alloc_page(GFP_KERNEL); struct o *o = kmalloc(8, GFP_KERNEL);"
                " if (!p) { kfree(o); return; } if (!o) return; kfree(o); __free_page(p); }"),
    "leaks": ("D34", r"an object of 24 bytes made at driver\.c:\d+ leaks is not freed when the driver is gone",
              "void leaks(int n) { void *p = kmalloc(24, GFP_KERNEL); if (n != 3) kfree(p); }"),
    "queues": ("D34", r"work queue 'q' is not destroyed when the driver is gone",
               "static int once; void queues(int n) { if (!once++) alloc_workqueue(\"q\", 0, 0); }"),
    "warns": ("D52", r"driver\.c:\d+ warns warns: WARN_ON\(\+\+n > 2\)", "static int n; void warns(void) { WARN_ON(++n > 2); }"),
    "asserts": ("D52", r"driver\.c:\d+ asserts the lock lock is not held by main",
                "static DEFINE_SPINLOCK(lock); void asserts(void) { lockdep_assert_held(&lock); }"),
}  # fmt: skip


def test_who_looks_at_what_was_allocated_is_right(tmp_path: Path) -> None:
    report = check(written(tmp_path, USES), examples=40, interleavings=0, era="6.1")
    assert (report.refused, report.broken) == ("", [])
    assert report.verdicts["D34"].verdict == "held"


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, name: str) -> None:
    rule, words, code = WRONG[name]
    source = f"struct o {{ int v; }};\n{code}\nEXPORT_SYMBOL({name});\n"
    report = check(written(tmp_path, source), examples=150, interleavings=0, era="6.1", until={rule})
    assert report.refused == "" and rule in report.broken, report.broken
    assert re.search(words, str(report.verdicts[rule].what)), report.verdicts[rule].what


AREAS = """
#include <linux/percpu.h>
static void *area;
static int up(unsigned int cpu) { area = kmalloc(64, GFP_KERNEL); return area ? 0 : -ENOMEM; }
static int down(unsigned int cpu) { kfree(area); area = NULL; return 0; }
void use(void) { memset(area, 1, 64); }
EXPORT_SYMBOL(use);
static int __init begin(void) { return cpuhp_setup_state(CPUHP_MM_ZS_PREPARE, "test:prepare", up, down); }
static void __exit end(void) { REMOVED; }
module_init(begin);
module_exit(end);
MODULE_LICENSE("GPL");
"""


@pytest.mark.parametrize(("removed", "broken"), [("cpuhp_remove_state(CPUHP_MM_ZS_PREPARE)", []), ("", ["D34"])])
def test_what_a_processor_was_given_is_given_back_with_its_state(tmp_path: Path, removed: str, broken: list[str]) -> None:
    report = check(written(tmp_path, AREAS.replace("REMOVED", removed)), examples=5, interleavings=0, era="6.1")
    assert (report.refused, report.broken) == ("", broken)


SHRINKS = """
#include <linux/shrinker.h>
static DEFINE_SPINLOCK(lock);
static int spare = 1;
void more(void) { spin_lock(&lock); spare++; spin_unlock(&lock); }
EXPORT_SYMBOL(more);
static unsigned long count(struct shrinker *s, struct shrink_control *c) { return READ_ONCE(spare); }
static unsigned long scan(struct shrinker *s, struct shrink_control *c)
{
	TAKE(&lock);
	spare = 1;
	DROP(&lock);
	return 1;
}
static struct shrinker shrinker = { .count_objects = count, .scan_objects = scan };
static int __init begin(void) { return register_shrinker(&shrinker, "spare"); }
static void __exit end(void) { unregister_shrinker(&shrinker); }
module_init(begin);
module_exit(end);
"""


@pytest.mark.parametrize("broken", [[], ["D53"]])
def test_a_shrinker_is_asked_beside_operations(tmp_path: Path, broken: list[str]) -> None:
    lock, unlock = ("(void)", "(void)") if broken else ("spin_lock", "spin_unlock")
    code = SHRINKS.replace("DROP", unlock).replace("TAKE", lock)
    report = check(written(tmp_path, code), examples=2, executions=40, era="6.1", until={"D53"})
    assert (report.refused, report.broken) == ("", broken)


AGES = """
#include <linux/list_lru.h>
#include <linux/shrinker.h>
static struct list_lru lru; static struct thing { struct list_head node; int old; } things[2]; static int given;
static enum lru_status one(struct list_head *item, struct list_lru_one *list, spinlock_t *lock, void *arg)
{
	if (!container_of(item, struct thing, node)->old++)
		return LRU_ROTATE;
	list_lru_isolate(list, item);
	return LRU_REMOVED;
}
static unsigned long count(struct shrinker *s, struct shrink_control *c) { return list_lru_count(&lru); }
static unsigned long scan(struct shrinker *s, struct shrink_control *c)
{
	given += list_lru_walk(&lru, one, NULL, c->nr_to_scan);
	return given;
}
static struct shrinker shrinker = { .count_objects = count, .scan_objects = scan };
int how_many(void) { return given; }
static int __init begin(void)
{
	if (list_lru_init(&lru))
		return -ENOMEM;
	for (int i = 0; i < 2; i++) { INIT_LIST_HEAD(&things[i].node); list_lru_add(&lru, &things[i].node); }
	return register_shrinker(&shrinker, "ages");
}
static void __exit end(void) { END }
module_init(begin);
module_exit(end);
"""
ENDS = ("unregister_shrinker(&shrinker);", "list_lru_destroy(&lru);")


def test_a_shrinker_that_spares_what_is_new_is_asked_again(tmp_path: Path) -> None:
    driver = loaded(tmp_path, AGES.replace("END", "".join(ENDS)))
    assert drop_slab(driver.c) and driver.call("how_many") == 2


@pytest.mark.parametrize(("ends", "broken"), [(ENDS, []), (ENDS[::-1], ["D46"])])
def test_a_shrinker_is_asked_beside_the_removal(tmp_path: Path, ends: tuple[str, ...], broken: list[str]) -> None:
    factory = find(written(tmp_path, AGES.replace("END", "".join(ends))), "")
    workload = workload_for(factory)
    made = [one for one in workload.scenarios if one.name == "tear-down || drop_slab"]
    found = interleavings(subject(workload, factory, era="6.1"), executions=60, scenarios=made, known=frozenset({"D53"}))
    assert len(made) == 1 and found.refused == "" and list(found.broken) == broken
