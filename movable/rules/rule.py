"""What a rule is, and what judges one: a declaration, and the class that its judges share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from movable.eras import ERAS as KNOWN
from movable.eras import Era, as_in
from movable.events import Event
from movable.rules.stream.history import Lives

MUST, SHOULD, MAY = "must", "should", "may"
LEVELS = {
    MUST: "breaking it corrupts, leaks or stops a machine",
    SHOULD: "breaking it is an error that the machine survives",
    MAY: "advice: breaking it can be a choice",
}
CHECKED, STOCHASTIC, UNTESTED = "checked", "stochastic", "untested"
KINDS = {
    CHECKED: "judged wherever it is exercised",
    STOCHASTIC: "judged by how often something happens",
    UNTESTED: "stated, and judged only where the core happens to notice",
}
ERAS = tuple(KNOWN)
STICKY = tuple(name for name, era in KNOWN.items() if era.sticky_mark)
CLEARED = tuple(name for name, era in KNOWN.items() if not era.sticky_mark)

OBSERVATION = "observation"
"""The occasion of rules that somebody looks for: whoever looks says each time whether the rule was kept."""

HELD_OR_BROKEN, BROKEN_ONLY, NOTHING = "yes", "broken", "-"
SHOWS = {
    HELD_OR_BROKEN: "A trace of a real kernel can show it.",
    BROKEN_ONLY: "A trace of a real kernel can show that it is broken, and never that it held.",
    NOTHING: "A trace of a real kernel cannot show it.",
}
"""What a trace of a real kernel can show of a rule, by the word that tables use."""


@dataclass(frozen=True, slots=True)
class Words:
    """How a rule reads in kernels whose marks stay; what is "" reads there as it does before."""

    sentence: str = ""
    why: str = ""
    kernel: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; made by ``rule``, which explains the fields."""

    id: str
    level: str
    kind: str
    eras: tuple[str, ...]
    title: str
    sentence: str
    why: str
    kernel: tuple[str, ...]
    bugs: tuple[str, ...]
    exercised_by: tuple[str, ...]
    judged_by: str
    trace: tuple[str, ...]
    ends: tuple[str, ...]
    breaks_only: bool
    one_line: bool
    two_tasks: bool
    sticky: Words

    @property
    def scope(self) -> str:
        """Whom it binds: "driver", "core" or "file system"."""
        return {"D": "driver", "V": "core", "F": "file system"}[self.id[0]]

    def said_in(self, era: str, kept: str = "") -> Rule:
        """The rule in the words of a kernel of that era: its own sentence there, and the names that functions and flags have.

        ``kept`` is a name that stays.
        """
        if era not in self.eras or self.scope == "file system":
            return self
        said = self.sticky if era in STICKY else Words()
        words = as_in(era, kept)
        return replace(
            self, title=words(self.title), sentence=words(said.sentence or self.sentence), why=words(said.why or self.why),
            kernel=tuple(map(words, _sources(said.kernel) or self.kernel)),
        )  # fmt: skip

    @property
    def shown(self) -> str:
        """What a trace of a real kernel can show of it: a key of SHOWS."""
        if not self.trace and not self.ends:
            return NOTHING
        return BROKEN_ONLY if self.breaks_only else HELD_OR_BROKEN


DECLARED: dict[str, Rule] = {}
"""Every rule by number, as the files of their judges declare them."""


def _sources(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def rule(  # long by its arguments: one for each thing that a declaration says
    id: str,
    level: str,
    title: str,
    sentence: str,
    *,
    why: str,
    kernel: str = "",
    bugs: str = "",
    kind: str = CHECKED,
    eras: tuple[str, ...] = ERAS,
    exercised_by: str = OBSERVATION,
    judged_by: str = "",
    trace: str = "",
    ends: str = "",
    breaks_only: bool = False,
    one_line: bool = False,
    two_tasks: bool = False,
    sticky: Words = Words(),
) -> Rule:
    """Declare a rule, beside the code that judges it.

    ``id`` is its number ("D17"): D rules bind drivers, V rules the core, F rules file systems. ``level`` is one of LEVELS,
    ``kind`` one of KINDS, ``eras`` the kernels that it holds for. ``title`` is a few words, ``sentence`` the rule, ``why``
    the reason. ``kernel`` is where the kernel says so ("mm/migrate.c: migrate_pages, ..."), ``bugs`` the historic bugs that
    broke it (see bugs.py).
    ``exercised_by`` names the occasions on which it can be broken: each is a count of the checks (``Check.occasions``). A rule that
    no event shows is ``judged_by`` code of another room ("sequential.observers:CallbackObserver._putback").

    ``trace`` names what a trace of a real kernel must show before the rule can be judged by it, kinds of events, some with the
    field that matters, and ``ends`` the callbacks that must be seen to end where they are seen to begin. ``breaks_only``: such a
    trace can show that it is broken and never that it held. ``one_line``: the proof is in one line, so that no lost event can have
    caused it. ``two_tasks``: the proof may rest on the order of lines of different tasks. Spaces separate names.

    ``sticky`` is how it reads in kernels whose marks stay, where that differs by more than names (see ``Rule.said_in``).

    Raises ValueError for a number that is taken.
    """
    if id in DECLARED:
        raise ValueError(f"rule {id} is declared twice")
    words = [text.split() for text in (bugs, exercised_by, trace, ends)]
    made = Rule(
        id, level, kind, eras, title, sentence, why, _sources(kernel), tuple(words[0]), tuple(words[1]), judged_by,
        tuple(words[2]), tuple(words[3]), breaks_only, one_line, two_tasks, sticky,
    )  # fmt: skip
    DECLARED[id] = made
    return made


Report = Callable[[str, Event, str], None]
"""Called with the number of the rule that was broken, the event that shows it, and what happened in plain words."""


class Check:
    """Part of the rules. A method called like a kind of event is called for every event of that kind.

    ``lives`` is up to date when a method runs. ``broken`` reports. ``occasions`` names the attributes in which a check counts how
    often something happened by which rules can be broken, each with the kinds of events that it is counted at.
    """

    occasions: ClassVar[dict[str, str]] = {}

    def __init__(self, lives: Lives, era: Era, report: Report) -> None:
        self.lives = lives
        self.era = era
        self.calls = lives.calls
        self.pages = lives.pages
        self._report = report

    @classmethod
    def concerns(cls, era: Era) -> bool:
        """Whether there is anything to judge in kernels of ``era``."""
        return True

    def broken(self, broken: Rule, event: Event, text: str) -> None:
        """Say that ``event`` shows a rule broken, and what happened."""
        self._report(broken.id, event, text)

    def finish(self, last: Event, quiescent: bool) -> None:
        """The stream ends with ``last``; ``quiescent`` means that nothing was under way."""


def who(event: Event) -> str:
    """The driver of a callback event, in words."""
    driver: str = event.args.get("driver", "")
    return driver or "the driver"
