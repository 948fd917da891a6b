"""``movable check``.

Exit codes: 0 passed, 1 a must rule is broken, 2 it could not be done, 3 cut short by its limit, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from functools import partial
from importlib import import_module
from itertools import product
from typing import TYPE_CHECKING, Any

from movable.early import is_command
from movable.eras import ERAS as KNOWN
from movable.errors import MovableError, UsageError

if TYPE_CHECKING:
    from movable.cli.verbs import Verbs
    from movable.contract.report import Report

MAX_SEEDS = 1000
ALL = "all"
ERAS = tuple(KNOWN)


def add_arguments(verbs: Verbs) -> None:
    """Add the verb to a parser's commands."""
    verb = verbs.add_parser(
        "check",
        help="certify a driver, rule by rule",
        description="Certify a driver: run it through random sequences of its own operations, isolation, migration, put-back, "
        "compaction, offlining and faults, and give a verdict on every rule of the contract.",
    )
    verb.add_argument("target", nargs="?", metavar="TARGET", help="an installed name, module:Class, file.py:Class or file.c")
    verb.add_argument("--installed", action="store_true", help="certify every installed driver")
    verb.add_argument("--era", help="the kernel whose contract counts, or all (default 4.19; in C what it is written for)")
    verb.add_argument("--workload", metavar="NAME", help="module:Class or file.py:Class, if it is not the driver's own")
    verb.add_argument("--examples", type=positive, metavar="N", help="run N programs, and 5 N interleavings")
    verb.add_argument("--executions", type=positive, metavar="N", help="run N interleavings of all scenarios together")
    verb.add_argument("--limit", type=seconds, metavar="2m", help="cut a search by work short after so long (default 60s)")
    verb.add_argument("--budget", type=seconds, metavar="30s", help="search for so long, however much work that is")
    verb.add_argument(
        "--interleavings", type=share, metavar="SHARE", help="their part of the search, 0 to 1 (default 0.5)"
    )
    verb.add_argument("--jobs", type=positive, metavar="N", help="explore on N processes; 20000 executions unless given")
    verb.add_argument("--dask", metavar="ADDRESS", help="the same on a dask cluster, such as tcp://scheduler:8786")
    verb.add_argument("--campaign", metavar="DIR", help="with these: keep finished pieces of work there, and go on from them")
    verb.add_argument("--seed", type=int, metavar="N", help="where the search begins (default 0)")
    verb.add_argument("--seeds", type=seeds, metavar="0-4", help="search once for each of these, and print one table")
    verb.add_argument("-D", dest="define", action="append", default=[], metavar="NAME[=VALUE]", help="of a C driver: a macro")
    verb.add_argument("-I", dest="include", action="append", default=[], metavar="DIR", help="of a C driver: a folder of headers")
    verb.add_argument("--kernel-tree", metavar="DIR", help="of a C driver: headers private to drivers are in this kernel's sources")
    verb.add_argument("--strict", action="store_true", default=None, help="fail for should rules and unexercised ones, too")
    verb.add_argument("--waive", action="append", metavar="ID=REASON", help="excuse a rule; may be given again")
    verb.add_argument("--json", metavar="FILE", help="write the certificate as JSON ('-' for standard output, and nothing else)")
    verb.add_argument("--html", metavar="FILE", help="write the certificate as one HTML page")
    verb.add_argument("--diff", metavar="OLD.json", help="compare with an earlier certificate: what was held and is not, and more")
    verb.add_argument("--verbose", action="store_true", help="say how many seconds it took, too")
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


