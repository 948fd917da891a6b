"""Operations that wait for their own worker or thread are interleaved with others, and threads are woken by whoever stops them."""

from __future__ import annotations

from pathlib import Path

import pytest

from movable.contract.examine import check
from tests.c.building import needs_compiler, written
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
    report = check(with_operation(tmp_path, code, "ask"), examples=4, executions=200, era="6.1")
    assert (report.refused, report.broken) == ("", broken)
    names = " ".join(one.name for one in report.scenarios)
    assert broken or ("ask || ask" in names and "tear-down || " in names)


@pytest.mark.parametrize(("guard", "broken"), [("spin_lock(&lock); n++; spin_unlock(&lock);", []), ("n++;", ["D53"])])
def test_what_follows_a_wait_for_ones_own_work_is_interleaved(tmp_path: Path, guard: str, broken: list[str]) -> None:
    code = BASE + WORK.replace("GUARD", guard)
    report = check(with_operation(tmp_path, code, "add"), examples=2, executions=200, era="6.1", until={"D53"})
    assert report.refused == "" and [rule for rule in report.broken if rule in ("D49", "D53")] == broken
    assert any(one.name.startswith("add || add") for one in report.scenarios)
