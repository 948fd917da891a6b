"""Requests that failed, in the words of several kernels."""

from __future__ import annotations

import pytest

from movable.explain.reading import read


@pytest.mark.parametrize(
    ("line", "task", "order", "gfp"),
    [
        ("java invoked oom-killer: gfp_mask=0x14040c0(GFP_KERNEL|__GFP_COMP), nodemask=(null),  order=3, oom=0", "java", 3, 2),
        ("gtool invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=1000", "gtool", 0, 1),
        ("sh invoked oom-killer: gfp_mask=0xd0, order=2, oom_adj=0", "sh", 2, 1),
        ("kswapd0: page allocation failure. order:5, mode:0x20", "kswapd0", 5, 1),
        ("cc1: page allocation stalls for 10048ms, order:1, mode:0x14200ca(GFP_HIGHUSER_MOVABLE)", "cc1", 1, 1),
    ],
)
def test_requests_in_the_words_of_several_kernels(line: str, task: str, order: int, gfp: int) -> None:
    [request] = read([("pasted", f"[ 12.5] {line}\n")]).requests
    assert (request.task, request.order, len(request.gfp)) == (task, order, gfp)
