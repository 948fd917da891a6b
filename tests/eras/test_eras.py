"""The tables of the eras: complete, read, and asked by feature only."""

from __future__ import annotations

import ast
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from movable import VM, UsageError
from movable.contract import check
from movable.contract.report import text, to_json
from movable.eras import DEFAULT, ERAS, Era, era
from movable.mm.address_space import former_form, named_for
from movable.mm.page_flags import PG_NAMES
from tests.drivers_for_tests.keeper import Keeper

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for folder in ("movable", "drivers")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path.parent != ROOT / "movable" / "eras"
]


def test_four_eras_by_name() -> None:
    assert list(ERAS) == ["4.19", "6.1", "6.17", "7.3"] and DEFAULT in ERAS
    assert all(found.name == name for name, found in ERAS.items())
    assert era("7.3") is ERAS["7.3"] and era(ERAS["6.1"]) is ERAS["6.1"]
    with pytest.raises(UsageError, match=r"unknown era '5\.10'; known are 4\.19 \(4\.19 to 5\.19\), .*; a kernel 5\.10 runs as 4"):
        era("5.10")


@pytest.mark.parametrize(
    ("version", "runs_as"),
    [
        *(("5.4.59", "4.19"), ("v6.12", "6.1"), ("6.1.0-56-amd64", "6.1"), ("6.18", "7.3"), ("7.0", "7.3")),
        *(("4.18", ""), ("7.4", ""), ("new", ""), ("7.3,6.1", ""), ("4.19x", "")),
    ],
)
def test_a_version_that_is_no_era_is_told_its_own(version: str, runs_as: str) -> None:
    with pytest.raises(UsageError) as refused:
        era(version)
    assert str(refused.value).partition("; a kernel ")[2] == (f"{version} runs as {runs_as}" if runs_as else "")


@pytest.mark.parametrize("field", [field.name for field in fields(Era)])
def test_every_field_is_read(field: str) -> None:
    """A field that nobody asks for is a claim that nobody keeps."""
    asked = re.compile(rf"\.{field}\b")
    assert any(asked.search(path.read_text()) for path in SOURCES), f"nobody reads Era.{field}"


@pytest.mark.parametrize(("before", "after"), [("4.19", "6.1"), ("6.1", "6.17"), ("6.17", "7.3")])
def test_an_era_states_only_what_changed(before: str, after: str) -> None:
    """The file of an era begins with the one before, and says nothing that this one says already."""
    source = (ROOT / "movable" / "eras" / f"linux_{after.replace('.', '_')}.py").read_text()
    call = next(node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    stated = {keyword.arg for keyword in call.keywords if keyword.arg}
    older, newer = ERAS[before], ERAS[after]
    assert stated == {field.name for field in fields(Era) if getattr(older, field.name) != getattr(newer, field.name)}


def test_nobody_compares_names_of_eras() -> None:
    compare = re.compile(r"""era(\.name)?\s*(==|!=|<|>|in)\s*[("']+\d\.|["']\d\.\d+["']\s*(==|!=)\s*era""")
    lines = [(path.relative_to(ROOT), line) for path in SOURCES for line in path.read_text().splitlines()]
    found = [f"{path}: {line.strip()}" for path, line in lines if compare.search(line)]
    assert not found, found


def test_the_model_numbers_flags_as_its_first_era_does() -> None:
    assert list(ERAS["4.19"].flag_names) == PG_NAMES
    for found in ERAS.values():
        assert {"locked", "reclaim", "uptodate", "hwpoison"} <= set(found.flag_names)


def test_a_machine_runs_as_each_and_as_one_made_up() -> None:
    for found in ERAS.values():
        assert VM(era=found.name).era is found
    strange = replace(ERAS["6.1"], name="6.1 with short batches", batch_pages=2)
    assert VM(era=strange).era.batch_pages == 2


class Former:
    def migratepage(self) -> None: ...


class Both(Former):
    def migrate_page(self) -> None: ...


class Elsewhere(Former):
    """In another language, whose source tells its kernel."""

    own_era = "6.1"


def test_which_drivers_have_the_form_of_earlier_kernels() -> None:
    forms = {kind: [former_form(kind, era) for era in ERAS.values()] for kind in (Former, Both, Elsewhere)}
    assert forms == {Former: ["", "migratepage", "migratepage", ""], Both: [""] * 4, Elsewhere: [""] * 4}
    assert named_for(Former, ERAS["6.17"])("migratepage sets PG_isolated") == "migratepage sets PG_movable_ops_isolated"
    assert named_for(Both, ERAS["6.17"])("migratepage, zs_migratepage") == "migrate_page, zs_migratepage"


def test_a_certificate_says_so() -> None:
    report = check(Keeper, era="6.1", examples=1, interleavings=0, isolate=False)
    assert text(report).splitlines()[1].startswith("written in the form of 4.19: migratepage(mapping,") and to_json(report)["form"]
    assert not check("zsmalloc", era="6.1", examples=1, interleavings=0, isolate=False).form
