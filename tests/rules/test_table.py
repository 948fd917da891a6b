"""The rule table: whole, consistent, and equal to the page that is made from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from movable.contract.show_rules import rule_text, rules_text
from movable.eras import ERAS as KNOWN_ERAS
from movable.errors import UsageError
from movable.events import KINDS as EVENTS
from movable.rules.bugs import BUGS
from movable.rules.rule import ERAS, KINDS, LEVELS
from movable.rules.table import RULES, render_markdown, rule

ROOT = Path(__file__).parent.parent.parent
LRU_ONLY = {28, 29, 30, 31}


def test_every_rule_of_the_contract_is_there() -> None:
    drivers = [f"D{n}" for n in range(1, 56)]
    drivers.insert(drivers.index("D20"), "D19b")
    core = [f"V{n}" for n in range(1, 36) if n not in LRU_ONLY]
    assert list(RULES) == [*drivers, *core]


@pytest.mark.parametrize("id", RULES)
def test_a_row_is_sound(id: str) -> None:
    found = RULES[id]
    assert found.id == id
    assert found.level in LEVELS
    assert found.kind in KINDS
    assert found.eras
    assert set(found.eras) <= set(ERAS) == set(KNOWN_ERAS)
    assert found.scope == ("core" if id[0] == "V" else "driver")
    assert set(found.needs) <= set(EVENTS)
    assert set(found.bugs) <= set(BUGS)
    for words in (found.sentence, found.intent):
        assert words.endswith("."), words
        assert words[0].isupper() or words.startswith(("isolate_", "migratepage", "putback_page", "-EAGAIN")), words
    assert all(re.fullmatch(r"[\w./-]+\.[chtx]+", file) for file, _ in found.source)


def test_every_bug_broke_something() -> None:
    assert {bug for found in RULES.values() for bug in found.bugs} == set(BUGS)


def test_the_page_is_made_from_the_table() -> None:
    made = render_markdown()
    assert (ROOT / "docs" / "contract.md").read_text() == made, "write render_markdown() to docs/contract.md"
    assert all(f"### {id}\n" in made for id in RULES)


def test_a_rule_is_found_by_number() -> None:
    assert rule("D17") is RULES["D17"]
    assert rule("d17") is RULES["D17"]
    assert rule("d19b") is RULES["D19b"]
    assert rule("D19B") is RULES["D19b"]


def test_an_unknown_rule_lists_near_ones() -> None:
    with pytest.raises(UsageError, match=r"unknown rule 'D177'; did you mean .*D17"):
        rule("D177")
    with pytest.raises(UsageError, match="rules are D1 to D55 and V1 to V35"):
        rule("???")


def test_the_table_in_a_terminal() -> None:
    lines = rules_text().splitlines()
    assert len(lines) == len(RULES) + 2
    assert [line.split()[0] for line in lines[1:-1]] == list(RULES)
    assert max(map(len, rules_text(width=60).splitlines())) <= 70


def test_the_story_of_a_rule() -> None:
    text = rule_text("D19")
    for part in ("D19: un-mark the old page", "Why:", "must", "4.19, 6.1.", "mm/compaction.c: __ClearPageMovable", "701d678599d0"):
        assert part in text
    assert "6.17" not in text
    assert "this kit" in rule_text("D54")
