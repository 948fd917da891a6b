"""Runs what a token holds again, and writes the command that does."""

from __future__ import annotations

import inspect
import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from movable.contract.show.page import page
from movable.eras import DEFAULT
from movable.eras import era as era_called
from movable.errors import UsageError
from movable.registry import Factory, find, look_up, own_era
from movable.registry.filesystems import is_filesystem
from movable.shown import in_html
from movable.workload.replayed import Replayed
from movable.workload.token import decode
from movable.workload.workload import Workload, workload_for


def replay(
    target: str | Factory,
    token: str,
    *,
    workload: str | type[Workload] | None = None,
    era: str | None = None,
    features: Mapping[str, Any] | None = None,
) -> Replayed:
    """The story of a token, and the rules that it broke.

    ``era`` is by default the one that the driver is written for.
    ``workload`` is one that is not the driver's own, or names it as module:Class or file.py:Class. ``features`` of a kernel that
    differ from the era's are those of a file system; drivers have them in the token. Raises UsageError for an unknown driver or
    workload, and for a token that cannot be read, or that is another's.
    """
    found = decode(token)
    factory = find(target) if isinstance(target, str) else target
    if is_filesystem(factory):
        from movable.filesystems.replay import Files

        return Files(factory, found, replace(era_called(era or DEFAULT), **(features or {})))
    era = era or own_era(factory)
    chosen = workload_for(factory, named_workload(workload) if isinstance(workload, str) else workload)
    if found.alone:
        from movable.sequential.replay import Sequence

        return Sequence(factory, found, chosen, era)
    from movable.concurrent.failures.replay import Interleaving

    return Interleaving(factory, found, chosen, era)


def html(found: Replayed) -> str:
    """One HTML page."""
    return page(found.title, f"<h1>{in_html(found.title)}</h1>{found.html()}", found.style)


def named_workload(name: str) -> type[Workload]:
    """The workload that is called so. Raises UsageError when there is none."""
    found = look_up(name)
    if not (inspect.isclass(found) and issubclass(found, Workload)):
        raise UsageError(f"{name} is no workload; name one as module:Class or file.py:Class")
    return found


def target_of(given: Factory) -> str:
    """How a class is named on the command line: a file below this directory by its path, everything else by its module."""
    file = getattr(sys.modules.get(given.__module__), "__file__", None)
    here = Path.cwd()
    if file is not None and "." not in given.__module__ and Path(file).is_relative_to(here):
        return f"{Path(file).relative_to(here)}:{given.__qualname__}"
    return f"{given.__module__}:{given.__qualname__}"


def _own_workload(factory: Factory) -> type[Workload] | None:
    try:
        return workload_for(factory)
    except UsageError:
        return None


def replay_command(target: str, factory: Factory, workload: type[Workload] | None, era: str) -> str:
    """The command that a token completes; file systems have no ``workload``."""
    words = ["movable", "replay"]
    if era != own_era(factory):
        words += ["--era", era]
    if workload is not None and workload is not _own_workload(factory):
        words += ["--workload", target_of(workload)]
    return shlex.join([*words, target])
