"""Waivers by place: real drivers have races that harm nobody, and others behind them that must still be found."""

from __future__ import annotations

from pathlib import Path

import pytest

from movable.cli import main
from movable.contract.examine import check
from movable.contract.report import Report
from movable.errors import UsageError
from tests.c.building import needs_compiler, written
from tests.c.pieces import source

pytestmark = needs_compiler

TWO = "static int n, m;\nvoid add(void)\n{\n\tn++;\n}\nvoid bump(void)\n{\n\tm++;\n}\n"


def judged(name: str, **waive: str) -> Report:
    return check(name, examples=2, executions=40, era="6.1", waive={id.replace("_at_", "@"): why for id, why in waive.items()})


def line_of(name: str, text: str) -> int:
    return next(number for number, line in enumerate(Path(name).read_text().splitlines(), 1) if text in line)


def test_a_race_is_waived_where_it_is_and_the_next_one_is_found(tmp_path: Path) -> None:
    name = written(tmp_path, source(TWO))
    first, second = line_of(name, "n++"), line_of(name, "m++")
    assert judged(name).broken == ["D53"]
    one = judged(name, **{f"D53_at_driver.c:{first}": "a statistic"})
    assert one.broken == ["D53"]
    assert f"driver.c:{second} bump" in str(one.verdicts["D53"].what)
    assert "--excuse=driver.c" in one.replay
    both = judged(name, **{f"D53_at_driver.c:{first}": "a statistic", "D53_at_driver.c:bump": "another"})
    assert both.broken == []
    assert both.verdicts["D53"].verdict == "waived"
    assert both.verdicts["D53"].reason == f"driver.c:{first}: a statistic; driver.c:bump: another"
    assert both.passed()


def test_a_waiver_whose_place_is_gone_fails(tmp_path: Path) -> None:
    name = written(tmp_path, source("static int n;\nvoid add(void)\n{\n\tspin_lock(&lock);\n\tn++;\n\tspin_unlock(&lock);\n}\n"))
    report = judged(name, **{"D53_at_driver.c:drop_pages": "it was there once"})
    assert not report.passed()
    assert report.verdicts["D53"].stale
    assert "waived at driver.c:drop_pages" in report.verdicts["D53"].what
    for place, words in {"driver.c:9999": "lines", "driver.c:nosuch": "no function nosuch", "other.c:1": "no file other.c",
                         "driver.c": "write a place as FILE.c:LINE"}.items():  # fmt: skip
        with pytest.raises(UsageError, match=words):
            judged(name, **{f"D53_at_{place}": "it cannot be there"})


def test_other_rules_are_waived_at_the_place_that_they_name(tmp_path: Path) -> None:
    name = written(tmp_path, source("int go(void)\n{\n\tchar *p = kmalloc(4, GFP_KERNEL);\n\tkfree(p);\n\treturn p[0];\n}\n"))
    assert "D46" in judged(name).broken
    here = check(name, examples=3, interleavings=0, era="6.1", waive={"D46@driver.c:go": "a trial"})
    assert here.verdicts["D46"].verdict == "waived"
    elsewhere = check(name, examples=3, interleavings=0, era="6.1", waive={"D46@driver.c:migrate": "a trial"})
    assert "D46" in elsewhere.broken


def test_the_command_takes_places(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = written(tmp_path, source("static int n;\nvoid add(void)\n{\n\tn++;\n}\n"))
    assert main(["check", name, "--examples", "2", "--executions", "20", "--waive", "D53@driver.c:add=a statistic"]) == 0
    assert "waived   D53 no data race: driver.c:add: a statistic" in capsys.readouterr().out
    assert main(["check", name, "--waive", "D99@driver.c:add=x"]) == 2
