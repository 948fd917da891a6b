"""What a trace has to show before a rule can be judged by it; and which findings stand even when events were lost."""

from __future__ import annotations

from movable.errors import UsageError
from movable.rules.table import RULES
from movable.trace.read.columns import Layout
from movable.trace.read.sticky import in_old_words
from movable.trace.read.vocabulary import CALL, RETURN, meaning
from movable.trace.record.driver_probes import Callbacks, known
from movable.trace.record.probes import probe_set
from movable.trace.record.sticky_probes import STATE

BITS = "bits"
"""What rules call the layout of the flag bits, without which a bit above the lowest cannot be told."""

LACKS = {BITS: "isolation with its unlock, which tells the bits of the flags (or give --era)"}
"""What to say is missing, where the name alone says too little."""

SAME = {"ntype": "nmapping"}
"""Fields of kernels whose marks stay, by what the reader makes of them."""

Shown = dict[str, set[str]]
"""Kinds of events, with the fields of each."""


def recorded(header: dict[str, str]) -> Shown:
    """The kinds that a recording would show if they happened, with their fields, by its own header; none without a header."""
    name = header.get("driver", "")
    if not name:
        return {}
    symbols = (name + "_isolate", name + "_migrate", name + "_putback")
    try:
        probes = probe_set(known().get(name) or Callbacks(name, *symbols), header.get("era", ""))
    except UsageError:
        return {}
    refused = set(header.get("refused", "").split(","))
    set_ = [(probe.name, probe.fetch) for probe in probes if probe.name not in refused]
    set_ += [(name, f"page= {STATE} mops=") for name in header.get("instructions", "").split(",") if name]
    found: Shown = {}
    for name, fetch in set_:
        means = meaning(in_old_words(f": {name}: ").split(": ")[1])
        if means is not None:
            fields = {SAME.get(word.partition("=")[0], word.partition("=")[0]) for word in fetch.split()}
            found.setdefault(means.kind, set()).update(fields)
    return found


def shown_by(layouts: list[Layout], header: dict[str, str]) -> Shown:
    """The kinds that a trace shows, with the fields that all its events of the kind have.

    What was read says more than the header. Returns count only when every function of the kind that was seen to begin was
    seen to end: of several drivers one may lack the probe.
    """
    found: Shown = {}
    for layout in layouts:
        fields = {*layout.names, "ret"} if layout.ret else set(layout.names)
        if layout.kind and (layout.action != RETURN or layout.paired):
            found[layout.kind] = found[layout.kind] & fields if layout.kind in found else fields
    found = {**recorded(header), **found}
    ended = {layout.meaning.call for layout in layouts if layout.paired}
    for layout in layouts:
        if layout.action == CALL and layout.meaning.call not in ended:
            found.pop(f"{layout.kind}_ret", None)
    return found


def missing(rule: str, shown: Shown) -> str:
    """What the trace lacks for judging a rule, as ``kind`` or ``kind.field``; empty when it has everything."""
    found = RULES[rule]
    for need in found.trace:
        kind, _, field = need.partition(".")
        if kind not in shown or (field and field not in shown[kind]):
            return LACKS.get(need, need)
    for kind in found.ends:
        if kind in shown and f"{kind}_ret" not in shown:
            return f"{kind}_ret"
    return ""
