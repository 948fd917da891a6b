"""What the functions of a driver hold at a step: the C frames of a task with their arguments and local variables.

The debugger gdb reads them, from a copy of this process: the copy is made for it, does nothing, and is ended. What the compiler has
not kept reads as <optimized out>; a driver built with -O0 keeps all.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import warnings
from pathlib import PurePath
from typing import TYPE_CHECKING

from movable.c.build import toolchain

if TYPE_CHECKING:
    from movable.c.bridge.calls import Bridge

SAVED = ("r15", "r14", "r13", "r12", "rbx", "rbp", "rip")
"""What lies on top of the stack of a coroutine that does not run."""
TOOL_SECONDS = 20
"""How long the debugger may take to say where the tasks stand."""
ANYBODY_MAY_TRACE = (0x59616D61, ctypes.c_ulong(-1))
"""prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY)."""
FRAME = re.compile(r"#\d+ +(?:0x[0-9a-f]+ in )?(?P<function>\w+) \((?P<arguments>.*)\) at (?P<file>.+):(?P<line>\d+)$")


def frames(bridge: Bridge, coroutine: int) -> list[str]:
    """Lines about the frames of a suspended call, the innermost first; one line that says why where they cannot be had."""
    gdb = shutil.which("gdb")
    if gdb is None:
        return ["(with gdb installed, local variables are shown here)"]
    child = _copy()
    try:
        text = _ask(gdb, child, bridge, coroutine)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return list(_own_frames(text)) or ["(gdb could not read the local variables: may processes be traced here?)"]


def _copy() -> int:
    """A copy of this process that stands still."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads of ours do not exist in the copy, which does nothing
        child = os.fork()
    if not child:
        try:
            ctypes.CDLL(None).prctl(*ANYBODY_MAY_TRACE, 0, 0, 0)
            while True:
                signal.pause()
        finally:
            os._exit(0)
    return child


def _ask(gdb: str, child: int, bridge: Bridge, coroutine: int) -> str:
    at = bridge.runtime.stack_pointer(coroutine)
    registers = [f"set ${name} = {bridge.runtime.peek(at + 8 * number, 8):#x}" for number, name in enumerate(SAVED)]
    libraries = [f"sharedlibrary {name}" for name in (bridge.image.built.place.name, "runtime.so")]
    commands = [
        *("set auto-solib-add off", f"attach {child}", *libraries),
        *(*registers, f"set $rsp = {at + 8 * len(SAVED):#x}", "set width 0", "set print symbol off", "bt full 24", "kill"),
    ]
    arguments = [gdb, "-nx", "-q", "-batch", *(part for one in commands for part in ("-ex", one))]
    try:
        done = subprocess.run(
            arguments, capture_output=True, text=True, errors="replace", timeout=TOOL_SECONDS, stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C", "DEBUGINFOD_URLS": ""},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _own_frames(text: str) -> list[str]:
    """Frames in files of the user's, with what belongs to each."""
    lines: list[str] = []
    mine = False
    for line in text.splitlines():
        frame = FRAME.match(line)
        if frame:
            mine = not toolchain.is_ours(frame["file"])
            if mine:
                lines.append(f"{PurePath(frame['file']).name}:{frame['line']} {frame['function']}({frame['arguments']})")
        elif line.startswith("#"):
            mine = False
        elif mine and " = " in line:
            lines.append(f"    {line.strip()}")
    return lines
