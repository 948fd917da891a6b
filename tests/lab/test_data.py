"""What a run stores: files in a fixed order, cut into pages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from movable.errors import UsageError
from movable.lab import data
from movable.lab.data import read_input, read_standard_library
from movable.mm.page import PAGE_SIZE


def test_a_directory_is_read_in_order_of_name(tmp_path: Path) -> None:
    for name in ("b", "a/z", "a/y", "C", "empty"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"" if name == "empty" else name.encode() * 3000)
    found = read_input(tmp_path)
    assert [file.name for file in found.files] == ["C", "a/y", "a/z", "b"]
    assert [file.first_page for file in found.files] == [0, 1, 4, 7]
    assert found.size == 3000 + 9000 + 9000 + 3000
    assert all(len(page) == PAGE_SIZE for page in found.pages)
    assert b"".join(found.pages[1:4]).rstrip(b"\0") == b"a/y" * 3000


def test_a_page_knows_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(5000))
    (tmp_path / "b").write_bytes(bytes(10))
    found = read_input(tmp_path)
    assert [found.place(page) for page in range(3)] == [("a", 0, 4095), ("a", 4096, 4999), ("b", 0, 9)]


def test_a_single_file(tmp_path: Path) -> None:
    file = tmp_path / "one"
    file.write_bytes(b"x" * (PAGE_SIZE + 1))
    found = read_input(file)
    assert (len(found.files), len(found.pages), found.name) == (1, 2, str(file))


def test_links_and_outputs_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("data")
    (tmp_path / "out.json").write_text("of the last run")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    found = read_input(tmp_path, {(tmp_path / "out.json").resolve()})
    assert [file.name for file in found.files] == ["real"]


def test_names_that_are_no_text_can_be_printed(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).write_text("data")
    name = read_input(tmp_path).files[0].name
    assert name == "\\xff"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "No such file or directory"),
        (lambda path: path.mkdir(), "holds no data"),
        (lambda path: path.write_text(""), "holds no data"),
        (os.mkfifo, "neither a file nor a directory"),
    ],
)
def test_input_that_cannot_be_used(make: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "input"
    make(path)  # type: ignore[operator]
    with pytest.raises(UsageError, match=message) as caught:
        read_input(path)
    assert str(path) in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("data")
    (tmp_path / "secret").chmod(0)
    with pytest.raises(UsageError, match=r"cannot read .*secret: Permission denied"):
        read_input(tmp_path)


def test_there_is_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MAX_INPUT", 5000)
    (tmp_path / "a").write_bytes(bytes(3000))
    assert read_input(tmp_path).size == 3000
    (tmp_path / "b").write_bytes(bytes(3000))
    with pytest.raises(UsageError, match="more than 1 GiB; name a part of it"):
        read_input(tmp_path)


def test_the_standard_library_is_read_up_to_a_limit() -> None:
    found = read_standard_library(2 << 20)
    assert 1 << 20 < len(found.pages) * PAGE_SIZE <= 2 << 20
    names = [file.name for file in found.files]
    assert all(name.endswith(".py") and "site-packages" not in name for name in names)
    assert len(set(names)) == len(names)
    smaller = [file.name for file in read_standard_library(1 << 19).files]
    assert smaller and smaller == names[: len(smaller)]


def test_a_python_without_a_library_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysconfig.get_paths", lambda: {"stdlib": str(tmp_path / "python311.zip")})
    with pytest.raises(UsageError, match="name something with --input"):
        read_standard_library(1 << 20)
