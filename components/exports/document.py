"""A packet as a Word document in the style of an official paper (公文).

Page and type follow GB/T 9704: A4, 仿宋 三号, headings in 黑体, the title in 小标宋. Tables are
Word's own, charts are native and editable; no browser takes part.
"""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Sequence
from typing import Any

from docx import Document
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_LINE_SPACING
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.oxml.parser import OxmlElement
from docx.shared import Mm, Pt, RGBColor
from lxml import etree

from components.exports.native_charts import chart_parts
from components.exports.sealed import sealed, utc_stamp
from components.figures.brief import described
from components.formatting import numeral
from components.page_strip import DEMO_WORDS
from domain.brief import Cell, Chart, Packet, Paragraph, Section, Table

BODY, BLACK, TITLE, SOFT = "仿宋_GB2312", "黑体", "方正小标宋简体", "楷体_GB2312"
# What stands in where a font of an official paper is not installed.
_FALLBACKS = {
    BODY: "仿宋;FangSong;STFangsong;FangSong_GB2312;Noto Serif CJK SC",
    BLACK: "SimHei;STHeiti;Microsoft YaHei;Noto Sans CJK SC",
    TITLE: "FZXiaoBiaoSong-B05S;华文中宋;STZhongsong;Noto Serif CJK SC",
    SOFT: "楷体;KaiTi;STKaiti;KaiTi_GB2312;Noto Serif CJK SC",
}
_TEXT_WIDTH = 156  # millimetres between the margins
_CHART_HEIGHT = 72
_RED = RGBColor(0xC0, 0x00, 0x00)
EDITED_WORDS = "〔已改〕"
# A table of so many rows stays on one page; a longer one repeats its head.
_TOGETHER = 12
_UNIT = re.compile(r"(?<=\d) (?=\D)")
_CHART_TYPE = "application/vnd.openxmlformats-officedocument.drawingml.chart+xml"
_BOOK_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def document(packet: Packet, moment: dt.datetime) -> bytes:
    """Return the packet as a docx file, the same bytes for the same packet and moment.

    Args:
        packet: what is told.
        moment: when it was settled, Asia/Shanghai; the file's own times.
    """
    paper = Document()
    _page(paper, packet)
    _styles(paper)
    _fallbacks(paper)
    _head(paper, packet)
    charts = _Charts(paper)
    for number, section in enumerate(packet.sections, 1):
        _section(paper, number, section, charts, moment)
    _about(paper, packet)
    properties = paper.core_properties
    properties.title = packet.title
    properties.subject = packet.period
    properties.author = packet.issuer
    properties.last_modified_by = ""
    properties.comments = f"数据版本 {packet.data_version}，口径版本 {packet.rules}"
    properties.language = "zh-CN"
    # The template has its own: they must be there for ``sealed`` to set them.
    properties.created = properties.modified = dt.datetime(2000, 1, 1)
    file = io.BytesIO()
    paper.save(file)
    return sealed(file.getvalue(), moment)


# --- Page and type --------------------------------------------------------------------------------


def _page(paper: Any, packet: Packet) -> None:
    section = paper.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.top_margin, section.bottom_margin = Mm(37), Mm(35)
    section.left_margin, section.right_margin = Mm(28), Mm(26)
    section.header_distance, section.footer_distance = Mm(18), Mm(14)
    head = section.header.paragraphs[0]
    head.text = ""
    # One line, for a period that has not ended too.
    _run(head, f"{packet.title}　{packet.period}", SOFT, 9)
    if packet.is_demo:
        _run(head, f"　{DEMO_WORDS}，不是真实情况", BLACK, 9, _RED)
    _border(head, "bottom", "808080", 4)
    foot = section.footer.paragraphs[0]
    foot.alignment = WD_ALIGN_PARAGRAPH.CENTER
    _run(foot, "— ", BODY, 12)
    _field(foot, "PAGE")
    _run(foot, " —　共 ", BODY, 12)
    _field(foot, "NUMPAGES")
    _run(foot, " 页", BODY, 12)
    facts = section.footer.add_paragraph()
    facts.alignment = WD_ALIGN_PARAGRAPH.CENTER
    _run(facts, _facts(packet), SOFT, 9)
    # A new section would have its own; there is but one.
    grid = section._sectPr.find(qn("w:docGrid"))
    if grid is not None:
        section._sectPr.remove(grid)


