"""Rules V28 to V31 and V41 to V44: what the core promises about pages of processes, and their judge.

An event of a mapping names the process's memory (``mm``) and the page of it (``vpn``). ``move_lru_page_ret`` ends one attempt.
"""

from __future__ import annotations

from typing import ClassVar

from movable.eras import Era
from movable.events import Event
from movable.mm.page_flags import IN_SWAP_CACHE, PAGE_MAPPING_ANON, PRIVATE
from movable.mm.pgtable import PTE_ACCESSED, PTE_DIRTY, PTE_RW
from movable.rules.rule import MUST, SHOULD, Check, Report, rule
from movable.rules.stream.history import UNSEEN, Lives

V28 = rule(
    "V28", MUST, "exactly the expected references",
    "A page of a process moves only while its references are exactly those of the isolation, its cache and its private data.",
    why="Whoever holds another reference may be reading or writing the page.",
    kernel="mm/migrate.c: migrate_page_move_mapping",
    exercised_by="moves",
)  # fmt: skip

V29 = rule(
    "V29", MUST, "nobody sees a page on its way",
    "Once a page has handed its place over no process reaches it, and none reaches the new one before it was copied.",
    why="A write would be lost, and a read could see a page that is half copied.",
    kernel="mm/rmap.c: try_to_migrate, mm/migrate.c: remove_migration_ptes",
    exercised_by="accesses",
)  # fmt: skip

V30 = rule(
    "V30", MUST, "mappings keep what they were",
    "A mapping that comes back, of the new page or of the old one, has the rights and the dirty and young bits that it had.",
    why="A lost dirty bit loses data; a right too many breaks copy on write.",
    kernel="mm/migrate.c: remove_migration_pte",
    exercised_by="restored",
)  # fmt: skip

V31 = rule(
    "V31", SHOULD, "counters follow the page",
    "A page counts as isolated in its node once, and no more when it went back, moved to another node, or was freed.",
    why="Reclaim and the reports of memory use live on the counters: with one too many everybody who isolates pages waits.",
    kernel="mm/migrate.c: unmap_and_move, mm/compaction.c: too_many_isolated",
    exercised_by="isolated_counts",
)  # fmt: skip

V41 = rule(
    "V41", MUST, "no migration entry is left behind",
    "When migrate_pages returns, none of the migration entries that it made is left.",
    why="A process that touches such an entry waits for ever.",
    kernel="mm/migrate.c: migrate_pages",
    exercised_by="attempts",
)  # fmt: skip

V42 = rule(
    "V42", MUST, "isolated pages of the LRU lists come back",
    "A page taken off its LRU list is put back, moves, or is freed.",
    why="Reclaim cannot find it, and it counts as isolated.",
    kernel="mm/vmscan.c: isolate_lru_page, mm/vmscan.c: putback_lru_page",
    exercised_by="lru_isolations",
)  # fmt: skip

V43 = rule(
    "V43", MUST, "the copy comes after the last mapping",
    "The content of a mapped page is copied to its target only when every mapping is a migration entry.",
    why="What is written through a mapping that is left is lost.",
    kernel="mm/migrate.c: unmap_and_move",
    exercised_by="copies",
)  # fmt: skip

V44 = rule(
    "V44", MUST, "a page is isolated from the LRU lists once",
    "Until an isolated page of the LRU lists has gone back, moved, or been freed, nobody isolates it again.",
    why="Two lists cannot hold one page.",
    kernel="mm/vmscan.c: isolate_lru_page",
    exercised_by="lru_isolations",
)  # fmt: skip

ABOUT_PROCESSES = frozenset(made.id for made in (V28, V29, V30, V31, V41, V42, V43, V44))
"""Rules about pages of processes, which no driver's page is under."""

_CARRIED_OVER = PTE_RW | PTE_DIRTY | PTE_ACCESSED
WHAT_GOES = ((PTE_RW, "the right to write"), (PTE_DIRTY, "that it was written"), (PTE_ACCESSED, "that it was used"))

