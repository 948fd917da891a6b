"""How far signals of a worker reach."""

from __future__ import annotations

import signal

import pytest

from movable.supervise import landlock
from movable.supervise.supervisor import (
    FAILED,
    KILLED,
)
from tests.supervise.test_supervisor import ended


@pytest.mark.skipif(not landlock.keeps_signals(), reason="this kernel cannot keep signals in")
def test_signals_of_a_worker_reach_itself_and_what_it_starts_alone() -> None:
    for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGINT):
        ending, _ = ended(f"os.kill(os.getppid(), {int(number)})")
        assert ending.how == FAILED and ending.text.endswith("PermissionError: [Errno 1] Operation not permitted")
    do = "child = subprocess.Popen(['sleep', '99']); child.kill(); tell('code', number=child.wait()); os.kill(os.getpid(), 10)"
    ending, found = ended(do)
    assert (ending.how, ending.number, found[-1]["number"]) == (KILLED, 10, -9)
