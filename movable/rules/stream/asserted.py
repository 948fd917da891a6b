"""An assertion of the core that fails is the driver's doing: which rule of the driver's it stands for.

The core asserts what it relies on (``VM_BUG_ON_PAGE``), and says so under one of its own rules. Where the core is as it is shipped,
only a driver can have made that false, so the driver's rule is told. A core that somebody has changed is judged by its own.
"""

from __future__ import annotations

import sys
from types import FunctionType, ModuleType

DRIVERS_RULE = {
    "V6": "D46",  # a reference on a page that nobody holds: it was freed
    "V7": "D7", "V13": "D7", "V19": "D7",  # flags of its page misled the core
    "V32": "D34",  # a block freed twice
    "V33": "D12",  # pages that are left on the core's list, whose lru somebody else changed
}  # fmt: skip
"""Rules of the core under which it asserts something, and what a driver has broken that makes it false. Others are D52."""
CORE = "movable.mm."
LIBRARIES = frozenset(("movable", "typing_extensions", "pluggy", "greenlet", "numpy"))


def blamed(rule: str) -> str:
    """The rule to tell of an assertion that failed under ``rule``."""
    if rule[0] != "V" or not core_as_it_is():
        return rule
    return DRIVERS_RULE.get(rule, "D52")


def core_as_it_is() -> bool:
    """Whether no function of the core was replaced by somebody else's, as museum pieces and tests do."""
    core = [module for name, module in list(sys.modules.items()) if name.startswith(CORE) and isinstance(module, ModuleType)]
    return not any(_foreign(value) for module in core for value in vars(module).values())


def _foreign(value: object) -> bool:
    if type(value) is not FunctionType:
        return False
    home = value.__module__ or ""
    root = home.partition(".")[0]
    return home.startswith("movable.museum.") or (root not in LIBRARIES and root not in sys.stdlib_module_names)
