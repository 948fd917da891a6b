"""Work on a cluster that is there already: the executor of a dask scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from movable.errors import UsageError

CONNECT_SECONDS = 10.0
"""How long a scheduler may take to answer."""


@contextmanager
def dask(address: str) -> Iterator[Executor]:
    """The executor of the dask cluster at an address such as tcp://scheduler:8786. Raises UsageError where none answers."""
    try:
        import distributed
    except ImportError:
        raise UsageError("--dask needs the package distributed: pip install 'movable[dask]'") from None
    connect: Any = distributed.Client  # which has no types
    try:
        client = connect(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"--dask {address}: no cluster answers there ({type(error).__name__})") from None
    try:
        yield client.get_executor()
    finally:
        client.close()
