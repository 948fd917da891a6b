"""Operations that wait for their own worker or thread are interleaved with others, and threads are woken by whoever stops them."""

from __future__ import annotations

from pathlib import Path

import pytest

from movable.contract.examine import check
from tests.c.building import needs_compiler, written
from tests.c.pieces import source

pytestmark = needs_compiler

THREAD = """
#include <linux/kthread.h>
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
void ask(void)
{
	mutex_lock(&turn);
	spin_lock(&own); WRITE_ONCE(pending, 1); spin_unlock(&own);
	WAKE; wait_for_completion(&finished);
	mutex_unlock(&turn);
}
EXPORT_SYMBOL(ask);
static int __init begin(void) { thread = kthread_run(run, NULL, "t"); return IS_ERR(thread) ? PTR_ERR(thread) : 0; }
static void __exit end(void) { kthread_stop(thread); }
module_init(begin);
module_exit(end);
MODULE_LICENSE("GPL");
"""


@pytest.mark.parametrize(("wake", "broken"), [("wake_up(&queue)", []), ("", ["D49"])])
def test_who_waits_for_a_thread_gets_it_and_who_does_not_wake_it_does_not(tmp_path: Path, wake: str, broken: list[str]) -> None:
    report = check(written(tmp_path, THREAD.replace("WAKE", wake)), examples=4, executions=60, era="6.1")
    assert (report.refused, report.broken) == ("", broken)


@pytest.mark.parametrize(("guard", "broken"), [("spin_lock(&lock); n++; spin_unlock(&lock);", []), ("n++;", ["D53"])])
def test_what_follows_a_wait_for_ones_own_work_is_interleaved(tmp_path: Path, guard: str, broken: list[str]) -> None:
    text = (
        "static int n; static void nothing(struct work_struct *w) { } static DECLARE_WORK(work, nothing);"
        f"void add(void) {{ schedule_work(&work); flush_work(&work); {guard} }}"
    )
    report = check(written(tmp_path, source(text)), examples=2, executions=120, era="6.1", until={"D53"})
    assert report.refused == "" and [rule for rule in report.broken if rule in ("D49", "D53")] == broken
    assert any("add" in one.name for one in report.scenarios)