def _facts(packet: Packet) -> str:
    parts = (packet.cutoff, packet.basis, f"口径版本 {packet.rules}")
    return " · ".join((*parts, f"数据版本 {packet.data_version}"))


def _styles(paper: Any) -> None:
    styles = paper.styles
    normal = styles["Normal"]
    _font(normal, BODY, 16)
    spacing = normal.paragraph_format
    spacing.space_before = spacing.space_after = Pt(0)
    spacing.line_spacing_rule, spacing.line_spacing = WD_LINE_SPACING.EXACTLY, Pt(28)
    spacing.widow_control = True
    first = styles["Heading 1"]
    _font(first, BLACK, 16)
    first.font.bold = False
    first.font.color.rgb = RGBColor(0, 0, 0)
    first.paragraph_format.space_before = Pt(6)
    first.paragraph_format.space_after = Pt(0)
    first.paragraph_format.keep_with_next = True
    for name, font, size in (("题注", BLACK, 12), ("小注", SOFT, 10.5), ("表文", BODY, 10.5)):
        style = styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
        style.base_style = normal
        _font(style, font, size)
        form = style.paragraph_format
        form.line_spacing = 1.0
    caption = styles["题注"].paragraph_format
    caption.alignment, caption.keep_with_next = WD_ALIGN_PARAGRAPH.CENTER, True
    caption.space_before, caption.space_after = Pt(8), Pt(3)
    note = styles["小注"].paragraph_format
    note.space_before, note.space_after = Pt(2), Pt(6)


def _font(style: Any, name: str, size: float) -> None:
    style.font.size = Pt(size)
    style.font.name = name
    properties = style.element.get_or_add_rPr()
    _typeface(properties, name)
    language = properties.find(qn("w:lang"))
    if language is None:
        language = OxmlElement("w:lang")
        properties.append(language)
    # As Chinese, a number would be broken between its digits.
    language.set(qn("w:val"), "en-US")
    language.set(qn("w:eastAsia"), "zh-CN")


def _typeface(properties: Any, name: str) -> None:
    """Set a font for every kind of character; a theme's font would win over it."""
    fonts = properties.get_or_add_rFonts()
    for attribute in list(fonts.attrib):
        del fonts.attrib[attribute]
    for kind in ("ascii", "hAnsi", "eastAsia", "cs"):
        fonts.set(qn(f"w:{kind}"), name)


def _fallbacks(paper: Any) -> None:
    """Name the fonts that may stand in, in the file's table of fonts."""
    table = next(
        part for part in paper.part.package.iter_parts() if part.partname.endswith("fontTable.xml")
    )
    root = etree.fromstring(table.blob)
    for name, others in _FALLBACKS.items():
        font = etree.SubElement(root, qn("w:font"), {qn("w:name"): name})
        for tag, value in (("altName", others.replace(";", ",")), ("charset", "86")):
            etree.SubElement(font, qn(f"w:{tag}"), {qn("w:val"): value})
    table._blob = etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)


def _run(paragraph: Any, text: str, font: str, size: float, colour: RGBColor | None = None) -> Any:
    run = paragraph.add_run(_plain(text))
    run.font.size = Pt(size)
    _typeface(run._element.get_or_add_rPr(), font)
    if colour is not None:
        run.font.color.rgb = colour
    return run


def _plain(text: str) -> str:
    """Return a text that XML can hold, a number and its unit on one line."""
    held = "".join(letter for letter in text if letter.isprintable() or letter == "\u3000")
    return _UNIT.sub("\u00a0", held)


