"""Hosts that prompts and logs name."""

from __future__ import annotations

import pytest

from movable.explain.layouts.hosts import host_of, several

NAMED = {
    "root@web1:~# cat /proc/buddyinfo": "web1", "[root@db01 ~]# cat x": "db01", "> user@box:/proc$ grep a b": "box",
    "web2:~# cat x": "web2", "me@mac dir % cat x": "mac", "<pre>[a@b.lan /]# x": "b.lan",
    "Mar  3 11:02:01 db01 kernel: x": "db01", "<4>1 2024-02-11T02:14:07.1Z n7 kernel - - - x": "n7",
    "2024-02-11T03:14:07+0100 web-04.prod kernel[0]: x": "web-04.prod",
    "Feb 11 03:14:07 db01 kern.warn kernel: x": "db01", "2024-02-11 03:14:07.1 web-04 kern.err kernel: x": "web-04",
    "see http://a.b/c#d e": "", "me@example.com wrote: it costs $ 5": "", "http://a.b/c# d": "", "my kernel: 5.10": "",
}  # fmt: skip


@pytest.mark.parametrize("line", NAMED)
def test_a_host_is_named_by_a_prompt_or_a_log(line: str) -> None:
    assert host_of(line) == NAMED[line]


def test_a_name_with_its_domain_is_the_same_host() -> None:
    prompts = ["root@db01:~# cat x", "Mar  3 11:02:01 db01.lan kernel: x"]
    assert not several(prompts) and several([*prompts, "root@10.0.0.1:~# x"]) and not several([])
