"""What kernels call things and allow, by era; asked by feature, never by comparing versions."""

from __future__ import annotations

from dataclasses import dataclass

from movable.errors import UsageError


@dataclass(frozen=True, slots=True)
class Era:
    """One kernel era. Each field is a behaviour that really changed between kernels.

    ``atomic_isolated_flag``: PG_isolated is set and cleared atomically.
    ``mapping_argument``: the migrate callback gets the mapping in front of (newpage, page, mode).
    ``migrate_name``: what the migrate callback is called.
    ``sticky_mark``: the movable mark is never cleared by the driver (and isolated pages must not be freed).
    ``target_before_released_test``: a target is allocated before the core sees that the owner released the page.
    ``core_puts_back``: ``migrate_pages`` itself puts back a page with a permanent error.
    ``enomem_aborts``: -ENOMEM from the driver ends the run of every other page too.
    ``target_lru_detour``: an unmarked target takes a round trip through the LRU batch before it is freed.
    ``force_after``: the pass from which a sync caller waits for a contended page lock.
    ``no_copy_mode``: MIGRATE_SYNC_NO_COPY exists and must be refused.
    ``counts_isolated_non_lru``: isolated non-LRU pages count in NR_ISOLATED_*.
    """

    name: str
    atomic_isolated_flag: bool = False
    mapping_argument: bool = True
    migrate_name: str = "migratepage"
    sticky_mark: bool = False
    target_before_released_test: bool = True
    core_puts_back: bool = True
    enomem_aborts: bool = True
    target_lru_detour: bool = True
    force_after: int = 2
    no_copy_mode: bool = True
    counts_isolated_non_lru: bool = False


ERAS: dict[str, Era] = {
    "4.19": Era("4.19"),
    "6.1": Era(
        "6.1",
        atomic_isolated_flag=True,
        mapping_argument=False,
        migrate_name="migrate_page",
        target_before_released_test=False,
        core_puts_back=False,
        target_lru_detour=False,
    ),
    "6.17": Era(
        "6.17",
        atomic_isolated_flag=True,
        mapping_argument=False,
        migrate_name="migrate_page",
        sticky_mark=True,
        target_before_released_test=False,
        core_puts_back=False,
        enomem_aborts=False,
        target_lru_detour=False,
        no_copy_mode=False,
    ),
}
"""Every era that the rules know; the machine itself runs those in RUNNABLE."""

RUNNABLE = ("4.19",)


def era(name: str) -> Era:
    """The era called ``name``. Raises UsageError that lists the known ones."""
    try:
        return ERAS[name]
    except KeyError:
        raise UsageError(f"unknown era {name!r}; known are {', '.join(ERAS)}") from None
