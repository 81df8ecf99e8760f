"""What is printed: the code alone (PNG, for leaflets) and an A4 poster (SVG, PDF) for the counter."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import segno
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

WIDTH_MM, HEIGHT_MM = 210, 297
CODE_MM = 110
"""Read from an arm's length away, and with a corner worn off: error correction M."""
INK, LEAD = "#1c2b30", "#0b5a58"
FONT = "STSong-Light"
"""Every PDF reader brings this Chinese face (Adobe-GB1), so the bank need not install or embed one."""


@dataclass(frozen=True, slots=True)
class Poster:
    bank: str
    branch: str
    hotline: str
    link: str


@dataclass(frozen=True, slots=True)
class Line:
    """A centred line; `top_mm` is its baseline from the upper edge."""

    text: str
    top_mm: float
    size_mm: float
    colour: str = INK


def write_poster(poster: Poster, path: Path) -> Path:
    """Writes what the ending of `path` says: .svg, .pdf or .png."""
    code = segno.make(poster.link, error="m", micro=False)
    if path.suffix == ".png":
        code.save(str(path), kind="png", scale=16, border=4)
    elif path.suffix == ".svg":
        path.write_text(_draw_svg(poster, code), "utf-8")
    else:
        path.write_bytes(_draw_pdf(poster, code))
    return path


def _set_lines(poster: Poster) -> Sequence[Line]:
    return (
        Line(poster.bank, 34, 9),
        Line("行长秘书", 62, 22, LEAD),
        Line("投诉 · 表扬 · 建议 · 咨询", 80, 9),
        Line(poster.branch, 220, 9),
        Line("微信或手机相机扫一扫，件件有着落，事事有回音", 236, 6.5),
        Line("Scan to tell us what went well, and what did not", 247, 5.5),
        Line(f"也可以拨打 {poster.hotline}", 266, 7.5, LEAD),
    )


def _draw_svg(poster: Poster, code: Any) -> str:
    inner = io.BytesIO()
    code.save(inner, kind="svg", xmldecl=False, svgns=False, border=4, omitsize=True, dark="#000", light="#fff")
    left, top = (WIDTH_MM - CODE_MM) / 2, 92
    drawing = inner.getvalue().decode().strip()
    placed = drawing.replace("<svg ", f'<svg x="{left}" y="{top}" width="{CODE_MM}" height="{CODE_MM}" ', 1)
    lines = "\n".join(
        f'<text x="{WIDTH_MM / 2}" y="{line.top_mm}" font-size="{_fit(line)}" fill="{line.colour}">{escape(line.text)}</text>'
        for line in _set_lines(poster)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_MM}mm" height="{HEIGHT_MM}mm" '
        f'viewBox="0 0 {WIDTH_MM} {HEIGHT_MM}">\n'
        f'<rect width="{WIDTH_MM}" height="{HEIGHT_MM}" fill="#fff"/>\n'
        f'<g text-anchor="middle" font-family="PingFang SC, Noto Sans CJK SC, Microsoft YaHei, sans-serif">\n{lines}\n</g>\n'
        f"{placed}\n</svg>\n"
    )


def _draw_pdf(poster: Poster, code: Any) -> bytes:
    if FONT not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    page = io.BytesIO()
    # Invariant: the same poster is the same file, without the hour in it.
    canvas = Canvas(page, pagesize=A4, invariant=True)
    canvas.setTitle(f"{poster.bank} {poster.branch}")
    for line in _set_lines(poster):
        canvas.setFillColor(line.colour)
        canvas.setFont(FONT, _fit(line) * mm)
        canvas.drawCentredString(WIDTH_MM / 2 * mm, (HEIGHT_MM - line.top_mm) * mm, line.text)
    canvas.setFillColor("#000000")
    modules = [list(row) for row in code.matrix_iter(border=4)]
    step = CODE_MM / len(modules)
    for x, y, width in _find_runs(modules):
        left = (WIDTH_MM - CODE_MM) / 2 + x * step
        canvas.rect(left * mm, (HEIGHT_MM - 92 - (y + 1) * step) * mm, width * step * mm, step * mm, stroke=0, fill=1)
    canvas.save()
    return page.getvalue()


def _find_runs(modules: Sequence[Sequence[int]]) -> Iterator[tuple[int, int, int]]:
    """Dark modules beside each other become one bar (x, y, width): no hairlines between them in print."""
    for y, row in enumerate(modules):
        start = None
        for x, dark in enumerate([*row, 0]):
            if dark and start is None:
                start = x
            elif not dark and start is not None:
                yield start, y, x - start
                start = None


def _fit(line: Line) -> float:
    """A long branch name gets a smaller type rather than a cut. Latin letters take half the width of Chinese ones."""
    width = sum(0.55 if char.isascii() else 1.0 for char in line.text)
    return round(min(line.size_mm, 180 / max(width, 1)), 2)
