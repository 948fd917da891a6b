"""``movable run``: perform the steps, and say what came of them.

A step that fails ends the run, but not before everything stored was read back, so that the error says what was lost. Nothing
that is printed or written depends on time, on the order of a set, or on an address of this process.
"""

from __future__ import annotations

from movable.errors import InvalidState, MovableError, by_hand
from movable.introspection import no_collection
from movable.lab import report
from movable.lab.options import Options, check
from movable.lab.outputs import events_to, note, write_picture, write_record
from movable.lab.state import Run, RunFailed, load_drivers, plan
from movable.lab.steps import STEPS
from movable.lab.terminal import Terminal
from movable.lab.workloads import error_words, first_line
from movable.supervise import board


def main(options: Options) -> int:
    """Run the experiment; returns 0.

    Raises UsageError for bad input, RunFailed when the run found something wrong, and MovableError when only an output could not
    be written. A RunFailed says that too.
    """
    settings = check(options)
    run = Run(settings)
    terminal = Terminal(len(STEPS), quiet=settings.json == "-")
    with events_to(run), no_collection():
        load_drivers(run)
        plan(run)
        for line in report.opening(run):
            terminal.say(line)
        cause = _perform(run, terminal)
        for line in report.summary(run) if cause is None else report.warnings(run):
            terminal.say(line)
    note(run, "standard output", terminal.error)
    write_picture(run)
    write_record(run)
    if cause is not None:
        raise RunFailed(run.error) from cause
    if run.unwritten:
        raise MovableError(run.error)
    return 0


def _perform(run: Run, terminal: Terminal) -> BaseException | None:
    """All steps; returns what stopped them. ``run.failure`` says that, and the state of the stored data."""
    for what, step in STEPS:
        terminal.step(what)
        board.enter("run", f"while {what}")
        try:
            step(run, terminal)
        except BaseException as error:  # a driver is somebody else's code and may raise anything
            if by_hand(error):
                raise KeyboardInterrupt(f"while {what}") from None
            run.failure = _failure(run, what, error)
            if not isinstance(error, RunFailed):
                for line in report.lost(run):
                    terminal.say(line)
            return error
    return None


def _failure(run: Run, what: str, error: BaseException) -> str:
    if isinstance(error, RunFailed):
        return str(error)
    if run.wrong is None:
        run.compare()
    return f"while {what}: {_one_line(error)}; {report.data_state(run)}"


def _one_line(error: BaseException) -> str:
    if isinstance(error, InvalidState):
        more = len(error.findings) - 1
        return error.findings[0] + (f" (and {more} more findings)" if more else "")
    return first_line(error) if isinstance(error, MovableError) else error_words(error)


__all__ = ["Options", "Run", "RunFailed", "main"]
