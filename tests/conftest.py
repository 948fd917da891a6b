"""Checks in tests run drivers in the process of the test, where one can look into them; modules with SUPERVISED = True do not."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The same examples each time: a failure is met by whoever wrote it, not by whoever comes next; and no example is wrong because the
# machine is slow. For others: --hypothesis-profile=default.
settings.register_profile("suite", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


def pytest_configure() -> None:
    """Commands that tests start are told to end by signals, also where whoever started the tests ignores them (nohup, some CI)."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


GARBAGE = 6_000
"""Pages by which a process of tests may grow before its garbage is collected. What a search froze and left is not counted as
new by the collector: a process grew to gigabytes, and each of its thousands of forks copied the tables of all that."""
_STATM = Path("/proc/self/statm")
_collected_at = [0]


def _resident() -> int:
    return int(_STATM.read_text().split()[1]) if _STATM.exists() else 0


def pytest_runtest_logfinish() -> None:
    """Forks stay cheap: see GARBAGE."""
    if _resident() > _collected_at[0] + GARBAGE:
        gc.collect()
        _collected_at[0] = _resident()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test is called the same in every process: workers that see other names run none of the tests."""
    for item in items:
        if " at 0x" in item.nodeid:
            raise pytest.UsageError(f"{item.nodeid}: its name has an address; give ids=")


@pytest.fixture(autouse=True)
def _measured(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Coverage looks away while a test runs that is marked as unmeasured: long searches are ten times as slow under it."""
    coverage = sys.modules.get("coverage")
    running = coverage and coverage.Coverage.current()
    if running is None or request.node.get_closest_marker("unmeasured") is None:
        yield
        return
    for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):  # of commands that the test starts
        monkeypatch.delenv(name, raising=False)
    running.stop()
    try:
        yield
    finally:
        running.start()


@pytest.fixture(autouse=True)
def _drivers_run_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("movable.contract.supervised.PATIENCE_SECONDS", 8.0)  # a fork of a large process is slow
    if not getattr(request.module, "SUPERVISED", False):
        monkeypatch.setattr("movable.contract.examine.ISOLATE", False)
        monkeypatch.setattr("movable.sequential.faults.MAX_PROCESSOR_SECONDS", 15.0)  # coverage makes code three times as slow
