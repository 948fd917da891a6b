"""``movable numa``: recorded programs of NUMA calls. Exit codes: 0 all equal, 1 some differ, 2 bad usage or input."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, TextIO

from movable.errors import UsageError
from movable.files import about, check_place, lines_of, write_json, write_text

if TYPE_CHECKING:
    from movable.cli.verbs import Verbs

RECORDED = ("6.1", "7.3")
"""Eras of the kernels whose answers are on record."""
MAX_MEMORY = 1 << 40
"""Bytes: pageblocks are made one by one, a second for half a million of them."""


def add_arguments(verbs: Verbs) -> None:
    """Add the verb ``numa`` with its parts to a parser's commands."""
    numa = verbs.add_parser(
        "numa",
        help="processes, nodes and policies: scripts of NUMA tools, and recorded programs of calls",
        description="Processes, nodes and memory policies, as a real kernel answers.",
    )
    parts = numa.add_subparsers(title="parts", metavar="PART", required=True)
    _add_replay(parts)
    _add_run(parts)
    _add_outcomes(parts)
    _add_steps(parts)


def _add_replay(parts: Verbs) -> None:
    verb = parts.add_parser(
        "replay",
        help="play recorded programs and compare every answer",
        description="Play programs of NUMA system calls that a real kernel ran, and compare every answer with what was recorded. "
        "Prints the first difference of each program that differs. Exit code 1 when one does.",
    )
    verb.add_argument("file", metavar="FILE", help="recorded programs, a JSON object a line (also .gz), or - for standard input")
    verb.add_argument("--era", default="6.1", help="the kernel that answered, 6.1 or 7.3 (default 6.1)")
    verb.add_argument("--active", action="store_true", help="compare 'active=' of numa_maps too")
    verb.add_argument("--json", metavar="FILE", help="write the result as JSON ('-' for standard output, and nothing else)")
    verb.set_defaults(run=_replay)


def _replay(arguments: argparse.Namespace) -> int:
    from movable.numa.edge_cases import Case, CasePlayer, parse_program_or_case
    from movable.numa.program import read_records
    from movable.numa.replay import replay

    if arguments.era not in RECORDED:
        raise UsageError(f"no kernel of era {arguments.era!r} was recorded; known are {' and '.join(RECORDED)}")
    if arguments.json:
        check_place(arguments.json)
    show = arguments.json != "-"
    cases = CasePlayer(arguments.era)
    total = 0
    different = []
    noun = "programs"
    for record in read_records(arguments.file, parse_program_or_case):
        total += 1
        if isinstance(record, Case):
            noun = "cases"
            found = cases.compare(record)
        else:
            found = replay(record, arguments.era, arguments.active)
        if found is not None:
            different.append(found)
            if show:
                print(found)
    total -= len(cases.unplayed) + len(cases.unknown)
    result = {"schema": "movable.numa.replay/1", "era": arguments.era, noun: total, "equal": total - len(different)}
    if arguments.json:
        write_json(arguments.json, result | {"different": [each.as_json() for each in different]})
    if show:
        for case in cases.unplayed:
            print(f"case {case.number} ({case.title}) is not played: what it asks about was left by a case that is not in the file")
        print(f"{total - len(different)} of {total} {noun} equal")
    if cases.unknown:
        raise UsageError(f"{arguments.file}: {cases.unknown[0]}")
    return 1 if different else 0


def _add_run(parts: Verbs) -> None:
    verb = parts.add_parser(
        "run",
        help="play a script of numactl, migratepages, move_pages and the like on a fresh machine",
        description="Play a script, one command a line, on a fresh machine: numactl, migratepages, move_pages, numastat, cat and "
        "echo of /proc and /sys files, and 'why PID PAGE', which says what keeps a page where it is. See docs/numa.md.",
    )
    verb.add_argument("script", metavar="SCRIPT", nargs="?", default="-", help="the script, - or nothing for standard input")
    _add_machine(verb, "256M")
    verb.set_defaults(run=_run)


def _add_machine(verb: argparse.ArgumentParser, memory: str) -> None:
    verb.add_argument("--memory", default=memory, metavar="SIZE", help=f"size of the machine, such as 64M or 1G (default {memory})")
    verb.add_argument("--nodes", type=int, default=2, metavar="N", help="NUMA nodes (default 2)")
    verb.add_argument("--era", default="6.1", help="the kernel that answers (default 6.1)")


