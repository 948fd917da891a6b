"""What a trace has to show before a rule can be judged by it; and which findings stand even when events were lost."""

from __future__ import annotations

from movable.errors import UsageError
from movable.trace.read.columns import Layout
from movable.trace.read.vocabulary import CALL, RETURN, meaning
from movable.trace.record.probes import DRIVERS, Callbacks, probe_set

BITS = "bits"
"""What NEEDS calls the layout of the flag bits, without which a bit above the lowest cannot be told."""

NEEDS: dict[str, tuple[str, ...]] = {
    "D2": ("set_page_movable.flags",),
    "D4": ("set_page_movable.mops",),
    "D7": ("set_page_movable.flags", BITS),
    "D8": ("isolate_page_ret.ret",),
    "D11": ("isolate_page", "isolate_page_ret"),
    "D16": ("set_page_movable", "migratepage.newpage", "migratepage_ret.ret"),
    "D17": ("unlock_page.refs", "migratepage.newpage", "migratepage_ret.ret"),
    "D18": ("unlock_page.refs", "free_page", "migratepage_ret.ret"),
    "D19": ("clear_page_movable", "migratepage.mapping", "migratepage_ret.ret"),
    "D20": ("free_page.flags", "free_page.mapping", BITS),
    "D21": ("clear_page_movable.flags", "free_page.mapping"),
    "D23": ("migratepage_ret.ret",),
    "D24": ("migratepage_ret.ret",),
    "D25": ("migratepage_ret.ret",),
    "D26": ("unlock_page.mapping", "unlock_page.refs", "migratepage_ret.ret"),
    "D27": ("set_page_movable", "migratepage.newpage", "migratepage_ret.ret"),
    "D28": ("migratepage.mode", "migratepage_ret.ret"),
    "D29": ("unlock_page", "migratepage", "migratepage_ret"),
    "V1": ("isolate_page.flags", "isolate_page.refs", BITS),
    "V2": ("isolate_page.flags", "isolate_page.mapping", "isolate_page_ret", "isolate_movable_page_ret.ret", "putback_page"),
    "V4": ("isolate_movable_page", "isolate_page_ret.ret", "unlock_page.flags", BITS),
    "V7": ("migratepage.flags", "migratepage.nflags", BITS),
    "V8": ("migrate_pages.mode", "migratepage.mode"),
    "V9": ("migrate_pages", "migratepage_ret.ret"),
    "V10": ("migrate_pages", "migratepage_ret.ret"),
    "V11": ("migratepage_ret.ret", "unlock_page.flags", BITS),
    "V12": ("migratepage_ret.ret", "putback_page", "isolate_movable_page_ret.ret"),
    "V13": ("putback_page.flags", BITS),
    "V14": ("migratepage_ret.ret", "unlock_page.flags", "unlock_page.mapping", BITS),
    "V23": ("isolate_page.mapping",),
    "V24": ("isolate_page.flags", BITS),
    "V26": ("isolate_page.mapping", "migratepage.mapping"),
}
"""Kinds of events that a rule rests on, some with the field that it looks at."""

CLOSED: dict[str, tuple[str, ...]] = {
    "D11": ("isolate_page",),
    "D29": ("migratepage", "putback_page"),
    "V2": ("migratepage", "putback_page"),
    "V25": ("isolate_page", "migratepage", "putback_page"),
}
"""Callbacks that must be seen to end, where they are seen to begin: the rule asks who is inside of one, or what it has ended."""

ONE_LINE = frozenset(("D2", "D4", "D7", "D8", "D20", "D21", "D23", "D25", "V1", "V7", "V23", "V24", "V26"))
"""Rules whose proof is in the fields of one line, so that no lost event can have caused it."""

LACKS = {BITS: "isolation with its unlock, which tells the bits of the flags (or give --era)"}
"""What to say is missing, where the name alone says too little."""

Shown = dict[str, set[str]]
"""Kinds of events, with the fields of each."""


def recorded(header: dict[str, str]) -> Shown:
    """The kinds that a recording would show if they happened, with their fields, by its own header; none without a header."""
    name = header.get("driver", "")
    if not name:
        return {}
    symbols = (name + "_isolate", name + "_migrate", name + "_putback")
    try:
        probes = probe_set(DRIVERS.get(name) or Callbacks(name, *symbols), header.get("era", ""))
    except UsageError:
        return {}
    refused = set(header.get("refused", "").split(","))
    found: Shown = {}
    for probe in probes:
        means = meaning(probe.name)
        if means is not None and probe.name not in refused:
            fields = {word.partition("=")[0] for word in probe.fetch.split()}
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
    for need in NEEDS.get(rule, ()):
        kind, _, field = need.partition(".")
        if kind not in shown or (field and field not in shown[kind]):
            return LACKS.get(need, need)
    for kind in CLOSED.get(rule, ()):
        if kind in shown and f"{kind}_ret" not in shown:
            return f"{kind}_ret"
    return ""