def _field(paragraph: Any, name: str) -> None:
    """Add a field that the reading program fills, such as the number of the page."""
    for kind, text in (("begin", ""), ("", name), ("separate", ""), ("text", "1"), ("end", "")):
        run = _run(paragraph, text if kind == "text" else "", BODY, 12)
        if kind == "text":
            continue
        if kind:
            element = OxmlElement("w:fldChar")
            element.set(qn("w:fldCharType"), kind)
        else:
            element = OxmlElement("w:instrText")
            element.set(qn("xml:space"), "preserve")
            element.text = f" {text} "
        run._element.append(element)


def _border(paragraph: Any, side: str, colour: str, width: int) -> None:
    properties = paragraph._element.get_or_add_pPr()
    borders = OxmlElement("w:pBdr")
    line = OxmlElement(f"w:{side}")
    for name, value in (("val", "single"), ("sz", str(width)), ("space", "1"), ("color", colour)):
        line.set(qn(f"w:{name}"), value)
    borders.append(line)
    properties.append(borders)


# --- Content --------------------------------------------------------------------------------------


def _head(paper: Any, packet: Packet) -> None:
    if packet.issuer:
        red = paper.add_paragraph()
        red.alignment = WD_ALIGN_PARAGRAPH.CENTER
        red.paragraph_format.line_spacing = 1.0
        red.paragraph_format.space_after = Pt(12)
        _run(red, packet.issuer, TITLE, 30, _RED)
        _border(red, "bottom", "C00000", 18)
    title = paper.add_paragraph()
    title.alignment = WD_ALIGN_PARAGRAPH.CENTER
    form = title.paragraph_format
    form.line_spacing_rule, form.line_spacing = WD_LINE_SPACING.EXACTLY, Pt(36)
    form.space_before, form.keep_with_next = Pt(6), True
    _run(title, packet.title, TITLE, 22)
    for text in (packet.period, f"{packet.cutoff}　{packet.basis}"):
        line = paper.add_paragraph()
        line.alignment = WD_ALIGN_PARAGRAPH.CENTER
        _run(line, text, SOFT, 14)
    if packet.is_demo:
        mark = paper.add_paragraph()
        mark.alignment = WD_ALIGN_PARAGRAPH.CENTER
        _run(mark, f"{DEMO_WORDS}，不是真实情况", BLACK, 14, _RED)


def _section(
    paper: Any, number: int, section: Section, charts: _Charts, moment: dt.datetime
) -> None:
    heading = paper.add_paragraph(style="Heading 1")
    heading.paragraph_format.first_line_indent = Pt(32)
    heading.add_run(_plain(f"{numeral(number)}、{section.heading}"))
    for paragraph in section.paragraphs:
        if paragraph.text:
            _paragraph(paper, paragraph, moment)
    for chart in section.charts:
        paper.add_paragraph(_plain(chart.title), style="题注")
        charts.add(chart)
        _note(paper, chart.note, chart.period)
    for table in section.tables:
        paper.add_paragraph(_plain(table.title), style="题注")
        _table(paper, table)
        _note(paper, table.note, table.period)


def _paragraph(paper: Any, paragraph: Paragraph, moment: dt.datetime) -> None:
    line = paper.add_paragraph()
    line.paragraph_format.first_line_indent = Pt(32)
    # What announces a list is not left behind at the foot of a page.
    line.paragraph_format.keep_with_next = paragraph.text.endswith("：")
    run = line.add_run(_plain(paragraph.text))
    if paragraph.edited is None:
        return
    mark = _run(line, EDITED_WORDS, SOFT, 10.5)
    comment = paper.add_comment(
        [run, mark],
        text=_plain(f"原稿：{paragraph.draft or '（无）'}"),
        author="编者",
        initials="编",
    )
    comment._comment_elm.set(qn("w:date"), utc_stamp(moment))