def _bytes_of(arguments: argparse.Namespace) -> int:
    from movable.mm.page import PAGE_SIZE
    from movable.mm.vm import usual_pageblock_order
    from movable.numa.shapes import size_in_pages

    if not 1 <= arguments.nodes <= 64:
        raise UsageError(f"--nodes {arguments.nodes}: use 1 to 64")
    size = size_in_pages(arguments.memory, "--memory") * PAGE_SIZE
    if size > MAX_MEMORY:
        raise UsageError(f"--memory {arguments.memory} is more than a machine can have; use 1024G or less")
    nodes: int = arguments.nodes
    pages = size // PAGE_SIZE // nodes
    if not pages:
        raise UsageError(f"--memory {arguments.memory} is less than a page for each of {nodes} nodes")
    block = 1 << usual_pageblock_order(pages)
    return (pages - pages % block) * nodes * PAGE_SIZE  # as much for each node, in whole blocks


@contextmanager
def _script(name: str) -> Iterator[TextIO]:
    """A script to read from. Raises UsageError for what is no text, in the block too."""
    if name == "-" and sys.stdin is None:
        raise UsageError("standard input is closed; give a script")
    try:
        with about(name), nullcontext(sys.stdin) if name == "-" else open(name, encoding="utf-8") as stream:
            yield stream
    except UnicodeDecodeError:
        raise UsageError(f"{name}: is no text; give a script of commands") from None
    except OSError as error:
        if error.filename != name:
            raise
        raise UsageError(f"{name}: {error.strerror}; give a script, or - for standard input") from None


def _run(arguments: argparse.Namespace) -> int:
    from movable.mm.vm import VM
    from movable.numa.shell import Shell

    shell = Shell(VM(_bytes_of(arguments), nodes=arguments.nodes, era=arguments.era))
    with _script(arguments.script) as stream:
        for line in shell.run(lines_of(stream, arguments.script), arguments.script):
            print(line)
    return 0


def _add_outcomes(parts: Verbs) -> None:
    verb = parts.add_parser(
        "outcomes",
        help="play commands at the same time, in every interleaving, and count what they answer",
        description="Play a script whose last commands, below a line 'together:', run at the same time: every interleaving is "
        "played on a fresh machine, and the table shows which answers a caller can see. Exit code 1 when one goes wrong.",
    )
    verb.add_argument("script", metavar="SCRIPT", nargs="?", default="-", help="the script, - or nothing for standard input")
    _add_machine(verb, "4M")
    verb.add_argument("--executions", type=int, default=400, metavar="N", help="interleavings of each search at most (default 400)")
    verb.add_argument("--json", metavar="FILE", help="write the outcomes as JSON ('-' for standard output, and nothing else)")
    verb.set_defaults(run=_outcomes)


def _outcomes(arguments: argparse.Namespace) -> int:
    from movable.numa.outcomes import Search, table

    if arguments.executions < 1:
        raise UsageError(f"--executions {arguments.executions}: use 1 or more")
    if arguments.json:
        check_place(arguments.json)
    with _script(arguments.script) as stream:
        lines = [line.rstrip("\n") for line in lines_of(stream, arguments.script)]
    found = Search(lines, arguments.script, _bytes_of(arguments), arguments.nodes, arguments.era).run(arguments.executions)
    if arguments.json:
        rows = [
            {"answers": dict(zip(found.commands, row, strict=False)), "pages": row[-1], "times": times}
            for row, times in found.counts.most_common()
        ]
        record = {"executions": found.executions, "complete": found.complete, "failure": found.failure, "outcomes": rows}
        write_json(arguments.json, {"schema": "movable.numa.outcomes/1", **record})
    if arguments.json != "-":
        for line in table(found):
            print(line)
        if found.failure:
            print(found.failure)
    return 1 if found.failure else 0


def _add_steps(parts: Verbs) -> None:
    verb = parts.add_parser(
        "steps",
        help="follow one page through the numbered steps of its migration",
        description="Move one page of a process to another node, and show after each numbered step of the kernel's document where "
        "the page table and the tree lead, and what the two pages are like. See docs/numa.md.",
    )
    verb.add_argument("--page", default="file", metavar="KIND", help="file, anon, swap or buffers (default file)")
    verb.add_argument("--pinned", action="store_true", help="somebody holds another reference, and the page stays")
    verb.add_argument("--era", default="4.19", help="the kernel that moves it (default 4.19, whose order is the document's)")
    verb.add_argument("--svg", metavar="FILE", help="draw it too")
    verb.add_argument("--json", metavar="FILE", help="write it as JSON ('-' for standard output, and nothing else)")
    verb.set_defaults(run=_steps)


def _steps(arguments: argparse.Namespace) -> int:
    from movable.numa.steps import follow, table
    from movable.numa.steps_svg import picture

    for place in (arguments.json, arguments.svg):
        if place:
            check_place(place)
    life = follow(arguments.page, arguments.era, arguments.pinned)
    if arguments.svg:
        write_text(arguments.svg, picture(life))
    if arguments.json:
        write_json(arguments.json, {"schema": "movable.numa.steps/1", **life.as_json()})
    if arguments.json != "-" and arguments.svg != "-":
        for line in table(life):
            print(line)
    return 0
