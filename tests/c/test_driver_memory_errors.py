"""What C code does to memory that it may not touch: told with file, line and object, and never the end of the process."""

from __future__ import annotations

import ctypes
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from movable.c import Driver
from movable.c.bridge.errors import add_place_of_hang
from movable.c.bridge.memory import Memory
from movable.c.bridge.runtime import runtime
from movable.c.build.image import Line
from movable.errors import DeadlockError, Hang, MovableError, VMBug
from movable.sequential.faults import watchdog
from tests.c.building import loaded, needs_compiler

pytestmark = needs_compiler

FAULTS = """
struct item { struct list_head node; int id; };
static LIST_HEAD(items);
static int never;
static DEFINE_SPINLOCK(lock);
static int deep(int n) { volatile char room[512]; room[n & 511] = n; return deep(n + 1) + room[1]; }
int fault(int how)
{
	char *p = kmalloc(10, GFP_KERNEL), *q;
	volatile int zero = 0;
	struct page *page;
	struct item *one = kzalloc(sizeof *one, GFP_KERNEL);

	switch (how) {
	case 0: kfree(p); return p[3];
	case 1: return p[10];
	case 2: p[-1] = 1; break;
	case 3: kfree(p); kfree(p); break;
	case 4: kfree(p + 1); break;
	case 5: return *(volatile int *)0;
	case 6: return *(volatile int *)0x10000000;
	case 7: return deep(1);
	case 8: for (;;) ;
	case 9: return 7 / zero;
	case 10: ((void (*)(void))0x1234)(); break;
	case 11: BUG_ON(how == 11); break;
	case 12: page = alloc_page(GFP_KERNEL); q = page_address(page); __free_page(page); return q[5];
	case 13: page = alloc_page(GFP_KERNEL); __free_page(page); page->private = 1; break;
	case 14: list_add(&one->node, &items); list_add(&one->node, &items); break;
	case 15: list_add(&one->node, &items); list_del(&one->node); list_del(&one->node); break;
	case 16: memset(p, 0, 11); break;
	case 17: ((void (*)(void))0)(); break;
	case 18: kfree(one); spin_lock((spinlock_t *)&one->id); break;
	case 19: while (p) WRITE_ONCE(zero, zero + 1); break;
	case 20: pr_info("%s\\n", (char *)0x41414141); break;
	case 21: while (!never) cpu_relax(); break;
	case 22: spin_unlock(&lock); break;
	case 23: sprintf(p, "%d", 123456789); sprintf(p, "%s", "0123456789"); break;
	}
	return 0;
}
int fine(int n) { return n + 1; }
"""
PLACE = r"driver\.c:\d+ "
CASES = {
    0: ("D46", PLACE + r"fault reads 1 byte byte 3 of an object of 10 bytes made at .* fault, and freed at .* fault"),
    1: ("D46", PLACE + r"fault reads 1 byte 0 bytes behind an object of 10 bytes made at"),
    2: ("D46", PLACE + r"fault writes 1 byte"),
    3: ("D46", PLACE + r"fault frees again an object of 10 bytes made at .*, and freed at"),
    4: ("D46", PLACE + r"fault frees byte 1 of an object of 10 bytes"),
    5: ("D46", PLACE + r"fault reads 4 bytes at a null pointer"),
    6: ("D46", PLACE + r"fault reads 4 bytes at 0x10000000, a wild pointer"),
    7: ("D52", PLACE + r"deep has used up its stack"),
    8: ("D51", PLACE + r"fault runs on and on"),
    9: ("D52", PLACE + r"fault ends in a division by zero"),
    10: ("D52", PLACE + r"fault ends in a segmentation fault"),
    11: ("D52", PLACE + r"fault BUG_ON\(how == 11\)"),
    12: ("D46", PLACE + r"fault reads 1 byte in the content of a free page"),
    13: ("D46", PLACE + r"fault writes 8 bytes in struct page of a free page"),
    14: ("D12", PLACE + r"fault list node .*on the list already"),
    15: ("D12", PLACE + r"fault list node .*was removed before"),
    16: ("D46", PLACE + r"fault writes \d bytes? .*object of 10 bytes"),
    17: ("D52", PLACE + r"fault ends in a segmentation fault at 0x0"),
    18: ("D46", PLACE + r"fault .*freed at"),
    19: ("D51", PLACE + r"fault runs on and on"),
    20: ("D52", PLACE + r"fault ends in a segmentation fault at 0x41414141"),
    21: ("D51", PLACE + r"fault waits in a loop that looks at nothing"),
    22: ("D35", PLACE + r"fault: spin lock 'lock' unlocked by main"),
    23: ("D46", PLACE + r"fault writes \d bytes? .*object of 10 bytes"),
}  # fmt: skip


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    made = loaded(tmp_path_factory.mktemp("faults"), FAULTS)
    ticks = ctypes.c_int.in_dll(runtime().lib, "k_ticks")
    usual, ticks.value = ticks.value, 1  # an endless loop is told after a quarter of a second of processor time
    yield made
    ticks.value = usual