def _note(paper: Any, note: str, period: str) -> None:
    words = "；".join(part for part in (note, period) if part)
    if words:
        paper.add_paragraph(_plain(f"注：{words}。"), style="小注")


def _about(paper: Any, packet: Packet) -> None:
    heading = paper.add_paragraph(style="题注")
    heading.add_run("数据说明")
    lines = [f"{term}：{words}" for term, words in packet.about]
    lines.append("文中各数的指标、样本、时段和筛选条件，见附件（xlsx）“文中数字”。")
    if packet.edits:
        lines.append(
            f"有{len(packet.edits)}段经人工修改，文中以{EDITED_WORDS}标明，原稿见批注和附件。"
        )
    for place, text in enumerate(lines):
        line = paper.add_paragraph(_plain(text), style="小注")
        line.paragraph_format.space_after = Pt(1)
        line.paragraph_format.keep_with_next = place < len(lines) - 1


# --- Tables ---------------------------------------------------------------------------------------


def _table(paper: Any, table: Table) -> None:
    rows: list[tuple[Cell, ...]] = [*table.rows, *([table.total] if table.total else [])]
    size = 10.5 if len(table.columns) <= 5 else 9.5 if len(table.columns) <= 8 else 8.5
    widths = _widths(table)
    grid = paper.add_table(rows=0, cols=len(table.columns))
    grid.style = "Table Grid"
    grid.alignment = WD_TABLE_ALIGNMENT.CENTER
    grid.autofit = False
    heads = [
        f"{column.title}（{column.note}）" if column.note else column.title
        for column in table.columns
    ]
    # python-docx looks every cell up anew, which is slow for hundreds of rows: XML is as plain.
    together = len(rows) <= _TOGETHER
    body = grid._tbl
    properties = body.tblPr
    layout = OxmlElement("w:tblCellMar")
    for side in ("left", "right"):
        margin = OxmlElement(f"w:{side}")
        margin.set(qn("w:w"), "57")
        margin.set(qn("w:type"), "dxa")
        layout.append(margin)
    properties.append(layout)
    for column, width in zip(body.tblGrid.findall(qn("w:gridCol")), widths, strict=True):
        column.set(qn("w:w"), str(width))
    body.append(_row(heads, table, widths, size, head=True, keep=True))
    for place, row in enumerate(rows):
        texts = [cell if isinstance(cell, str) else cell.text for cell in row]
        total = table.total is not None and place == len(rows) - 1
        # The first rows stay with the head and with the caption.
        # Likewise the last ones with the note below.
        keep = together or place < 2 or place >= len(rows) - 2
        body.append(_row(texts, table, widths, size, keep=keep, bold=total))


def _widths(table: Table) -> list[int]:
    """Return the widths of the columns in twentieths of a point."""
    whole = sum(column.weight for column in table.columns)
    return [round(_TEXT_WIDTH * 56.7 * column.weight / whole) for column in table.columns]


def _row(
    texts: Sequence[str], table: Table, widths: Sequence[int], size: float, *, head: bool = False,
    keep: bool = False, bold: bool = False,
) -> Any:  # fmt: skip
    font = BLACK if head or bold else BODY
    row = OxmlElement("w:tr")
    properties = OxmlElement("w:trPr")
    properties.append(OxmlElement("w:cantSplit"))
    if head:
        properties.append(OxmlElement("w:tblHeader"))
    row.append(properties)
    for text, column, width in zip(texts, table.columns, widths, strict=True):
        cell = OxmlElement("w:tc")
        form = OxmlElement("w:tcPr")
        box = OxmlElement("w:tcW")
        box.set(qn("w:w"), str(width))
        box.set(qn("w:type"), "dxa")
        form.append(box)
        if head:
            shade = OxmlElement("w:shd")
            for name, value in (("val", "clear"), ("color", "auto"), ("fill", "EEF1F5")):
                shade.set(qn(f"w:{name}"), value)
            form.append(shade)
        middle = OxmlElement("w:vAlign")
        middle.set(qn("w:val"), "center")
        form.append(middle)
        cell.append(form)
        align = "center" if head else "left" if column.kind == "text" else "right"
        cell.append(_cell_paragraph(text, font, size, align, keep))
        row.append(cell)
    return row


