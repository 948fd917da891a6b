"""The machine plays scripts that no kernel was given; what it must do is predicted from the facts alone."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from movable.lab.answers.compare import compare
from movable.lab.answers.lines import CALLERS, DRIVERS, WHENS, Event, Group, Line, Script
from tests.lab.answers.predict import Predicted, predict_direct, predict_list, predict_soft

HARD = (-16, -16, -16, -22, -5, -38, -1, 1, 5)


def script(random: Random, line: str, drv: str, mode: int) -> Script:
    """Answers of every kind, the rare ones as often as the others."""
    others = HARD if line == "list" and drv == "randmov" else (*HARD, -12)
    often = random.choice((0, 0.3, 0.9))
    migs = [
        -11 if random.random() < often else random.choice((0, *others, *([-2] if drv == "randball" else [])))
        for _ in range(random.randrange(17))
    ]
    whens = ("pre",) if drv == "randball" else WHENS[1:] if line == "list" else WHENS
    released = random.random() < 0.5 and (line, drv) != ("list", "randball")
    when = random.choice(whens)
    # who holds a lock while the owner wants it waits for ever
    holds = ("none", "none", "iso", "mig") if mode == 0 and not (released and when == "iso") else ("none", "none", "iso")
    return Script(
        () if drv == "randball" else tuple(random.choices((0, 1), k=random.randrange(4))),
        tuple(migs),
        0 if line == "list" else random.choice((0, 0, -11, -16)),
        (when, random.randrange(1, 13 if random.random() < 0.5 else 4)) if released else None,
        drv == "randball" or line == "list" or random.random() < 0.7,
        line != "list" and random.random() < 0.3,
        random.choice(holds) if line == "direct" else "none",
        random.randrange(1, 4),
    )


def group(random: Random, drv: str, number: int) -> list[Line]:
    """A group, unpredicted."""
    n, mode = random.choice((1, 1, 1, 2, 5, 20)), random.randrange(4 if drv == "randmov" else 3)
    fixed = (number, n, random.randrange(1, 4), mode, random.choice((0, 4, 8, 12)), random.choice((0, 2, 3, 4, 6)))
    ntgt, putcb, calls = random.choice((-1, -1, random.randrange(3 * n))), random.randrange(2), random.randrange(1, 6)
    lines = []
    for pos in range(n):
        grp = Group(fixed[0], pos, *fixed[1:], ntgt, putcb, calls)
        lines.append(Line(pos, "drawn", pos, drv, "direct", "", grp, script(random, "direct", drv, mode), [], None, False))
    return lines


def alone(random: Random, part: str, drv: str) -> list[Line]:
    """One page, unpredicted."""
    how = random.choice(CALLERS) if part == "list" else ""
    return [Line(0, "drawn", 0, drv, part, how, None, script(random, part, drv, 2), [], None, False)]


def with_prediction(line: Line, page: Predicted) -> Line:
    """The line as a recording would be, had the kernel done as predicted."""
    end = None if line.part == "list" else page.end
    return replace(line, log=page.log, end=end)


def predicted(lines: list[Line], era: str = "") -> list[Line]:
    if lines[0].part == "direct":
        pages = predict_direct(lines, era)
    else:
        pages = [(predict_soft if lines[0].part == "soft" else predict_list)(lines[0])]
    return [with_prediction(line, page) for line, page in zip(lines, pages, strict=True)]


@pytest.mark.parametrize("part", ["direct", "soft", "list"])
@pytest.mark.parametrize("drv", DRIVERS)
def test_the_machine_does_what_is_predicted(drv: str, part: str) -> None:
    random = Random(f"{drv} {part}")
    for number in range(30 if part == "direct" else 12):
        lines = predicted(group(random, drv, number) if part == "direct" else alone(random, part, drv))
        assert compare(lines)[1] == []


@pytest.mark.parametrize(("drv", "era"), [("randmov", "4.19"), ("randops", "6.17")])
def test_kernels_that_were_not_recorded_do_what_their_sources_say(drv: str, era: str) -> None:
    random = Random(era)
    for number in range(30):
        assert compare(predicted(group(random, drv, number), era), era)[1] == []


ISO, STAYS, MOVED, LOST = ["iso", 8, 1, 0, 2, 1], ["st", 1, 0, 1, 0, 1], ["st", 1, 1, 1, 0, 1], ["st", 0, 0, -1, -1, -1]
RANGE = ["mp", 2, 6]


def asked(mode: int, *answers: int, more: tuple[int, ...] = ()) -> list[Event]:
    return [["mig", mode, 1, 1, 1, 2, 1, 1, answer, *more] for answer in answers]


NEIGHBOURS: dict[str, tuple[str, str, list[int], tuple[str, int] | None, list[Event]]] = {
    "a page moves, and another finds no target": (
        "randmov", "alloc_contig_range", [], None,
        [["t", 1], ISO, RANGE, *asked(2, 0), ["mpr", -12], ["ret", None], MOVED],
    ),
    "a page is asked ten times, and nobody comes a second time": (
        "randmov", "alloc_contig_range", [-11] * 16, None,
        [["t", 1], ISO, RANGE, *asked(2, *[-11] * 10), ["mpr", -12], ["pbl"], ["put", 1, 1, 2], ["ret", -12], STAYS],
    ),
    "a page is asked in the first part only": (
        "randball", "alloc_contig_range", [-16], None,
        [["t", 1], ISO, RANGE, *asked(0, -16, more=(-16,)), ["mpr", -12], ["pbl"], ["put", 1, 1, 2], ["ret", -12], STAYS],
    ),
    "a released page is never looked at": (
        "randmov", "compact_memory", [], ("iso", 1),
        [["t", 1], ISO, ["mp", 2, 0], ["rel", "iso", 1, 1, 2], ["mpr", -12], ["pbl"], ["ret", 0], LOST],
    ),
    "nor a page that was released in its second call": (
        "randmov", "compact_memory", [-11] * 5, ("mig", 2),
        [["t", 1], ISO, ["mp", 2, 0], *asked(2, -11, -11), ["rel", "mig", 1, 1, 2], ["mpr", -12], ["pbl"], ["ret", 0], LOST],
    ),
    "its driver is told where the core does not look": (
        "randops", "compact_memory", [], ("iso", 1),
        [["t", 1], ISO, ["mp", 2, 0], ["rel", "iso", 1, 1, 2], ["mpr", -12], ["pbl"], ["put", 1, 1, 1, 1], ["ret", 0], LOST],
    ),
    "offlining is given up after two passes": (
        "randmov", "offline", [-16, -16], None,
        [
            ["t", 1],
            *[["iso", 8, 1, 0, 3, 1], ["mp", 2, 2], *asked(2, -16), ["mpr", 0], ["pbl"], ["put", 1, 1, 2]] * 2,
            ["ret", -16], STAYS,
            ["t", 2], ["iso", 8, 1, 0, 3, 1], ["mp", 2, 2], *asked(2, 0), ["mpr", 0], ["ret", 0], MOVED,
        ],
    ),
    "two recordings differ in what became of the list": (
        "randmov", "compact_memory", [], None, [["t", 1], ISO, ["mp", 2, 0], *asked(2, 0), ["mpr", None], ["ret", None], MOVED],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_what_neighbours_decide_is_taken_from_the_recording(name: str) -> None:
    drv, how, mig, rel, log = NEIGHBOURS[name]
    answers = Script((), tuple(mig), 0, rel, True, False, "none", 3)
    assert compare([Line(0, "drawn", 0, drv, "list", how, None, answers, log, None, False)])[1] == []