@pytest.mark.parametrize("how", CASES)
def test_a_fault_is_told_with_its_place(driver: Driver, how: int) -> None:
    rule, words = CASES[how]
    with pytest.raises(VMBug) as told:
        driver.call("fault", how)
    assert told.value.rule == rule
    assert re.search(words, str(told.value)), str(told.value)
    assert driver.call("fine", 4) == 5


def test_what_the_model_says_of_a_call_has_the_line_of_the_call(tmp_path: Path) -> None:
    locks = "static DEFINE_SPINLOCK(s); static DEFINE_MUTEX(m); void twice(void) { spin_lock(&s); spin_lock(&s); }\n"
    made = loaded(tmp_path, locks + "void sleeps(void) { mutex_lock(&m); }\n")
    with pytest.raises(DeadlockError, match=r"driver\.c:4 twice: task main waits for spin lock 's', which it holds itself"):
        made.call("twice")
    with pytest.raises(VMBug, match=r"D48: driver\.c:5 sleeps: main locks mutex 'm' while it holds spin lock 's'"):
        made.call("sleeps")


def test_what_steps_on_without_an_end_is_told_with_its_place(tmp_path: Path) -> None:
    made = loaded(tmp_path, "static DEFINE_SPINLOCK(s); int spins(void) { for (;;) { spin_lock(&s); spin_unlock(&s); } }\n")
    with pytest.raises(Hang, match=r"0\.02 seconds of processor time, in driver\.c:4 spins"), watchdog(0.02):
        made.call("spins")
    limited = Hang("100 events and no end")
    add_place_of_hang(limited, Line("driver.c", 7, "inner"), Line("driver.c", 4, "spins"))
    assert str(limited) == "100 events and no end, at driver.c:7 inner"


def test_two_thousand_crashes_in_a_row(driver: Driver) -> None:
    for _ in range(2000):
        with pytest.raises(MovableError):
            driver.call("fault", 5)
        with pytest.raises(MovableError):
            driver.call("fault", 10)
    assert driver.call("fine", 1) == 2


def test_nothing_is_left_from_one_machine_to_the_next(tmp_path: Path) -> None:
    text = "static int n = 5; static char *kept;\nint up(void) { kept = kmalloc(8, GFP_KERNEL); return ++n; }\n"
    one = loaded(tmp_path, text)
    assert [one.call("up"), one.call("up")] == [6, 7]
    two = loaded(tmp_path, text)
    assert two.call("up") == 6
    assert one.call("up") == 8  # each has its own memory, and they can take turns
    assert two.call("up") == 7


def test_a_driver_that_is_loaded_later_leaves_the_memory_of_one_in_use_alone(tmp_path: Path) -> None:
    """Their own variables take room of different sizes, so that one saved as if it were the other comes back as something else."""
    small = loaded(tmp_path, "static int n = 5; int up(void) { return ++n; }\n")
    assert small.call("up") == 6
    (tmp_path / "other").mkdir()
    other = loaded(tmp_path / "other", "static int m = 1; static char room[50000];\nint up(void) { room[m] = 1; return ++m; }\n")
    assert [small.call("up"), other.call("up"), small.call("up"), other.call("up")] == [7, 2, 8, 3]