def _cell_paragraph(text: str, font: str, size: float, align: str, keep: bool) -> Any:
    line = OxmlElement("w:p")
    form = OxmlElement("w:pPr")
    style = OxmlElement("w:pStyle")
    style.set(qn("w:val"), "表文")
    form.append(style)
    if keep:
        form.append(OxmlElement("w:keepNext"))
    spacing = OxmlElement("w:spacing")
    for name in ("before", "after"):
        spacing.set(qn(f"w:{name}"), "30")
    form.append(spacing)
    justify = OxmlElement("w:jc")
    justify.set(qn("w:val"), align)
    form.append(justify)
    line.append(form)
    run = OxmlElement("w:r")
    properties = run.get_or_add_rPr()
    _typeface(properties, font)
    for name in ("sz", "szCs"):
        height = OxmlElement(f"w:{name}")
        height.set(qn("w:val"), str(round(2 * size)))
        properties.append(height)
    words = OxmlElement("w:t")
    words.text = _plain(text)
    words.set(qn("xml:space"), "preserve")
    run.append(words)
    line.append(run)
    return line


# --- Charts ---------------------------------------------------------------------------------------


class _Charts:
    """Adds native charts to a document, each a part of its own with its workbook."""

    def __init__(self, paper: Any) -> None:
        self._paper = paper
        self._number = 0

    def add(self, chart: Chart) -> None:
        """Add a chart as wide as the text."""
        self._number += 1
        package = self._paper.part.package
        xml, book = chart_parts(chart, BODY, 9, Mm(_TEXT_WIDTH))
        part = Part(PackURI(f"/word/charts/chart{self._number}.xml"), _CHART_TYPE, xml, package)
        sheet = Part(
            PackURI(f"/word/embeddings/Microsoft_Excel_Sheet{self._number}.xlsx"),
            _BOOK_TYPE, book, package,
        )  # fmt: skip
        part.rels.add_relationship(RELATIONSHIP_TYPE.PACKAGE, sheet, "rId1")
        relation = self._paper.part.relate_to(part, RELATIONSHIP_TYPE.CHART)
        line = self._paper.add_paragraph(style="表文")
        line.alignment = WD_ALIGN_PARAGRAPH.CENTER
        # A chart is not parted from the note below it.
        line.paragraph_format.keep_with_next = True
        line.add_run()._element.append(self._drawing(chart, relation))

    def _drawing(self, chart: Chart, relation: str) -> Any:
        rows = len(chart.categories) if chart.kind == "bars" else 0
        height = max(_CHART_HEIGHT, 14 + 9 * rows * len(chart.series) // 2)
        drawing = parse_xml(
            f"<w:drawing {nsdecls('w', 'wp', 'a', 'r')}>"
            f'<wp:inline distT="0" distB="0" distL="0" distR="0">'
            f'<wp:extent cx="{Mm(_TEXT_WIDTH)}" cy="{Mm(height)}"/>'
            f'<wp:docPr id="{1000 + self._number}" name="chart{self._number}"/>'
            f"<wp:cNvGraphicFramePr/>"
            f"<a:graphic><a:graphicData "
            f'uri="http://schemas.openxmlformats.org/drawingml/2006/chart">'
            f'<c:chart xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" '
            f'r:id="{relation}"/>'
            f"</a:graphicData></a:graphic></wp:inline></w:drawing>"
        )
        drawing.find(f".//{qn('wp:docPr')}").set("descr", _plain(described(chart)))
        return drawing
