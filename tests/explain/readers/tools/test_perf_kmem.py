"""The summary of perf kmem."""

from __future__ import annotations

from movable.explain.reading import read
from tests.explain.test_paste import PASTES


def test_a_summary_of_perf_ends_with_the_next_command() -> None:
    summary, others = PASTES["perf_kmem"], ["work | 10 | 20 | 10 |", "9 1 2 3 4 5"]
    material = read([("x", "\n".join([summary, "$ cat others", *others]))])
    assert [one.text for one in material.unread] == others and len(material.figures) == len(read([("x", summary)]).figures)
