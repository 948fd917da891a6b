"""Operations that wait for their own worker or thread are interleaved with others, and threads are woken by whoever stops them."""

from __future__ import annotations

from pathlib import Path

import pytest

from movable.c.target import find
from movable.concurrent.search import interleavings
from movable.concurrent.stage import subject
from movable.contract.examine import check
from movable.contract.report import text
from movable.errors import InvalidState, VMBug
from movable.mm.validate import validate_vm
from movable.workload.scenario import migrate, scenario
from movable.workload.workload import workload_for
from tests.c.building import loaded, needs_compiler, written
from tests.c.pieces import BASE

pytestmark = needs_compiler

THREAD = """
#include <linux/completion.h>
#include <linux/mutex.h>
static struct task_struct *thread; static DECLARE_WAIT_QUEUE_HEAD(queue); static int pending, done;
static DEFINE_SPINLOCK(own); static DEFINE_MUTEX(turn); static DECLARE_COMPLETION(finished);
static int run(void *unused)
{
	while (!kthread_should_stop()) {
		wait_event_interruptible(queue, READ_ONCE(pending) || kthread_should_stop());
		spin_lock(&own);
		if (pending) { WRITE_ONCE(pending, 0); done++; complete(&finished); }
		spin_unlock(&own);
	}
	return 0;
}
int ask(void)
{
	mutex_lock(&turn);
	spin_lock(&own); WRITE_ONCE(pending, 1); spin_unlock(&own);
	WAKE; wait_for_completion(&finished);
	mutex_unlock(&turn);
	return 0;
}
"""


BITS = """
static unsigned long word;
int nap(void) { bit_spin_lock(3, &word); msleep(1); return 0; }
int lose(void) { bit_spin_lock(0, &word); word = 0; return 0; }
int fine(void) { bit_spin_lock(1, &word); bit_spin_unlock(1, &word); might_sleep(); return bit_spin_trylock(1, &word); }
"""


def test_a_bit_lock_is_held_under_its_name(tmp_path: Path) -> None:
    driver = loaded(tmp_path, BITS)
    assert driver.call("fine") == 1 and [str(one) for one in driver.vm.current.held] == ["the lock bit of word"]
    driver.vm.current.held.clear()
    driver.vm.current.atomic = 0
    with pytest.raises(VMBug, match="nap sleeps while main holds the lock bit of word"):
        driver.call("nap")
    other = loaded(tmp_path, BITS)
    assert other.call("lose") == 0
    with pytest.raises(InvalidState, match="task main still holds the lock bit of word"):
        validate_vm(other.vm)


WORK = """
static int n; static void nothing(struct work_struct *w) { } static DECLARE_WORK(work, nothing);
int add(void) { schedule_work(&work); flush_work(&work); GUARD return 0; }
"""


def with_operation(folder: Path, code: str, operation: str) -> str:
    """A driver with pages, whose only operation is declared: nothing else makes scenarios of it."""
    (folder / "movable.toml").write_text(f"[driver.operations]\n{operation} = {{}}\n")
    return written(folder, code)


@pytest.mark.parametrize(("wake", "broken"), [("wake_up(&queue)", []), ("", ["D49"])])
def test_who_waits_for_a_thread_gets_it_and_who_does_not_wake_it_does_not(tmp_path: Path, wake: str, broken: list[str]) -> None:
    """The thread is begun by init and stopped by exit, wherever it waits then."""
    code = BASE.replace("make_pages(void)\n{", 'make_pages(void)\n{\n\tthread = kthread_run(run, NULL, "t");')
    code = code.replace("static int __init make_pages", THREAD.replace("WAKE", wake) + "static int __init make_pages")
    code = code.replace("drop_pages(void) {", "drop_pages(void) { kthread_stop(thread);")
    report = check(with_operation(tmp_path, code, "ask"), examples=1, executions=40, era="6.1", until=set(broken))
    assert (report.refused, report.broken) == ("", broken)
    names = " ".join(one.name for one in report.scenarios)
    assert broken or ("ask || ask" in names and "tear-down || " in names)


@pytest.mark.parametrize(("guard", "broken"), [("spin_lock(&lock); n++; spin_unlock(&lock);", []), ("n++;", ["D53"])])
def test_what_follows_a_wait_for_ones_own_work_is_interleaved(tmp_path: Path, guard: str, broken: list[str]) -> None:
    code = BASE + WORK.replace("GUARD", guard)
    report = check(with_operation(tmp_path, code, "add"), examples=2, executions=200 if broken else 60, era="6.1", until={"D53"})
    assert report.refused == "" and [rule for rule in report.broken if rule in ("D49", "D53")] == broken
    assert any(one.name.startswith("add || add") for one in report.scenarios)


MAKES = """
static struct thing { int v; } *thing; static DEFINE_MUTEX(held);
int make(void)
{
	struct thing *fresh = kzalloc(sizeof *fresh, GFP_KERNEL);
	int ret = -EEXIST;

	if (!fresh)
		return -ENOMEM;
	spin_lock(&lock);
	if (!thing) { thing = fresh; fresh = NULL; ret = 0; }
	spin_unlock(&lock);
	kfree(fresh);
	return ret;
}
int look(void)
{
	struct thing *found;
	int v;

	spin_lock(&lock); found = thing; EARLY v = found ? READ_ONCE(found->v) : -1; LATE
	return v;
}
int drop(void) { struct thing *t; spin_lock(&lock); t = thing; thing = NULL; spin_unlock(&lock); kfree(t); return 0; }
int stuck(void) { mutex_lock(&held); mutex_lock(&held); return 0; }
"""


@pytest.mark.parametrize("right", [True, False])
def test_what_only_an_earlier_operation_makes_possible_is_interleaved(tmp_path: Path, right: bool) -> None:
    """No page and no handle shows that `make` was done, only the ways that the others go then; what cannot be run alone is told."""
    piece = MAKES.replace("LATE" if right else "EARLY", "spin_unlock(&lock);").replace("EARLY" if right else "LATE", "")
    (tmp_path / "movable.toml").write_text("[driver.operations]\nmake = {}\nlook = {}\ndrop = {}\nstuck = {}\n")
    code = BASE.replace("drop_pages(void) {", "drop_pages(void) { drop();") + piece
    code = code.replace("static int __init", "int drop(void);\nstatic int __init")
    report = check(written(tmp_path, code), examples=0, executions=40 if right else 400, era="6.1", until={"D46"})
    assert ("D46" in report.broken) is not right
    assert any("after make" in one.name for one in report.scenarios)
    assert "stuck, in no scenario: run alone it ends in DeadlockError" in " ".join(text(report).split())


NAPS = """
static struct task_struct *naps; static int delay = 1, wanted, have;
static int run(void *unused)
{
	for (;;) {
		msleep_interruptible(READ_ONCE(delay));
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		if (READ_ONCE(wanted) == READ_ONCE(have))
			schedule();
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}
"""


def test_a_thread_that_naps_before_it_looks_ends_when_it_is_told_to(tmp_path: Path) -> None:
    code = NAPS + BASE.replace("make_pages(void)\n{", 'make_pages(void)\n{\n\tnaps = kthread_run(run, NULL, "naps");')
    factory = find(written(tmp_path, code.replace("drop_pages(void) {", "drop_pages(void) { kthread_stop(naps);")), "")
    made = scenario("two migrations", migrate(0), migrate(0))
    found = interleavings(subject(workload_for(factory), factory, era="6.1"), executions=30, scenarios=[made])
    assert not found.broken and found.executions == 30
