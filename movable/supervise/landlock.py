"""How far signals of a process reach: to itself and to what it starts, where the kernel can see to that (Landlock, Linux 6.12 on).

What runs in a worker could otherwise stop or kill the keeper and the command, as the same user may; they could not tell that from
Ctrl-Z, or from somebody's ``kill``. A process in such a domain cannot trace others either, or write into their memory.
"""

from __future__ import annotations

import ctypes

from movable.supervise.limits import PR_SET_NO_NEW_PRIVS, prctl

CREATE_RULESET, RESTRICT_SELF = 444, 446
"""Numbers of system calls, the same on every machine that CPython runs on but Alpha."""
CREATE_RULESET_VERSION = 1
SCOPE_SIGNAL = 1 << 1
KNOWS_SIGNALS = 6
"""The version of Landlock that can keep signals in."""


class _RulesetAttr(ctypes.Structure):
    """struct landlock_ruleset_attr, of that version on."""

    _fields_ = (("handled_access_fs", ctypes.c_uint64), ("handled_access_net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


def keeps_signals() -> bool:
    """Whether this kernel can."""
    version: int = ctypes.CDLL(None).syscall(CREATE_RULESET, None, ctypes.c_size_t(0), CREATE_RULESET_VERSION)
    return version >= KNOWS_SIGNALS


def keep_signals() -> None:
    """From now on signals of this process, and of all that it starts, reach only those. Nothing where the kernel cannot do it.

    What it starts gets no rights by being executed either, such as those of a set-user-ID program.
    """
    if not keeps_signals():
        return
    system = ctypes.CDLL(None)
    wanted = _RulesetAttr(0, 0, SCOPE_SIGNAL)
    ruleset: int = system.syscall(CREATE_RULESET, ctypes.byref(wanted), ctypes.c_size_t(ctypes.sizeof(wanted)), 0)
    if ruleset < 0:
        return
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    system.syscall(RESTRICT_SELF, ruleset, 0)
    system.close(ruleset)
