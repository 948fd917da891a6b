"""Rules F1 to F16: what a file system owes to whoever moves its pages; movable.filesystems judges them."""

from __future__ import annotations

from movable.rules.rule import MUST, SHOULD, rule

_KIT = "filesystems."

F1 = rule(
    "F1", MUST, "0 or a negative errno",
    "readpage, writepage, write_begin and migratepage return 0 or a negative errno; no operation raises an exception, and nor does "
    "anybody who looks at a page.",
    why="The core tells success, a later attempt and a failure by this number alone. An exception would be an oops.",
    kernel="include/linux/fs.h",
    bugs="C15",
    judged_by=f"{_KIT}observer:Observer",
)  # fmt: skip

F2 = rule(
    "F2", MUST, "a file reads as it was written",
    "Whatever happens at the same time, a read gives what was written last, and zeros where nothing was written since the file was "
    "cut off there; nobody sees a mixture.",
    why="This is what a file is. What was cut off may be somebody else's secret when it comes back.",
    kernel="mm/filemap.c, mm/migrate.c: migrate_page_copy, mm/truncate.c: truncate_setsize",
    judged_by=f"{_KIT}machine:Machine.reads",
)  # fmt: skip

F3 = rule(
    "F3", MUST, "success hands the place over",
    "After migratepage returned 0 the file's slot leads to the new page, which knows its file and its index, and the old page has "
    "no part in it.",
    why="A reader would find the old page, which is about to be freed.",
    kernel="mm/migrate.c: migrate_page_move_mapping",
    judged_by=f"{_KIT}observer:Observer.moved",
)  # fmt: skip

F4 = rule(
    "F4", MUST, "an error changes nothing",
    "After migratepage returned an error the slot, the content, the flags, the private data and the references of both pages are "
    "what they were, but for what a write out or a release changes.",
    why="The core puts the old page back and gives the new one away.",
    kernel="mm/migrate.c: move_to_new_page",
    judged_by=f"{_KIT}observer:Observer.refused",
)  # fmt: skip

F5 = rule(
    "F5", MUST, "private data counts as one reference",
    "A page with PG_private has one reference for it, and a page without has none.",
    why="Who moves or releases a page compares its references with what it expects: with another number no page ever moves.",
    kernel="include/linux/pagemap.h: attach_page_private",
    bugs="S03",
    judged_by=f"{_KIT}machine:Machine.counted",
)  # fmt: skip

F6 = rule(
    "F6", MUST, "private data goes along",
    "A page that moves takes its private data and PG_private with it, unless they were released before.",
    why="What hangs there is a budget, a lock or a list of blocks, and the old page is freed with it.",
    kernel="mm/migrate.c: buffer_migrate_page",
    bugs="S01 S04",
    judged_by=f"{_KIT}observer:Observer.moved",
)  # fmt: skip

F7 = rule(
    "F7", MUST, "exactly the expected references",
    "A page moves only while its references are those of the isolation, the file and its private data, and afterwards the old page "
    "has the isolation's alone.",
    why="Whoever holds another one reads or writes the old page; one that is left over keeps it for ever.",
    kernel="mm/migrate.c: migrate_page_move_mapping",
    judged_by=f"{_KIT}observer:Observer.moved",
)  # fmt: skip

F8 = rule(
    "F8", MUST, "MIGRATE_ASYNC never waits",
    "In mode MIGRATE_ASYNC migratepage waits for nothing, only tries locks that others may sleep with, and writes nothing.",
    why="Its caller wants a page quickly, or must not wait at all.",
    kernel="include/linux/migrate_mode.h",
    judged_by=f"{_KIT}observer:Observer.waits",
)  # fmt: skip

F9 = rule(
    "F9", MUST, "no sleep under a spin lock",
    "No operation waits while it holds a spin lock.",
    why="Whoever spins for that lock has the processor that the sleeper needs.",
    kernel="mm/migrate.c: buffer_migrate_page_norefs",
    bugs="S07",
    judged_by=f"{_KIT}observer:raised",
)  # fmt: skip

F10 = rule(
    "F10", MUST, "a page that is being written stays",
    "No page under writeback, and none with a buffer that somebody has locked, is handed over: whoever starts a write on the way "
    "to a move waits for its end.",
    why="The disk reads from the old page, or writes to it, and it is freed.",
    kernel="mm/migrate.c: migrate_page, mm/migrate.c: fallback_migrate_page",
    bugs="C12",
    judged_by=f"{_KIT}observer:raised",
)  # fmt: skip

F11 = rule(
    "F11", MUST, "what was written reaches the disk",
    "When fsync has returned 0, a read that asks the disk gives what was written.",
    why="A page that moved and lost its dirty flag is dropped, and the write with it.",
    kernel="mm/migrate.c: migrate_page_move_mapping, mm/page-writeback.c",
    judged_by=f"{_KIT}machine:Machine.remembers",
)  # fmt: skip

F12 = rule(
    "F12", MUST, "an idle page can move",
    "A clean page that nobody uses moves when a caller that may wait asks a few times.",
    why="Offlining and contiguous allocation try until it does; for one that never does they fail.",
    kernel="mm/memory_hotplug.c: do_migrate_range",
    bugs="S03",
    judged_by=f"{_KIT}machine:Machine.progresses",
)  # fmt: skip

F13 = rule(
    "F13", MUST, "every read and write ends",
    "After readpage and writepage the page is unlocked, at once or when the disk is done, and its writeback ends; also after "
    "an error.",
    why="A page that stays locked or under writeback stops everybody who comes to it.",
    kernel="mm/filemap.c, mm/page-writeback.c: end_page_writeback",
    judged_by=f"{_KIT}machine:Machine.settles",
)  # fmt: skip

F14 = rule(
    "F14", MUST, "what is cut off is given back",
    "A page that is cut off loses its private data; when all files are gone, no page of them and no space is in use.",
    why="Each truncation would leak a page, or a part of the disk.",
    kernel="mm/truncate.c: truncate_inode_pages, mm/truncate.c: do_invalidatepage",
    bugs="S04",
    judged_by=f"{_KIT}machine:Machine.leaves",
)  # fmt: skip

F15 = rule(
    "F15", MUST, "locks are as they were",
    "When migratepage returns both pages are locked, as they were, and no operation leaves a lock of its own behind.",
    why="The core unlocks them.",
    kernel="mm/migrate.c: move_to_new_page",
    judged_by=f"{_KIT}observer:Observer.locks",
)  # fmt: skip

F16 = rule(
    "F16", SHOULD, "a failed write is reported",
    "When a write to the disk failed, the next fsync says so.",
    why="The program that asks believes that its data are safe.",
    kernel="mm/page-writeback.c, lib/errseq.c",
    judged_by=f"{_KIT}machine:Machine.syncs",
)  # fmt: skip
