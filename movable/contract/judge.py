"""The verdict on every rule, from what a search has shown. An interruption ends the making small, and not the report."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from movable.contract.checkpoint import explained, stale_waiver
from movable.contract.report import Report, Verdict
from movable.contract.verdict import BROKEN, HELD, NOT_APPLICABLE, UNPROVEN, WAIVED
from movable.eras import era
from movable.errors import UsageError, by_hand
from movable.mm.address_space import named_for
from movable.rules.lru import ABOUT_PROCESSES
from movable.rules.rule import CHECKED, MUST
from movable.rules.table import RULES
from movable.sequential.narrate import narrated
from movable.sequential.search import INTERRUPTED, Search
from movable.supervise import board
from movable.workload.program import Program, encode
from movable.workload.workload import GenericWorkload, Workload

if TYPE_CHECKING:
    from movable.concurrent.failures.explain import Explanation
    from movable.rules.stream.monitor import Violation


def judge(
    search: Search,
    report: Report,
    waivers: Mapping[str, str],
    by_tasks: Mapping[str, Explanation],
    known: Mapping[str, Verdict] | None = None,
    notice: Callable[[Verdict], None] | None = None,
) -> None:
    """Enter the verdicts into the report; ``by_tasks`` are the failures that took two tasks.

    ``known`` are verdicts from elsewhere, and ``notice`` is called with each that is made here.
    """
    search.hurry = report.stopped == INTERRUPTED
    for id in RULES:
        if known is not None and id in known:
            report.verdicts[id] = known[id]
            continue
        board.enter("verdicts", f"the failure of {id} is made small and explained")
        try:
            report.verdicts[id] = _verdict(search, id, waivers, by_tasks.get(id))
        except KeyboardInterrupt as error:
            if not by_hand(error):
                raise
            search.hurry, report.stopped = True, INTERRUPTED
            report.verdicts[id] = _verdict(search, id, waivers, by_tasks.get(id))
        if notice is not None:
            notice(report.verdicts[id])
    board.enter("verdicts", "the report is made")


def _verdict(search: Search, id: str, waivers: Mapping[str, str], explanation: Explanation | None = None) -> Verdict:
    """The verdict on one rule, with waivers for places in mind."""
    verdict = _verdict_anywhere(search, id, waivers, explanation)
    places = {key.partition("@")[2]: reason for key, reason in waivers.items() if key.startswith(f"{id}@")}
    return _at_places(search, verdict, places) if places and verdict.verdict != NOT_APPLICABLE else verdict


def _at_places(search: Search, verdict: Verdict, places: Mapping[str, str]) -> Verdict:
    """A rule that is waived at places: it may be broken there and nowhere else, and a waiver that nothing needs is out of date."""
    count = getattr(search.factory, "excused_uses", None)
    uses = {} if count is None else count()
    used = {place for place in places if uses.get(place)}
    if verdict.verdict == BROKEN:
        here = {place for place in places if _stands_at(place, verdict)}
        if not here:
            return verdict
        used |= here
    elif not any(uses.values()) and verdict.rule == "D53" and count is not None:
        used = set(places)  # nothing was explored in this process
    reason = "; ".join(f"{place}: {why}" for place, why in places.items() if place in used)
    unused = [place for place in places if place not in used]
    if unused:
        what = f"it is waived at {', '.join(unused)}, and nothing there breaks it; take the waiver away"
        return Verdict(verdict.rule, BROKEN, verdict.exercised, what=what, stale=True)
    return Verdict(verdict.rule, WAIVED, verdict.exercised, reason)


def _stands_at(place: str, verdict: Verdict) -> bool:
    """Whether what broke the rule names a place, as FILE:LINE FUNCTION."""
    file, _, where = place.rpartition(":")
    pattern = rf"\b{re.escape(file)}:{where}\b" if where.isdecimal() else rf"\b{re.escape(file)}:\d+ {re.escape(where)}\b"
    return re.search(pattern, verdict.what) is not None


def _verdict_anywhere(search: Search, id: str, waivers: Mapping[str, str], explanation: Explanation | None = None) -> Verdict:
    found = RULES[id]
    exercised = search.exercised[id]
    if search.era not in found.eras:
        return Verdict(id, NOT_APPLICABLE, reason=f"not in era {search.era}")
    if id in ABOUT_PROCESSES and not exercised:
        return Verdict(id, NOT_APPLICABLE, reason="about pages of processes, and there were none")
    if id in search.first or explanation is not None:
        if id in waivers:
            return Verdict(id, WAIVED, exercised, waivers[id])
        if explanation is not None and id not in search.first:
            return explained(explanation, exercised)
        return _broken(search, id, exercised)
    if id in waivers and found.kind == CHECKED and exercised:
        return stale_waiver(id, exercised, waivers[id])
    reason = declared_away(search.workload, id)
    if reason:
        return Verdict(id, NOT_APPLICABLE, exercised, reason)
    return Verdict(id, HELD if exercised else UNPROVEN, exercised)


def declared_away(workload: type[Workload], id: str) -> str:
    """Why a rule does not bind a driver with this workload's declarations, or ""."""
    if id == "D15" and not workload.preserves_content and not issubclass(workload, GenericWorkload):
        return "the driver declares that it does not preserve content"
    if id == "D50" and workload.may_refuse and not issubclass(workload, GenericWorkload):
        return "the driver declares that it may refuse for ever"
    return ""


def _broken(search: Search, id: str, exercised: int) -> Verdict:
    """The verdict on a broken rule, with the smallest program found and its story."""
    program = search.smallest(id)
    machine = search.run(program, keep=True)
    if id not in machine.monitor.broken:  # not the same twice: show the program as it was found
        program = search.first[id]
        machine = search.run(program, keep=True)
    violations = machine.monitor.broken.get(id)
    token, without = _token(program, search.seed)
    if not violations:
        what = "it was broken once and not when the same program ran again: the driver uses time, randomness or state of its own"
        return Verdict(id, BROKEN, exercised, what=what + without, token=token)
    violation = violations[0]
    last = violation.seqs[-1] if violation.seqs else len(machine.events)
    said = named_for(search.factory, era(search.era))
    story = narrated([event for event in machine.events if event.seq <= last], violation.pfn, said)
    follows = _before(machine.monitor.broken, id)
    return Verdict(id, BROKEN, exercised, what=violation.text + without, story=story, token=token, follows=follows)


def _before(broken: Mapping[str, Sequence[Violation]], id: str) -> str:
    """The must rule that a program broke first, where that was before it broke ``id``, or ""."""
    counts = {rule: found[0].seqs for rule, found in broken.items() if rule == id or RULES[rule].level == MUST}
    when = {rule: seqs[-1] for rule, seqs in counts.items() if seqs}
    first = min(when, key=lambda rule: when[rule], default=id)
    return "" if id not in when or when[first] == when[id] else first


def _token(program: Program, seed: int) -> tuple[str, str]:
    """The token of a program; where it can have none, "" and why in words."""
    try:
        return encode(program, seed), ""
    except UsageError as error:
        return "", f" (it has no token: {error})"
