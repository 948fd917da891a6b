"""What a verb is added to: each room that has verbs adds its own, in a file ``cli.py``."""

from __future__ import annotations

import argparse
from typing import TypeAlias

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
