"""``movable rules``, ``check``, ``replay``, ``museum`` and ``new``. Exit codes: 0 fine, 1 a must rule is broken, 2 bad usage."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from movable.errors import MovableError, UsageError

if TYPE_CHECKING:
    from movable.contract.report import Report

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_arguments(verbs: Verbs) -> None:
    """Add the verbs of the contract room to a parser's commands."""
    _add_rules(verbs)
    _add_check(verbs)
    _add_replay(verbs)
    _add_museum(verbs)
    _add_new(verbs)


def _add_rules(verbs: Verbs) -> None:
    verb = verbs.add_parser("rules", help="print the numbered rules, or one with its story")
    verb.add_argument("rule", nargs="?", metavar="ID", help="such as D17")
    verb.set_defaults(run=_rules)


def _rules(arguments: argparse.Namespace) -> int:
    from movable.contract.show_rules import rule_text, rules_text

    print(rules_text() if arguments.rule is None else rule_text(arguments.rule))
    return 0


def _add_check(verbs: Verbs) -> None:
    verb = verbs.add_parser(
        "check",
        help="certify a driver, rule by rule",
        description="Certify a driver: run it through random sequences of its own operations, isolation, migration, put-back, "
        "compaction, offlining and faults, and give a verdict on every rule of the contract.",
    )
    verb.add_argument("target", nargs="?", metavar="TARGET", help="an installed name, module:Class or file.py:Class")
    verb.add_argument("--installed", action="store_true", help="certify every installed driver")
    verb.add_argument("--era", default="4.19", help="the kernel whose contract counts (default 4.19)")
    verb.add_argument("--budget", type=seconds, metavar="30s", help="how long to search (default 10s)")
    verb.add_argument("--examples", type=positive, metavar="N", help="run N programs and 5 N interleavings: a result that repeats")
    verb.add_argument(
        "--interleavings", type=share, default=0.5, metavar="SHARE", help="part of the budget for them, 0 to 1 (default 0.5)"
    )
    verb.add_argument("--executions", type=positive, metavar="N", help="run N interleavings of all scenarios instead of for a time")
    verb.add_argument("--jobs", type=positive, metavar="N", help="explore on N processes; 20000 executions unless given")
    verb.add_argument("--campaign", metavar="DIR", help="with --jobs: keep finished pieces of work there, and go on from them")
    verb.add_argument("--seed", type=int, default=0, metavar="N", help="where the search begins (default 0)")
    verb.add_argument("--strict", action="store_true", help="fail for should rules and for must rules that stay unproven too")
    verb.add_argument("--waive", action="append", default=[], metavar="ID=REASON", help="excuse a rule; may be given again")
    verb.add_argument("--json", metavar="FILE", help="write the certificate as JSON ('-' for standard output, and nothing else)")
    verb.add_argument("--html", metavar="FILE", help="write the certificate as one HTML page")
    verb.set_defaults(run=_check)


def seconds(text: str) -> float:
    """A duration: 30, 30s or 2m. Raises ArgumentTypeError for anything else."""
    factor = {"s": 1.0, "m": 60.0}.get(text[-1:], 0.0)
    try:
        value = float(text[:-1]) * factor if factor else float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write 30s or 2m")
    return value


def positive(text: str) -> int:
    """A whole number above zero. Raises ArgumentTypeError for anything else."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def share(text: str) -> float:
    """A part of the whole, 0 to 1. Raises ArgumentTypeError for anything else."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no part of the budget; write 0 to 1, such as 0.5")
    return value


def waivers(pairs: list[str]) -> dict[str, str]:
    """Rule ids and reasons from ID=REASON texts. Raises UsageError for a text without a reason."""
    found: dict[str, str] = {}
    for pair in pairs:
        id, _, reason = pair.partition("=")
        if not reason.strip():
            raise UsageError(f"--waive {pair!r} has no reason; write {id or 'D17'}=REASON")
        if id.strip() in found:
            raise UsageError(f"--waive {pair!r}: {id.strip()} is waived already, for {found[id.strip()]!r}; give one reason")
        found[id.strip()] = reason.strip()
    return found


def _check(arguments: argparse.Namespace) -> int:
    from movable.contract.examine import BUDGET, INTERRUPTED, check
    from movable.contract.report import text
    from movable.files import check_place

    for place in (arguments.json, arguments.html):
        check_place(place)
    if arguments.html == "-":
        raise UsageError("--html writes a file; '-' is for --json alone")
    if arguments.campaign and not arguments.jobs:
        raise UsageError("--campaign keeps the pieces of work of --jobs; give both")
    reports: list[Report] = []
    for target in _targets(arguments):
        with progress(target) as step, redirect_stdout(sys.stderr):  # a driver may print; results stand alone
            report = check(
                target,
                era=arguments.era,
                budget=arguments.budget or BUDGET,
                examples=arguments.examples,
                seed=arguments.seed,
                waive=waivers(arguments.waive),
                interleavings=arguments.interleavings,
                executions=arguments.executions,
                jobs=arguments.jobs,
                campaign=arguments.campaign,
                progress=step,
            )
        reports.append(report)
        if arguments.json != "-":
            print(text(report))
            if arguments.strict and report.untried:
                print(f"strict: must rules that were never exercised: {' '.join(report.untried)}")
        if report.refused:
            print(f"movable: {report.refused}", file=sys.stderr)
        if report.stopped == INTERRUPTED:
            break
    _write(arguments, reports)
    if reports[-1].stopped == INTERRUPTED:
        return 130
    if any(report.refused for report in reports):
        return 2
    return 0 if all(report.passed(arguments.strict) for report in reports) else 1


