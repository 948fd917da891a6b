"""Sizes, drivers and files of ``movable run``, right and wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from movable.errors import UsageError
from movable.lab.options import Options, check, check_drivers, check_memory
from movable.mm.memparse import parse_size

BROKEN = Path(__file__).parent / "broken.py"


@pytest.mark.parametrize(("text", "nodes"), [("256M", 2), ("8M", 1), ("24M", 3), ("16G", 64)])
def test_memory_that_is_possible(text: str, nodes: int) -> None:
    assert check_memory(text, nodes) == parse_size(text)


@pytest.mark.parametrize(
    ("text", "nodes", "message"),
    [
        ("6M", 1, "too small for 1 node: each needs 4 pageblocks of 2 MiB; use 8M or more"),
        ("14M", 2, "use 16M or more"),
        ("17M", 2, "no multiple of a pageblock (2 MiB) for each of 2 nodes; use 16M or 20M"),
        ("9M", 1, "use 8M or 10M"),
        ("16386M", 1, "use 16G or less"),
        ("256M", 0, "--nodes 0 is not possible; use 1 to 64"),
        ("256M", 65, "--nodes 65"),
    ],
)
def test_memory_that_is_not(text: str, nodes: int, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_memory(text, nodes)
    assert message in str(caught.value)


def test_the_sizes_that_are_suggested_are_possible() -> None:
    for nodes in (1, 2, 3, 7):
        for megabytes in range(8 * nodes + 1, 8 * nodes + 2 * nodes):
            with pytest.raises(UsageError) as caught:
                check_memory(f"{megabytes}M", nodes)
            low, high = str(caught.value).rpartition("use ")[2].split(" or ")
            assert check_memory(low, nodes) < megabytes << 20 < check_memory(high, nodes)


def test_labels_are_short_and_differ() -> None:
    labels = [label for label, _, _ in check_drivers(f"zsmalloc, {BROKEN}:Pages,movable_zsmalloc:Zsmalloc,tests.lab.broken:Pages")]
    assert labels == ["zsmalloc", "Pages", "Zsmalloc", "Pages#2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty name"),
        ("zsmalloc,", "empty name"),
        ("zsmalloc,zsmalloc", "names 'zsmalloc' twice"),
        ("nonesuch", "unknown driver 'nonesuch'; installed are balloon, vmballoon, zsmalloc"),
        ("nonesuch.py:X", "no file 'nonesuch.py'"),
        (f"{BROKEN}:Nonesuch", "has no 'Nonesuch'"),
    ],
)
def test_drivers_that_are_not_there(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_drivers(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_written_are_found_before_the_run(tmp_path: Path) -> None:
    for options, message in (
        (Options(json=str(tmp_path)), "is a directory; name a file"),
        (Options(svg=str(tmp_path / "none" / "x.svg")), "there is no directory"),
        (Options(events=str(tmp_path / "a"), svg=str(tmp_path / "a")), "name the same file"),
    ):
        with pytest.raises(UsageError, match=message):
            check(options)


def test_a_folder_that_takes_no_new_file_is_found_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What exists is replaced, so that its own permissions are not enough; a device or a pipe is written to as it is."""
    (tmp_path / "r.json").write_text("old")
    allowed = lambda path, mode: Path(path) != tmp_path  # noqa: E731
    monkeypatch.setattr("os.access", allowed)
    with pytest.raises(UsageError, match=r"--json .*r\.json cannot be written; check its permissions and those of its folder"):
        check(Options(json=str(tmp_path / "r.json")))
    os.mkfifo(tmp_path / "pipe")
    check(Options(json=str(tmp_path / "pipe")))


@pytest.mark.parametrize("option", ["json", "events", "svg"])
def test_what_is_read_is_never_overwritten(option: str, tmp_path: Path) -> None:
    data, driver = tmp_path / "data", tmp_path / "driver.py"
    data.write_bytes(b"the only copy")
    driver.write_bytes(BROKEN.read_bytes())
    (tmp_path / "link").symlink_to(data)
    for target in (data, tmp_path / "link", driver):
        options = Options(input=str(data), drivers=f"zsmalloc,{driver}:Pages", **{option: str(target)})  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=f"--{option} and --(input|drivers) name the same file"):
            check(options)
    check(Options(drivers="zsmalloc", json=str(tmp_path / "zsmalloc")))


@pytest.mark.parametrize("option", ["input", "json", "events", "svg"])
def test_names_that_are_no_names(option: str) -> None:
    with pytest.raises(UsageError, match=f"--{option} is empty; name a file"):
        check(Options(**{option: ""}))  # type: ignore[arg-type]
    if option != "json":
        with pytest.raises(UsageError, match=f"--{option} - is not possible"):
            check(Options(**{option: "-"}))  # type: ignore[arg-type]


def test_outputs_are_known_by_their_real_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = check(Options(json="a.json", events="./b.jsonl"))
    assert settings.outputs == {(tmp_path / name).resolve() for name in ("a.json", "b.jsonl")}
    assert check(Options(json="-")).outputs == frozenset()
