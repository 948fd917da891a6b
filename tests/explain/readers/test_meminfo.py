"""/proc/meminfo, and that of one node."""

from __future__ import annotations

from tests.explain.material import ALONE
from tests.explain.test_answers import said


def test_memory_of_the_machine_and_of_a_node() -> None:
    text = said(ALONE["meminfo"])
    assert "20 huge pages of 2048 kB, 3 of them free" in text and "10 % of anonymous memory" in text and "60000 kB" in text
    assert "Memory of node 1" in said("Node 1 MemFree:         308232 kB\n")
