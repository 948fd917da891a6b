"""What the system says of a process: when one that does not run stands still."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from movable.supervise import limits


@pytest.mark.parametrize(("state", "still"), [("R", False), ("D", False), ("S", True), ("T", True), ("t", True), ("Z", True)])
def test_who_waits_for_a_disk_does_not_stand_still(state: str, still: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = [state, *["0"] * 40]
    monkeypatch.setattr(limits, "_stat", lambda pid: ("worker", fields))
    monkeypatch.setattr(limits, "_has_children", lambda pid: False)
    load = limits.load_of(os.getpid())
    assert load is not None and load.still is still


def test_who_waits_for_a_child_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_stat", lambda pid: ("worker", ["D", *["0"] * 40]))
    if not os.path.exists("/proc/self/task"):
        pytest.skip("no tasks in /proc")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        there = limits._has_children(os.getpid())
        load = limits.load_of(os.getpid())
        child.communicate(timeout=60)
    assert load is not None and load.still is there
    if os.path.exists(f"/proc/self/task/{os.getpid()}/children"):
        assert there
