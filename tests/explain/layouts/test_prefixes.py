"""What logs of any kind put before the kernel's lines."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.explain.material import EVERYTHING
from tests.explain.test_reading import read_one, values

PREFIXES: dict[str, Callable[[int, str], str]] = {
    "stern": lambda at, line: f"agent-x7k2p kmsg 2024-02-11T02:14:07.{at:06d}Z [90812.{at:06d}] {line}",
    "columns": lambda at, line: f"2024-02-11T02:14:07.{at:03d}Z\tKernel\tWarning\tweb-04\t{line}",
    "commas": lambda at, line: f"2024-02-11T02:14:07Z,web-04,{line}",
    "manager": lambda at, line: f"0|kmsg  | {line}",
    "facility": lambda at, line: f"2024-02-11 03:14:07.{at:03d} web-04 kern.warning kernel: {line}",
    "year": lambda at, line: f"2024 Feb 11 03:14:07 web-04 kernel: [90812.{at:06d}] {line}",
    "brackets": lambda at, line: f"[2024-02-11 03:14:07] [warn] web-04 kernel {line}",
    "twice": lambda at, line: json.dumps({"message": json.dumps({"log": f"{line}\n", "stream": "stdout"})}),
}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_what_stands_before_every_line_changes_nothing(prefix: str) -> None:
    text = EVERYTHING["mem-info"]
    lines = [PREFIXES[prefix](at, line) for at, line in enumerate(text.splitlines())]
    among = "\n".join(["words of a person", *lines[:4], "Feb 11 03:14:08 other daemon: hello", *lines[4:]])
    assert [line.number for line in read_one(among).unread] == [1, 6] and values("\n".join(lines)) == values(text)


def test_two_lines_with_a_common_beginning_are_no_log() -> None:
    assert len(read_one("my Mem-Info:\nmy Call Trace:\nmy Node 0, zone Normal 5 4 3 2 1 0\n").free) == 1


def test_the_name_of_a_machine_before_each_line_stays() -> None:
    rows = read_one("".join(f"n0{n}: Node 0, zone Normal {n} 500 20 0 0 0\nn0{n}: compact_stall {n}\n" for n in range(1, 5))).free
    assert [row.line.machine for row in rows] == ["n01", "n02", "n03", "n04"]
