"""Settings of huge pages and compaction."""

from __future__ import annotations

from movable.explain.reading import read
from tests.explain.test_answers import said


def test_settings() -> None:
    never = "root@db:~# cat /sys/kernel/mm/transparent_hugepage/enabled\nalways madvise [never]\n"
    text = said(f"{never}vm.compaction_proactiveness = 0\n")
    assert "off (never)" in text and "Proactive compaction is off" in text
    text = said("# cat /sys/kernel/mm/transparent_hugepage/defrag\nalways defer [defer+madvise] madvise never\n")
    assert "MADV_HUGEPAGE wait for compaction" in text and "asks" not in text
    assert "min_free_kbytes 67584" in said("$ cat /proc/sys/vm/min_free_kbytes\n67584\n")
    assert read([("x", "always [sometimes] never\n67584\n")]).recognised == 0
