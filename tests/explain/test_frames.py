"""A dump of page flags among what was given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from movable.cli import main

FRAMES = Path(__file__).parents[1] / "data" / "frames" / "pressure"


def test_a_dump_of_page_flags_with_and_without_zones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags, zones = str(FRAMES / "kpageflags.gz"), str(FRAMES / "zoneinfo")
    assert main(["explain", flags]) == 0
    alone = capsys.readouterr().out
    assert "whole pageblocks" in alone and "held by" in alone
    assert main(["explain", flags, zones, "--json", "-"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [zone["zone"] for zone in record["frames"][0]["zones"]] and record["watermarks"]
    assert main(["lab", "hostages", str(FRAMES), "--json", "-"]) == 0
    zones_there = json.loads(capsys.readouterr().out)["zones"]
    assert record["frames"][0]["zones"] == zones_there


@pytest.mark.parametrize(("name", "data"), [("kpageflags", b"short"), ("kpageflags", bytes(801)), ("kpagecount", bytes(800))])
def test_what_is_no_dump_of_page_flags_is_refused(
    name: str, data: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / name
    file.write_bytes(data)
    assert main(["explain", str(file)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and ("page flags" in err or "no /proc/kpageflags" in err)