def _write(arguments: argparse.Namespace, reports: list[Report]) -> None:
    """The files that were asked for; one that cannot be written does not cost the other."""
    from movable.contract.report import to_json
    from movable.contract.report_html import to_html
    from movable.files import write_json, write_text

    failed: list[Exception] = []
    try:
        if arguments.json:
            records = [to_json(report) for report in reports]
            write_json(arguments.json, records[0] if arguments.target else {"schema": "movable.certificates/1", "reports": records})
    except (OSError, MovableError) as error:
        failed.append(error)
    if arguments.html:
        write_text(arguments.html, to_html(reports))
    if failed:
        raise failed[0]


def _targets(arguments: argparse.Namespace) -> list[str]:
    from movable.registry import installed

    if bool(arguments.target) == arguments.installed:
        raise UsageError("name one driver to check, or give --installed for all of them")
    if arguments.target:
        return [arguments.target]
    found = installed()
    for driver in found:
        if driver.problem:
            print(f"movable: driver {driver.name!r} is left out: {driver.problem}", file=sys.stderr)
    return [driver.name for driver in found if not driver.problem]


@contextmanager
def progress(target: str) -> Iterator[Callable[[int, float], None] | None]:
    """A line on the terminal that counts what was run; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    with Console(stderr=True).status(f"checking {target}") as status:
        yield lambda runs, elapsed: status.update(f"checking {target}: {runs} runs, {elapsed:.0f} s")


def _add_replay(verbs: Verbs) -> None:
    verb = verbs.add_parser("replay", help="run a failure again, step by step")
    verb.add_argument("target", metavar="TARGET", help="the driver, as it was given to check")
    verb.add_argument("token", metavar="TOKEN", help="the token of the replay line")
    verb.add_argument("--era", default="4.19", help="the kernel whose contract counts (default 4.19)")
    verb.add_argument("--workload", metavar="NAME", help="module:Class or file.py:Class, if it is not the driver's own")
    verb.add_argument("--pdb", type=int, metavar="STEP", help="of an interleaving: stop in the debugger before this step")
    verb.add_argument("--chrome", metavar="FILE", help="of an interleaving: write a trace that ui.perfetto.dev opens")
    verb.add_argument("--html", metavar="FILE", help="of an interleaving: write its lanes as one HTML page")
    verb.set_defaults(run=_replay)


def _replay(arguments: argparse.Namespace) -> int:
    from movable.sequential.replay import replay
    from movable.workload.scenario import TOKEN_HEAD

    if arguments.token.strip().startswith(TOKEN_HEAD):
        return _replay_interleaving(arguments)
    for name in ("pdb", "chrome", "html"):
        if getattr(arguments, name) is not None:
            raise UsageError(f"--{name} is for tokens of interleavings, which begin with {TOKEN_HEAD!r}")

    lines, broken = replay(arguments.target, arguments.token, era=arguments.era, workload=arguments.workload)
    print("\n".join(lines))
    return 1 if broken else 0


def _add_new(verbs: Verbs) -> None:
    verb = verbs.add_parser("new", help="write a complete driver distribution to begin with")
    verb.add_argument("name", metavar="NAME", help="of the distribution, such as my-driver")
    verb.set_defaults(run=_new)


def _new(arguments: argparse.Namespace) -> int:
    from movable.contract.scaffold import scaffold

    written = scaffold(arguments.name, Path())
    for path in written:
        print(path)
    print(f"next: cd {arguments.name} && python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/python -m pytest")
    return 0


def _add_museum(verbs: Verbs) -> None:
    verb = verbs.add_parser(
        "museum",
        help="list the historic bugs, or show the kit catching one",
        description="List the historic bugs of page migration kept here as small broken drivers; or tell the story of one, "
        "show its code beside the code that is right, and run the kit on both.",
    )
    verb.add_argument("exhibit", nargs="?", metavar="ID", help="such as F02")
    verb.add_argument("token", nargs="?", metavar="TOKEN", help="run the failure of this token again, step by step")
    verb.add_argument("--budget", type=seconds, metavar="30s", help="how long to search, for each of the two (default 10s)")
    verb.set_defaults(run=_museum)


def _museum(arguments: argparse.Namespace) -> int:
    from movable.contract.examine import BUDGET
    from movable.contract.museum import exhibit
    from movable.contract.show_museum import caught_text, judge, museum_text, replay_exhibit, story_text, twin_text

    if arguments.exhibit is None:
        print(museum_text())
        return 0
    chosen = exhibit(arguments.exhibit)
    if arguments.token is not None:
        lines, ids = replay_exhibit(chosen, arguments.token)
        print("\n".join(lines))
        return 1 if ids else 0
    print(story_text(chosen), flush=True)
    budget = arguments.budget or BUDGET
    with progress(chosen.id) as step:
        broken = judge(chosen, budget, progress=step)
    print(caught_text(chosen, broken), flush=True)
    with progress(f"the twin of {chosen.id}") as step:
        twin = judge(chosen, budget, twin=True, progress=step)
    print(twin_text(chosen, twin))
    return 0 if set(chosen.rules) <= set(broken.broken) and not twin.broken else 1


def _replay_interleaving(arguments: argparse.Namespace) -> int:
    from movable.concurrent.replay import Replay
    from movable.files import write_text
    from movable.sequential.replay import named_workload

    found = Replay(arguments.target, arguments.token, named_workload(arguments.workload), era=arguments.era)
    if arguments.pdb is not None:
        found.debug(arguments.pdb)
        return 1 if found.rule else 0
    print("\n".join(found.lines()))
    if arguments.chrome:
        found.chrome(arguments.chrome)
    if arguments.html:
        write_text(arguments.html, found.html())
    return 1 if found.rule else 0
