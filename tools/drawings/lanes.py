"""Draws lanes: a column for each party, and a row for each thing that goes from some of them to another, as SVG."""

from collections.abc import Iterable, Sequence
from html import escape

LABEL, ROW, HEAD, EDGE = 190, 34, 52, 12
LETTER = 7.6  # so wide is one in a heading, at most
INK, FAINT, PAPER, ACCENT = "#1f2937", "#cbd5e1", "#ffffff", "#4051b5"

Row = tuple[str, Sequence[str], str]
"""What it is, whence, whereto."""


def lanes(title: str, columns: Sequence[str], rows: Sequence[Row]) -> str:
    """The drawing; the rows are read from top to bottom."""
    wide = round(LETTER * max(map(len, columns))) + 2 * EDGE
    height = HEAD + ROW * len(rows) + EDGE
    middle = {name: LABEL + wide * place + wide // 2 for place, name in enumerate(columns)}
    parts = [part for name, x in middle.items() for part in _column(name, x, wide, height)]
    parts += [part for n, row in enumerate(rows) for part in _row(n, row, middle)]
    return svg(title, LABEL + wide * len(columns) + EDGE, height, parts)


def svg(title: str, width: int, height: int, parts: Iterable[str]) -> str:
    """An SVG document on white, so that it can be read on any page."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img" font-family="system-ui, sans-serif" font-size="12">'
    )
    paper = f'<rect width="{width}" height="{height}" rx="8" fill="{PAPER}"/>'
    return "\n".join((head, f"<title>{escape(title)}</title>", paper, *parts, "</svg>", ""))


def text(x: int, y: int, words: str, *, style: str = "") -> str:
    """Words at a place."""
    return f'<text x="{x}" y="{y}" fill="{INK}" {style}>{escape(words)}</text>'.replace(" >", ">")


def _column(name: str, x: int, wide: int, height: int) -> Iterable[str]:
    yield f'<line x1="{x}" y1="{HEAD - 12}" x2="{x}" y2="{height - EDGE}" stroke="{FAINT}"/>'
    yield f'<rect x="{x - wide // 2 + 3}" y="{EDGE}" width="{wide - 6}" height="28" rx="6" fill="{ACCENT}"/>'
    yield (
        f'<text x="{x}" y="{EDGE + 18}" fill="{PAPER}" text-anchor="middle" font-size="11" '
        f'font-weight="600">{escape(name)}</text>'
    )


def _row(number: int, row: Row, middle: dict[str, int]) -> Iterable[str]:
    what, sources, target = row
    y, end = HEAD + ROW * number + ROW // 2, middle[target]
    yield text(EDGE, y + 4, what)
    yield from (f'<circle cx="{middle[source]}" cy="{y}" r="4" fill="{INK}"/>' for source in sources)
    places = [middle[source] for source in sources]
    if min(places) < end:
        yield _arrow(min(places), end - 8, y, tip=8)
    if max(places) > end:
        yield _arrow(max(places), end + 8, y, tip=-8)


def _arrow(start: int, end: int, y: int, *, tip: int) -> str:
    return (
        f'<line x1="{start}" y1="{y}" x2="{end}" y2="{y}" stroke="{INK}" stroke-width="1.5"/>'
        f'<path d="M{end + tip} {y} L{end} {y - 5} L{end} {y + 5} Z" fill="{INK}"/>'
    )
