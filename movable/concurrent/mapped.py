"""What users have mapped while the core moves a page (D39).

`Workload.mapped` is asked between operations only: inside one the driver's state may be half changed, and nobody has been told
anything yet. A page that was mapped when it was asked last, and is still, by its old place or its new one, when migratepage returns
0, has moved under its user.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from movable.errors import VMBug
from movable.mm.page import Page


class Mapped:
    """The mapped pages of one execution. ``ask`` gives their frames, and is no step of any task."""

    def __init__(self, ask: Callable[[], set[int]], judged: Callable[[str], None]) -> None:
        self.ask = ask
        self.judged = judged
        self.moving = 0
        self.under_way = 0
        self.known: set[int] | None = None

    def action(self, by: int) -> None:
        """One action more of a user is under way, or one less."""
        self.under_way += by
        if by < 0 and self.moving:
            self._look()

    def _look(self) -> None:
        if self.under_way:
            return  # what was known before may still be so: it is asked again in the end
        self.known = None
        with suppress(Exception):  # a worker may be in the middle of something
            self.known = self.ask()

    def began(self) -> None:
        """A migratepage begins."""
        self.moving += 1
        self.known = None
        self._look()

    def ended(self, newpage: Page, page: Page, answer: object) -> None:
        """It returns. Raises VMBug where it moved what is mapped."""
        self.moving -= 1
        before = self.known
        if type(answer) is not int or answer != 0 or self.under_way or before is None:
            return
        self._look()
        self.judged("D39")
        if page.pfn in before and self.known is not None and self.known & {page.pfn, newpage.pfn}:
            what = f"migratepage moved page {page.pfn} while a user has an object of it mapped"
            raise VMBug("D39", what, "an error while it is mapped", page)
