"""What the driver of ``movable new`` looks like in another era than the first."""

from __future__ import annotations

from movable.eras import Era
from movable.errors import UsageError

Edits = tuple[tuple[str, str], ...]

LATER_FORM: Edits = (
    ("def migratepage(self, mapping: AddressSpace, newpage: Page,", "def migrate_page(self, newpage: Page,"),
    ("            SetPageMovable(newpage, mapping)\n", "            SetPageMovable(newpage, self.mapping)\n"),
    ("    AddressSpace,\n", ""),
)
NO_MODE: Edits = (
    ("        if mode == MIGRATE_SYNC_NO_COPY:\n            return -EINVAL\n", ""),
    ("from errno import EINVAL\n\n", ""),
    ("    MIGRATE_SYNC_NO_COPY,\n", ""),
)
MARKS_STAY: Edits = (
    ("    ClearPageMovable,\n", ""),
    ("                    ClearPageMovable(page)\n", ""),
    ("            ClearPageMovable(page)\n", ""),
    ("                page.private = number\n", "                page.private = number + 1  # the back pointer: 0 is nobody's\n"),
    ("            self.boxes[page.private] = newpage\n", "            self.boxes[page.private - 1] = newpage\n"),
    (
        '        """Throw everything away."""\n',
        '        """Throw everything away. The operations of a page type stay: isolated pages may still come back to them."""\n',
    ),
    ("            self.drop(number)\n        self.vm.free_address_space(self.mapping)\n", "            self.drop(number)\n"),
    (
        "        with self.lock:\n            list_del(page.lru)\n        return True\n",
        "        with self.lock:\n            if not page.private:\n                return False\n            list_del(page.lru)\n"
        "        return True\n",
    ),
    (
        "        with self.lock:\n            copy_highpage(newpage, page)\n",
        "        with self.lock:\n            if not page.private:\n                return 0  # dropped while it was isolated\n"
        "            copy_highpage(newpage, page)\n",
    ),
    (
        "        with self.lock:\n            list_add_tail(page.lru, self.pages)\n",
        "        with self.lock:\n            if page.private:\n                list_add_tail(page.lru, self.pages)\n",
    ),
)


def edited(text: str, edits: Edits) -> str:
    """The text with each old part replaced by the new one. Raises UsageError where an old part is missing."""
    for old, new in edits:
        if old not in text:
            raise UsageError(f"the template of a driver has no {old!r} to change")
        text = text.replace(old, new)
    return text


def for_era(text: str, era: Era) -> str:
    """The text of a template as ``era`` wants it; a text that holds none of it is returned as it is."""
    edits: Edits = ()
    if not era.mapping_argument:
        edits += LATER_FORM
    if not era.no_copy_mode:
        edits += NO_MODE
    if era.sticky_mark:
        edits += MARKS_STAY
    if "def migratepage(" in text:
        text = edited(text, edits)
    if not era.mapping_argument:
        for last in (", budget=5)", ", examples=100)"):
            text = text.replace(last, f'{last[:-1]}, era="{era.name}")')
        text = text.replace("movable check ", f"movable check --era {era.name} ")
    return text
