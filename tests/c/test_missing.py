"""movable c missing: every name that the headers lack, with lines; movable c api: the page that says what they have."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from movable.c.api import names, page
from movable.c.build.recipe import Recipe
from movable.c.missing import missing
from movable.cli import main
from tests.c.building import DATA, needs_compiler, written

LACKING = """
#include <linux/elevator.h>
static odd_t one;
static struct odd_device two = { .name = "two" };
static ODD_ATTR(two, 0444);
ODD_REGISTER(two)
int f(struct page *page)
{
	frob(page);
	if (frob(page) > ODD_MOST)
		return odd_access(1);
	rcu_read_lock();
	return page->odd;
}
"""


@needs_compiler
def test_what_the_headers_say_of_a_kernel_stands_at_the_users_line(tmp_path: Path) -> None:
    text = "int f(void) { return set_movable_ops(0, 1); }\nvoid g(struct page *p) { __SetPageMovable(p, 0); }\n"
    told = missing(Recipe((Path(written(tmp_path, text)),), era="6.17")).rest
    assert len(told) == 1 and told[0].startswith(f"{tmp_path}/driver.c:5: __SetPageMovable: kernels from 6.17 on")


@needs_compiler
@pytest.mark.parametrize("compiler", ["", "clang"])
def test_names_by_kind_with_their_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiler: str) -> None:
    if compiler and shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    monkeypatch.setenv("CC", compiler)
    path = Path(written(tmp_path, LACKING))
    found = missing(Recipe((path,)))
    assert found.names["headers"] == {"linux/elevator.h": [5]}
    assert found.names["types"] == {"odd_t": [6], "struct odd_device": [7]}
    assert found.names["functions"] == {"ODD_ATTR": [8], "ODD_REGISTER": [9], "frob": [12, 13], "odd_access": [14]}
    assert found.names["names"] == {"ODD_MOST": [13]}
    assert found.names["members"] == {"odd": [16]}
    assert found.refused["rcu_read_lock"][1] == [15]
    assert not found.rest
    assert not found.complete


@needs_compiler
def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, LACKING)
    assert main(["c", "missing", path]) == 1
    out = capsys.readouterr().out
    assert "function  frob                                2 times  line 12, 13" in out
    assert "refused   rcu_read_lock" in out
    assert main(["c", "missing", path, "--json", "-"]) == 1
    record = json.loads(capsys.readouterr().out)
    assert record["schema"] == "movable.c.missing/1"
    assert record["functions"]["frob"] == [12, 13]
    assert main(["c", "missing", str(DATA / "badmov.c")]) == 0
    assert "the headers have every name" in capsys.readouterr().out
    assert main(["c", "missing", str(tmp_path)]) == 2
    assert main(["c", "missing", str(tmp_path / "nosuch.c")]) == 2


def test_the_page_of_names_is_the_one_that_the_headers_give() -> None:
    root = Path(__file__).parents[2]
    assert (root / "docs" / "c-api.md").read_text() == page()


def test_names_that_a_driver_must_find() -> None:
    known = {one.name: one for one in names()}
    for name in (
        "list_add spin_lock_irqsave read_lock mutex_trylock bit_spin_lock atomic_dec_and_test READ_ONCE refcount_inc kref_put "
        "queue_work wait_event wait_for_completion kthread_run kmalloc kmem_cache_alloc alloc_percpu get_page page_private "
        "PagePrivate lock_page __SetPageMovable movable_operations register_shrinker module_param module_init BUG_ON "
        "VM_BUG_ON_PAGE copy_highpage memset clear_page pr_info ENOMEM GFP_KERNEL PG_isolated address_space_operations"
    ).split():
        assert name in known, name
    assert known["smp_mb"].ignored
    assert not known["spin_lock"].ignored
