"""Bad input of C drivers: one line, with the place and what to do, exit code 2."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from movable.c.build import toolchain
from movable.c.target import find
from movable.cli import main
from movable.contract.examine import check
from movable.errors import UsageError
from movable.mm.vm import VM
from tests.c.building import needs_compiler, written

SOURCES = {
    "int f(void) { return 1 }\n": r"driver\.c:4: expected ';'",
    "int f(void) { frobnicate(1); }\n": r"driver\.c:4: the headers of movable lack frobnicate \(line 4\).*movable c missing",
    "#include <linux/nosuch.h>\n": r"driver\.c:4: the headers of movable lack linux/nosuch\.h \(.*--kernel-tree takes headers",
    '#include "mine.h"\n': r"driver\.c:4: mine\.h was not found; -I names the folder",
    "struct nosuch x;\nthing_t y;\n": r"driver\.c:[45]: ",
    'int f(void) { asm volatile("nop" ::: "memory"); return 0; }\n': r"driver\.c:4: asm: inline assembly",
    'int printf(const char *, ...);\nint f(void) { return printf("x"); }\n': r"driver\.c:5: printf is declared and defined nowhere",
    "int f(void) { rcu_read_lock(); return 0; }\n": r"driver\.c:4: rcu_read_lock: RCU is not modelled",
    "static DEFINE_SEQLOCK(s);\n": r"driver\.c:4: DEFINE_SEQLOCK: sequence locks are not modelled",
    "int f(void *t) { mod_timer(t, 1); return 0; }\n": r"driver\.c:4: mod_timer: there is no clock",
    "int f(void *t) { return copy_to_user(t, t, 1); }\n": r"driver\.c:4: copy_to_user: there is no user memory",
    "struct item { struct rcu_head rcu; };\n": r"driver\.c:4: rcu_head: RCU is not modelled",
    "struct item { struct timer_list t; };\n": r"driver\.c:4: timer_list: there is no clock",
    "static irqreturn_t f(int n) { return 0; }\n": r"driver\.c:4: irqreturn_t: there are no interrupts",
    "int f(void) { return platform_driver_register(0); }\n": r"driver\.c:4: platform_driver_register: devices are not modelled",
    "__attribute__((constructor)) static void f(void) { }\n": r"driver\.c:4: constructor: a module begins with its init function",
    "int f(void) { return kfifo_len(&f); }\n": r"driver\.c:4: kfifo_len is a name of <linux/kfifo\.h>; include that",
    "int f(void) { return request_irq(1); }\n": r"driver\.c:4: request_irq: there are no interrupts",
    "void *f(void *d) { return devm_kzalloc(d, 8, GFP_KERNEL); }\n": r"driver\.c:4: devm_kzalloc: devices are not modelled",
    "int f(void) { guard(rcu)(); return 0; }\n": r"driver\.c:4: guard\(rcu\): RCU is not modelled",
    "int f(void) { guard(other)(); return 0; }\n": r"driver\.c:4: the headers of movable lack guard\(other\) \(line 4\)",
    "void __tsan_read4(void *p) { }\n": r"driver\.c:4: __tsan_read4 is a name of the runtime's own",
    "__thread int t;\nint f(void) { return t++; }\n": r"driver\.c:4: a variable of each thread: a kernel has none",
    "static ODD_ONE(x, 1);\nstruct odd y = { 1 };\n": r"driver\.c:4: the headers of movable lack ODD_ONE \(line 4\), struct odd \(",
    "char big[1 << 28];\n": r"driver\.c:4: big has 268435456 bytes, and a variable may have 16777216",
    'static void *a(void) { return a; }\nint f(void) __attribute__((ifunc("a")));\n': r"driver\.c:5: f runs as the file is loaded",
    'void f(void) { }\n__attribute__((section(".init_array"))) void *p = f;\n': r"driver\.c: something runs as the file is loaded",
}


@needs_compiler
@pytest.mark.parametrize("text", SOURCES)
def test_a_source_that_cannot_be_built(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert main(["check", written(tmp_path, text), "--budget", "100s"]) == 2
    told = capsys.readouterr().err
    assert re.search(SOURCES[text], told), told
    assert len(told.strip().splitlines()) == 1
    assert "Traceback" not in told


@needs_compiler
def test_an_init_that_fails_says_why(tmp_path: Path) -> None:
    text = 'static int __init up(void) { pr_err("no room for %d\\n", 7); return -ENOMEM; }\nmodule_init(up);\n'
    factory = find(written(tmp_path, text), "")
    with pytest.raises(
        UsageError, match=r"driver\.c: its init function returned -12 \(ENOMEM\); the last it printed: no room for 7"
    ):
        factory(VM(layout=[(0, "Normal", 64)], pageblock_order=2))


@needs_compiler
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("nosuch=1", "has no parameter 'nosuch'; it has n"),
        ("n=many", "parameter n='many' is no number"),
        ("n=99999999999", "does not fit into int"),
        ("rubbish", "'rubbish' is no option of a C driver"),
        ("-O9", "-O9 is no level of optimisation"),
        ("--kernel-tree=/nosuch", "/nosuch is no kernel tree"),
    ],
)
def test_options_of_a_target(tmp_path: Path, options: str, words: str) -> None:
    name = written(tmp_path, "static int n;\nmodule_param(n, int, 0444);\n")
    with pytest.raises(UsageError, match=re.escape(words)):
        find(name, options)(VM(layout=[(0, "Normal", 64)], pageblock_order=2))


@needs_compiler
@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[driver", "movable.toml: "),
        ("[driver]\nfoo = 1\n", "'foo' is not known for a driver"),
        ("[driver]\ndefines = 3\n", "write a list of texts"),
        ("[driver]\ncontent_moves = 1\n", "write true or false"),
        ("[driver.operations]\ngo = { cal = 1 }\n", "operation go: 'cal' is not known"),
        ("[driver.operations]\ngo = {}\n", "the driver has no 'go'"),
        ('[driver.operations]\nup = { arguments = { n = "1..x" } }\n', 'write "1..100"'),
        ("[driver.operations]\nup = {}\n", "takes 1 arguments"),
        ('[driver]\nread = "nosuch"\n', "the driver has no 'nosuch'"),
        ('[driver]\nread = "n"\n', 'read = "n" is a variable; name a function'),
        ('[driver]\ncount = "up"\n', 'count = "up" is a function; name a variable'),
        ('[driver]\ncount = "many"\n', 'many" has 40 bytes'),
        ('[driver]\nsetup = "up"\n', "takes 1 arguments in line 4, and is called with 0"),
        ('[driver]\ninclude = ["nosuch"]\n', "nosuch: there is no such folder"),
        ("[driver]\n[other]\n", "[other] is about no driver: there is no other.c beside it"),
        ('era = "6.1"\n[driver]\n', "era stands before the first table"),
    ],
)
def test_a_movable_toml_with_a_mistake(tmp_path: Path, toml: str, words: str) -> None:
    (tmp_path / "movable.toml").write_text(toml)
    with pytest.raises(UsageError, match=re.escape(words)):
        find(written(tmp_path, "int up(int n) { return n; }\nint n, many[10];\n"), "")


@needs_compiler
def test_a_function_of_a_second_source_is_told_with_its_own_line(tmp_path: Path) -> None:
    (tmp_path / "more.c").write_text("\n\nint more(int n) { return n; }\n")
    (tmp_path / "movable.toml").write_text('[driver]\nsources = ["more.c"]\n[driver.operations]\nmore = {}\n')
    with pytest.raises(UsageError, match=r"operation more: more\(\) in line 3 of more\.c takes 1 arguments \(n\)"):
        find(written(tmp_path, "int up(int n) { return n; }\n"), "")


ONE_CALLBACK = """
static bool isolate(struct page *page, isolate_mode_t mode) { return true; }
static const struct movable_operations ops = { .isolate_page = isolate };
static struct page *page;
static int __init up(void)
{
	page = alloc_page(GFP_HIGHUSER_MOVABLE);
	if (!page)
		return -ENOMEM;
	lock_page(page);
	__SetPageMovable(page, &ops);
	unlock_page(page);
	return 0;
}
static void __exit down(void) { lock_page(page); __ClearPageMovable(page); unlock_page(page); put_page(page); }
module_init(up);
module_exit(down);
"""


@needs_compiler
def test_a_driver_without_its_callbacks(tmp_path: Path) -> None:
    report = check(written(tmp_path, ONE_CALLBACK), examples=2, interleavings=0, era="6.1")
    assert "ops has no migratepage, putback_page" in report.verdicts["D1"].what
    assert "ops has no migratepage, and the core calls it: a jump to address 0" in report.verdicts["D52"].what


def test_no_file_and_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "nosuch.c")]) == 2
    assert "no file" in capsys.readouterr().err
    for wanted, said in (("/nosuch/cc", "cannot be run"), ("ccache /nosuch/cc", "cannot be run"), ("gcc -m32", "has options")):
        monkeypatch.setenv("CC", wanted)
        assert main(["check", written(tmp_path, "int x;\n")]) == 2
        assert f"CC={wanted} {said}" in capsys.readouterr().err
    assert main(["rules", "D17"]) == 0  # nothing else needs one


def test_another_architecture_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    toolchain._compiler.cache_clear()
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert "C drivers need Linux on x86-64, and this is linux on aarch64" in toolchain.available()
    monkeypatch.undo()
    toolchain._compiler.cache_clear()


def test_options_of_c_drivers_are_refused_for_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "zsmalloc", "-D", "X"]) == 2
    assert "are for drivers in C" in capsys.readouterr().err
