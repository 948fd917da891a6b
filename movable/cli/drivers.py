"""What ``movable drivers`` prints."""

from __future__ import annotations

from movable.files import check_place, write_json
from movable.registry import Found
from movable.registry.apart import installed_apart

SCHEMA = "movable.drivers/1"


def show(json_target: str | None) -> int:
    """Print the installed drivers, a line each; returns 1 when one of them cannot be used."""
    check_place(json_target)
    found = installed_apart()
    if json_target is None:
        print(table(found))
    else:
        write_json(json_target, {"schema": SCHEMA, "drivers": [record(driver) for driver in found]})
    return 1 if any(driver.problem for driver in found) else 0


def record(driver: Found) -> dict[str, str | bool]:
    """One driver as the JSON schema movable.drivers/1 has it."""
    return {
        "name": driver.name,
        "distribution": driver.distribution,
        "version": driver.version,
        "where": driver.where,
        "valid": not driver.problem,
        "problem": driver.problem,
    }


def table(found: list[Found]) -> str:
    """The list as text: name, distribution, version, where from, and whether it can be used."""
    if not found:
        return "no drivers are installed; a distribution offers one through the entry-point group 'movable.drivers'"
    rows = [("NAME", "DISTRIBUTION", "VERSION", "FROM", "STATE")]
    rows += [(d.name, d.distribution, d.version, d.where, d.problem or "valid") for d in found]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]) for row in rows)
