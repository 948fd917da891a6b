"""A certificate as text, JSON and HTML."""

from __future__ import annotations

import json

from docs.drivers.ring import Ring
from movable.contract import check
from movable.contract.report import text, to_json
from movable.contract.show.html import to_html
from movable.contract.verdict import VERDICTS
from movable.rules.table import RULES
from tests.drivers_for_tests import bad_drivers as bad


def test_the_last_line_counts_every_rule() -> None:
    report = check(Ring, examples=3)
    assert sum(report.count(verdict) for verdict in VERDICTS) == len(RULES)
    assert text(report).splitlines()[-1] == report.summary


def test_json_is_plain_and_counts_agree() -> None:
    report = check(Ring, examples=5)
    record = json.loads(json.dumps(to_json(report)))
    assert record["schema"] == "movable.certificate/1"
    assert sum(record["counts"].values()) == len(record["rules"]) == len(RULES)


def test_html_is_one_page_without_a_network() -> None:
    report = check(bad.Half, examples=10)
    page = to_html([report])
    assert page.startswith("<!doctype html>")
    assert "not certified" in page
    assert "http" not in page.replace('<html lang="en">', "")
    assert 'name="viewport"' in page
    assert report.verdicts["D15"].token in page