@pytest.mark.parametrize("ended", [True, False])
def test_machines_change_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: bool) -> None:
    """While room is made, something may end it, or be cleared away, which brings yet another machine."""
    one, two, three = (loaded(tmp_path, "static int n; int up(void) { return ++n; }\n") for _ in range(3))
    assert [each.call("up") for each in (one, two, three)] == [1, 1, 1]
    room = Memory._room

    def disturbed(memory: Memory, contents: int) -> object:
        monkeypatch.undo()
        if ended:
            raise KeyboardInterrupt
        assert two.call("up") == 2
        return room(memory, contents)

    monkeypatch.setattr(Memory, "_room", disturbed)
    with pytest.raises(KeyboardInterrupt) if ended else nullcontext():
        assert one.call("up") == 2
    assert [each.call("up") for each in (three, two, one)] == ([2, 2, 2] if ended else [2, 3, 3])


SENT = "import os; from movable.c.bridge.runtime import runtime; runtime(); os.kill(os.getpid(), {}); print('alive')"


def test_a_signal_that_somebody_sends_is_no_crash_of_the_driver() -> None:
    for number in (signal.SIGSEGV, signal.SIGTRAP):
        command = [sys.executable, "-c", SENT.format(int(number))]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (-number, ""), done.stderr


FREES = {
    "vfree(kmalloc(8, GFP_KERNEL));": r"gives vfree\(\) an object that kmalloc\(\) has made at driver\.c:.*; expected kfree\(\)",
    "kfree(vmalloc(8));": r"gives kfree\(\) an object that vmalloc\(\) has made",
    "kfree(kvzalloc(8, GFP_KERNEL));": r"gives kfree\(\) an object that kvmalloc\(\) has made .* expected kvfree\(\)",
    "kfree(alloc_percpu(int));": r"gives kfree\(\) an object that alloc_percpu\(\) has made .* expected free_percpu\(\)",
    "free_percpu(kmalloc(8, GFP_KERNEL));": r"gives free_percpu\(\) an object that kmalloc\(\) has made",
    "kfree(&own);": r"frees own, a variable of the driver's own",
    "int local; kfree(&local);": r"frees a variable on a stack",
    "kfree((char *)kmalloc(32, GFP_KERNEL) + 8);": r"frees byte 8 of an object of 32 bytes",
    "kfree(ERR_PTR(-ENOMEM));": r"frees the error pointer -12",
    "kfree((void *)__get_free_page(GFP_KERNEL));": r"frees byte 0 of page \d+ as an object",
    "kfree(alloc_page(GFP_KERNEL));": r"frees the struct page of page \d+",
    "kfree((void *)0x1234560);": r"frees 0x1234560, which was never allocated",
    "kvfree(vmalloc(8)); kvfree(kmalloc(8, GFP_KERNEL)); kvfree(kvmalloc(8, GFP_KERNEL)); kfree(NULL); vfree(vzalloc(8));": "",
}


@pytest.fixture(scope="module")
def freeing(tmp_path_factory: pytest.TempPathFactory) -> Driver:
    code = [f"void f{number}(void) {{ {each} }}\n" for number, each in enumerate(FREES)]
    return loaded(tmp_path_factory.mktemp("frees"), "static int own;\n" + "".join(code))


@pytest.mark.parametrize("what", FREES)
def test_a_function_frees_what_its_twin_has_made(freeing: Driver, what: str) -> None:
    function = f"f{list(FREES).index(what)}"
    if not FREES[what]:
        freeing.call(function)
        return
    with pytest.raises(VMBug, match=PLACE + rf"{function} " + FREES[what]) as told:
        freeing.call(function)
    assert told.value.rule == "D46"
