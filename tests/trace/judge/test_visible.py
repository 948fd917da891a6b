"""A recording with fewer probes or fields than the script sets: what it cannot show is unproven, and nobody is blamed for it."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from movable.contract.verdict import HELD, UNPROVEN
from movable.errors import UsageError
from movable.trace.judge.conformance import Result, check_trace
from tests.trace.recordings import TRACES, Script, life

NAME = re.compile(r"\d+\.\d+: (\w+): ")
CALLBACK = re.compile(r"[a-z0-9]+_(isolate|migrate|putback)(_ret)?")
RIGHT = ("bad/mode_10", "bad/mode_00", "soft", "by hand")
SMALL = ("bad/mode_00", "by hand")
FIELDS = ("flags", "mapping", "refs", "mops", "mode", "nflags", "newpage", "reason", "ret")


def lines_of(name: str) -> list[tuple[str, str]]:
    """The lines of a right recording, the first some thousand, each with the name of its event."""
    if name == "by hand":
        lines = life().mark(20).isolate(20).putback(20).isolate(20).migrate(20, 21).text().splitlines()
    else:
        with gzip.open(TRACES / name / "trace.txt.gz", "rt", encoding="latin-1") as stream:
            lines = stream.read().splitlines()[:7000]
    return [(found[1] if (found := NAME.search(line)) else "", line) for line in lines]


def without_events(lines: list[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """The recording without each event, without each pair of entry and return, and without whole groups of probes."""
    names = sorted({name for name, _ in lines if name and not name.startswith("mm_")})
    callbacks = {name for name in names if CALLBACK.fullmatch(name)}
    returns = {name for name in names if name.endswith("_ret")}
    core_isolate = {"isolate_movable_page", "isolate_movable_page_ret"}
    groups = [{name} for name in names]
    groups += [{name, name.removesuffix("_ret")} for name in returns]
    groups += [{"folio_put_final", "free_unref_page"}, {"set_page_movable", "clear_page_movable"}]
    groups += [returns, returns & callbacks, callbacks, callbacks - returns, set(names) - callbacks]
    groups += [set(names) - callbacks - core_isolate, core_isolate | {"folio_unlock"}]
    groups += [set(names) - callbacks - {"set_page_movable", "clear_page_movable"}, set(names) - callbacks - {"folio_unlock"}]
    for gone in groups:
        yield f"without {' '.join(sorted(gone))}", [line for name, line in lines if name not in gone]


def without_fields(lines: list[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """The recording without each field: of every event, and of one event each."""
    for field in FIELDS:
        pattern = re.compile(rf" {field}=\S+")
        having = sorted({name for name, line in lines if name and pattern.search(line)})
        for chosen in (set(having), *({name} for name in having)):
            changed = [pattern.sub("", line) if name in chosen else line for name, line in lines]
            yield f"without {field} of {' '.join(sorted(chosen))}", changed


def judged(lines: list[str], folder: Path) -> Result:
    path = folder / "t.txt"
    path.write_text("\n".join(lines) + "\n", encoding="latin-1")
    return check_trace(str(path))


@pytest.mark.unmeasured
@pytest.mark.parametrize("name", RIGHT)
def test_a_right_driver_is_never_blamed_for_a_missing_event(name: str, tmp_path: Path) -> None:
    lines = lines_of(name)
    assert not judged([line for _, line in lines], tmp_path).broken
    for what, left in without_events(lines):
        assert not judged(left, tmp_path).broken, what


@pytest.mark.unmeasured
@pytest.mark.parametrize("name", SMALL)
def test_a_right_driver_is_never_blamed_for_a_missing_field(name: str, tmp_path: Path) -> None:
    for what, changed in without_fields(lines_of(name)):
        assert not judged(changed, tmp_path).broken, what


@pytest.mark.parametrize(
    ("event", "rules"),
    [
        ("bad_isolate_ret", ["D8", "D11", "V2", "V4"]),
        ("bad_isolate", ["D11", "V1", "V2"]),
        ("bad_putback_ret", ["D29", "V2"]),
        ("bad_migrate_ret", ["D16", "D23", "D26", "D29", "V12"]),
        ("isolate_movable_page_ret", ["V2", "V12"]),
        ("clear_page_movable", ["D19", "D21"]),
    ],
)
def test_what_rests_on_a_missing_event_is_unproven(event: str, rules: list[str], tmp_path: Path) -> None:
    whole = lines_of("bad/mode_10")
    assert not judged([line for name, line in whole if name != event], tmp_path).broken
    result = judged([line for name, line in whole if name != event], tmp_path)
    assert {result.verdicts[rule].verdict for rule in rules} == {UNPROVEN}


def test_answers_that_were_not_fetched(tmp_path: Path) -> None:
    result = judged([re.sub(r" ret=\S+", "", line) for _, line in lines_of("bad/mode_00")], tmp_path)
    assert result.verdicts["D23"].reason.endswith("the trace shows no migratepage_ret.ret")
    assert {result.verdicts[rule].verdict for rule in ("D8", "D16", "D23", "D27", "V12")} == {UNPROVEN}


def test_one_driver_of_two_without_its_return_probe(tmp_path: Path) -> None:
    """The kind is seen, of the other driver only."""
    script = life()
    for pfn in (30, 31, 32):
        script.mark(pfn, 0xFFFFFFFFC0200000).isolate(pfn, "bad", 0xFFFFFFFFC0200000).putback(pfn, "bad", 0xFFFFFFFFC0200000)
    both = judged(script.text().splitlines(), tmp_path)
    assert not both.broken and both.verdicts["V2"].verdict == HELD
    one = judged([line for line in script.text().splitlines() if " bad_isolate_ret: " not in line], tmp_path)
    assert not one.broken
    assert {one.verdicts[rule].reason.rpartition(" ")[2] for rule in ("D11", "V2", "V25")} >= {"isolate_page_ret"}


def test_a_header_cannot_make_up_for_a_return_that_never_comes(tmp_path: Path) -> None:
    header = "# movable: driver=bad era=6.1 lost=0 missed=0 refused="
    lines = [header, *(line for name, line in lines_of("bad/mode_10") if name != "bad_isolate_ret")]
    assert not judged(lines, tmp_path).broken


# --- the bits of the flags ---


@pytest.mark.parametrize("event", ["folio_unlock", "isolate_movable_page", "isolate_movable_page_ret"])
def test_an_older_kernel_without_the_unlock_that_tells_its_flags(event: str, tmp_path: Path) -> None:
    """The callbacks show the bit as well."""
    lines = [line for line in life(isolated=1 << 17).text().splitlines() if f" {event}: " not in line]
    result = judged(lines, tmp_path)
    assert not result.broken and result.era == "4.19"


def test_flags_that_nothing_tells_how_to_read(tmp_path: Path) -> None:
    script = Script(isolated=1 << 17)
    script.mark(5)
    script.page("isolate_movable_page", 5, 0, 0xFFFFFFFFC0100002, 1, "mode=0x8 ")
    script.page("zs_isolate", 5, 1, 0xFFFFFFFFC0100002, 2, "mode=0x8 ")
    script.add("zs_isolate_ret", "ret=0", "isolate_movable_page+0x1/0x2 <- x")
    script.add("isolate_movable_page_ret", "ret=-16", "isolate_migratepages_block+0x1/0x2 <- isolate_movable_page")
    result = judged(script.text().splitlines(), tmp_path)
    assert result.verdicts["V1"].verdict == UNPROVEN and "--era" in result.verdicts["V1"].reason
    told = check_trace(str(script.write(tmp_path)), era="6.1")
    assert told.verdicts["V1"].verdict == HELD


def test_a_wrong_era_is_refused(tmp_path: Path) -> None:
    path = str(life().write(tmp_path))
    assert not check_trace(path, era="6.1").notes
    with pytest.raises(UsageError, match=r"has isolated pages with bit 18.* era 6\.1, and --era 4\.19 was given"):
        check_trace(path, era="4.19")
