"""Two certificates of one driver, compared: what was held and is not, what is newly proven, what is no longer exercised."""

from __future__ import annotations

import json
from typing import Any

from movable.contract.report import SCHEMA
from movable.contract.verdict import BROKEN, HELD, UNPROVEN
from movable.errors import UsageError
from movable.files import text_of
from movable.rules.table import ALL_RULES as RULES
from movable.shown import first_line

KINDS = {
    "newly broken": "was not broken, and is",
    "mended": "was broken, and is not",
    "no longer held": "was held, and is neither held nor broken",
    "newly proven": "was not held, and is",
    "no longer exercised": "an operation ran, and does not",
}


def read_certificate(path: str) -> dict[str, Any]:
    """A certificate that ``movable check --json`` wrote. Raises UsageError for anything else, OSError for no file."""
    try:
        record = json.loads(text_of(path))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no JSON ({first_line(error)}); give what 'movable check --json' wrote") from None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA or not isinstance(record.get("rules"), list):
        raise UsageError(f"{path} is no certificate of schema {SCHEMA}; give what 'movable check --json FILE' wrote of one driver")
    for rule in record["rules"]:
        if not isinstance(rule, dict) or not isinstance(rule.get("id"), str) or not isinstance(rule.get("verdict"), str):
            raise UsageError(f"{path}: a rule has no id or no verdict; give what 'movable check --json FILE' wrote")
    return record


def compare(old: dict[str, Any], new: dict[str, Any]) -> dict[str, list[str]]:
    """Rules, or operations, by kind of change; both are certificates as plain values."""
    was = {rule["id"]: rule["verdict"] for rule in old["rules"]}
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for rule in new["rules"]:
        before, now = was.get(rule["id"], UNPROVEN), rule["verdict"]
        if now == BROKEN and before != BROKEN:
            found["newly broken"].append(rule["id"])
        elif before == BROKEN and now != BROKEN:
            found["mended"].append(rule["id"])
        elif before == HELD and now not in (HELD, BROKEN):
            found["no longer held"].append(rule["id"])
        if now == HELD and before not in (HELD, BROKEN):
            found["newly proven"].append(rule["id"])
    ran = old.get("operations")
    silent = set(new["never_ran"]) | ({name for name in ran if name not in new["operations"]} if isinstance(ran, dict) else set())
    if isinstance(ran, dict):
        found["no longer exercised"] = sorted(name for name in silent if ran.get(name))
    return found


def difference_text(old: dict[str, Any], new: dict[str, Any]) -> str:
    """The comparison for a terminal, a line for each thing that changed."""
    lines = [f"compared with the certificate of {old.get('target', '?')}, era {old.get('era', '?')}, seed {old.get('seed', '?')}:"]
    for kind, ids in compare(old, new).items():
        for id in ids:
            title = f" {RULES[id].title}" if id in RULES else ""
            lines.append(f"  {kind:19} {id}{title}")
    return "\n".join(lines if len(lines) > 1 else [lines[0] + " no difference"])
