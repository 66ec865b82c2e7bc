"""A packet as slides, 16:9, with native tables and native, editable charts."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pptx import Presentation
from pptx.dml.color import RGBColor
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.oxml.ns import qn
from pptx.util import Emu, Inches, Pt

from components.exports.document import EDITED_WORDS
from components.exports.native_charts import add_chart
from components.exports.sealed import sealed
from components.formatting import numeral
from components.page_strip import DEMO_WORDS
from domain.brief import Chart, Packet, Section, Table

FONT, HEAD_FONT = "微软雅黑", "微软雅黑"
_INK, _SOFT, _ACCENT = RGBColor(0x1D, 0x27, 0x33), RGBColor(0x5B, 0x68, 0x75), RGBColor(23, 69, 127)
_RED, _LINE = RGBColor(0xC0, 0, 0), RGBColor(0xD3, 0xD9, 0xE0)
_WIDTH, _HEIGHT = 13.333, 7.5  # inches
_LEFT, _TOP, _WIDE, _TALL = 0.6, 1.25, 12.13, 5.35
_TITLE_ONLY = 5
# Sizes of text that are tried, the largest first; longer text goes on to another slide.
_SIZES = (20, 18, 16)
_LINE_HEIGHT = 1.45
_TALLEST_ROW = 0.4
# From so many columns on, a table is in small type.
_MANY_COLUMNS = 9
# A longer table is not for a screen.
_MOST_ROWS = 45


class _Place(NamedTuple):
    """A place on a slide in inches."""

    left: float
    top: float
    width: float
    height: float

    @property
    def emu(self) -> tuple[int, int, int, int]:
        """The same in the units of the file."""
        left, top, width, height = (Inches(each) for each in self)
        return left, top, width, height


_WHOLE = _Place(_LEFT, _TOP, _WIDE, _TALL)
_HALVES = (_Place(_LEFT, _TOP, 5.9, _TALL), _Place(6.8, _TOP, 5.93, _TALL))


def slides(packet: Packet, moment: dt.datetime) -> bytes:
    """Return the packet as a pptx file, the same bytes for the same packet and moment.

    Args:
        packet: what is told.
        moment: when it was settled, Asia/Shanghai; the file's own times.
    """
    pack = Presentation()
    pack.slide_width, pack.slide_height = Inches(_WIDTH), Inches(_HEIGHT)
    _cover(pack, packet)
    for number, section in enumerate(packet.sections, 1):
        _section(_Deck(pack, packet, f"{numeral(number)}、{section.heading}"), section)
    deck = _Deck(pack, packet, "数据说明")
    lines = [f"{term}：{words}" for term, words in packet.about]
    if packet.edits:
        lines.append(
            f"有{len(packet.edits)}段经人工修改，以{EDITED_WORDS}标明，原稿见附件（xlsx）。"
        )
    _text(deck.slide(), lines, _WHOLE, 16)
    _feet(pack, packet)
    properties = pack.core_properties
    properties.title, properties.subject = packet.title, packet.period
    properties.author, properties.last_modified_by = packet.issuer, ""
    properties.comments = f"数据版本 {packet.data_version}，口径版本 {packet.rules}"
    properties.language = "zh-CN"
    properties.created = properties.modified = dt.datetime(2000, 1, 1)
    file = io.BytesIO()
    pack.save(file)
    return sealed(file.getvalue(), moment)


class _Deck:
    """Makes the slides of one section, each with its title and the line at its foot."""

    def __init__(self, pack: Any, packet: Packet, title: str) -> None:
        self._pack, self._packet, self._title = pack, packet, title
        self._made = 0

    def slide(self, more: str = "") -> Any:
        """Return a new slide; ``more`` says what it shows beside the section."""
        self._made += 1
        slide = self._pack.slides.add_slide(self._pack.slide_layouts[_TITLE_ONLY])
        title = slide.shapes.title
        title.left, title.top, title.width, title.height = _Place(_LEFT, 0.35, _WIDE, 0.7).emu
        words = self._title + ("（续）" if self._made > 1 and not more else "")
        if more:
            words += more if more.startswith("（") else f" · {more}"
        frame = title.text_frame
        frame.word_wrap, frame.vertical_anchor = True, MSO_ANCHOR.MIDDLE
        _write(frame.paragraphs[0], words, 26, _ACCENT, bold=True, font=HEAD_FONT)
        frame.paragraphs[0].alignment = PP_ALIGN.LEFT
        rule = slide.shapes.add_connector(
            1, Inches(_LEFT), Inches(1.1), Inches(_LEFT + _WIDE), Inches(1.1)
        )
        rule.line.color.rgb, rule.line.width = _ACCENT, Pt(1.25)
        return slide


def _feet(pack: Any, packet: Packet) -> None:
    """Put the foot on every slide but the cover: what the numbers rest on, and its number."""
    for number, slide in enumerate(pack.slides, 1):
        if number == 1:
            continue
        foot = slide.shapes.add_textbox(*_Place(_LEFT, 6.95, 10.9, 0.35).emu)
        foot.text_frame.word_wrap = True
        _write(foot.text_frame.paragraphs[0], _facts(packet), 8.5, _SOFT)
        page = slide.shapes.add_textbox(*_Place(11.6, 6.95, 1.13, 0.35).emu)
        line = page.text_frame.paragraphs[0]
        line.alignment = PP_ALIGN.RIGHT
        _write(line, f"{number} / {len(pack.slides)}", 10, _SOFT)


def _cover(pack: Any, packet: Packet) -> None:
    slide = pack.slides.add_slide(pack.slide_layouts[_TITLE_ONLY])
    title = slide.shapes.title
    title.left, title.top, title.width, title.height = _Place(1.0, 2.0, 11.33, 1.2).emu
    frame = title.text_frame
    frame.word_wrap = True
    _write(frame.paragraphs[0], packet.title, 44, _ACCENT, bold=True, font=HEAD_FONT)
    frame.paragraphs[0].alignment = PP_ALIGN.CENTER
    lines = [(packet.period, 24, _INK), (f"{packet.cutoff}　{packet.basis}", 18, _SOFT)]
    if packet.issuer:
        lines.append((packet.issuer, 20, _INK))
    if packet.is_demo:
        lines.append((f"{DEMO_WORDS}，不是真实情况", 20, _RED))
    box = slide.shapes.add_textbox(*_Place(1.0, 3.5, 11.33, 2.4).emu)
    box.text_frame.word_wrap = True
    for place, (words, size, colour) in enumerate(lines):
        line = box.text_frame.paragraphs[0] if not place else box.text_frame.add_paragraph()
        line.alignment = PP_ALIGN.CENTER
        line.space_after = Pt(8)
        _write(line, words, size, colour)
    foot = slide.shapes.add_textbox(*_Place(_LEFT, 6.95, 12.13, 0.35).emu)
    foot.text_frame.word_wrap = True
    _write(foot.text_frame.paragraphs[0], _facts(packet), 8.5, _SOFT)


def _facts(packet: Packet) -> str:
    demo = f" · {DEMO_WORDS}" if packet.is_demo else ""
    return (
        f"{packet.title} · {packet.period} · {packet.cutoff} · {packet.basis} · "
        f"口径版本 {packet.rules} · 数据版本 {packet.data_version}{demo}"
    )


def _write(
    line: Any, words: str, size: float, colour: RGBColor, *, bold: bool = False, font: str = FONT
) -> None:
    run = line.add_run()
    run.text = "".join(letter for letter in words if letter.isprintable() or letter == "\u3000")
    run.font.size, run.font.bold, run.font.name = Pt(size), bold, font
    run.font.color.rgb = colour
    properties = run._r.get_or_add_rPr()
    properties.set("lang", "zh-CN")
    for name in ("a:ea", "a:cs"):
        element = properties.makeelement(qn(name), {"typeface": font})
        properties.append(element)


# --- Sections -------------------------------------------------------------------------------------


def _section(deck: _Deck, section: Section) -> None:
    texts = [
        paragraph.text + (EDITED_WORDS if paragraph.edited is not None else "")
        for paragraph in section.paragraphs
        if paragraph.text
    ]
    charts = list(section.charts)
    if texts and charts and _size_for(texts, _HALVES[0]):
        # Few words and a picture share a slide.
        slide = deck.slide()
        _text(slide, texts, _HALVES[0], _size_for(texts, _HALVES[0]) or _SIZES[-1])
        _chart(slide, charts.pop(0), _HALVES[1])
    elif texts and section.tables and not charts and _fits_below(texts, section.tables[0]):
        # So do few words and a small table.
        slide, table = deck.slide(), section.tables[0]
        _text(slide, texts, _WHOLE, _SIZES[1])
        top = _TOP + _height(texts, _SIZES[1], _WIDE) + 0.2
        _table(slide, table, _rows_of(table), table.total is not None, top)
        _table_note(slide, table)
        section = dataclasses.replace(section, tables=section.tables[1:])
    elif texts:
        size = _size_for(texts, _WHOLE) or _SIZES[-1]
        for some in _slidefuls(texts, size):
            _text(deck.slide(), some, _WHOLE, size)
    for chart in charts:
        _chart(deck.slide(chart.title), chart, _WHOLE, titled=False)
    for table in section.tables:
        alone = not texts and not section.charts and len(section.tables) == 1
        _tables(deck, table, "" if alone else table.title)


def _fits_below(texts: Sequence[str], table: Table) -> bool:
    rows = sum(_row_lines(table, row) for row in _rows_of(table)) + _head_lines(table)
    needed = rows * _least_row(table) * 1.1
    return _height(texts, _SIZES[1], _WIDE) + 0.2 + needed <= _TALL


def _lines_of(text: str, size: float, width: float) -> int:
    """Return how many lines a text takes; a Latin character is half as wide as a Chinese one."""
    letters = sum(1 if ord(letter) > 0x2E80 else 0.55 for letter in text)
    return max(1, math.ceil(letters / ((width - 0.25) * 72 / size)))


def _height(texts: Sequence[str], size: float, width: float) -> float:
    return sum(_lines_of(text, size, width) * size * _LINE_HEIGHT / 72 + 0.08 for text in texts)


def _size_for(texts: Sequence[str], place: _Place) -> float | None:
    """Return the largest size in which texts fit; None for none."""
    fitting = (size for size in _SIZES if _height(texts, size, place.width) <= place.height)
    return next(fitting, None)


def _slidefuls(texts: Sequence[str], size: float) -> Iterator[list[str]]:
    """Yield as many texts as a slide holds; one that is longer than a slide is parted."""
    some: list[str] = []
    for text in (piece for whole in texts for piece in _pieces(whole, size)):
        if some and _height([*some, text], size, _WHOLE.width) > _WHOLE.height:
            yield some
            some = []
        some.append(text)
    if some:
        yield some


def _pieces(text: str, size: float) -> list[str]:
    """Return a text in pieces that fit on a slide, parted behind a full stop where there is one."""
    pieces = []
    while _height([text], size, _WHOLE.width) > _WHOLE.height:
        room = len(text)
        while _height([text[:room]], size, _WHOLE.width) > _WHOLE.height:
            room = room * 9 // 10
        end = text.rfind("。", 0, room) + 1 or room
        pieces.append(text[:end])
        text = text[end:]
    return [*pieces, text] if text or not pieces else pieces


def _text(slide: Any, texts: Sequence[str], place: _Place, size: float) -> None:
    box = slide.shapes.add_textbox(*place.emu)
    frame = box.text_frame
    frame.word_wrap = True
    for number, text in enumerate(texts):
        line = frame.paragraphs[0] if not number else frame.add_paragraph()
        line.space_after = Pt(6)
        line.line_spacing = 1.2
        _write(line, text, size, _INK)


def _chart(slide: Any, chart: Chart, place: _Place, *, titled: bool = True) -> None:
    top = place.top
    if titled:
        head = slide.shapes.add_textbox(*_Place(place.left, top, place.width, 0.4).emu)
        line = head.text_frame.paragraphs[0]
        line.alignment = PP_ALIGN.CENTER
        head.text_frame.word_wrap = True
        _write(line, chart.title, 16, _INK, bold=True)
        top += 0.42
    note = "；".join(part for part in (chart.note, chart.period) if part)
    lines = _lines_of(note, 11, place.width)
    below = 0.25 * lines + 0.1
    height = place.top + place.height - top - below
    add_chart(slide, chart, _Place(place.left, top, place.width, height).emu, FONT, 12)
    box = slide.shapes.add_textbox(
        *_Place(place.left, place.top + place.height - below, place.width, below).emu
    )
    box.text_frame.word_wrap = True
    _write(box.text_frame.paragraphs[0], f"注：{note}", 11, _SOFT)


# --- Tables ---------------------------------------------------------------------------------------


def _rows_of(table: Table) -> list[Sequence[Any]]:
    return [*table.rows, *([table.total] if table.total is not None else [])]


def _tables(deck: _Deck, table: Table, title: str) -> None:
    rows = _rows_of(table)
    if len(rows) > _MOST_ROWS:
        words = f"{table.title}共{len(table.rows)}行，见 Word 版附表和附件（xlsx）。"
        _text(deck.slide(title), [words, f"注：{_note(table)}"], _WHOLE, 18)
        return
    pages = _pages(table, rows)
    for number, some in enumerate(pages, 1):
        of = f"（{number}/{len(pages)}）" if len(pages) > 1 else ""
        slide = deck.slide(f"{title}{of}")
        _table(slide, table, some, table.total is not None and number == len(pages), _TOP)
        _table_note(slide, table)


def _note(table: Table) -> str:
    return "；".join(part for part in (table.note, table.period) if part)


def _table_note(slide: Any, table: Table) -> None:
    box = slide.shapes.add_textbox(*_Place(_LEFT, 6.65, _WIDE, 0.3).emu)
    box.text_frame.word_wrap = True
    _write(box.text_frame.paragraphs[0], f"注：{_note(table)}", 10, _SOFT)


def _pages(table: Table, rows: Sequence[Sequence[Any]]) -> list[list[Sequence[Any]]]:
    """Return the rows of each slide, all about as many; a row of several lines counts as such."""
    heights = [_row_lines(table, row) for row in rows]
    room = math.floor(_TALL / _least_row(table)) - _head_lines(table)
    needed = max(1, math.ceil(sum(heights) / room))
    fair = sum(heights) / needed
    pages: list[list[Sequence[Any]]] = [[]]
    filled = 0
    for row, height in zip(rows, heights, strict=True):
        if pages[-1] and (filled + height > room or filled >= fair):
            pages.append([])
            filled = 0
        pages[-1].append(row)
        filled += height
    return pages


def _shares(table: Table) -> list[float]:
    whole = sum(column.weight for column in table.columns)
    return [column.weight / whole for column in table.columns]


def _row_lines(table: Table, row: Sequence[Any], size: float = 0) -> int:
    size = size or _least_size(table)
    return max(
        _lines_of(cell if isinstance(cell, str) else cell.text, size, _WIDE * share)
        for cell, share in zip(row, _shares(table), strict=True)
    )


def _least_size(table: Table) -> float:
    return 10.5 if len(table.columns) >= _MANY_COLUMNS else 12


def _least_row(table: Table) -> float:
    """Return the height of a row of one line, in inches."""
    return 0.25 if len(table.columns) >= _MANY_COLUMNS else 0.285


def _heads(table: Table) -> list[str]:
    return [f"{each.title}（{each.note}）" if each.note else each.title for each in table.columns]


def _head_lines(table: Table) -> int:
    return _row_lines(table, _heads(table))


def _table(
    slide: Any, table: Table, rows: Sequence[Sequence[Any]], total: bool, top: float
) -> None:
    texts = [_heads(table), *rows]
    size, lines = _least_size(table), [_row_lines(table, row) for row in texts]
    height = min(_TALLEST_ROW, max(_least_row(table), (_TOP + _TALL - top) / (sum(lines) + 1)))
    larger = [_row_lines(table, row, 14) for row in texts]
    # Not where it would take more lines than there is room for.
    if height > 0.36 and len(table.columns) < _MANY_COLUMNS and larger == lines:
        size = 14
    frame = slide.shapes.add_table(
        len(texts), len(table.columns), *_Place(_LEFT, top, _WIDE, height * sum(lines)).emu
    )
    frame.name = table.title
    grid = frame.table
    grid.horz_banding = False
    # A plain style: the lines are ours, and print.
    frame._element.graphic.graphicData.tbl.tblPr.find(
        qn("a:tableStyleId")
    ).text = "{5940675A-B579-460E-94D1-54222C63F5DA}"
    for place, share in enumerate(_shares(table)):
        grid.columns[place].width = Emu(round(Inches(_WIDE) * share))
    for number, cells in enumerate(texts):
        grid.rows[number].height = Inches(height * lines[number])
        bold = number == 0 or (total and number == len(rows))
        for place, (cell, column) in enumerate(zip(cells, table.columns, strict=True)):
            words = cell if isinstance(cell, str) else cell.text
            # An empty cell would be as tall as the program's own type.
            words = words or "\u3000"
            box = grid.cell(number, place)
            box.margin_left = box.margin_right = Inches(0.06)
            box.margin_top = box.margin_bottom = Inches(0.02)
            box.vertical_anchor = MSO_ANCHOR.MIDDLE
            if number == 0:
                box.fill.solid()
                box.fill.fore_color.rgb = RGBColor(0xEE, 0xF1, 0xF5)
            line = box.text_frame.paragraphs[0]
            if number == 0:
                line.alignment = PP_ALIGN.CENTER
            elif column.kind != "text":
                line.alignment = PP_ALIGN.RIGHT
            _write(line, words, size, _INK, bold=bold)
