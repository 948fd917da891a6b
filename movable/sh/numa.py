"""The NUMA tools of the prompt: numactl, migratepages, numastat and their kin, and the files they are about."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from movable.errors import UsageError
from movable.mm.memory import OutOfMemory
from movable.numa.shell import Shell as NumaShell
from movable.numa.tools.numactl import Refused
from movable.sh.files import File

if TYPE_CHECKING:
    from movable.mm.vm import VM

TOOLS = (
    "numactl", "numastat", "migratepages", "move_pages", "touch", "memhog", "file", "share", "fork", "kill", "pgrep", "pidof",
    "why", "mlock", "pin", "unpin", "write", "read", "balance", "setuid", "mkdir", "rmdir",
)  # fmt: skip
"""Commands that the NUMA shell runs."""
NODE_FILES = ("meminfo", "numastat", "distance")
GROUP_FILES = {"cpuset.mems": True, "cpuset.mems.effective": False, "cgroup.procs": True}
"""Files of a cpuset, and whether they can be written."""
ROOT_GROUP_FILES = {name: written for name, written in GROUP_FILES.items() if name != "cpuset.mems"}
"""The root group has all nodes."""


class ToolFailed(Exception):
    """What a tool prints when it fails."""


class NumaTools:
    """The tools of one machine. Its processes, nodes and cpusets begin with the first use."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self._shell: NumaShell | None = None

    @property
    def shell(self) -> NumaShell:
        """The shell of root, in which the tools are started."""
        if self._shell is None:
            self._shell = NumaShell(self.vm)
        return self._shell

    def run(self, name: str, words: Sequence[str]) -> str:
        """One tool and its output. Raises ToolFailed where it says what is wrong."""
        output = ""
        try:
            for line in self.shell.command([name, *words]):
                output += line + "\n"
        except Refused as error:
            raise ToolFailed(output + str(error)) from None
        except (UsageError, OutOfMemory, ValueError, OverflowError) as error:
            message = str(error)
            raise ToolFailed(output + (message if message.startswith(f"{name}:") else f"{name}: {message}")) from None
        return output

    def files(self) -> dict[str, File]:
        """What can be read and written by path: numa_maps of each process, files of nodes and of cpusets."""
        found: dict[str, File] = {}
        for node in self.vm.nodes:
            for name in NODE_FILES:
                self._add(found, f"/sys/devices/system/node/node{node.nid}/{name}", False)
        tasks = {} if self.vm.userspace is None else self.vm.userspace.tasks
        for pid, task in tasks.items():
            if task.comm != "kthread" and task.mm is not None:
                self._add(found, f"/proc/{pid}/numa_maps", False)
        for group in [""] if self._shell is None else self._shell.groups:
            for name, written in (GROUP_FILES if group else ROOT_GROUP_FILES).items():
                self._add(found, "/".join(filter(None, ("/sys/fs/cgroup", group, name))), written)
        return found

    def _add(self, found: dict[str, File], path: str, written: bool) -> None:
        write: Callable[[str], None] | None = partial(self._write, path) if written else None
        found[path] = File(partial(self._read, path), write)

    def _read(self, path: str) -> str:
        return self.shell.read_file(path)

    def _write(self, path: str, text: str) -> None:
        try:
            ret = self.shell.write_file(text.strip(), path)
        except (UsageError, ValueError):
            ret = -22
        if ret:
            raise OSError(-ret, os.strerror(-ret))
