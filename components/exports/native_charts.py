"""Charts of a packet as native, editable charts of PowerPoint and Word.

python-pptx writes the chart and the workbook behind it; in a Word file the same part stands in a
drawing. Nothing here opens a browser.
"""

from __future__ import annotations

import copy
import math
from typing import Any

from lxml import etree
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.dml.color import RGBColor
from pptx.enum.chart import (
    XL_AXIS_CROSSES,
    XL_CHART_TYPE,
    XL_LABEL_POSITION,
    XL_LEGEND_POSITION,
    XL_MARKER_STYLE,
    XL_TICK_LABEL_POSITION,
)
from pptx.enum.dml import MSO_LINE
from pptx.oxml.ns import qn
from pptx.util import Pt

from components.figures.brief import described
from components.figures.template import ACCENT, PALE, RULE, SOFT
from components.formatting import PERCENT
from domain.brief import Chart, ChartKind, Series

_TYPES: dict[ChartKind, Any] = {
    "bars": XL_CHART_TYPE.BAR_CLUSTERED,
    "columns": XL_CHART_TYPE.COLUMN_CLUSTERED,
    "lines": XL_CHART_TYPE.LINE_MARKERS,
    "dots": XL_CHART_TYPE.LINE_MARKERS,
    "ranks": XL_CHART_TYPE.LINE_MARKERS,
}
# Dark first: they must be told apart on paper without colour too, hence the markers.
_COLOURS = (ACCENT, "#9a4a12", "#0c6a63", SOFT)
_MARKERS = (XL_MARKER_STYLE.CIRCLE, XL_MARKER_STYLE.SQUARE, XL_MARKER_STYLE.TRIANGLE)
_PARALLEL = "#b9c2cc"


def add_chart(
    slide: Any, chart: Chart, box: tuple[int, int, int, int], font: str, size: float
) -> Any:
    """Add a chart to a slide and return its graphic frame.

    Args:
        slide: of python-pptx.
        chart: what is drawn.
        box: left, top, width, height in EMU.
        font: of all texts.
        size: of all texts, in points.
    """
    data = CategoryChartData(number_format=_number_format(chart))
    data.categories = [_plain(name) for name in chart.categories]
    for series in chart.series:
        data.add_series(
            series.name, [None if math.isnan(value) else value for value in series.values]
        )
    frame = slide.shapes.add_chart(_TYPES[chart.kind], *box, data)
    _style(frame.chart, chart, font, size, box[2])
    frame.name = chart.title
    properties = frame._element.xpath("./p:nvGraphicFramePr/p:cNvPr")[0]
    properties.set("descr", described(chart))
    return frame


