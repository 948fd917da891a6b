"""Comparing what a machine did with what a kernel did, and saying what differs first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from movable.eras import Era
from movable.eras import era as era_called
from movable.errors import MovableError, UsageError
from movable.lab.answers.drivers import Item, end_of
from movable.lab.answers.lines import DIRECT, DRIVERS, SOFT, Event, Line
from movable.lab.answers.play import DirectPlayer, ListPlayer, SoftPlayer


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing about a page that is not as recorded. ``event`` is its number in the log, -1 where it is about the end."""

    page: str
    line: int
    event: int
    here: Any
    recorded: Any

    def __str__(self) -> str:
        where = "at the end" if self.event < 0 else f"event {self.event}"
        return f"{self.page}: {where}: here {self.here}, recorded {self.recorded}"


def compare(
    lines: Iterable[Line], era: str | None = None, progress: Callable[[int], object] = lambda done: None
) -> tuple[int, list[Difference]]:
    """Play every page and compare; returns how many pages there were, and the differences in order.

    ``era`` names another machine than the recording's. ``progress`` is called with the number of pages done. Raises UsageError
    where that machine cannot run the driver, for a group of which pages are missing, and where there is no page at all.
    """
    found: list[Difference] = []
    done = 0
    for batch in batches(lines):
        for line, item in zip(batch, _play(batch, era_called(era or DRIVERS[batch[0].drv])), strict=True):
            difference = item if isinstance(item, Difference) else first_difference(line, item)
            if difference is not None:
                found.append(difference)
        done += len(batch)
        progress(done)
    if not done:
        raise UsageError("there is no page in the file; nothing was compared")
    return done, sorted(found, key=lambda difference: difference.line)


def batches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """The lines one by one, those of a group together. Raises UsageError for a group that is not complete."""
    groups: dict[tuple[str, str, int], list[Line]] = {}
    for line in lines:
        if line.part != DIRECT or line.grp is None:
            yield [line]
            continue
        key = (line.run, line.drv, line.grp.g)
        members = groups.setdefault(key, [])
        members.append(line)
        if len(members) == line.grp.n:
            yield sorted(groups.pop(key), key=lambda line: 0 if line.grp is None else line.grp.pos)
    for (run, drv, number), members in groups.items():
        wanted = members[0].grp.n if members[0].grp is not None else 0
        raise UsageError(f"group {number} of {run} {drv} has {len(members)} of its {wanted} pages; a group is played as a whole")


def _play(batch: list[Line], era: Era) -> list[Item | Difference]:
    player: DirectPlayer | SoftPlayer | ListPlayer
    if batch[0].part == DIRECT:
        player = DirectPlayer(batch, era)
    else:
        player = (SoftPlayer if batch[0].part == SOFT else ListPlayer)(batch[0], era)
    try:
        player.play()
    except UsageError:
        raise
    except MovableError as error:
        return [Difference(line.name, line.number, -1, str(error), "no error") for line in batch]
    return list(player.items)


def first_difference(line: Line, item: Item) -> Difference | None:
    """What differs first between the log of a page here and the recorded one; None where nothing does."""
    here, recorded = item.log, line.log
    if line.part not in (DIRECT, SOFT):
        here, recorded = list(without_choices(item.log, line)), list(without_choices(line.log, line))
        if line.cut:
            here = here[: len(recorded)]
    for number, (mine, theirs) in enumerate(zip_longest(here, recorded)):
        if mine != theirs:
            return Difference(line.name, line.number, number, mine or "nothing", theirs or "nothing")
    if line.end is not None:
        mine_end = end_of(item)
        theirs_end = {name: line.end.get(name) for name in mine_end}
        if mine_end != theirs_end:
            return Difference(line.name, line.number, -1, mine_end, theirs_end)
    return None


def without_choices(log: list[Event], line: Line) -> Iterator[Event]:
    """The log of a page that was on a list with others, without what the others decided: which frame a target was, and whether the
    caller reached its end. A label stays as "same": whether the target is the one of the call before, in the same part."""
    keeps_targets, tells_results = _keeps_targets(line), _tells_results(line)
    before: tuple[int, int | None] | None = None
    for event in log:
        if event[0] == "mig":
            mode, label = event[1], event[2]
            kept = "same" if before is not None and before == (mode, label) else "other"
            before = (mode, label)
            yield [*event[:2], kept if keeps_targets and label is not None else None, *event[3:]]
            continue
        if event[0] == "mp":
            before = None
        yield event[:1] if event[0] == "ret" or (event[0] == "mpr" and not tells_results) else event


def _tells_results(line: Line) -> bool:
    """Whether it is on record which calls failed as a whole."""
    return all(event[1] is not None for event in line.log if event[0] == "mpr")


def _keeps_targets(line: Line) -> bool:
    """Whether a target is a page's for a whole part, so that its label tells something although others take targets too."""
    return bool(era_called(DRIVERS[line.drv]).async_first) and not any(
        event[0] == "mig" and event[2] is None for event in line.log
    )
