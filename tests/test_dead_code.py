"""Nothing is kept that nobody uses: what vulture finds is named in a test, a page or a table, or is on a short list."""

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
    "f_trace", "f_trace_lines", "f_trace_opcodes", "botframe", "whitespace_split", "encoding",  # and read these
    "cancel_futures", "unraisablehook", "_print_message", "create_module", "Loader",
    "__getattr__", "__init_subclass__", "__place__",
    "[DV][0-9]*",  # a rule is declared, and found in the table
    "after_*",  # the history, after the checks
]  # fmt: skip
WORDS_OF_A_KERNEL = [
    "LRU_*", "PG_*", "VIRTIO_BALLOON_F_*", "mem_used_max", "nodemask", "CHANGE", "OP", "buffer_locked",
]  # fmt: skip
"""Members of a row of numbers or of a record, which would not be whole without them."""


@pytest.mark.unmeasured
def test_nothing_is_kept_that_nobody_uses() -> None:
    vulture = pytest.importorskip("vulture")
    kinds = [kind for table in vars(events).values() if isinstance(table, dict) for kind in table if isinstance(kind, str)]
    counted = [occasion for check in CHECKS for occasion in check.occasions]
    looker = vulture.Vulture(ignore_names=[*FOUND_BY_NAME, *WORDS_OF_A_KERNEL, *kinds, *counted, *movable.__all__])
    looker.scavenge([str(ROOT / name) for name in ("movable", "drivers")], exclude=["*/templates/*"])
    unused = looker.get_unused_code(min_confidence=60)
    texts = [path.read_text() for room in ("tests", "docs") for path in (ROOT / room).rglob("*.*") if path.suffix in (".py", ".md")]
    words = set(re.findall(r"\w+", " ".join(texts)))
    for path in [*(ROOT / "movable").rglob("*.py"), *(ROOT / "drivers").rglob("*.py")]:
        words |= set(re.findall(r"[\"'](\w+)[\"']", path.read_text()))  # called by a name in a table
    assert not [f"{item.filename}:{item.first_lineno} {item.typ} {item.name}" for item in unused if item.name not in words]
