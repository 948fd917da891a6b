"""The process between the supervisor and its workers: forks them, waits for them, and ends whatever they leave behind.

It has imported the kit and no driver, so that a fresh worker costs a fork. It adopts orphans, so that nothing a worker started
survives it, and it ends with the process that made it: its end of the socket says so, also after a ``kill -9``.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
from contextlib import suppress
from typing import Any, NoReturn

from movable.supervise import forks, limits, tampering
from movable.supervise.channel import Record
from movable.supervise.limits import adopt_orphans, close_all_but, end_children, usual_signals
from movable.supervise.worker import MOST_IN_ALL, WORKER, Terms, become_worker

KEEPER = "movable keeper"
"""The name of its process."""
LOOK_SECONDS, SEEN = 0.2, 4
"""Seconds between two looks at what a worker has made, and at how many of them a fork is seen before it counts as one."""
MOST_PROCESSES = 100
"""Processes that a worker may have made, and they in turn."""
LONGEST_COMMAND_BYTES = 64 << 20


class Keeper:
    """The life of a keeper process."""

    def __init__(self, control: socket.socket, terms: Terms) -> None:
        self._control = control
        self._terms = terms
        self._worker = 0
        self._waiting = -1
        self._newest = ""
        self._suspects: dict[int, int] = {}
        self._parts: tampering.Parts = {}

    def live(self, parent: int) -> NoReturn:
        """Until the supervisor's end is closed."""
        try:
            self._begin(parent)
            while self._turn():
                pass
        finally:
            end_children()
            os._exit(0)

    def _begin(self, parent: int) -> None:
        os.setsid()
        limits.call_this(KEEPER)
        forks.allow()
        usual_signals()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(null, descriptor)
        close_all_but(self._control.fileno())
        adopt_orphans()
        gc.freeze()  # a collection would write to every object that was inherited, and so copy the memory that is shared

    def _turn(self) -> bool:
        """Wait for a command or for the worker's end; False when the supervisor has gone."""
        watched = [self._control.fileno(), *([self._waiting] if self._waiting >= 0 else [])]
        ready, _, _ = select.select(watched, [], [], LOOK_SECONDS if self._worker else None)
        if not ready:
            self._look()
            return True
        if self._waiting in ready:
            self._ended()
        if self._control.fileno() not in ready:
            return True
        command, descriptors = receive(self._control)
        if command is None:
            return False
        if command["do"] == "start":
            self._start(command["given"], descriptors)
        elif command["do"] == "end":
            self._end()
        elif command["do"] == "signal" and self._worker:
            os.kill(self._worker, command["number"])
        return True

    def _look(self) -> None:
        """End the forks of the worker that nobody heard of, and all of it if it breeds.

        What a worker executes has another name soon: so a fork is one that is there at several looks.
        """
        newest = limits.newest()
        if newest == self._newest and newest and not self._suspects:
            return
        self._newest = newest
        found = [one for one in limits.descendants() if one.state != "Z"]
        keepers = {one.pid for one in found if one.name == KEEPER and one.pid != self._worker}
        bred = sum(one.pid not in keepers and one.parent not in keepers for one in found)  # those of --jobs are looked at by theirs
        if bred > MOST_PROCESSES or len(found) > MOST_IN_ALL:
            self._tell(bred=max(bred, len(found) - len(keepers)))
            self._end()
            return
        suspects = {one.pid for one in found if one.name == WORKER and one.pid != self._worker and one.parent not in keepers}
        self._suspects = {pid: self._suspects.get(pid, 0) + 1 for pid in suspects}
        known = [pid for pid, times in self._suspects.items() if times >= SEEN]
        if known:
            self._tell(forked=len(known))
        for pid in known:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def _start(self, given: Record, descriptors: list[int]) -> None:
        parent = os.getpid()
        self._parts = self._parts or tampering.parts()
        pid = os.fork()
        if pid == 0:
            become_worker(self._terms, given, parent, descriptors, self._parts)
        for descriptor in descriptors:
            os.close(descriptor)
        self._worker, self._waiting, self._suspects = pid, os.pidfd_open(pid), {}
        self._tell(started=pid)

    def _ended(self) -> None:
        """The worker has ended: what it left behind ends too."""
        _, status = os.waitpid(self._worker, 0)
        os.close(self._waiting)
        self._worker, self._waiting = 0, -1
        end_children()
        self._tell(ended=status)

    def _end(self) -> None:
        if self._worker:
            os.kill(self._worker, signal.SIGKILL)
            self._ended()

    def _tell(self, **what: int) -> None:
        send(self._control, what)


def send(control: socket.socket, what: Any, descriptors: list[int] | None = None) -> None:
    """One message with its length before it, and descriptors with the length."""
    body = json.dumps(what).encode()
    head = len(body).to_bytes(8, "big")
    if descriptors:
        socket.send_fds(control, [head], descriptors)
    else:
        control.sendall(head)
    control.sendall(body)


def receive(control: socket.socket) -> tuple[Any, list[int]]:
    """The next message and its descriptors; None when the other end has gone."""
    head, descriptors, _, _ = socket.recv_fds(control, 8, 4)
    length = int.from_bytes(head, "big")
    if len(head) < 8 or length > LONGEST_COMMAND_BYTES:
        return None, descriptors
    body = bytearray()
    while len(body) < length:
        data = control.recv(min(1 << 16, length - len(body)))
        if not data:
            return None, descriptors
        body += data
    return json.loads(bytes(body)), descriptors
