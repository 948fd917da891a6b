"""The cache of what was built: it is somewhere for every user, and nothing of an ended build stays in it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from movable.c.build import toolchain


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No cache is known yet, and temporary files are here."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    toolchain.cache.cache_clear()
    yield
    toolchain.cache.cache_clear()


def test_what_a_process_began_that_was_ended_is_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    done = subprocess.Popen(["true"])
    done.wait()
    ours = toolchain._beginning()
    names = [f"{ours}{done.pid}-gone", f"{ours}{os.getpid()}-lives", ".new-1-7-young", ".new-1-7-old", "driver-whole"]
    for name in names:
        (toolchain.cache() / name).mkdir()
    os.utime(toolchain.cache() / names[3], (0, 0))
    toolchain.sweep()
    assert sorted(os.listdir(toolchain.cache())) == sorted([names[1], names[2], names[4]])


def test_a_user_without_a_home_has_one_cache_of_his_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    first = toolchain.cache()
    toolchain.cache.cache_clear()
    assert first == toolchain.cache() == tmp_path / f"movable-c-{os.getuid()}" and first.stat().st_mode & 0o777 == 0o700
    first.chmod(0o777)  # anybody could have made it
    toolchain.cache.cache_clear()
    assert toolchain.cache() != first


def test_a_tool_that_waits_for_a_processor_is_waited_for_and_one_without_an_end_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks: list[int] = []
    monkeypatch.setattr("movable.c.build.toolchain.board.tick", lambda: ticks.append(1))
    monkeypatch.setattr("movable.c.build.toolchain.TICK_SECONDS", 0.01)
    done = toolchain.run(["sh", "-c", "sleep 0.2; cat; echo told >&2; exit 3"], "found\n")
    assert (done.returncode, done.stdout, done.stderr) == (3, "found\n", "told\n")
    assert ticks
    ended = toolchain.run(["sleep", "60"], seconds=0.05)
    assert (ended.returncode, ended.stdout) == (-9, "")


def test_a_tool_that_begins_to_read_late_gets_the_whole_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "TICK_SECONDS", 0.05)
    text = "int x;\n" * 20000  # more than a pipe holds
    done = toolchain.run(["sh", "-c", "sleep .2; wc -c"], text, 20.0)
    assert (done.returncode, done.stdout.strip()) == (0, str(len(text)))
