"""The probes equal what the recordings were made with, and the script sets, checks and removes them on a pretended tracefs."""

from __future__ import annotations

import re

import pytest

from movable.errors import UsageError
from movable.trace.record.driver_probes import known
from movable.trace.record.probes import FILTERS, callbacks_of, core_probes, filters, probe_set
from movable.trace.record.script import recording_script
from tests.trace.recordings import TRACES

DRIVERS = known()
BAD = callbacks_of("bad", "badmov:bad_isolate", "badmov:bad_migrate", "badmov:bad_putback")


def recorded(name: str) -> list[str]:
    return (TRACES / "probes" / name).read_text().splitlines()


@pytest.mark.parametrize(
    ("name", "driver", "objects"),
    [
        ("zsmalloc", DRIVERS["zsmalloc"], False),
        ("zsmalloc_objects", DRIVERS["zsmalloc"], True),
        ("balloon", DRIVERS["balloon"], False),
        ("z3fold", DRIVERS["z3fold"], False),
        ("bad", BAD, False),
    ],
)
def test_probes_equal_the_recordings(name: str, driver, objects: bool) -> None:  # type: ignore[no-untyped-def]
    assert [probe.definition() for probe in probe_set(driver, objects=objects)] == recorded(name)


def test_filters_equal_the_recordings() -> None:
    assert sorted(f"kp/{event}: {filter_}" for event, filter_ in FILTERS.items()) == sorted(recorded("filters"))


def test_old_era_shifts_arguments_and_names() -> None:
    lines = {probe.name: probe.definition() for probe in probe_set(DRIVERS["zsmalloc"], "4.19")}
    assert lines["zs_migrate"].startswith(
        "p:kp/zs_migrate zsmalloc:zs_page_migrate newpage=%si:x64 page=%dx:x64 mode=%cx:u32 zspage=+40(%dx):x64"
    )
    assert "flags=+0(%dx):x64" in lines["zs_migrate"] and "nflags=+0(%si):x64" in lines["zs_migrate"]
    assert " unlock_page page=%di:x64" in lines["folio_unlock"]
    assert " __put_page " in lines["folio_put_final"] and " move_to_new_page " in lines["move_to_new_folio"]
    assert "order=" not in lines["free_unref_page"]


def test_arm_passes_arguments_elsewhere() -> None:
    lines = [probe.definition("aarch64") for probe in core_probes("6.1")]
    assert not any("%di" in line or "%si" in line for line in lines)
    assert lines[0].startswith("p:kp/isolate_movable_page isolate_movable_page page=%x0:x64 mode=%x1:x32 flags=+0(%x0):x64")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nosuch",), "known by name are balloon, vmballoon, zsmalloc, z3fold"),
        (("x", "a", "b"), "--putback SYM"),
        (("x", "a", "b", "c; reboot"), "expected a function"),
        (("my driver", "a", "b", "c"), "letters, digits and underscores"),
        (("balloon", "a", "b", "c"), "under this name; give yours another"),
    ],
)
def test_bad_names_are_refused(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        callbacks_of(*arguments)


def test_functions_of_kernels_whose_marks_stay() -> None:
    """Marks and releases are instructions there, which the script looks for (test_instructions.py)."""
    defined = {probe.name: probe.definition() for era in ("6.17", "7.3") for probe in probe_set(DRIVERS["zsmalloc"], era)}
    assert not {"set_page_movable", "clear_page_movable", "isolate_movable_page"} & set(defined)
    fields = "flags=+0({0}):x64 type=+51({0}):x8 refs=+52({0}):s32 mapping=+24({0}):x64 lru=+8({0}):x64 private=+40({0}):x64"
    isolate = "p:kp/isolate_movable_ops_page isolate_movable_ops_page page=%di:x64 mode=%si:x32 " + fields.format("%di")
    assert defined["isolate_movable_ops_page"] == isolate
    new = "nflags=+0(%di):x64 nrefs=+52(%di):s32 ntype=+51(%di):x8"
    migrate = f"p:kp/balloon_migrate balloon_page_migrate newpage=%di:x64 page=%si:x64 mode=%dx:u32 {new} {fields.format('%si')}"
    assert defined["balloon_migrate"] == migrate
    assert filters("7.3")["free_frozen_pages"] == "type == 0xf1 || type == 0xf6" and filters("6.1") == FILTERS
    assert {"vb_hook", "vmballoon_hook_ret"} <= set(defined)
    one = {probe.name for probe in probe_set(DRIVERS["vmballoon"], "7.3")}
    assert "vmballoon_hook" in one and "vb_hook" not in one and "balloon_migrate" in one
    text = recording_script(DRIVERS["zsmalloc"], "zsmalloc", "7.3")
    assert "era=7.3" in text and "zsmalloc:zs_page_migrate zs_page_migrate" in text and "set_filter free_frozen_pages" in text


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("5.4", "4.19 serves 4.19 to 5.19: give --era 4.19"),
        ("v5.15.0-91-generic", "give --era 4.19"),
        ("6.12", "6.1 serves 6.0 to 6.16: give --era 6.1"),
        ("6.18", "7.3 serves 6.18 to 7.3: give --era 7.3"),
        ("4.4", "4.19 serves 4.19 to 5.19; 6.1 serves 6.0 to 6.16; 6.17 serves"),
        ("old", "4.19 serves 4.19 to 5.19; 6.1 serves"),
    ],
)
def test_a_kernel_version_is_told_its_era(version: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        probe_set(DRIVERS["balloon"], version)


def test_no_event_is_defined_twice() -> None:
    for driver in (*DRIVERS.values(), BAD, callbacks_of("zsmalloc", "a", "b", "c"), callbacks_of("zs", "a", "b", "c")):
        names = [probe.name for probe in probe_set(driver, objects=True, base=True)]
        assert len(names) == len(set(names))


# --- the script, on a directory that pretends to be tracefs ---
