"""Where the fields of a trace event stand in its lines."""

from __future__ import annotations

from movable.shown import shown
from movable.trace.read.numbers import Damaged
from movable.trace.read.vocabulary import PAGE_FIELDS, UNSEEN, Meaning

FORMS_LIMIT = 16
"""Lists of fields that are remembered of one event."""
PAGE_STATE = PAGE_FIELDS | {"flags", "nflags", "mapping", "refs", "mops", "mode"}


class Layout:
    """Where the fields of one trace event stand among its tokens, and how often the event was seen.

    ``whole`` says that all four fields of a page are there; ``names`` are the fields wanted, ``split`` how many blanks to split at.
    Of a return, ``ret`` says that its lines have the value, ``paired`` that one of them had an entry before. ``sites`` are where in
    the kernel it is recorded, ``tokens`` what its other values mean, or, of a return, what each line says.
    """

    __slots__ = (
        *("_bases", "_forms", "action", "count", "flags", "kind", "mapping", "meaning"),
        *("names", "page", "paired", "refs", "ret", "sites", "split", "tokens", "values", "whole"),
    )

    def __init__(self, means: Meaning) -> None:
        self.meaning = means
        self.action = means.action
        self.kind = means.kind
        self.count = 0
        self.ret = False
        self.paired = False
        self.whole = False
        self.names: dict[str, int] = {}
        self.values: list[tuple[str, int, str]] = []
        self.sites: set[str] = set()
        self.tokens: dict[str, int] = {}
        self._bases: dict[str, bool] = {}
        self._forms: set[tuple[str, ...]] = set()
        self.split = -1
        self.page = self.flags = self.mapping = self.refs = UNSEEN

    def place(self, tokens: list[str]) -> None:
        """Learn the places from one line. Raises Damaged for a line without a field that an earlier one had, with one that is there
        twice, and for the first with other fields than those before."""
        means = self.meaning
        found: dict[str, int] = {}
        for index, token in enumerate(tokens):
            name, equals, _ = token.partition("=")
            if equals:
                if name in found and name in PAGE_STATE:
                    raise Damaged(f"it has the field {name} twice")
                found.setdefault(name, index)
        wanted = (means.page, "flags", "mapping", "refs", *(field for _, field in means.values))
        names = {name: found[name] for name in wanted if name in found}
        lacks = ({means.page} if means.page else set()) | self.names.keys() - names.keys()
        if not lacks <= names.keys():
            raise Damaged(f"it has no field {', '.join(sorted(lacks - names.keys()))}")
        form = tuple(found)
        if form not in self._forms:
            known = not self._forms or any(one[: len(form)] == form[: len(one)] for one in self._forms)  # or one was cut short
            if len(self._forms) < FORMS_LIMIT:
                self._forms.add(form)
            if not known:  # a recording behind another one may have others: from its second line on
                raise Damaged("it has other fields than the lines of its event before")
        self.names = names
        self.page, self.flags, self.mapping, self.refs = (names.get(name, UNSEEN) for name in wanted[:4])
        self.values = [(argument, names[field], field) for argument, field in means.values if field in names]
        self.whole = min(self.page, self.flags, self.mapping, self.refs) >= 0
        self.split = max(names.values(), default=0) + 1

    def fits_field(self, token: str, field: str) -> None:
        """It is that field, which is always written in hexadecimal digits, or never. Raises Damaged for anything else."""
        name, _, value = token.partition("=")
        if name != field:
            raise Damaged(f"{shown(token, 40)} is not where {field} must be")
        if value[:1] == "(":  # the probe could not read it
            return
        if self._bases.setdefault(name, value.startswith("0x")) is not value.startswith("0x"):
            raise Damaged(f"{name} is not written so in other lines")

    def fits(self, tokens: list[str]) -> bool:
        """Whether the fields stand in a line where they are expected."""
        return all(at < len(tokens) and tokens[at].startswith(name + "=") for name, at in self.names.items())
