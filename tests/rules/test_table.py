"""The rule table: whole, consistent, and equal to the page that is made from it."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from html import unescape
from pathlib import Path

import pytest

from movable.contract.report import Report, Verdict, text, to_json
from movable.contract.show.html import to_html
from movable.contract.show.rules import rule_text, rules_text
from movable.contract.verdict import BROKEN
from movable.eras import ERAS as KNOWN_ERAS
from movable.errors import UsageError
from movable.events import KINDS as EVENTS
from movable.rules import rule as rule_module
from movable.rules.bugs import BUGS
from movable.rules.rule import ERAS, KINDS, LEVELS, MUST, OBSERVATION, SHOWS, UNTESTED
from movable.rules.table import ALL_RULES, CHECKS, JUDGES, RULES, render_markdown, rule
from movable.trace.judge.conformance import Result, TraceVerdict
from movable.trace.judge.visible import BITS
from movable.trace.show.verdicts import verdicts_html, verdicts_text

ROOT = Path(__file__).parent.parent.parent


def test_every_rule_of_the_contract_is_there() -> None:
    drivers = [f"D{n}" for n in range(1, 64)]
    drivers.insert(drivers.index("D20"), "D19b")
    core = [f"V{n}" for n in range(1, 45)]
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
    assert set(found.exercised_by) <= {OBSERVATION, *(occasion for check in CHECKS for occasion in check.occasions)}
    assert {word.partition(".")[0] for word in found.trace} <= {BITS, *EVENTS}
    assert set(found.ends) <= set(EVENTS)
    assert found.shown in SHOWS
    assert found.trace or found.ends or not (found.breaks_only or found.one_line)
    assert set(found.bugs) <= set(BUGS)
    for words in (found.sentence, found.why):
        assert words.endswith("."), words
        assert words[0].isupper() or words.startswith(("isolate_", "migratepage", "putback_page", "-EAGAIN")), words
    assert all(re.fullmatch(r"[\w./-]+\.[chtx]+(: [\w ]+)?", place) for place in found.kernel)


def judged_here(path: Path) -> set[str]:
    """The rules that the code of a file reports, by the names that it uses and not only declares."""
    tree = ast.parse(path.read_text())
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


JUDGED = {id: module for module in JUDGES for id in judged_here(Path(module.__file__ or "")) & set(RULES)}


@pytest.mark.parametrize("id", [id for id, found in RULES.items() if found.kind != UNTESTED])
def test_a_rule_that_is_judged_has_a_judge(id: str) -> None:
    """Beside its declaration, or in the code that it names."""
    found = RULES[id]
    if not found.judged_by:
        assert id in JUDGED
        assert found.exercised_by != (OBSERVATION,)
        return
    room, _, name = found.judged_by.partition(":")
    code: object = importlib.import_module(f"movable.{room}")
    for part in name.split(".") if name else ():
        code = getattr(code, part)
    assert f'"{id}"' in inspect.getsource(code)  # type: ignore[arg-type]


def test_a_rule_stands_in_the_file_of_its_judge() -> None:
    for module in JUDGES:
        text = inspect.getsource(module)
        declared = {id for id in RULES if f"\n{id} = rule(" in text}
        silent = {id for id in declared if RULES[id].kind == UNTESTED or RULES[id].judged_by}
        assert declared - silent <= judged_here(Path(module.__file__ or "")), module.__name__


def test_what_is_counted_exercises_something() -> None:
    named = {occasion for found in RULES.values() for occasion in found.exercised_by}
    for check in CHECKS:
        assert set(check.occasions) <= named, check
        assert {kind for kinds in check.occasions.values() for kind in kinds.split()} <= set(EVENTS)


def test_a_number_is_given_once() -> None:
    with pytest.raises(ValueError, match="rule D17 is declared twice"):
        rule_module.rule("D17", MUST, "again", "Again.", why="Never.")


def test_the_ways_to_show_a_rule_agree_on_traces() -> None:
    page = render_markdown()
    table = rules_text().splitlines()
    for id, found in RULES.items():
        assert f"| [{id}](#{id.lower()}) | {found.level} | {found.title} | {found.shown} |" in page
        assert SHOWS[found.shown] in rule_text(id).replace("\n", " ")
        home = Path(__file__).parents[2] / rule_text(id).split("Declared in ")[1].splitlines()[0].rstrip(".")
        assert f'"{id}"' in home.read_text()
        assert next(line for line in table if line.startswith(f"{id} ")).split()[3] == found.shown


@pytest.mark.parametrize("era", ERAS)
def test_the_ways_to_show_a_rule_agree_in_every_era(era: str) -> None:
    """The table, one rule's page, a certificate (text, JSON and HTML) and a judged trace (the same) give it the same title."""
    certificate = Report("t", "T", "W", era, 0, verdicts={id: Verdict(id, BROKEN) for id in RULES})
    trace = Result("t", era, "", [], 1, 0, 0, 0, verdicts={id: TraceVerdict(id, BROKEN) for id in RULES})
    titles = {id: found.said_in(era).title for id, found in RULES.items()}
    table = rules_text(RULES.values(), 1000, KNOWN_ERAS[era]).splitlines()[1:-1]
    assert {line[:5].strip(): line[31:] for line in table} == {id: titles[id] for id in RULES if era in RULES[id].eras}
    for id, title in titles.items():
        assert rule_text(id, 1000, KNOWN_ERAS[era]).splitlines()[0] == f"{id}: {title}"
    for written in (to_json(certificate), trace.to_dict()):
        assert {row["id"]: row["title"] for row in written["rules"]} == titles
    for lines in (text(certificate).splitlines(), verdicts_text(trace).splitlines()):
        told = (re.match(r"BROKEN (\w+) \(\w+\)(?:, 0 times)?: (.*)", line) for line in lines)
        assert {found[1]: found[2] for found in told if found} == titles
    for page in (to_html([certificate]), verdicts_html(trace)):
        shown = re.findall(r"</span>(\w+)</td><td>broken</td><td>(.*?)</td>", page)
        assert {id: unescape(title) for id, title in shown} == titles


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
    with pytest.raises(UsageError, match="rules are D1 to D63, V1 to V44, F1 to F16"):
        rule("???")


