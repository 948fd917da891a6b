"""A worker, from its fork to its exit code."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from movable.supervise.supervisor import (
    DONE,
    Supervisor,
)
from tests.supervise.test_supervisor import ended, worker


@pytest.mark.parametrize(
    "do", ["threading.Thread(target=time.sleep, args=(99,)).start()", "import atexit; atexit.register(time.sleep, 99)"]
)
def test_threads_and_exit_handlers_do_not_keep_a_worker_alive(do: str) -> None:
    assert ended(do)[0].how == DONE


def test_workers_come_one_after_another_and_see_nothing_of_each_other() -> None:
    with Supervisor(worker, patience=1) as supervisor:
        for do in (
            "os._exit(3)",
            "board = 1",
            "import movable.errors as e; e.seen = 1",
            "import movable.errors as e; assert not hasattr(e, 'seen')",
        ):
            ending = supervisor.run({"do": do}, lambda record: None)
    assert ending.how == DONE, ending.trace


def test_a_worker_has_no_terminal_and_no_file_of_its_parent(tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        do = (
            f"assert not os.isatty(0) and not os.isatty(1)\ntry: os.write({file.fileno()}, b'forged')\nexcept OSError: pass\n"
            "try: open('/dev/tty')\nexcept OSError: tell('right', number=1)"
        )
        assert len(ended(do)[1]) == 3
    assert (tmp_path / "secret").read_text() == ""
