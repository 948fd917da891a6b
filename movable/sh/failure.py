"""How a command fails."""

from __future__ import annotations

from movable.errors import MovableError


class CommandFailed(MovableError):
    """A command that failed as one of a real shell fails; the message is what it prints, ``output`` what came before."""

    def __init__(self, message: str, output: str = "") -> None:
        self.output = output
        super().__init__(message)
