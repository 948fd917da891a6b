"""A driver that does nothing by itself, and a workload that forgot to say whose it is."""

from __future__ import annotations

from docs.drivers.ring import Ring, RingWorkload


class Idle(Ring):
    """A ring."""


class IdleWorkload(RingWorkload):
    """The ring's, but for the factory."""
