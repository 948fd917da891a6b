"""What ``movable museum`` prints: the list of exhibits, and one of them with the kit at work on it."""

from __future__ import annotations

import textwrap

from movable.contract.examine import check
from movable.contract.museum import Exhibit, difference, exhibits, piece_in_c
from movable.contract.report import TEXT_COLUMNS, Report, failure
from movable.contract.show.replay import replay
from movable.registry.filesystems import is_filesystem
from movable.rules.table import ALL_RULES as RULES
from movable.sequential.search import Progress

FILESYSTEM_EXAMPLES = 60
"""Programs for an exhibit that is a file system: they are longer than those of drivers."""


def museum_text(era: str | None = None) -> str:
    """The list: id, year, what must catch it, and the title; of one kernel only, where ``era`` is given."""
    found = {id: one for id, one in exhibits().items() if era is None or era in one.eras}
    lines = [f"{'id':4} {'year':4} {'rules':9} {'layer':24} title"]
    for one in found.values():
        year = str(one.year) if one.year else "-"
        lines.append(f"{one.id:4} {year:4} {' '.join(one.rules):9} {one.layer:24} {one.title}")
    lines.append(f"{len(found)} exhibits; 'movable museum F02' tells about one and shows the kit catching it")
    return "\n".join(lines)


HEAD = """# The museum

Each of these bugs is kept as a small driver, or a small change to the core, that makes the mistake, beside a twin that does not.
Those with a letter other than N happened in Linux; the N bugs are what a newcomer might write. The kit must catch each by the rule
that is named here, and must find nothing wrong with its twin.

    movable museum            # this list
    movable museum F02        # the story of one, its code beside the code that is right, and the kit at work on both

A bug is written as a difference from a correct driver: most classes override one method of a base class, and the base class is the
twin. To add one, write a file in `movable/museum` with a tuple `EXHIBITS` of `movable.contract.museum.Exhibit`; nothing else
needs to know of it. A bug of the core is a function that takes the place of the right one while its exhibit is shown
(`core_patch`).

"""


def render_markdown() -> str:
    """The text of docs/museum.md."""
    lines = ["| id | year | what went wrong | rule | fix |", "|---|---|---|---|---|"]
    for one in exhibits().values():
        rules = " ".join(f"[{id}](contract.md#{id.lower()})" for id in one.rules)
        year = f"{one.year} `{one.commit}`" if one.commit else str(one.year or "")
        lines.append(f"| {one.id} {one.slug} | {year} | {one.title} | {rules} | {one.fix} |")
    return HEAD + "\n".join(lines) + "\n"


def story_text(one: Exhibit) -> str:
    """The story of one exhibit, and the bug as a difference from the code that is right."""
    what = textwrap.fill(one.story, TEXT_COLUMNS)
    cure = textwrap.fill(f"The fix: {one.fix}", TEXT_COLUMNS)
    said = (RULES[id].said_in(one.era) for id in one.rules)
    rules = (textwrap.wrap(f"{rule.id} ({rule.level}): {rule.sentence}", TEXT_COLUMNS - 2) for rule in said)
    expected = "\n".join(f"  {line}" for lines in rules for line in lines)
    head = f"{one.id} {one.slug}: {one.title}\n{one.layer}; {one.origin}; a bug in {', '.join(one.eras)}"
    shown_in = f"Shown in {one.broken.__module__.replace('.', '/')}.py."
    code = "\n".join(f"  {line}" for line in difference(one))
    bug = f"The bug (+) beside the code that is right (-):\n{code}"
    in_c = piece_in_c(one)
    if in_c is not None:
        bug += f"\n\nThe same bug in C: movable check {in_c}:-DBROKEN (and without -DBROKEN what is right)"
    return f"{head}\n\n{what}\n{cure}\n{shown_in}\n\nThe rules that it breaks:\n{expected}\n\n{bug}\n"


def caught_text(one: Exhibit, broken: Report) -> str:
    """How the kit caught the broken driver, from its certificate."""
    lines = [f"The kit on {one.broken.__name__}, {broken.examples} examples:"]
    for id in one.rules:
        if id in broken.broken:
            lines += failure(broken, broken.verdicts[id])[:-1]
        else:
            lines.append(f"NOT CAUGHT {id}: {broken.rule(id).title}; give it more time with --budget")
    others = [id for id in broken.broken if id not in one.rules]
    if others:
        lines.append(f"Also broken: {' '.join(others)}.")
    return "\n".join(lines)


def twin_text(one: Exhibit, whole: Report) -> str:
    """What the kit says of the twin: no rule is broken, if all is well."""
    core = " with the core as it is" if one.core_patch and not one.twin_patch else ""
    lines = [f"\nThe kit on {one.twin.__name__}{core}, which is right: {'BROKEN' if whole.broken else 'no rule is broken.'}"]
    for id in whole.broken:
        lines += failure(whole, whole.verdicts[id])
    return "\n".join([*lines, whole.summary])


def judge(
    one: Exhibit,
    budget: float | None = None,
    *,
    twin: bool = False,
    era: str | None = None,
    examples: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Report:
    """The certificate of an exhibit, or of its twin, on a machine of ``era`` where that is not the exhibit's own.

    The search on a broken driver ends once the expected rules are broken.
    """
    with one.shown(twin):
        driver = one.twin if twin else one.broken
        if is_filesystem(driver) and budget is None:
            examples = examples or FILESYSTEM_EXAMPLES
        until = () if twin else one.rules
        features = {} if twin else one.features
        report = check(
            driver, one.workload, era=era or one.era, budget=budget, examples=examples, seed=seed, until=until,
            features=features, progress=progress, isolate=False,
        )  # fmt: skip
    report.target, report.replay = one.id, f"movable museum {one.id}"
    return report


def replay_exhibit(one: Exhibit, token: str) -> tuple[list[str], list[str]]:
    """Run what a token holds on the broken driver: the story, and the rules that it broke.

    Raises UsageError for an unreadable token.
    """
    with one.shown():
        found = replay(one.broken, token, workload=one.workload, era=one.era, features=one.features)
        return found.lines(), found.broken