Place = tuple[str, int]
"""A page of a process: (mm, vpn)."""


def expected_references(event: Event) -> int:
    """How many references the page of an event may have that moves, by its own words; what the core expects where they are unseen.

    One for the isolation, one for the file or the swap cache, one for private data. The core is under judgement, and is not asked.
    """
    if UNSEEN in (event.flags, event.mapping):
        return int(event.args["expected"])
    if event.mapping and not event.mapping & PAGE_MAPPING_ANON:
        return 2 + bool(event.flags & PRIVATE)
    return 1 + (event.flags & IN_SWAP_CACHE == IN_SWAP_CACHE)


class Lru(Check):
    """Watches pages of processes on their way."""

    occasions: ClassVar[dict[str, str]] = {
        "moves": "move_mapping",
        "accesses": "access",
        "restored": "remove_migration_pte",
        "attempts": "set_migration_pte",
        "lru_isolations": "isolate_lru_page",
        "copies": "copy_lru_page",
        "isolated_counts": "mod_nr_isolated",
    }

    def __init__(self, lives: Lives, era: Era, report: Report) -> None:
        super().__init__(lives, era, report)
        self.entries: dict[Place, tuple[int, int, str]] = {}  # -> the mapping that was, its frame, the task
        self.handed: dict[int, int] = {}  # frame that has handed its place over -> the new one
        self.filled: dict[str, tuple[int, int]] = {}  # task -> the frame that it filled last, and from where (-1: not said)
        self.uncopied: set[int] = set()  # new frames that have a place and not yet the content
        self.isolated: set[int] = set()
        self.counted: dict[int, int] = {}  # frame that counts as isolated -> in which node
        self.moves = self.accesses = self.restored = self.attempts = self.lru_isolations = self.copies = self.isolated_counts = 0

    # the lists

    def isolate_lru_page(self, event: Event) -> None:
        """A page leaves its list."""
        self.lru_isolations += 1
        if event.pfn in self.isolated:
            self.broken(V44, event, f"page {event.pfn} was isolated from the LRU lists while it was isolated already")
        self.isolated.add(event.pfn)

    def putback_lru_page(self, event: Event) -> None:
        """It goes back."""
        self.isolated.discard(event.pfn)

    def free_page(self, event: Event) -> None:
        """It is gone."""
        self.isolated.discard(event.pfn)

    def mod_nr_isolated(self, event: Event) -> None:
        """NR_ISOLATED of a node changes."""
        self.isolated_counts += 1
        node = event.args["node"]
        before = self.counted.pop(event.pfn, None)
        if event.args["change"] > 0:
            self.counted[event.pfn] = node
            if before is not None:
                self.broken(V31, event, f"page {event.pfn} counts as isolated in node {node}, and counted in node {before} already")
        elif before != node:
            self.broken(V31, event, f"page {event.pfn} counts as isolated in node {node} no more, and it did not count there")

    # one attempt

    def set_migration_pte(self, event: Event) -> None:
        """A mapping goes."""
        args = event.args
        self.attempts += 1
        self.entries[args["mm"], args["vpn"]] = (args["pte"], event.pfn, event.task)

    def move_mapping(self, event: Event) -> None:
        """The page hands its place over."""
        if event.args["ret"]:
            return
        self.moves += 1
        self.handed[event.pfn] = event.args["newpage"]
        target, source = self.filled.get(event.task, (-1, -1))
        if target != event.args["newpage"] or source not in (event.pfn, -1):  # later kernels copy first
            self.uncopied.add(event.args["newpage"])
        expected = expected_references(event)
        if event.refs != expected:
            self.broken(V28, event, f"page {event.pfn} moved with {event.refs} references where {expected} are expected")

    def copy_lru_page(self, event: Event) -> None:
        """The content goes over."""
        self.copies += 1
        self.copy_page(event)
        source, left = event.args["source"], event.args["mapcount"]
        if left:
            self.broken(V43, event, f"page {source} was copied to page {event.pfn} while it was mapped {left} times")

    def copy_page(self, event: Event) -> None:
        """So it does when a file system copies by itself."""
        self.uncopied.discard(event.pfn)
        self.filled[event.task] = event.pfn, event.args["source"]

    def write_data(self, event: Event) -> None:
        """Or fills the page in a way of its own."""
        self.uncopied.discard(event.pfn)
        self.filled[event.task] = event.pfn, -1

    def access(self, event: Event) -> None:
        """A process touches a page."""
        self.accesses += 1
        if event.args["write"]:  # what was copied is not what is there now
            self.filled = {task: (new, old) for task, (new, old) in self.filled.items() if old != event.pfn}
        how = "written" if event.args["write"] else "read"
        if event.pfn in self.handed:
            new = self.handed[event.pfn]
            self.broken(V29, event, f"page {event.pfn} was {how} by {event.args['mm']} after page {new} had taken its place")
        elif event.pfn in self.uncopied:
            self.broken(V29, event, f"page {event.pfn} was {how} by {event.args['mm']} before its content was there")

    def remove_migration_pte(self, event: Event) -> None:
        """A mapping comes back."""
        self.restored += 1
        args = event.args
        before = self.entries.pop((args["mm"], args["vpn"]), None)
        if before is None:
            return
        lost, won = before[0] & _CARRIED_OVER & ~args["pte"], args["pte"] & PTE_RW & ~before[0]
        for bit, what in WHAT_GOES:
            if lost & bit:
                self.broken(V30, event, f"the mapping of page {event.pfn} in {args['mm']} lost {what}")
        if won:
            self.broken(V30, event, f"the mapping of page {event.pfn} in {args['mm']} may write, and might not before")

    def protect_migration_pte(self, event: Event) -> None:
        """The mapping may not write when it comes back."""
        place = event.args["mm"], event.args["vpn"]
        if place in self.entries:
            pte, frame, task = self.entries[place]
            self.entries[place] = pte & ~PTE_RW, frame, task

    def fork_migration_pte(self, event: Event) -> None:
        """The child has the entry too, and neither may write."""
        self.protect_migration_pte(event)
        before = self.entries.get((event.args["mm"], event.args["vpn"]))
        if before is not None:
            self.entries[event.args["child"], event.args["vpn"]] = before

    def clear_page_dirty_for_io(self, event: Event) -> None:
        """The page is written before it moves: what its mappings wrote is on the way to the disk."""
        for place, (pte, frame, task) in self.entries.items():
            if frame == event.pfn:
                self.entries[place] = pte & ~PTE_DIRTY, frame, task

    def zap_pte(self, event: Event) -> None:
        """A mapping, or the entry that stands for it, is taken away."""
        self.entries.pop((event.args["mm"], event.args["vpn"]), None)

    def move_lru_page_ret(self, event: Event) -> None:
        """The attempt is over."""
        self.uncopied.discard(self.handed.pop(event.pfn, -1))
        if event.args["ret"] == 0:
            self.isolated.discard(event.pfn)

    # the ends

    def migrate_pages_ret(self, event: Event) -> None:
        """The loop returns."""
        mine = [(place, frame) for place, (_, frame, task) in self.entries.items() if task == event.task]
        for (mm, vpn), frame in mine:
            self.broken(V41, event, f"a migration entry of page {frame} is left at page {vpn:#x} of {mm}")
            del self.entries[mm, vpn]

    def finish(self, last: Event, quiescent: bool) -> None:
        """Nothing may be left isolated when nothing is under way."""
        for pfn in sorted(self.isolated) if quiescent else ():
            self.broken(V42, last, f"page {pfn} was isolated from the LRU lists and never came back")
        for pfn, node in sorted(self.counted.items()) if quiescent else ():
            self.broken(V31, last, f"page {pfn} still counts as isolated in node {node}")
