"""Tokens of C drivers: the same source shows the same again, another one says so; what C functions hold at a step is shown."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from movable.c.target import find
from movable.cli import main
from movable.concurrent.failures import replay as replaying
from movable.contract.examine import check
from movable.contract.show.replay import replay
from movable.mm.vm import VM
from tests.c.building import needs_compiler, written

pytestmark = needs_compiler

BOX = """
struct box { int count; long sum; };
static struct box box;
static int inner(struct box *b, int by)
{
	int before = b->count;
	long twice = by * 2;

	b->count = before + by;
	b->sum += twice;
	return before;
}
int add(int n) { return inner(&box, n + 1) + n; }
EXPORT_SYMBOL(add);
"""


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    name = written(tmp_path_factory.mktemp("box"), BOX)
    return name, check(name, examples=1, executions=20, era="6.1", until={"D53"}).verdicts["D53"].token


def test_a_token_means_the_same_wherever_the_same_source_lies(
    failed: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, token = failed
    copy = shutil.copy(name, tmp_path / "elsewhere.c")
    for file in (name, str(copy)):
        assert main(["replay", "--era", "6.1", file, token]) == 1
        told = capsys.readouterr().out
        assert "BROKEN D53" in told and not told.startswith("note:")


def test_on_another_source_it_says_so(failed: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = written(tmp_path, BOX.replace("long twice", "long thrice = 0, twice"))
    assert main(["replay", "--era", "6.1", other, failed[1]]) == 1
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("note: it was made of another source, or by another compiler (")


def test_where_it_means_nothing_it_says_why(failed: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = written(tmp_path, "static DEFINE_SPINLOCK(l);\nstatic int k;\n"
                              "int add(int n) { spin_lock(&l); k++; spin_unlock(&l); return 0; }\n"
                              "EXPORT_SYMBOL(add);\n")  # fmt: skip
    assert main(["replay", "--era", "6.1", other, failed[1]]) == 2
    assert "the token does not fit this driver: it was made of another source, or by" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gdb") is None, reason="gdb is not installed")
def test_what_c_functions_hold_at_a_step(
    failed: tuple[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "_interact", lambda frame, scheduler: None)
    replay(*failed, era="6.1").debug(3)
    told = capsys.readouterr().out
    if "could not read" in told:
        pytest.skip("processes may not be traced here")
    assert "driver.c:13 inner(" in told and "before = 0" in told and "twice = 2" in told
    assert "driver.c:16 add(n=0)" in told
    assert "coroutine.c" not in told


def test_without_gdb_it_says_what_is_missing(
    failed: tuple[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "_interact", lambda frame, scheduler: None)
    monkeypatch.setattr("shutil.which", lambda name, *more: None)
    replay(*failed, era="6.1").debug(3)
    assert "with gdb installed, local variables are shown here" in capsys.readouterr().out


def test_variables_in_one_word_have_their_own_names(tmp_path: Path) -> None:
    driver = find(written(tmp_path, "int one __aligned(8) = 1, two = 2; long wide = 3;\n"), "")(
        VM(layout=[(0, "Normal", 64)], pageblock_order=2)
    )
    at = driver.c.image.at
    places = ((at("one"), 4), (at("two"), 4), (at("two") + 1, 1), (at("wide"), 8))
    one, two, part, wide = (str(driver.c.key(*place)) for place in places)
    assert (one, wide) == ("one", "wide") or at("two") != at("one") + 4
    assert two in ("two", "two[0:4]") and part in ("two[1:2]", "two[5:6]")
    assert driver.c.key(at("one"), 4).base == driver.c.key(at("one") + 4, 4).base  # one word, and two parts that do not meet
