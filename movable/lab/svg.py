"""The memory map as a picture: several moments one below the other, every square divided as its frames are."""

from __future__ import annotations

from collections.abc import Iterator

from movable.lab.draw import FREE, FREE_HUGE, MAP_COLUMNS, OFFLINE, FrameMap, Kind, Stretch
from movable.shown import in_html, many

CELL_PIXELS = 10
GAP_PIXELS = 1
LEFT_PIXELS = 130
WIDTH = LEFT_PIXELS + MAP_COLUMNS * (CELL_PIXELS + GAP_PIXELS) + 24
TOP_PIXELS = 58
TITLE_PIXELS = 26
ZONE_GAP_PIXELS = 8
PANEL_GAP_PIXELS = 22
LEGEND_LINE_PIXELS = 20
LEGEND_COLUMN_PIXELS = 270
INK = "#222222"


def picture(title: str, subtitle: str, maps: list[FrameMap]) -> str:
    """An SVG document of the maps, with a legend that counts the frames of each kind in every map."""
    body: list[str] = []
    y = TOP_PIXELS
    for frame_map in maps:
        y = _panel(frame_map, y, body) + PANEL_GAP_PIXELS
    y = _legend(maps, y, body)
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}"'
        ' font-family="sans-serif" font-size="12">',
        f"<title>{in_html(title)}</title>",
        f"<desc>{in_html(subtitle)}</desc>",
        '<defs><pattern id="offline" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect width="4" height="4" fill="#ffffff"/><rect width="2" height="4" fill="#4d4d4d"/></pattern></defs>',
        f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>',
        _text(24, 26, title, size=17, weight="bold"),
        _text(24, 46, subtitle, colour="#555555"),
    ]
    return "\n".join([*head, *body, "</svg>"]) + "\n"


def _text(x: int, y: int, text: str, *, size: int = 12, weight: str = "normal", colour: str = INK, anchor: str = "start") -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{colour}" text-anchor="{anchor}">'
        f"{in_html(text)}</text>"
    )


def _fill(kinds: list[Kind], kind: int) -> str:
    return "url(#offline)" if kind == OFFLINE else kinds[kind].colour


def _panel(frame_map: FrameMap, y: int, body: list[str]) -> int:
    """One moment, from ``y`` down; returns where it ends."""
    body.append(_text(24, y + 14, frame_map.title, size=14, weight="bold"))
    y += TITLE_PIXELS
    for stretch in frame_map.stretches:
        body.append(_text(24, y + CELL_PIXELS, f"node {stretch.node}, {stretch.zone}"))
        paths: dict[int, list[str]] = {}
        rows = 0
        for column, row, x, width, kind in _strips(stretch, frame_map.per_cell):
            left, top = LEFT_PIXELS + column * (CELL_PIXELS + GAP_PIXELS) + x, y + row * (CELL_PIXELS + GAP_PIXELS)
            paths.setdefault(kind, []).append(f"M{left:g} {top}h{width:g}v{CELL_PIXELS}h-{width:g}z")
            rows = max(rows, row + 1)
        body.extend(f'<path fill="{_fill(frame_map.kinds, kind)}" d="{"".join(paths[kind])}"/>' for kind in sorted(paths))
        y += rows * (CELL_PIXELS + GAP_PIXELS) + ZONE_GAP_PIXELS
    return y


def _strips(stretch: Stretch, per_cell: int) -> Iterator[tuple[int, int, float, float, int]]:
    """(column, row, left edge in the square, width, kind) of every strip of every square."""
    for number, start in enumerate(range(0, len(stretch.frames), per_cell)):
        cell = stretch.frames[start : start + per_cell]
        x = 0.0
        for kind in sorted(set(cell), key=lambda kind: (kind in (FREE, FREE_HUGE), kind)):
            width = round(CELL_PIXELS * cell.count(kind) / len(cell), 2)
            yield number % MAP_COLUMNS, number // MAP_COLUMNS, round(x, 2), width, kind
            x += width


def _legend(maps: list[FrameMap], y: int, body: list[str]) -> int:
    """A table: a swatch and a name for each kind, and its frames at each moment; returns where it ends."""
    kinds = maps[0].kinds
    present = sorted({kind for frame_map in maps for kind in frame_map.present()})
    per_cell = maps[0].per_cell
    body.append(_text(24, y + 12, "Legend", size=14, weight="bold"))
    body.append(_text(92, y + 12, f"a square is {many(per_cell, 'frame')} of 4 KiB; the numbers count frames"))
    y += 18
    rights = [24 + LEGEND_COLUMN_PIXELS + 150 * (number + 1) for number in range(len(maps))]
    for right, frame_map in zip(rights, maps, strict=True):
        body.append(_text(right, y + 12, frame_map.title, colour="#555555", anchor="end"))
    y += LEGEND_LINE_PIXELS
    for kind in present:
        body.append(f'<rect x="24" y="{y}" width="14" height="14" fill="{_fill(kinds, kind)}" stroke="#888888"/>')
        body.append(_text(46, y + 12, kinds[kind].name))
        for right, frame_map in zip(rights, maps, strict=True):
            body.append(_text(right, y + 12, str(frame_map.count(kind)), anchor="end"))
        y += LEGEND_LINE_PIXELS
    return y + 12
