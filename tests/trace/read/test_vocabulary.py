"""Where the page array lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from movable.errors import UsageError
from tests.trace.recordings import (
    BASE,
    Script,
    life,
    read,
)


def test_base_is_worked_out_from_objects(tmp_path: Path) -> None:
    base = BASE + (3 << 30)
    pfn = (1 << 24) + 5  # beyond the first 64 GiB, where guessing fails
    script = Script(base).mark(pfn)
    script.add("zs_malloc_ret", f"handle=0xffff888000000010 obj={(pfn << 24) + 2:#x}", "zram+0x1/0x2 <- zs_malloc")
    reader, events = read(script.write(tmp_path))
    assert (reader.base, reader.base_from, events[0].pfn) == (base, "objects of zs_malloc", pfn)
    reader, events = read(script.write(tmp_path), vmemmap_base=BASE)
    assert (reader.base_from, events[0].pfn) == ("given", pfn + (3 << 24))


def test_base_from_an_object_on_an_earlier_page(tmp_path: Path) -> None:
    base, pfn = BASE + (3 << 30), (1 << 24) + 5
    script = Script(base).mark(pfn).mark(pfn + 7).mark(pfn + 9)
    script.add("zs_malloc_ret", f"handle=0x10 obj={(pfn + 99) << 24:#x}", "zram+0x1/0x2 <- zs_malloc")  # on another page
    script.add("zs_malloc_ret", f"handle=0x10 obj={pfn << 24:#x}", "zram+0x1/0x2 <- zs_malloc")
    reader, events = read(script.write(tmp_path))
    assert (reader.base, events[0].pfn) == (base, pfn)


@pytest.mark.parametrize("base", [BASE + 1, BASE + (1 << 40)])
def test_a_base_that_fits_no_page_is_refused(base: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no page pointer fits --vmemmap-base"):
        read(life().write(tmp_path), vmemmap_base=base)


def test_base_probe(tmp_path: Path) -> None:
    base = BASE + (9 << 30)
    script = Script(base).add("memory_base", f"base={base:#x}").mark((1 << 24) + 1)
    reader, events = read(script.write(tmp_path))
    assert (reader.base_from, events[0].pfn) == ("a probe of the recording", (1 << 24) + 1)
