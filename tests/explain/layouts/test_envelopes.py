"""What services put around each line of a log is taken away, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.explain.material import EVERYTHING
from tests.explain.test_reading import read_one, values

ENVELOPES: dict[str, Callable[[str], str]] = {
    "verbose": lambda line: f"Mon 2025-11-03 10:00:00.1 CET [s=1b;i=4a;b=77]\n    _BOOT_ID=77\n    MESSAGE={line}\n    PRIORITY=4",
    "export": lambda line: f"__CURSOR=s=1b2c;i=0\n_BOOT_ID=77aa\nMESSAGE={line}\n",
    "labels": lambda line: f'2025-11-03T10:00:00Z {{host="web-04", job="kern"}} {line}',
    "quoted fields": lambda line: f'"2025-11-03T10:00:00.1+0100","h","Nov  3 10:00:00 h kernel: [   49.641309] {_doubled(line)}"',
    "semicolons": lambda line: f'03.11.2025 10:00:00;host-1;"{_doubled(line)}"',
    "syslog": lambda line: f"<4>1 2025-11-03T10:00:00.1Z host-1 kernel - - - [   49.641309] {line}",
    "service": lambda line: f"2025-11-03T10:00:00.1+00:00 i-0abc Nov  3 10:00:00 ip-10-0-0-4 kernel: [   49.641309] {line}",
    "telephone": lambda line: f"11-03 10:00:00.123     0     0 W         : {line}",
    "hash": lambda line: f'[9] kmsg.0: [[1762160400.1, {{}}], {{"priority"=>4, "msg"=>"{_escaped(line)}"}}]',
    "keys": lambda line: f'ts=2025-11-03T10:00:00Z level=warn host=host-1 msg="{_escaped(line)}" n=1',
    "cells": lambda line: f"|10:00:00|{line}|",
    "pairs": lambda line: json.dumps({"data": {"result": [{"stream": {"host": "h"}, "values": [["1762160400000000000", line]]}]}}),
    "object": lambda line: json.dumps({"insertId": "x0", "jsonPayload": {"MESSAGE": line, "PRIORITY": "4"}}, indent=1),
    "typed": lambda line: line.replace("-", "\u2011").replace("*", "\u00d7").replace(" ", "\u00a0"),
}


def _doubled(line: str) -> str:
    return line.replace('"', '""')


def _escaped(line: str) -> str:
    return line.replace('"', '\\"')


@pytest.mark.parametrize("envelope", ENVELOPES)
@pytest.mark.parametrize("kind", ["mem-info", "dump"])
def test_an_envelope_of_a_service_changes_nothing(kind: str, envelope: str) -> None:
    text = EVERYTHING[kind]
    sealed = "".join(ENVELOPES[envelope](line) + "\n" for line in text.splitlines())
    assert not read_one(sealed).unread and values(sealed) == values(text)
