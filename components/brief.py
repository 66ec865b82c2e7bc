"""A packet on the screen: sections to choose and to order, drafts to edit, what changed since."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

from dash import dcc, html
from dash.development.base_component import Component

from components.brief_canvas import FORMS, SOURCE, sections_with_canvas
from components.figures.brief import chart_svg, described, least_width
from components.formatting import count, moment, numeral, value_text
from components.page_strip import DEMO_WORDS
from components.plain import Html, plain
from components.tables import Column, Row, data_table
from domain.brief import (
    LONGEST_EDIT,
    SECTIONS,
    STYLE_LABELS,
    Difference,
    Figure,
    Number,
    Packet,
    Paragraph,
    Problem,
    Restated,
    Section,
    SectionKey,
    Style,
    Table,
    heading,
)
from domain.metrics import METRICS
from domain.periods import PeriodKind

FORMATS = {"docx": "Word", "pptx": "PPT", "xlsx": "Excel 附件", "pdf": "PDF"}
# Rows of a table in a draft; the settled packet and its files have all of them.
SHOWN_ROWS = 20
# A table of so many rows stays on one page of paper; a longer one repeats its head.
_TOGETHER = 12
_WORD = 6
# Pictures on the screen: for a page and for a phone, in pixels, and the size of their type.
_PAGE, _PHONE = (720, 13.0), (340, 11.0)
_PAGES = {
    "stock": "/cases", "groups": "/cases", "rank": "/ranking", "remaining": "/targeting",
    "completion": "/topics", "gap": "/topics", "topics": "/topics", "tasks": "/topics",
}  # fmt: skip


def part_id(kind: str, key: str) -> dict[str, str]:
    """Return the id of one of many parts of the page."""
    return {"type": f"brief-{kind}", "key": key}


def figure_href(figure: Figure) -> str:
    """Return where a number can be looked up: the page that shows it, with its filters."""
    return _PAGES.get(figure.metric.split(".")[0], "/") + figure.filters


def figure_words(figure: Figure) -> str:
    """Return what a number is: indicator, days, what it rests on."""
    parts = [figure.label, figure.period]
    if figure.n is not None:
        parts.append(f"n={count(figure.n)}")
    return " · ".join(part for part in parts if part)


def figure_link(figure: Figure) -> dcc.Link:
    """Return a number in a text, with its source."""
    return dcc.Link(
        figure.text, href=figure_href(figure), title=figure_words(figure), className="brief-figure"
    )


# --- Choice and order of sections -----------------------------------------------------------------


class Choice(NamedTuple):
    """A section in the list: whether it is chosen."""

    key: SectionKey
    chosen: bool


def choices_text(choices: Sequence[Choice]) -> str:
    """Return the order and choice as one text: ``-`` before what is left out."""
    return ",".join(each.key if each.chosen else f"-{each.key}" for each in choices)


def choices_of(text: object) -> list[Choice]:
    """Return every section, in the order and with the choice of a text, which may be anything."""
    named = [part for part in text.split(",") if part] if isinstance(text, str) else []
    known: dict[str, SectionKey] = {key: key for key in SECTIONS}
    found: dict[SectionKey, bool] = {}
    for part in named:
        key = known.get(part.removeprefix("-"))
        if key is not None and key not in found:
            found[key] = not part.startswith("-")
    for key in SECTIONS:
        found.setdefault(key, not named)
    return [Choice(key, chosen) for key, chosen in found.items()]


def chosen_keys(text: object) -> tuple[SectionKey, ...]:
    """Return the chosen sections in their order."""
    return tuple(each.key for each in choices_of(text) if each.chosen)


def section_list(choices: Sequence[Choice], kind: PeriodKind) -> list[Component]:
    """Return the list of sections with a box to tick and buttons to move each."""
    rows = []
    for place, each in enumerate(choices):
        name = heading(each.key, kind)
        rows.append(
            html.Li(
                [
                    dcc.Checklist(
                        options=[{"label": name, "value": each.key}],
                        value=[each.key] if each.chosen else [],
                        id=part_id("pick", each.key),
                        className="brief-pick",
                    ),
                    html.Button(
                        "↑", type="button", id=part_id("up", each.key), n_clicks=0,
                        className="brief-move", disabled=place == 0, title=f"上移：{name}",
                        **{"aria-label": f"上移：{name}"},
                    ),
                    html.Button(
                        "↓", type="button", id=part_id("down", each.key), n_clicks=0,
                        className="brief-move", disabled=place == len(choices) - 1,
                        title=f"下移：{name}", **{"aria-label": f"下移：{name}"},
                    ),
                ]
            )
        )  # fmt: skip
    return [html.Ol(rows, className="brief-list")]


def style_buttons() -> html.Div:
    """Return the buttons that choose the sections of a kind of packet."""
    return html.Div(
        [
            html.Span("体例", className="choice-label"),
            *(
                html.Button(
                    label, type="button", id=part_id("style", style), n_clicks=0,
                    className="action",
                )
                for style, label in STYLE_LABELS.items()
            ),
        ],
        className="brief-styles",
        role="group",
        **{"aria-label": "体例"},
    )  # fmt: skip


def style_of(text: object) -> Style | None:
    """Return the style that a key names; None when it names none."""
    known: dict[object, Style] = {style: style for style in STYLE_LABELS}
    return known.get(text)


def progress(done: int, of: int, failed: Sequence[str]) -> list[Component]:
    """Return how many sections are there, and which failed and thus refuse the packet."""
    words = f"已成稿 {done}/{of} 部分" if done < of else f"{of}部分均已成稿"
    parts: list[Component] = [
        html.Progress(value=str(done), max=str(of), **{"aria-label": "成稿进度"}),
        html.Span(words),
    ]
    if failed:
        parts.append(
            html.Strong(
                f"以下部分没有算出来，简报不能定稿：{'、'.join(failed)}", className="brief-failed"
            )
        )
    return parts


# --- Drafts and packets ---------------------------------------------------------------------------


def draft_section(section: Section, asked: str) -> list[Component]:
    """Return a section with fields to edit its paragraphs; ids are by paragraph.

    ``asked`` tells one question of one writer from any other: assets/33-brief.js keeps by it what
    was written, and puts it back when the same is asked again.
    """
    return [
        html.H2(section.heading),
        # Fields stay components; the rest has none and can be ready HTML.
        *(_editable(each, asked) for each in section.paragraphs),
        *(plain(each) for each in _pictures(section, SHOWN_ROWS)),
    ]


def _editable(paragraph: Paragraph, asked: str) -> html.Div:
    field = dcc.Textarea(
        id=part_id("edit", paragraph.key),
        value=paragraph.draft,
        maxLength=LONGEST_EDIT,
        rows=max(2, -(-len(paragraph.draft) // 60)),
        spellCheck="false",
        persistence=False,
    )
    label = "改写这一段" if paragraph.draft else "补充一段"
    return html.Div(
        [
            *([html.P(_parts(paragraph))] if paragraph.draft else []),
            html.Details(
                [
                    html.Summary([label, html.Strong("已改", className="brief-mark")]),
                    html.Label([html.Span(label, className="visually-hidden"), field]),
                ],
                className="brief-edit",
            ),
        ],
        className="brief-paragraph",
        **{"data-draft": paragraph.draft, "data-key": paragraph.key, "data-asked": asked},
    )


def _parts(paragraph: Paragraph) -> list[Any]:
    return [part if isinstance(part, str) else figure_link(part) for part in paragraph.parts]


def packet_sections(packet: Packet) -> list[Component]:
    """Return the sections of a packet as it was settled; edits are marked."""
    return [
        html.Section(
            [
                html.H2(f"{numeral(number)}、{section.heading}"),
                *(_settled(each) for each in section.paragraphs if each.text),
                *_pictures(section),
            ],
            className="panel brief-section",
        )
        for number, section in enumerate(packet.sections, 1)
    ]


def _settled(paragraph: Paragraph) -> Component:
    if paragraph.edited is None:
        return html.P(_parts(paragraph))
    original = paragraph.draft or "（无，人工补充）"
    return html.Div(
        [
            html.P([paragraph.edited, html.Strong("已改", className="brief-mark is-shown")]),
            html.Details([html.Summary("原稿"), html.P(original)], className="brief-edit"),
        ],
        className="brief-paragraph",
    )


def _pictures(section: Section, most_rows: int | None = None) -> list[Component]:
    shown: list[Component] = []
    for chart in section.charts:
        words = described(chart)
        drawn = []
        for (width, size), name in ((_PAGE, "is-page"), (_PHONE, "is-phone")):
            wide = max(width, least_width(chart, size) if width < _PAGE[0] else 0)
            lines = 5 + 2 * len(chart.categories) if chart.kind == "bars" else 0
            high = round(max(0.4 * _PAGE[0], 1.3 * size * lines))
            drawn.append(
                html.Div(
                    Html(chart_svg(chart, wide, high, size, words)),
                    className=f"brief-drawn {name}",
                    style={"--wide": f"{wide}px"},
                )
            )
        shown.append(
            html.Figure(
                [
                    html.Figcaption(chart.title),
                    *drawn,
                    html.P(_source(chart.note, chart.period), className="panel-note"),
                ],
                className="brief-chart",
            )
        )
    shown += [_table(table, most_rows) for table in section.tables]
    return shown


def _source(note: str, period: str) -> str:
    return "；".join(part for part in (note, period) if part)


def _cell(cell: str | Number) -> str | Component:
    text = cell if isinstance(cell, str) else cell.text
    # A short word is not broken, however narrow its column.
    short = isinstance(cell, str) and 0 < len(text) <= _WORD
    return html.Span(text, className="brief-word") if short else text


def _table(table: Table, most_rows: int | None) -> html.Div:
    columns = [
        Column(str(place), column.title, "start" if column.kind == "text" else "end", column.note)
        for place, column in enumerate(table.columns)
    ]

    def row(cells: Sequence[Any]) -> Row:
        return Row({str(place): _cell(cell) for place, cell in enumerate(cells)})

    rows = [row(cells) for cells in table.rows[:most_rows]]
    more = ""
    if len(rows) < len(table.rows):
        more = f"此处列前{len(rows)}行，文件中为全部{len(table.rows)}行；"
    size = "is-short" if len(rows) <= _TOGETHER else "is-long"
    width = "" if len(columns) <= 5 else "is-wide" if len(columns) <= 8 else "is-widest"
    return html.Div(
        [
            data_table(
                columns, rows, table.title,
                total=row(table.total) if table.total is not None else None,
                tall=len(rows) > SHOWN_ROWS,
            ),
            html.P(more + _source(table.note, table.period), className="panel-note"),
        ],
        className=f"brief-table {size} {width}".rstrip(),
    )  # fmt: skip


def refused(problems: Sequence[Problem]) -> html.Div:
    """Return why a packet was not made."""
    return html.Div(
        [
            html.Strong("没有定稿：数字不一致或有部分没有算出来"),
            html.Ul([html.Li(f"{each.section}：{each.words}") for each in problems]),
        ],
        className="notice",
        role="alert",
    )


def downloads(identity: str, pdf: bool, no_pdf: str) -> html.Div:
    """Return the links to the files of a packet; a sentence in place of what cannot be made."""
    return html.Div(
        [
            html.Span("下载", className="choice-label"),
            *(
                html.A(label, href=f"/brief-files/{identity}.{suffix}", className="action",
                       download="")
                for suffix, label in FORMATS.items()
                if suffix != "pdf" or pdf
            ),
            *([html.Span(no_pdf, className="panel-note")] if not pdf else []),
        ],
        className="brief-downloads",
    )  # fmt: skip


# --- Canvases -------------------------------------------------------------------------------------


def canvas_href(identity: str, form: str, key: str, search: str = "") -> str:
    """Return where a canvas is: of a packet by its id, of the draft of a question."""
    return f"/brief/{identity}/canvas/{form}/{key}{search}"


def canvas_list(packet: Packet, identity: str) -> html.Details:
    """Return the canvases of a packet: each to open, to take as a picture, all at once as a zip."""
    headings = sections_with_canvas(packet)
    columns = [Column("heading", "部分"), *(Column(key, form.label) for key, form in FORMS.items())]
    rows = []
    for key, name_of in headings.items():
        cells: dict[str, Any] = {"heading": name_of}
        for name, form in FORMS.items():
            href = canvas_href(identity, name, key)
            file = f"{packet.title}_{packet.period_key}_{name_of}_{name}.png".replace("/", "-")
            cells[name] = [
                html.A(
                    ["打开", html.Span(f"{name_of}，{form.label}", className="visually-hidden")],
                    href=href, target="_blank",
                ),
                html.Button(
                    ["PNG", html.Span(f"{name_of}，{form.label}", className="visually-hidden")],
                    type="button", className="action",
                    **{"data-canvas": href, "data-file": file},
                ),
            ]  # fmt: skip
        rows.append(Row(cells))
    called = f"{packet.title}_{packet.period_key}".replace("/", "-")
    every = [
        html.Button(
            f"{form.label}，全部（zip）",
            type="button",
            className="action",
            **{"data-canvases": name, "data-file": f"{called}_{name}.zip"},
        )
        for name, form in FORMS.items()
    ]
    return html.Details(
        [
            html.Summary(f"图片（PNG）：{len(headings)}张，三种尺寸"),
            html.Div(
                [*every, html.Span(role="status", className="panel-note")],
                className="brief-downloads",
            ),
            data_table(columns, rows, "本简报的图片", caption_hidden=True),
            html.P(
                "图片在浏览器中按两倍像素生成；“打开”是同样大小的网页，可投屏、可打印。",
                className="panel-note",
            ),
        ],
        className="panel brief-canvases",
    )


# --- Paper ----------------------------------------------------------------------------------------


def paper_head(packet: Packet) -> html.Div:
    """Return the head of a packet on paper, as an official paper has it."""
    return html.Div(
        [
            *([html.P(packet.issuer, className="paper-issuer")] if packet.issuer else []),
            html.P(packet.title, className="paper-title"),
            html.P(packet.period),
            html.P(f"{packet.cutoff}　{packet.basis}"),
            *([html.P(f"{DEMO_WORDS}，不是真实情况", className="paper-demo")]
              if packet.is_demo else []),
        ],
        className="paper-head",
    )  # fmt: skip


def paper_about(packet: Packet) -> html.Div:
    """Return what the numbers of a packet rest on, for its last page."""
    lines = [f"{term}：{words}" for term, words in packet.about]
    lines.append("文中各数的指标、样本、时段和筛选条件，见附件（xlsx）“文中数字”。")
    if packet.edits:
        lines.append(f"有{len(packet.edits)}段经人工修改，文中以“已改”标明，原稿见附件。")
    return html.Div(
        [html.P("数据说明", className="paper-caption"), *(html.P(line) for line in lines)],
        className="paper-about",
    )


def paper_margins(packet: Packet) -> str:
    """Return the style sheet with what stands in the margins of every page of paper."""
    head = f"{packet.title}　{packet.period}"
    facts = " · ".join(
        (packet.cutoff, packet.basis, f"口径版本 {packet.rules}",
         f"数据版本 {packet.data_version}", SOURCE)
    )  # fmt: skip
    demo = f"{DEMO_WORDS}，不是真实情况" if packet.is_demo else ""
    return (
        f"@page packet {{ @top-left {{ content: {_css_text(head)}; }} "
        f"@top-right {{ content: {_css_text(demo)}; }} "
        '@bottom-center { content: "— " counter(page) " —　共 " counter(pages) " 页" "\\a " '
        f"{_css_text(facts)}; }} }}"
    )


def _css_text(text: str) -> str:
    """Return a text as a string of CSS, which nothing in it can end."""
    return '"' + "".join(
        letter if letter.isalnum() or letter in " 　·，；：（）" else f"\\{ord(letter):x} "
        for letter in text
    ) + '"'  # fmt: skip


def paper_page(packet: Packet, sheets: Sequence[str]) -> str:
    """Return a settled packet as a complete HTML page, laid out for paper.

    Args:
        packet: what is printed.
        sheets: addresses of the style sheets of the board, in their order.
    """
    content = plain(
        html.Div(
            [paper_head(packet), html.Div(packet_sections(packet), className="brief-draft"),
             paper_about(packet)],
            className="page page-brief page-packet",
        )
    )  # fmt: skip
    links = "".join(f'<link rel="stylesheet" href="{escape(each)}">' for each in sheets)
    return (
        f'<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        f"<title>{escape(packet.title)}</title>{links}<style>{paper_margins(packet)}</style></head>"
        f'<body data-ready="true"><main>{content.html}</main></body></html>'
    )


def kept_table(entries: Sequence[Any]) -> html.Div:
    """Return the list of earlier packets."""
    return data_table(
        [
            Column("title", "简报"),
            Column("period", "时段"),
            Column("made", "定稿时间"),
            Column("version", "数据版本", phone=False),
            Column("edits", "人工修改", "end", "段"),
        ],
        [
            Row(
                {
                    "title": dcc.Link(each.title, href=f"/brief/{each.id}"),
                    "period": each.period,
                    "made": moment(each.made_at),
                    "version": each.data_version,
                    "edits": count(each.edits),
                }
            )
            for each in entries
        ],
        "以往简报",
        empty="还没有定稿的简报",
        caption_hidden=True,
    )


# --- Against the period before --------------------------------------------------------------------


def differences_table(found: Sequence[Difference], then: str, now: str) -> html.Div:
    """Return the numbers that differ from those of the packet before."""
    return data_table(
        [Column("label", "数"), Column("before", "上期", "end", then),
         Column("now", "本期", "end", now)],
        [
            Row({"label": each.label, "before": _valued(each.before), "now": _valued(each.now)})
            for each in found
        ],
        "与上期简报不同的数",
        empty="各数与上期相同",
        caption_hidden=True,
        tall=len(found) > SHOWN_ROWS,
    )  # fmt: skip


def _valued(figure: Figure) -> str:
    n = f"（n={count(figure.n)}）" if figure.n is not None else ""
    return f"{figure.text}{n}"


def restated_table(found: Sequence[Restated], version: str) -> html.Div:
    """Return the numbers of an earlier packet that later data changed."""
    return data_table(
        [Column("label", "数"), Column("period", "时段", phone=False),
         Column("then", "当时", "end"), Column("now", "按现有数据", "end", version)],
        [
            Row(
                {
                    "label": each.figure.label,
                    "period": each.figure.period,
                    "then": _valued(each.figure),
                    "now": _now(each),
                }
            )
            for each in found
        ],
        "后来的数据改写了的数",
        empty="没有被后来的数据改写的数",
        caption_hidden=True,
        tall=len(found) > SHOWN_ROWS,
    )  # fmt: skip


def _now(each: Restated) -> str:
    text = value_text(METRICS[each.figure.metric], each.value)
    return text + (f"（n={count(each.n)}）" if each.n is not None else "")