def chart_parts(chart: Chart, font: str, size: float, width: int) -> tuple[bytes, bytes]:
    """Return the XML of a chart, its relation to the workbook named rId1, and that workbook.

    ``width`` in EMU; the rest as in ``add_chart``.
    """
    slide = (pack := Presentation()).slides.add_slide(pack.slide_layouts[6])
    frame = add_chart(slide, chart, (0, 0, width, width // 2), font, size)
    part = frame.chart.part
    root = copy.deepcopy(part._element)
    for external in root.findall(qn("c:externalData")):
        external.set(qn("r:id"), "rId1")
    xml = etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)
    return xml, part.chart_workbook.xlsx_part.blob


def _plain(text: str) -> str:
    # XML has no control characters.
    return "".join(letter for letter in text if letter.isprintable())


def _number_format(chart: Chart) -> str:
    if chart.unit == PERCENT:
        return f"0.0{PERCENT}"
    return "#,##0" if chart.kind in ("bars", "columns", "ranks") else "0.0"


def _style(drawn: Any, chart: Chart, font: str, size: float, width: int) -> None:
    drawn.has_title = False
    drawn.font.size = Pt(size)
    drawn.font.name = font
    _east_asian(drawn, font)
    drawn.font.color.rgb = RGBColor(0x1D, 0x27, 0x33)
    drawn.has_legend = len(chart.series) > 1
    if drawn.has_legend:
        drawn.legend.position = XL_LEGEND_POSITION.BOTTOM
        drawn.legend.include_in_layout = False
    _axes(drawn, chart, size)
    for number, (plotted, series) in enumerate(
        zip(drawn.plots[0].series, chart.series, strict=True)
    ):
        _series(plotted, number, series, chart)
    if chart.kind in ("bars", "columns"):
        _bars(drawn, chart, size, width)
    if chart.kind == "dots":
        _error_bars(drawn.plots[0].series[0]._element, chart.series[0])


def _east_asian(drawn: Any, font: str) -> None:
    """Set the typeface of Chinese characters too, which has an attribute of its own."""
    for properties in drawn._chartSpace.iter(qn("a:defRPr")):
        for name in ("a:ea", "a:cs"):
            if properties.find(qn(name)) is None:
                element = properties.makeelement(qn(name), {"typeface": font})
                properties.append(element)


def _axes(drawn: Any, chart: Chart, size: float) -> None:
    values, categories = drawn.value_axis, drawn.category_axis
    values.has_major_gridlines = chart.kind in ("lines", "dots", "ranks")
    if values.has_major_gridlines:
        values.major_gridlines.format.line.color.rgb = _rgb(RULE)
    values.format.line.fill.background()
    categories.format.line.color.rgb = _rgb(PALE)
    categories.has_major_gridlines = False
    categories.tick_labels.font.size = Pt(size)
    values.tick_labels.font.size = Pt(size)
    if chart.axis is not None:
        values.minimum_scale, values.maximum_scale = chart.axis
    elif chart.kind in ("bars", "columns"):
        values.minimum_scale = 0
    shown = f"0{PERCENT}" if chart.unit == PERCENT else "#,##0"
    values.tick_labels.number_format = shown
    values.tick_labels.number_format_is_linked = False
    if chart.kind == "bars":
        categories.reverse_order = True
        values.visible = False
    elif chart.kind == "ranks":
        # The first rank on top, the periods below.
        values.reverse_order = True
        values.crosses = XL_AXIS_CROSSES.MAXIMUM
    categories.tick_label_position = XL_TICK_LABEL_POSITION.LOW
    if chart.kind == "ranks":
        categories.tick_label_position = XL_TICK_LABEL_POSITION.NEXT_TO_AXIS


def _rgb(colour: str) -> RGBColor:
    return RGBColor.from_string(colour.removeprefix("#").upper())


def _series(plotted: Any, number: int, series: Series, chart: Chart) -> None:
    colour = _rgb(_COLOURS[number % len(_COLOURS)])
    if chart.kind in ("bars", "columns"):
        plotted.format.fill.solid()
        plotted.format.fill.fore_color.rgb = _rgb(ACCENT if not number else _PARALLEL)
        return
    plotted.smooth = False
    line, marker = plotted.format.line, plotted.marker
    line.color.rgb = colour
    line.width = Pt(1.75)
    marker.style = _MARKERS[number % len(_MARKERS)]
    marker.size = 6
    marker.format.fill.solid()
    marker.format.fill.fore_color.rgb = colour
    marker.format.line.color.rgb = colour
    if chart.kind == "dots" and number == 0:
        line.fill.background()
    elif chart.kind == "dots":
        marker.style = XL_MARKER_STYLE.NONE
        line.color.rgb = _rgb(SOFT)
        line.dash_style = MSO_LINE.DASH


def _bars(drawn: Any, chart: Chart, size: float, width: int) -> None:
    plot = drawn.plots[0]
    plot.gap_width = 45 if len(chart.series) == 1 else 60
    plot.overlap = 0
    plot.has_data_labels = True
    labels = plot.data_labels
    labels.number_format = _number_format(chart)
    labels.number_format_is_linked = False
    labels.position = XL_LABEL_POSITION.OUTSIDE_END
    if chart.kind == "columns":
        # A number is hardly wider than its column.
        longest = max(len(f"{value:,.0f}") for each in chart.series for value in each.values)
        own = width / 12_700 / max(len(chart.categories), 1)
        size = max(6.0, min(size, own / (0.58 * longest)))
    labels.font.size = Pt(size)
    if chart.kind == "columns":
        drawn.value_axis.visible = False


def _error_bars(series: Any, told: Series) -> None:
    """Add the intervals of a series as bars that stay with the numbers when they are edited."""
    plus = [high - value for value, high in zip(told.values, told.high, strict=True)]
    minus = [value - low for value, low in zip(told.values, told.low, strict=True)]
    bars = etree.SubElement(series, qn("c:errBars"))
    for name, value in (("c:errDir", "y"), ("c:errBarType", "both"), ("c:errValType", "cust"),
                        ("c:noEndCap", "1")):  # fmt: skip
        etree.SubElement(bars, qn(name), {"val": value})
    for name, lengths in (("c:plus", plus), ("c:minus", minus)):
        literal = etree.SubElement(etree.SubElement(bars, qn(name)), qn("c:numLit"))
        etree.SubElement(literal, qn("c:formatCode")).text = "General"
        etree.SubElement(literal, qn("c:ptCount"), {"val": str(len(lengths))})
        for place, length in enumerate(lengths):
            point = etree.SubElement(literal, qn("c:pt"), {"idx": str(place)})
            etree.SubElement(point, qn("c:v")).text = repr(float(length))
    shape = etree.SubElement(bars, qn("c:spPr"))
    line = etree.SubElement(shape, qn("a:ln"), {"w": "19050"})
    fill = etree.SubElement(etree.SubElement(line, qn("a:solidFill")), qn("a:srgbClr"))
    fill.set("val", ACCENT.removeprefix("#").upper())
    # The order of elements is fixed: error bars stand before the categories.
    series.remove(bars)
    series.find(qn("c:cat")).addprevious(bars)
