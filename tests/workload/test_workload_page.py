"""The page of workloads lists what a workload may say, and only that."""

from __future__ import annotations

import re
from pathlib import Path

from movable.workload.declared import DECLARATIONS, METHODS
from movable.workload.workload import Workload

PAGE = (Path(__file__).parents[2] / "docs" / "workloads.md").read_text()
OF_THE_KIT = {"run", "finish", "pages", "operations"}
"""Methods that the kit calls for its own purposes; nobody overrides them."""


def rows(title: str) -> set[str]:
    """The names in the first column of the table under a heading."""
    part = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)(?:\(\w*\))?` \|", part, re.MULTILINE))


def test_every_attribute_has_its_row() -> None:
    assert rows("What it declares: attributes") == {*DECLARATIONS, "factory"}


def test_every_method_has_its_row() -> None:
    public = {name for name, value in vars(Workload).items() if callable(value) and not name.startswith("_")}
    public |= {name for name, value in vars(Workload).items() if isinstance(value, classmethod)}
    assert rows("What it answers: methods") == public - OF_THE_KIT - {"factory"}
    assert set(METHODS) - OF_THE_KIT <= public


def test_the_defaults_are_those_of_the_code() -> None:
    shown = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", PAGE, re.MULTILINE))
    assert {name: repr(getattr(Workload, name)) for name in shown} == shown
