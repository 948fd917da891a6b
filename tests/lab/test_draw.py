"""The map: every frame has one kind, and the text says what the frames are."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from movable import VM
from movable.lab.draw import (
    FIRST_DRIVER,
    FREE,
    FREE_HUGE,
    HUGE,
    OFFLINE,
    OTHER,
    PROCESS,
    FrameMap,
    cell_letter,
    kinds_for,
    legend_lines,
    map_lines,
    take_map,
)
from movable.lab.svg import picture
from movable.mm.gfp import GFP_HIGHUSER_MOVABLE, GFP_TRANSHUGE_LIGHT
from movable.mm.memory_hotplug import offline_pages
from tests.lab.broken import Pages


def drawn() -> FrameMap:
    """A machine with one of everything: 8 pageblocks in 2 nodes."""
    vm = VM(16 << 20, nodes=2, pageblock_order=9)
    driver = Pages(vm)
    driver.populate(10)
    process = [vm.alloc_page(GFP_HIGHUSER_MOVABLE) for _ in range(5)]
    assert vm.alloc_page() is not None  # of nobody
    assert vm.alloc_pages(GFP_TRANSHUGE_LIGHT, 9, 1) is not None
    assert offline_pages(vm, 2048, 512) == 0
    frames = {page.pfn for page in process if page}
    return take_map(vm, "now", kinds_for(["pages"]), lambda page: FIRST_DRIVER if page._mapping else None, frames)


def test_every_frame_is_counted_once() -> None:
    found = drawn()
    counts = {kind: found.count(kind) for kind in range(len(found.kinds))}
    assert {kind: counts[kind] for kind in (OTHER, PROCESS, FIRST_DRIVER, HUGE, OFFLINE)} == {
        OTHER: 1,
        PROCESS: 5,
        FIRST_DRIVER: 10,
        HUGE: 512,
        OFFLINE: 512,
    }
    assert sum(counts.values()) == 4096
    assert counts[FREE_HUGE] % 512 == 0 and counts[FREE_HUGE] > counts[FREE] > 0
    assert found.present() == list(range(7))


def test_the_text_has_a_line_of_64_characters_for_each_stretch() -> None:
    found = drawn()
    lines = list(map_lines(found))
    assert found.per_cell == 4 and len(lines) == 16
    assert all(len(letters) == 64 for _, letters in lines)
    assert [label.split() for label, _ in lines][:2] == [["node", "0", "0"], ["256"]]
    assert lines[8][0].split() == ["node", "1", "2048"]
    assert lines[8][1] == "/" * 64
    assert {letter for _, letters in lines for letter in letters} >= {"-", "=", "#", "/", "A"}


@pytest.mark.parametrize(
    ("cell", "letter"),
    [
        ([FREE, FREE], "-"),
        ([FREE_HUGE, FREE_HUGE], "="),
        ([FREE, FREE_HUGE], "-"),
        ([FREE, PROCESS], "p"),
        ([PROCESS, PROCESS], "P"),
        ([FREE, FREE, FREE, FIRST_DRIVER], "z"),
        ([PROCESS, FIRST_DRIVER, FIRST_DRIVER, HUGE], "Z"),
        ([PROCESS, FIRST_DRIVER], "P"),
        ([HUGE, FREE_HUGE], "#"),
        ([OFFLINE], "/"),
        ([OTHER], "?"),
    ],
)
def test_a_character_says_who_has_most(cell: list[int], letter: str) -> None:
    assert cell_letter(kinds_for(["zsmalloc"]), bytes(cell)) == letter


def test_every_driver_has_its_own_letter() -> None:
    letters = [kind.letter for kind in kinds_for(["pages", "ppp", "zsmalloc", "Zs", "a", "é"])]
    assert len(set(letters)) == len(letters)
    assert letters[FIRST_DRIVER:] == ["a", "b", "z", "s", "c", "d"]
    assert [kind.letter for kind in kinds_for([f"d{number}" for number in range(30)])].count("?") > 1  # more than there are letters


def test_the_legend_names_what_is_there() -> None:
    first, second = legend_lines(drawn())
    assert "4 frames" in first
    for name in ("free", "offline", "huge page", "process", "a pages", "something else"):
        assert name in second


def test_small_machines_have_a_character_for_each_frame() -> None:
    vm = VM(64 << 12)
    found = take_map(vm, "now", kinds_for([]), lambda page: None, set())
    assert found.per_cell == 1
    assert [letters for _, letters in map_lines(found)] == ["-" * 64]
    assert "one frame" in legend_lines(found)[0]


# the picture


def svg_of(*titles: str) -> ElementTree.Element:
    found = drawn()
    return ElementTree.fromstring(picture("a <title> & more", "below it", [found._replace(title=title) for title in titles]))


def texts(root: ElementTree.Element) -> list[str]:
    return [node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_picture_has_a_title_the_moments_and_a_legend() -> None:
    found = texts(svg_of("before", "after"))
    assert found[:2] == ["a <title> & more", "below it"]
    assert found.count("before") == found.count("after") == 2  # above the map, and in the legend
    legend = found[found.index("Legend") :]
    names = ("something else", "free", "free, in a block of order 9 or more", "huge page", "offline", "process", "pages")
    assert [name for name in names if name not in legend] == []
    row = legend.index("offline")
    assert legend[row + 1 : row + 3] == ["512", "512"]


def test_the_squares_of_the_picture_are_as_large_as_what_they_show() -> None:
    """The area of each colour, in frames, is the number of its frames."""
    root = svg_of("now")
    found = drawn()
    area: dict[str, float] = {}
    for path in root.iter("{http://www.w3.org/2000/svg}path"):
        widths = [float(part.partition("v")[0]) for part in path.attrib["d"].split("h")[1:] if "v" in part]
        area[path.attrib["fill"]] = area.get(path.attrib["fill"], 0) + sum(widths) / 10 * found.per_cell
    colours = {"url(#offline)" if kind == OFFLINE else found.kinds[kind].colour: found.count(kind) for kind in found.present()}
    assert {colour: round(frames) for colour, frames in area.items()} == colours


def test_nothing_lies_outside_the_picture() -> None:
    root = svg_of("before", "after", "at the end")
    width, height = int(root.attrib["width"]), int(root.attrib["height"])
    for node in root.iter():
        if node.tag.endswith(("text", "rect")) and "x" in node.attrib:
            assert 0 <= float(node.attrib["x"]) <= width and 0 <= float(node.attrib["y"]) <= height
