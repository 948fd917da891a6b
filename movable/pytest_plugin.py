"""The pytest plug-in: options and collection only; imports nothing heavy.

``test_ring = certify(Ring)`` becomes one test for each rule. ``pytest --movable`` certifies every installed driver, unless
``[tool.movable.excuse]`` in pyproject.toml names it with a reason.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --movable and --movable-budget."""
    group = parser.getgroup("movable", "certification of movable-page drivers")
    group.addoption("--movable", action="store_true", help="certify every installed driver")
    group.addoption("--movable-budget", type=float, metavar="SECONDS", help="for each driver, in place of the usual work")


def pytest_pycollect_makeitem(collector: Any, name: str, obj: object) -> Any:
    """Collect certificates; a module that made one has imported the room already."""
    room = sys.modules.get("movable.contract.certify")
    if room is None or not isinstance(obj, room.Certificate) or not name.startswith("test"):
        return None
    from movable.contract.pytest_items import CertificateCollector

    return CertificateCollector.from_parent(collector, name=name, certificate=obj)


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --movable, add the rules of every installed driver."""
    if not config.getoption("--movable"):
        return
    from movable.contract.certify import certify
    from movable.contract.pytest_items import Unusable, rule_items
    from movable.registry.apart import installed_apart

    excused = excuses(config.rootpath)
    for driver in installed_apart():
        if driver.name in excused:
            continue
        if driver.problem:
            items.append(Unusable.from_parent(session, name=f"movable/{driver.name}/load", problem=driver.problem))
            continue
        certificate = certify(driver.name, budget=config.getoption("--movable-budget"))
        items.extend(rule_items(session, certificate, prefix=f"movable/{driver.name}/"))


def excuses(root: Path) -> dict[str, str]:
    """Drivers that are not certified, with reasons. Raises pytest.UsageError for an excuse without one."""
    import tomllib

    import pytest

    path = root / "pyproject.toml"
    if not path.is_file():
        return {}
    table = tomllib.loads(path.read_text()).get("tool", {}).get("movable", {}).get("excuse", {})
    for name, reason in table.items():
        if not isinstance(reason, str) or not reason.strip():
            raise pytest.UsageError(f"{path}: [tool.movable.excuse] {name} needs a reason, as text")
    return dict(table)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name the drivers that are left out, so that nobody takes them for certified."""
    if not config.getoption("--movable"):
        return []
    return [f"movable: {name} is excused: {reason}" for name, reason in excuses(config.rootpath).items()]