def test_the_table_in_a_terminal() -> None:
    lines = rules_text().splitlines()
    assert len(lines) == len(ALL_RULES) + 2
    assert [line.split()[0] for line in lines[1:-1]] == list(ALL_RULES)
    assert max(map(len, rules_text(width=60).splitlines())) <= 70


def test_the_story_of_a_rule() -> None:
    text = rule_text("D19")
    for part in ("D19: un-mark the old page", "Why:", "must", "4.19, 6.1.", "mm/compaction.c: __ClearPageMovable", "701d678599d0"):
        assert part in text
    assert "6.17" not in text
    assert "this kit" in rule_text("D54")


def test_a_rule_speaks_the_language_of_an_era() -> None:
    assert RULES["D17"].said_in("4.19") == RULES["D17"]
    assert RULES["D17"].said_in("6.1").sentence.startswith("A successful migrate_page takes")
    assert RULES["D17"].said_in("6.1", "migratepage") == RULES["D17"]
    assert "PG_movable_ops_isolated" in RULES["D30"].said_in("7.3").title
    assert RULES["D2"].said_in("6.1").sentence == RULES["D2"].sentence != RULES["D2"].said_in("6.17").sentence
    assert RULES["D16"].said_in("7.3").kernel == ("mm/zsmalloc.c: zs_page_migrate", "mm/balloon.c: balloon_page_insert")
    assert RULES["D21"].said_in("7.3") is RULES["D21"]  # which does not hold there
    assert ALL_RULES["F1"].said_in("7.3") is ALL_RULES["F1"]  # file systems keep their own operations


def test_what_a_rule_of_later_kernels_says_is_of_later_kernels() -> None:
    """No rule speaks of un-marking, of the form of the callback or of the passes of a kernel that it does not hold in."""
    former = re.compile(r"un-mark|migratepage|page_mapping|NO_COPY|PG_isolated|before 6\.3")
    for id, found in RULES.items():
        if "7.3" in found.eras and id != "D11":
            said = found.said_in("7.3")
            assert not former.search(f"{said.title} {said.sentence} {said.why}"), id


def test_the_rules_of_one_era() -> None:
    lines = rules_text(era=KNOWN_ERAS["7.3"]).splitlines()
    shown = {line.split()[0] for line in lines[1:-1]}
    assert {"D19b", "D56", "V40", "F1"} <= shown and not {"D4", "D19", "D21", "D25", "V16"} & shown
    assert lines[-1] == f"{len(shown)} rules of kernels 6.18 to 7.3; 'movable rules D17 --era 7.3' tells about one"
    assert "does not hold in kernels 6.18 to 7.3 (era 7.3)" in rule_text("D21", era=KNOWN_ERAS["7.3"])
    assert "In 6.17 and 7.3: A page is marked movable by whoever" in rule_text("D2").replace("\n", " ")
    assert "In 6.17" not in rule_text("D2", era=KNOWN_ERAS["7.3"])