def seeds(text: str) -> list[int]:
    """Seeds: 7, 0-4 or 0-4,9. Raises ArgumentTypeError for anything else."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise argparse.ArgumentTypeError(f"{text!r} are no seeds; write 0-4 or 1,5,9")
        one, behind = int(first), int(last if dash else first) + 1
        if len(found) + behind - one > MAX_SEEDS:
            raise argparse.ArgumentTypeError(f"{text!r} are more than {MAX_SEEDS} seeds")
        found += range(one, behind)
    if not found or len(set(found)) != len(found):
        raise argparse.ArgumentTypeError(f"{text!r} names no seed, or one twice; write 0-4 or 1,5,9")
    return found


READERS: dict[str, Callable[[str], Any]] = {
    "examples": positive, "executions": positive, "limit": seconds, "budget": seconds, "interleavings": share, "jobs": positive,
    "seed": int, "seeds": seeds,
}  # fmt: skip
"""Options that may stand in a file too, and what makes values of them."""


def _check(arguments: argparse.Namespace) -> int:
    from movable.contract import settings, supervised
    from movable.contract.show.seeds import worst
    from movable.supervise.interrupt import deferred

    settings.apply(arguments, READERS)
    _can_be_done(arguments)
    for name in supervised.PRELOAD:  # the kit's own modules are kept as bytecode, if nobody said otherwise
        import_module(name)
    with _no_folder_left(), deferred() as desk:  # from here on there is a certificate to write
        code = worst(_certificates(arguments))
    return 128 + desk.came if desk.came else code


@contextmanager
def _no_folder_left() -> Iterator[None]:
    """Python keeps no bytecode beside the modules that a driver imports, here and in the workers, which inherit it."""
    before = sys.dont_write_bytecode, os.environ.get("PYTHONDONTWRITEBYTECODE")
    sys.dont_write_bytecode, os.environ["PYTHONDONTWRITEBYTECODE"] = True, "1"
    try:
        yield
    finally:
        sys.dont_write_bytecode = before[0]
        if before[1] is None:
            del os.environ["PYTHONDONTWRITEBYTECODE"]


def _certificates(arguments: argparse.Namespace) -> list[int]:
    """Make, show and write a certificate for each target and seed; their exit codes."""
    from movable.contract import supervised
    from movable.contract.report import text, to_json
    from movable.contract.show.compare import difference_text, read_certificate
    from movable.supervise.limits import age

    if is_command():
        supervised.command_began = time.monotonic() - age()
    old = None if arguments.diff is None else read_certificate(arguments.diff)
    reports: list[Report] = []
    codes: list[int] = []
    for target in _targets(arguments):
        of_target, refused = _of_target(arguments, target)
        reports += of_target
        codes += [report.code(arguments.strict) for report in of_target] + [2 for _ in refused]
        if arguments.json != "-":
            if old is not None:
                print(difference_text(old, to_json(reports[-1])))
            print(_several(of_target, arguments, refused) if _many(arguments) else text(reports[-1], arguments.verbose))
            if arguments.strict and reports[-1].untried:
                print(f"strict: must rules that were never exercised: {' '.join(reports[-1].untried)}")
        if reports[-1].interrupted:
            break
    _write(arguments, reports)
    return codes


def _of_target(arguments: argparse.Namespace, target: str) -> tuple[list[Report], list[str]]:
    """The certificates of one driver, one at least, and of all eras those whose kernels cannot call it."""
    from movable.contract import supervised

    reports: list[Report] = []
    refused: list[str] = []
    for era, seed in product(_eras(arguments), arguments.seeds or [arguments.seed or 0]):
        try:
            report = _certify(arguments, target, era, seed)
        except UsageError as error:
            if arguments.era != ALL or (era == ERAS[-1] and not reports):
                raise
            print(f"movable: era {era}: {error}", file=sys.stderr)
            refused.append(str(era))
            continue
        supervised.command_began = None  # the start counts for the first
        reports.append(report)
        if report.refused:
            print(f"movable: {report.refused}", report.trace if arguments.debug else "", sep="\n", end="", file=sys.stderr)
        if report.interrupted:
            break
    return reports, refused


def _several(reports: list[Report], arguments: argparse.Namespace, refused: list[str]) -> str:
    from movable.contract.show.seeds import table

    return table(reports, "seed" if arguments.seeds else "era", refused)


def _many(arguments: argparse.Namespace) -> bool:
    """Whether a driver gets several certificates."""
    return bool(arguments.seeds) or arguments.era == ALL


def _eras(arguments: argparse.Namespace) -> Sequence[str | None]:
    """The eras to check in; None is the one that a driver is written for."""
    return ERAS if arguments.era == ALL else [arguments.era]


def _can_be_done(arguments: argparse.Namespace) -> None:
    """Raise UsageError for options that contradict one another, before anything runs."""
    from movable.files import check_place

    for place in (arguments.json, arguments.html):
        check_place(place)
    if arguments.html == "-":
        raise UsageError("--html writes a file; '-' is for --json alone")
    if arguments.dask and arguments.jobs:
        raise UsageError("--jobs are processes here, --dask is a cluster; give one of the two")
    if arguments.campaign and not (arguments.jobs or arguments.dask):
        raise UsageError("--campaign keeps the pieces of work of --jobs or --dask; give both")
    if arguments.diff is not None and (arguments.seeds or arguments.installed):
        raise UsageError("--diff compares one certificate of one driver with an earlier one; leave --seeds and --installed out")
    if arguments.era == ALL and (arguments.seeds or arguments.campaign or arguments.diff):
        raise UsageError("--era all makes a certificate for each era; leave --seeds, --campaign and --diff out")
    if arguments.campaign and arguments.seeds:
        raise UsageError("--campaign keeps the pieces of one seed; give --seed")
    if arguments.seed is not None and arguments.seeds:
        raise UsageError("--seed is one, --seeds are several; give one of the two")
    if arguments.workload and arguments.installed:
        raise UsageError("--workload is that of one driver; leave --installed out")
    counted = [name for name in ("examples", "executions", "limit", "jobs", "dask") if getattr(arguments, name)]
    if arguments.budget and counted:
        raise UsageError(f"--budget is time, and --{counted[0]} is for a search by work; give one of the two")


def _certify(arguments: argparse.Namespace, target: str, era: str | None, seed: int) -> Report:
    from movable.contract.examine import check
    from movable.registry.apart import era_apart
    from movable.supervise.cluster import dask

    era = era or era_apart(target, _deadline(arguments.budget or arguments.limit))
    hands = partial(dask, arguments.dask) if arguments.dask else None
    with progress(target) as step, redirect_stdout(sys.stderr):  # a driver may print; results stand alone
        return check(
            target,
            workload=arguments.workload,
            era=era,
            budget=arguments.budget,
            examples=arguments.examples,
            seed=seed,
            waive=waivers(arguments.waive),
            interleavings=arguments.interleavings,
            executions=arguments.executions,
            limit=arguments.limit,
            jobs=arguments.jobs,
            executor=hands,
            campaign=arguments.campaign,
            progress=step,
        )


def _deadline(seconds: float | None) -> float | None:
    """When a driver must have been built for a check of so many seconds."""
    from movable.contract import supervised

    if seconds is None:
        return None
    return seconds + (time.monotonic() if supervised.command_began is None else supervised.command_began)


def _write(arguments: argparse.Namespace, reports: list[Report]) -> None:
    """The files that were asked for; one that cannot be written does not cost the other."""
    from movable.contract.report import to_json
    from movable.contract.show.html import to_html
    from movable.files import write_json, write_text

    failed: list[Exception] = []
    try:
        if arguments.json:
            records = [to_json(report) for report in reports]
            one = arguments.target and not _many(arguments)
            write_json(arguments.json, records[0] if one else {"schema": "movable.certificates/1", "reports": records})
    except (OSError, MovableError) as error:
        failed.append(error)
    if arguments.html:
        write_text(arguments.html, to_html(reports))
    if failed:
        raise failed[0]


def _targets(arguments: argparse.Namespace) -> list[str]:
    from movable.registry import with_options
    from movable.registry.apart import installed_apart

    if bool(arguments.target) == arguments.installed:
        raise UsageError("name one driver to check, or give --installed for all of them")
    if arguments.target:
        return [with_options(arguments.target, _built_with(arguments))]
    found = installed_apart()
    for driver in found:
        if driver.problem:
            print(f"movable: driver {driver.name!r} is left out: {driver.problem}", file=sys.stderr)
    return [driver.name for driver in found if not driver.problem]


def _built_with(arguments: argparse.Namespace) -> list[str]:
    """What a driver in another language is built with, as parts of its target, so that a replay line has them too."""
    parts = [f"-D{one}" for one in arguments.define] + [f"-I{one}" for one in arguments.include]
    return parts + ([f"--kernel-tree={arguments.kernel_tree}"] if arguments.kernel_tree else [])


@contextmanager
def progress(target: str) -> Iterator[Callable[[int, float], None] | None]:
    """A line on the terminal that counts what was run; nothing in a pipe."""
    from movable.shown import name
    from movable.supervise import relay

    with nullcontext(relay.status) if relay.status is not None else relay.status_line() as show:
        if show is None:
            yield None
        else:
            yield lambda runs, elapsed: show(f"checking {name(target)}: {runs} runs, {elapsed:.0f} s")
