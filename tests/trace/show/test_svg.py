"""The picture of isolated pages over time."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from movable.trace.show.summary import Series, Summary
from movable.trace.show.svg import _ticks, isolated_svg
from tests.trace.recordings import TRACES
from tests.trace.show.test_summary import summary_of


def test_names_in_the_picture_are_escaped() -> None:
    summary = Summary("<a> & b", series={"<b>&": Series(0.0)})
    assert "<b>&" in [element.text for element in ET.fromstring(isolated_svg(summary)).iter()]


def test_picture(tmp_path: Path) -> None:
    svg = isolated_svg(summary_of(TRACES / "i1" / "trace.txt.gz"))
    root = ET.fromstring(svg)
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    lines = [element for element in root.iter() if element.tag.endswith("polyline")]
    assert len(lines) == 2 and {"balloon", "zsmalloc", "seconds", "pages"} <= set(texts)
    heights = [float(point.partition(",")[2]) for point in lines[0].get("points", "").split()]
    assert min(heights) == 40.0 and heights[-1] == heights[0] == 275.0  # up to the top, and back to none
    empty = isolated_svg(summary_of(TRACES / "f-excerpt" / "trace.txt.gz"))
    assert "no page was isolated" in empty and ET.fromstring(empty) is not None


@pytest.mark.parametrize("top", [1, 2, 3, 7, 10, 99, 448, 12345, 0.003, 3.15])
def test_ticks_are_few_and_round(top: float) -> None:
    ticks = _ticks(top)
    assert ticks[0] == 0 and ticks[-1] <= top * 1.001 and 4 <= len(ticks) <= 11
