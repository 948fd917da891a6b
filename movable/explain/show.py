"""The answers as text for a terminal, and as one HTML page with a picture."""

from __future__ import annotations

from collections.abc import Iterator

from movable.explain import zones
from movable.explain.material import Answer, FreeBlocks, Material
from movable.explain.paste import Line
from movable.shown import html_page, in_html, many

MAX_UNREAD_SHOWN = 12

STYLE = """
:root { --bar: #2e6da4; --want: #b26a00; }
@media (prefers-color-scheme: dark) { :root { --bar: #6fb1ea; --want: #ffb74d; } }
body { max-width: 46rem; } p { margin: .2rem 0; }
.next { border-left: .25rem solid var(--want); padding-left: .7rem; margin: .4rem 0; }
svg { display: block; width: 100%; max-width: 32rem; height: auto; margin: .5rem 0; background: var(--soft); border-radius: .3rem; }
svg text { fill: var(--ink); font: 11px system-ui, sans-serif; } .small { font-size: .85rem; opacity: .8; }
li { font: 13px/1.5 ui-monospace, monospace; }
"""


def text(material: Material, found: list[Answer]) -> Iterator[str]:
    """Lines for a person."""
    for answer in found:
        yield answer.title
        yield from (f"  {fact}" for fact in answer.facts)
        yield from (f"  Next: {advice}." for advice in dict.fromkeys(answer.advice))
        yield ""
    yield from _unread(material)


def _unread(material: Material) -> Iterator[str]:
    if not material.unread:
        return
    yield f"Not understood: {many(len(material.unread), 'line')}"
    yield from (f"  {_place(line)}: {line.raw.strip()[:100]}" for line in material.unread[:MAX_UNREAD_SHOWN])
    if len(material.unread) > MAX_UNREAD_SHOWN:
        yield f"  and {len(material.unread) - MAX_UNREAD_SHOWN} more; --json lists all"


def _place(line: Line) -> str:
    return f"{line.source}:{line.number}"


def html(material: Material, found: list[Answer], order: int) -> str:
    """One page: no network, readable on a phone."""
    pictures = {f"{zones.named(row)}, order {order} ": _picture(row, order) for row in zones.last(material) if row.free}
    caption = (
        "Each bar is a share of what is free, and the number above it counts blocks. "
        f"Blocks of order {order} or more are blue; smaller ones are orange."
    )
    body = ""
    for answer in found:
        picture = next((one for title, one in pictures.items() if answer.title.startswith(title)), "")
        if picture and caption:
            picture, caption = f'{picture}<p class="small">{caption}</p>', ""
        body += f"<h2>{in_html(answer.title)}</h2>{picture}" + "".join(f"<p>{in_html(fact)}</p>" for fact in answer.facts)
        body += "".join(f'<p class="next">Next: {in_html(advice)}.</p>' for advice in dict.fromkeys(answer.advice))
    if material.unread:
        lines = "".join(f"<li>{in_html(_place(line))}: {in_html(line.raw.strip()[:200])}</li>" for line in material.unread[:200])
        body += f"<h2>Not understood: {many(len(material.unread), 'line')}</h2><ul>{lines}</ul>"
    return html_page("Free memory explained", f"<h1>Free memory explained</h1>\n{body}", STYLE)


def _picture(row: FreeBlocks, order: int) -> str:
    """Free memory of a zone by order: a bar for each, as high as its share of what is free."""
    total, width = max(row.free, 1), 344 / max(len(row.counts), 1)
    bars = ""
    for each, count in enumerate(row.counts):
        share = (count << each) / total
        x, high = 8 + each * width, round(110 * share, 1)
        colour = "var(--bar)" if each >= order else "var(--want)"
        bars += (
            f'<rect x="{x + 2:.1f}" y="{130 - high}" width="{width - 4:.1f}" height="{high}" fill="{colour}"/>'
            f'<text x="{x + width / 2:.1f}" y="146" text-anchor="middle">{each}</text>'
            f'<text x="{x + width / 2:.1f}" y="{124 - high:.1f}" text-anchor="middle">{_short(count)}</text>'
        )
    name = f"{zones.named(row)}: free memory by order; blocks of order {order} or more are blue"
    return (
        f'<svg viewBox="0 0 360 152" role="img" aria-label="{in_html(name)}">{bars}</svg>'
    )


def _short(count: int) -> str:
    """A count that fits above a bar: 212k for 212123; "" for none."""
    if count < 10_000:
        return str(count or "")
    return f"{count // 1000}k" if count < 10_000_000 else f"{count // 1_000_000}M"
