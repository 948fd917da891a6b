"""What a trace has to show before a rule can be judged by it; and which findings stand even when events were lost."""

from __future__ import annotations

from movable.errors import UsageError
from movable.trace.probes import DRIVERS, Callbacks, probe_set
from movable.trace.vocabulary import meaning

NEEDS: dict[str, tuple[str, ...]] = {
    "D2": ("set_page_movable.flags",),
    "D4": ("set_page_movable.mops",),
    "D7": ("set_page_movable.flags",),
    "D8": ("isolate_page_ret",),
    "D16": ("set_page_movable", "migratepage_ret"),
    "D17": ("unlock_page.refs", "migratepage_ret"),
    "D18": ("unlock_page.refs", "free_page", "migratepage_ret"),
    "D19": ("clear_page_movable", "migratepage_ret"),
    "D20": ("free_page.flags", "free_page.mapping"),
    "D21": ("clear_page_movable.flags", "free_page.mapping"),
    "D23": ("migratepage_ret",),
    "D24": ("migratepage_ret",),
    "D25": ("migratepage_ret",),
    "D26": ("unlock_page.mapping", "migratepage_ret"),
    "D27": ("set_page_movable", "migratepage_ret"),
    "D28": ("migratepage.mode", "migratepage_ret"),
    "D29": ("unlock_page", "migratepage_ret"),
    "V1": ("isolate_page.flags", "isolate_page.refs"),
    "V2": ("isolate_page", "isolate_page_ret"),
    "V4": ("isolate_page_ret", "unlock_page.flags"),
    "V7": ("migratepage.flags", "migratepage.nflags"),
    "V8": ("migrate_pages.mode", "migratepage.mode"),
    "V9": ("migrate_pages", "migratepage_ret"),
    "V10": ("migrate_pages", "migratepage_ret"),
    "V11": ("migratepage_ret", "unlock_page.flags"),
    "V12": ("migratepage_ret", "putback_page"),
    "V13": ("putback_page.flags",),
    "V14": ("migratepage_ret", "unlock_page.flags"),
    "V23": ("isolate_page.mapping",),
    "V24": ("isolate_page.flags",),
    "V26": ("isolate_page.mapping", "migratepage.mapping"),
}
"""Kinds of events that a rule rests on, some with the field of the page that it looks at."""

ONE_LINE = frozenset(("D2", "D4", "D7", "D20", "D21", "D23", "D25", "V1", "V7", "V23", "V24", "V26"))
"""Rules whose proof is in the fields of one line, so that no lost event can have caused it."""


def recorded(header: dict[str, str]) -> dict[str, set[str]]:
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
    found: dict[str, set[str]] = {}
    for probe in probes:
        means = meaning(probe.name)
        if means is not None and probe.name not in refused:
            fields = {word.partition("=")[0] for word in probe.fetch.split()}
            found.setdefault(means.kind, set()).update(fields)
    return found


def missing(rule: str, shown: dict[str, set[str]]) -> str:
    """What the trace lacks for judging a rule, as ``kind`` or ``kind.field``; empty when it has everything."""
    for need in NEEDS.get(rule, ()):
        kind, _, field = need.partition(".")
        if kind not in shown or (field and field not in shown[kind]):
            return need
    return ""
