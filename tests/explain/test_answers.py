"""The answers: which question is answered, what the numbers are, and what is advised."""

from __future__ import annotations

from movable.explain.answers import answers
from movable.explain.material import Answer, Material
from movable.explain.reading import read
from movable.explain.zones import last, wanted_order
from tests.explain.material import CMA, COMPSNOOP, MEM_INFO, TRACE, TYPES, VMSTAT_AFTER, VMSTAT_BEFORE


def ask(text: str, order: int | None = None) -> tuple[Material, list[Answer]]:
    material = read([("pasted", text)])
    return material, answers(material, *wanted_order(material, order))


def said(text: str, order: int | None = None) -> str:
    return "\n".join(line for answer in ask(text, order)[1] for line in (answer.title, *answer.facts, *answer.advice))


def test_fragmentation_and_lack_of_memory_are_told_apart() -> None:
    assert "broken up" in said("Node 0, zone Normal 1983 0 0 0 0 0 0 0 0 0 0\n")
    assert "lack of memory" in said("Node 0, zone Normal 3 0 0 0 0 0 0 0 0 0 0\n")
    assert "more than fragmentation" in said("Node 0, zone Normal 0 0 0 0 0 0 0 0 3 0 0\n", 9)
    assert "can be had at once" in said("Node 0, zone Normal 0 0 0 0 0 0 0 0 0 1 0\n", 9)


def test_types_alone_are_added_up() -> None:
    material, _ = ask(TYPES)
    assert last(material)[0].counts[:3] == [157 + 100000 + 1, 586 + 1 + 1, 393 + 1 + 8]


def test_the_order_is_what_failed() -> None:
    material, _ = ask(MEM_INFO)
    assert wanted_order(material, None)[0] == 4 and wanted_order(material, 2)[0] == 2


def test_watermarks_say_whether_compaction_would_begin() -> None:
    low = MEM_INFO.replace("low:27700kB", "low:59000kB")
    assert "Compaction would be skipped" in said(low, 9) and "Compaction would be skipped" not in said(MEM_INFO, 9)
    assert "below the min watermark" in said(MEM_INFO.replace("min:22160kB", "min:60000kB"))


def test_pageblocks() -> None:
    text = said(TYPES)
    assert "38 of 248 pageblocks are not movable (15 %)" in text and "10 pageblocks hold pages of another kind" in text


def test_counters_between_two_moments() -> None:
    text = said(VMSTAT_BEFORE + VMSTAT_AFTER)
    assert "1188 requests stalled" in text and "954 got their block, 234 did not (20 %)" in text
    assert "150.0 pages were scanned for each that moved" in text and "0 given, 1188 refused" in text
    assert "fell" in said(VMSTAT_AFTER + VMSTAT_BEFORE)


def test_cma_runs() -> None:
    assert "No run is long enough" in said(CMA)
    assert "A run is long enough" in said(CMA.replace("req-size: 512", "req-size: 64"))


def test_compactions_and_tracepoints() -> None:
    text = said(COMPSNOOP)
    assert "1 ended as partial_skipped" in text and "Who compacted: zsh (1)" in text
    assert "ended 1 success" in said(TRACE)
