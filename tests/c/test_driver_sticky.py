"""Drivers in C for kernels whose marks stay: one source for both kinds by the version macros, and a balloon on the core of 7.3."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from movable.c.build.source import is_balloon, style
from movable.c.target import find
from movable.cli import main
from movable.contract.examine import check
from movable.mm.vm import VM
from movable.rules.table import RULES
from movable.trace.judge.conformance import check_trace
from tests.c.building import DATA, needs_compiler, written

TWIN = str(DATA / "twin.c")
TRACES = DATA.parent / "traces-7.3"
WRONG = {
    5: {"D17", "D18", "D34", "D57"}, 6: {"D18", "D20", "D22", "D29", "D57"}, 7: {"D57"}, 8: {"D29", "D59"}, 9: {"D30", "D57"},
    10: {"D26", "D34", "D56", "D57"}, 12: {"D30", "D57"}, 13: {"D27"},
}  # fmt: skip
"""Modes of badball.c that are wrong, and what the model finds in each."""
RECORDED = {
    2: "hook-busy", 3: "hook-enoent", 5: "hook-takes-a-reference", 7: "hook-positive", 8: "hook-unlocks",
    10: "hook-clears-the-pointer",
}  # fmt: skip
LEGAL = (0, 1, 2, 3, 4)


def test_a_source_says_which_kernel_it_is_for() -> None:
    assert style(Path(TWIN).read_text()) == "6.17"
    assert style((DATA / "badball.c").read_text()) == "7.3" and is_balloon((DATA / "badball.c").read_text())
    assert style((DATA / "badmov.c").read_text()) == "6.1" and not is_balloon((DATA / "badmov.c").read_text())


@needs_compiler
@pytest.mark.parametrize("era", ["6.1", "6.17", "7.3"])
def test_one_source_is_right_in_each_kernel(era: str) -> None:
    report = check(TWIN, examples=4, executions=25, era=era)
    assert (report.refused, report.broken, report.passed()) == ("", [], True)


@needs_compiler
@pytest.mark.parametrize("era", ["6.17", "7.3"])
def test_a_back_pointer_that_is_left_is_told_where_marks_stay(era: str) -> None:
    assert check(f"{TWIN}:-DLEFT", examples=4, interleavings=0, era=era).broken == ["D59"]


BALLOON = """
#include <linux/balloon_compaction.h>
static struct balloon_dev_info balloon; static long loaned;
static int moved(struct balloon_dev_info *b, struct page *newpage, struct page *page, enum migrate_mode mode)
{
	get_page(newpage);
	spin_lock(&b->pages_lock);
	balloon_page_insert(b, newpage);
	b->isolated_pages--;
	__count_vm_event(BALLOON_MIGRATE);
	spin_unlock(&b->pages_lock);
	FINALIZE
	put_page(page);
	return 0;
}
int inflate(void)
{
	struct page *page = balloon_page_alloc();

	if (!page)
		return -ENOMEM;
	balloon_page_enqueue(&balloon, page);
	return 0;
}
int deflate(void)
{
	struct page *page = balloon_page_dequeue(&balloon);

	if (!page)
		return -EAGAIN;
	put_page(page);
	return 0;
}
static int __init start(void) { balloon_devinfo_init(&balloon); balloon.migratepage = moved; return inflate(); }
static void __exit end(void)
{
	while (READ_ONCE(balloon.isolated_pages) || !list_empty(&balloon.pages)) {
		deflate();
		cond_resched();
	}
}
module_init(start); module_exit(end);
"""


@needs_compiler
@pytest.mark.parametrize(("finalize", "broken"), [("balloon_page_finalize(page);", []), ("", ["D59"])])
def test_a_balloon_of_6_17_clears_the_back_pointer_itself(tmp_path: Path, finalize: str, broken: list[str]) -> None:
    text = BALLOON.replace("FINALIZE", finalize)
    assert style(BALLOON.replace("FINALIZE", "balloon_page_finalize(page);")) == "6.17"
    report = check(written(tmp_path, text), examples=3, executions=20, era="6.17", until={"D59"})
    assert (report.refused, report.broken) == ("", broken)


SLOTS = """
static bool isolate(struct page *page, isolate_mode_t mode) { return true; }
static int migrate(struct page *newpage, struct page *page, enum migrate_mode mode) { return -EAGAIN; }
static void putback(struct page *page) { }
static const struct movable_operations ops = { isolate, migrate, putback };
static struct page *page;
int take(int type) { return set_movable_ops(&ops, type); }
int leave(int type) { return set_movable_ops(NULL, type); }
int typed(void)
{
	page = alloc_page(GFP_KERNEL);
	__SetPageZsmalloc(page);
	return PageZsmalloc(page) | PageOffline(page) << 1 | page_has_movable_ops(page) << 2 | (page->page_type >> 24) << 8;
}
int marked(void)
{
	lock_page(page);
	SetPageMovableOps(page);
	unlock_page(page);
	return PageMovableOps(page) | PageMovableOpsIsolated(page) << 1;
}
int untyped(void) { __ClearPageZsmalloc(page); return PageZsmalloc(page); }
"""


@needs_compiler
def test_a_type_beside_a_mark_that_goes(tmp_path: Path) -> None:
    """Kernels from 6.11 to 6.16 have both."""
    text = "int f(void) { struct page *p = alloc_page(GFP_KERNEL); int n; __SetPageZsmalloc(p); n = PageZsmalloc(p);\n"
    text += "__ClearPageZsmalloc(p); n += 2 * PageZsmalloc(p); put_page(p); return n; }\n"
    assert find(written(tmp_path, text), "")(VM(layout=[(0, "Normal", 64)], pageblock_order=2, era="6.1")).call("f") == 1


@needs_compiler
def test_slots_and_types(tmp_path: Path) -> None:
    driver = find(written(tmp_path, SLOTS), "")(VM(layout=[(0, "Normal", 64)], pageblock_order=2, era="7.3"))
    offline, slab, zsmalloc = 0xF1, 0xF5, 0xF6
    assert [driver.call("take", one) for one in (offline, offline, zsmalloc, slab, 0x10)] == [0, -16, 0, -22, -22]
    assert [driver.call("leave", offline), driver.call("leave", offline), driver.call("take", offline)] == [0, 0, 0]
    assert driver.call("typed") == 1 | zsmalloc << 8
    assert driver.call("untyped") == 0 and driver.call("typed") == 1 | zsmalloc << 8
    assert driver.call("marked") == 1
    with pytest.raises(Exception, match=r"D19b: .* the zsmalloc type is taken from a page that is marked movable"):
        driver.call("untyped")


@needs_compiler
@pytest.mark.parametrize(
    ("text", "era", "words"),
    [
        ("void f(struct page *p) { __ClearPageMovable(p); }", "7.3", r"driver\.c:4: __ClearPageMovable: marks stay from 6\.17 on"),
        ("int f(void) { return set_movable_ops(0, PGTY_offline); }", "6.1", r"driver\.c:4: set_movable_ops: kernels before 6\.17"),
        ("int f(void) { return MIGRATEPAGE_SUCCESS; }", "7.3", r"driver\.c:4: kernels from 6\.18 on have no MIGRATEPAGE_SUCCESS"),
        ("static const struct movable_operations ops;", "4.19", r"driver\.c:4: kernels before 6\.0 have no struct mov"),
        ("#include <linux/balloon.h>", "6.17", r"driver\.c:4: kernels before 6\.18 have no linux/balloon\.h"),
    ],
)  # fmt: skip
def test_names_that_a_kernel_does_not_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, era: str, words: str
) -> None:
    assert main(["check", written(tmp_path, text + "\n"), "--era", era, "--budget", "100s"]) == 2
    told = capsys.readouterr().err
    assert re.search(words, told) and len(told.strip().splitlines()) == 1, told


@needs_compiler
@pytest.mark.parametrize("mode", [*LEGAL, *WRONG, 11])
def test_hooks_of_a_balloon_on_the_model(mode: int) -> None:
    report = check(f"{DATA / 'badball.c'}:mode={mode},pages=16", examples=3, interleavings=0, era="7.3")
    must = {rule for rule in report.broken if RULES[rule].level == "must"}
    assert report.refused == ""
    assert set(report.broken) <= WRONG.get(mode, set()) and bool(report.broken) == (mode in WRONG), report.broken
    assert must == WRONG.get(mode, set()) & must


@pytest.mark.parametrize("mode", RECORDED)
def test_hooks_of_a_balloon_in_both_worlds(mode: int) -> None:
    told = set(check_trace(str(TRACES / f"{RECORDED[mode]}.txt.gz")).broken)
    table = dict(_rows())
    assert told == table[mode][1]
    assert table[mode][0] == WRONG.get(mode, set())
    assert bool(told) == bool(table[mode][0])
    assert not told or told & table[mode][0]  # the same defect by the same name


def _rows() -> list[tuple[int, tuple[set[str], set[str]]]]:
    page = (DATA.parents[2] / "docs" / "fidelity.md").read_text().partition("`tests/data/c/badball.c`")[2].partition("\n## ")[0]
    found = []
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"\d+(, \d+)*", cells[0]):
            rules = (set(re.findall(r"D\d+", cells[2])), set(re.findall(r"D\d+", cells[3])))
            found += [(int(mode), rules) for mode in cells[0].split(", ")]
    return found


def test_the_table_has_every_mode() -> None:
    assert sorted(mode for mode, _ in _rows()) == list(range(14))
    assert all(rules[0] == WRONG.get(mode, set()) for mode, rules in _rows())
