"""Markup of pages that reports are copied from: entities and tags of HTML, tables of Markdown, fences and rulers."""

from __future__ import annotations

import html
import re

_ENTITY = re.compile(r"&(?:nbsp|gt|lt|amp|quot|#\d{1,5}|#x[0-9a-fA-F]{1,5});")
_BREAK = re.compile(r"<\s*(?:br|/p|/div|/tr|/li|hr)(?:\s[^<>]*)?/?\s*>", re.IGNORECASE)
_CELL = re.compile(r"<\s*/?(?:td|th)(?:\s[^<>]*)?>", re.IGNORECASE)
_TAG = re.compile(
    r"<\s*/?(?:pre|code|p|div|span|tr|table|tbody|thead|li|ul|ol|b|i|u|em|strong|tt|font|a|blockquote|body|html|kbd|samp|details|"
    r"summary|h[1-6])(?:\s[^<>]*)?/?\s*>",
    re.IGNORECASE,
)
_FENCE = re.compile(r"\s*(?:(?:```|~~~)\S*|\{(?:code|noformat|quote)(?::[\w=|.#-]*)?\}|\[/?(?:code|quote|pre|tt)(?:=[^\]]*)?\])\s*")
_RULER = re.compile(r"\s*(?:[-=_*~+|:\s]{3,}|--\s*|[\[\]{}(),;\"'\s]+)")
_ELISION = re.compile(r"^[\s\[(<-]*(?:\.{2,}|…+|snip(?:ped)?|cut|many more|etc\.?)[\s\])>-]*$", re.IGNORECASE)
_DIFF = re.compile(r"(?:---|\+\+\+) \S.*|@@ .* @@.*|\d+(?:,\d+)?[acd]\d+(?:,\d+)?|diff (?:-\S+ )*\S+ \S+")
_DATE = re.compile(
    r"\s*[A-Z][a-z]{2}\s+(?:[A-Z][a-z]{2}\s+\d+|\d+\s+[A-Z][a-z]{2})\s[\d:]{8}\s(?:[AP]M\s)?(?:[A-Z]{2,5}\s)?\d{4}\s*"
)
"""What ``date`` prints between two tables."""
_TABLE = re.compile(r"\s*\|.*\|\s*")
BAR = re.compile(r"\|(?![^()]*\))")


def without_tags(text: str) -> str:
    """A text with its entities and tags taken away; where a tag begins a new line, a newline stands."""
    if "&" in text and _ENTITY.search(text):
        text = html.unescape(html.unescape(text)).replace("\u00a0", " ")
    if "<" in text and ">" in text:
        text = _TAG.sub("", _CELL.sub("  ", _BREAK.sub("\n", text)))
    return text


def without_cells(text: str) -> str:
    """A row of a table of Markdown or Jira as words; another text as it is."""
    if "|" in text and _TABLE.fullmatch(text):
        return BAR.sub(" ", text.replace("\\|", "|")).replace("`", "").replace("**", "")
    return text


def says_nothing(text: str) -> bool:
    """Whether a line is a fence, a ruler, an elision, a heading of a diff, or brackets alone."""
    if not text.strip() or _FENCE.fullmatch(text) or _RULER.fullmatch(text):
        return True
    return bool(_DIFF.fullmatch(text) or _DATE.fullmatch(text) or _ELISION.match(text))
