"""Nothing is kept that nobody uses: what vulture finds in the product is named in a test or a page, or is on a short list."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import movable
from movable import events
from movable.rules.table import CHECKS

ROOT = Path(__file__).parents[1]

FOUND_BY_NAME = [
    "_do_*",  # a step or a verb by its name
    "_compaction_*", "_page_alloc_*", "_cma_alloc_*",  # a tracepoint by its name
    "pytest_*", "runtest", "reportinfo", "get_completions", "complete_event", "_repr_html_",  # other programs call these
    "f_trace", "f_trace_lines", "f_trace_opcodes", "botframe", "whitespace_split", "encoding", "cancel_futures",  # and read these
    "__getattr__", "__init_subclass__", "__place__",
    "[DV][0-9]*",  # a rule is declared, and found in the table
    "after_*",  # the history, after the checks
    "demand", "begin_io", "end_io",  # operations of exhibits, by name
    "_progress", "_teardown",  # the ends of a program (harness.ENDS)
]  # fmt: skip
WORDS_OF_A_KERNEL = [
    "LRU_*", "PG_*", "VIRTIO_BALLOON_F_*", "mem_used_max", "nodemask", "CHANGE", "OP",
]  # fmt: skip
"""Members of a row of numbers or of a record, which would not be whole without them."""


def test_nothing_is_kept_that_nobody_uses() -> None:
    vulture = pytest.importorskip("vulture")
    kinds = [kind for table in vars(events).values() if isinstance(table, dict) for kind in table if isinstance(kind, str)]
    counted = [occasion for check in CHECKS for occasion in check.occasions]
    looker = vulture.Vulture(ignore_names=[*FOUND_BY_NAME, *WORDS_OF_A_KERNEL, *kinds, *counted, *movable.__all__])
    looker.scavenge([str(ROOT / name) for name in ("movable", "drivers")], exclude=["*/templates/*"])
    unused = looker.get_unused_code(min_confidence=60)
    texts = [path.read_text() for room in ("tests", "docs") for path in (ROOT / room).rglob("*.*") if path.suffix in (".py", ".md")]
    words = set(re.findall(r"\w+", " ".join(texts)))
    assert not [f"{item.filename}:{item.first_lineno} {item.typ} {item.name}" for item in unused if item.name not in words]
