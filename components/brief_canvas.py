"""Canvases of a packet: one section on a page of fixed size, for a wall, a handout, a phone.

A canvas is ready HTML: the answer as its title, the figures behind it, one picture, and what they
cover. It runs no script, so that it looks alike in a browser, in a picture made of it there, and
where the command line prints it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from components.figures.brief import chart_svg, described, text_width
from components.formatting import count, share
from components.page_strip import DEMO_WORDS
from components.shell import PRODUCT, PRODUCT_SUFFIX
from domain.brief import Cell, Chart, Figure, Packet, Paragraph, Problem, Section, SectionKey, Table

CSS = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
SOURCE = f"{PRODUCT} {PRODUCT_SUFFIX}"
COVER = "cover"
COVER_WORDS = "要点"
EDITED_WORDS = "已改"
LONGEST_TITLE = 110
# Figures beside the picture, by section: indicators in the order of their weight.
_CARDS: Mapping[SectionKey, tuple[str, ...]] = {
    "promises": ("tasks",),
    "overall": (
        "volume", "response", "resolution", "satisfaction", "on_time", "overdue", "closed",
        "composite",
    ),
    "topics": ("topics",),
    "supervision": ("stock",),
}  # fmt: skip
_MOST_CARDS = 6
# Columns of a table of counts that its last row is told by.
_FIRST_COUNTS = 4
# In so many characters a cell of a table is one word, which is not broken.
_WORD = 8.5
_NUMBERED = re.compile(r"^\d+\. ")
_NOT_RANKED = "本期诉求尚未成熟，不排名；列最近成熟的考核期。"
_MOVING = "以后还会变动"


class Form(NamedTuple):
    """A size of canvas, in CSS pixels; a picture of it has twice as many each way.

    ``beside``: how wide the figures beside the picture are; 0: they stand above it.
    """

    label: str
    width: int
    height: int
    margin: int
    title: int
    body: int
    smallest: float
    beside: int


FORMS: Mapping[str, Form] = {
    "slide": Form("横屏 1600×900", 1600, 900, 44, 38, 22, 13, 330),
    "a4": Form("A4 横向", 1123, 794, 38, 28, 16, 9.5, 240),
    "phone": Form("竖屏 1080×1920", 1080, 1920, 52, 52, 31, 17, 0),
}
SCALE = 2


def sections_with_canvas(packet: Packet) -> dict[str, str]:
    """Return key → heading of what a packet has canvases of, 要点 first."""
    return {COVER: COVER_WORDS} | {each.key: each.heading for each in packet.sections}


def canvas_page(packet: Packet, form: str, key: str, state: str, font_sheet: str) -> str:
    """Return a canvas as a complete HTML page.

    Args:
        packet: what is told; of a draft, the one section.
        form: a key of ``FORMS``.
        key: a section of the packet, or ``COVER``.
        state: 草稿, or when it was settled.
        font_sheet: address of the style sheet with the font for machines that have none.

    Raises:
        KeyError: no such form or section.
    """
    size = FORMS[form]
    heading = sections_with_canvas(packet)[key]
    paper = "A4 landscape" if form == "a4" else f"{size.width}px {size.height}px"
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width={size.width}">'
        f"<title>{escape(packet.title)} · {escape(heading)}</title>"
        f'<link rel="stylesheet" href="{escape(font_sheet)}">'
        f"<style>{CSS}\nhtml, body {{ margin: 0; background: #ffffff; }}\n"
        f"@page {{ size: {paper}; margin: 0; }}\n"
        "@media print { * { print-color-adjust: exact; } }</style></head>"
        # Nothing is drawn later: who takes pictures may take this one now.
        f'<body data-ready="true">{_canvas(packet, size, key, heading, state)}</body></html>'
    )


def refused_page(form: str, problems: Sequence[Problem]) -> str:
    """Return the page in place of a canvas that could not be made, and why.

    It never says that it is ready: whoever takes pictures takes none of it.
    """
    size = FORMS[form]
    told = "".join(f"<p>{escape(each.section)}：{escape(each.words)}</p>" for each in problems)
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>没有成图</title>'
        f'<style>{CSS}</style></head><body style="margin:0"><main class="canvas" '
        f'style="width:{size.width}px;height:{size.height}px;padding:{size.margin}px;'
        f'font-size:{size.body}px"><h1>没有成图：数字不一致或有部分没有算出来</h1>'
        f'<div class="canvas-words" role="alert">{told}</div></main></body></html>'
    )


# --- What a canvas says ---------------------------------------------------------------------------


class Answer(NamedTuple):
    """The title of a canvas; ``edited``: a person wrote it."""

    text: str
    edited: bool = False


def answer_of(section: Section, packet: Packet) -> Answer | None:
    """Return what a section answers, in one sentence; None where it has no words.

    Where somebody has changed the section, its first sentence is the answer, as it stands there:
    one by rule might contradict it.
    """
    told = [each for each in section.paragraphs if each.text]
    if not told:
        return _of_total(section)
    if any(each.edited is not None for each in told):
        return Answer(_shortened(_sentence(told[0].text)), told[0].edited is not None)
    text = told[0].text.removeprefix(_NOT_RANKED)
    if section.key == "overall":
        text = _overall(told, packet)
    elif section.key == "ranking" and len(told) > 1 and len(told[0].figures) > 3:
        # Of many places: who stands out says more than who stands where.
        days = text.partition("，")[0]
        text = told[1].text if text.startswith(packet.period) else f"{days}，{told[1].text}"
    elif section.key == "supervision":
        return Answer(_shortened(_sentence(text)))
    return Answer(_shortened(_sentence(text).removeprefix(f"{packet.period}，")))


def _overall(told: Sequence[Paragraph], packet: Packet) -> str:
    """Return the three rates, once they no longer move; until then the volume."""
    for each in told[1:]:
        rates = {figure.metric for figure in each.figures} >= {"resolution", "satisfaction"}
        if rates and each.text.startswith("按") and _MOVING not in each.text:
            return f"{packet.place}{_sentence(each.text).partition('，')[2].partition('（')[0]}"
    return told[0].text.partition("；")[0]


def _of_total(section: Section) -> Answer | None:
    """Return the last row of a table as a sentence."""
    table = next(iter(section.tables), None)
    if table is None or table.total is None:
        return None
    told = [
        f"{column.title} "
        + (share(cell.value) if column.kind == "share" else cell.text + column.note)
        for place, (column, cell) in enumerate(zip(table.columns, table.total, strict=True))
        if not isinstance(cell, str)
        and not math.isnan(cell.value)
        # How many there are and what became of them, not every step between.
        and (column.kind != "count" or place < _FIRST_COUNTS)
    ]
    return Answer(f"{table.title}：{'，'.join(told)}")


def _sentence(text: str) -> str:
    return _NUMBERED.sub("", text).partition("。")[0].strip("；，")


def _shortened(text: str) -> str:
    """Return a text that a title can hold, ended where a part of the sentence ends."""
    if len(text) <= LONGEST_TITLE:
        return text
    for mark in "；：":
        head = text.partition(mark)[0]
        if 8 <= len(head) <= LONGEST_TITLE:
            return head
    head = text[:LONGEST_TITLE]
    end = max(head.rfind("，"), head.rfind("、"))
    return head[: end if end > 0 else LONGEST_TITLE] + "……"


def cards_of(section: Section) -> list[tuple[Figure, str]]:
    """Return the headline figures of a section, each with how it changed ("": not told).

    Not those of paragraphs that a person has rewritten.
    """
    wanted = _CARDS.get(section.key, ())
    found: dict[str, list[tuple[Figure, str]]] = {}
    for paragraph in section.paragraphs:
        if paragraph.edited is not None:
            continue
        changes = {
            figure.label: figure.text for figure in paragraph.figures if ".change" in figure.metric
        }
        for figure in paragraph.figures:
            kind = figure.metric if figure.metric in wanted else figure.metric.partition(".")[0]
            if kind not in wanted or ".change" in figure.metric or "累计" in figure.label:
                continue
            change = next(
                (f"{label.removeprefix(figure.label)}{text}" for label, text in changes.items()
                 if label.startswith(figure.label)),
                "",
            )  # fmt: skip
            found.setdefault(kind, []).append((figure, change))
    return [each for kind in wanted for each in found.get(kind, [])][:_MOST_CARDS]


# --- Layout ---------------------------------------------------------------------------------------


def _canvas(packet: Packet, form: Form, key: str, heading: str, state: str) -> str:
    section = next((each for each in packet.sections if each.key == key), None)
    first = section or next(
        (each for each in packet.sections if each.key == "overall"), packet.sections[0]
    )
    answer = answer_of(first, packet) or Answer(heading)
    cards = cards_of(first)
    foot = "　".join(
        (packet.period, packet.basis, packet.cutoff, f"口径版本 {packet.rules}",
         f"数据版本 {packet.data_version}", state, f"来源：{SOURCE}"),
    )  # fmt: skip
    inner = form.width - 2 * form.margin
    title_size = form.title if len(answer.text) <= 44 else 0.82 * form.title
    room = (
        form.height - 2 * form.margin
        - 2.2 * form.body
        - _lines(answer.text + EDITED_WORDS, title_size, inner) * 1.3 * title_size
        - 0.95 * title_size
        - _lines(foot, 0.85 * form.body, inner) * 1.2 * form.body - 1.2 * form.body
    )  # fmt: skip
    width: float = inner
    shown = ""
    if cards:
        shown, taken = _cards(cards, packet.place, form, room)
        if form.beside:
            width -= form.beside + 1.5 * form.body
        else:
            room -= taken + 1.5 * form.body
    if section is None:
        main = _summary(packet, first, form, width, room)
    else:
        main = _main(section, form, width, room)
    direction = "row" if form.beside else "column"
    demo = f'<span class="canvas-demo">{DEMO_WORDS}</span>' if packet.is_demo else ""
    mark = _EDITED if answer.edited else ""
    return (
        f'<main class="canvas" style="width:{form.width}px;height:{form.height}px;'
        f'padding:{form.margin}px;font-size:{form.body}px">'
        f'<div class="canvas-head"><span>{escape(packet.title)} · {escape(heading)}</span>'
        f"{demo}</div>"
        f'<h1 style="font-size:{title_size:.4g}px">{escape(answer.text)}{mark}</h1>'
        f'<div class="canvas-main" style="flex-direction:{direction}">{shown}{main}</div>'
        f'<p class="canvas-foot">{escape(foot)}</p></main>'
    )


_EDITED = f'<span class="canvas-edited">{EDITED_WORDS}</span>'


def _lines(text: str, size: float, width: float) -> int:
    # A line is rarely full to its end: words and figures stay whole.
    return max(1, math.ceil(text_width(text, size) / (width - 1.5 * size)))


def _sizes(largest: float, smallest: float) -> list[float]:
    """Return sizes of type to try, the largest first, a twentieth smaller each."""
    steps = math.ceil(math.log(largest / smallest, 1.05))
    return [*(largest / 1.05**step for step in range(steps)), smallest]


def _cards(
    cards: Sequence[tuple[Figure, str]], place: str, form: Form, room: float
) -> tuple[str, float]:
    """Return the figures as HTML, as many as there is room for, and how high they are."""
    columns = 1 if form.beside else 2
    wide = form.beside or (form.width - 2 * form.margin - 0.75 * form.body) / 2
    told, height = [], 0.0
    for number, (figure, change) in enumerate(cards):
        label = figure.label.removeprefix(place).removeprefix("每月一题")
        n = f"n={count(figure.n)}" if figure.n is not None else ""
        below = " · ".join(each for each in (n, change) if each)
        lines = _lines(below, 0.8 * form.body, wide) if below else 0
        long = text_width(figure.text, 1.75 * form.body) > wide - 2 * form.body
        own = form.body * (1.4 + 2.2 * (2 if long else 1) + 1.12 * lines + 0.85 + 0.75)
        if number % columns == 0:
            # On a phone figures may take a third, so that the picture has its room.
            if height + own > (room if form.beside else room / 3):
                break
            height += own
        small = f"<span>{escape(below)}</span>" if below else ""
        told.append(
            f'<div class="canvas-card"><b>{escape(label)}</b>'
            f"<strong>{escape(figure.text)}</strong>{small}</div>"
        )
    style = f"width:{form.beside}px" if form.beside else "grid-template-columns:1fr 1fr"
    return f'<div class="canvas-cards" style="{style}">{"".join(told)}</div>', height


def _main(section: Section, form: Form, width: float, room: float) -> str:
    charts = {chart.key: chart for chart in section.charts}
    if charts:
        chart = next(iter(charts.values()))
        told = section.paragraphs[1].text if len(section.paragraphs) > 1 else ""
        if "overall.rates" in charts and "解决率" in told and _MOVING not in told:
            chart = charts["overall.rates"]
        return _picture(chart, form, width, room)
    if section.tables:
        return _table(section.tables[0], form, width, room)
    lines = [("", each) for each in section.paragraphs if each.text]
    return _words([(head, each.text, each.edited is not None) for head, each in lines], form,
                  width, room)  # fmt: skip


def _summary(packet: Packet, first: Section, form: Form, width: float, room: float) -> str:
    """Return the answers of the other sections below each other."""
    told = []
    for section in packet.sections:
        answer = answer_of(section, packet)
        if answer is not None and section is not first and section.key[:5] != "rates":
            told.append((section.heading, answer.text, answer.edited))
    return _words(told, form, width, room)


def _words(told: Sequence[tuple[str, str, bool]], form: Form, width: float, room: float) -> str:
    """Return paragraphs (head, text, whether edited) in the largest type that holds them all.

    Where none does, the last ones are left to the text, and that is said.
    """

    def height(some: Sequence[tuple[str, str, bool]], size: float) -> float:
        return sum(
            _lines(f"{head}　{text}{EDITED_WORDS if own else ''}", size, width) * 1.4 * size
            + 0.6 * size
            for head, text, own in some
        )

    sizes = _sizes(1.5 * form.body, form.smallest)
    size = next((size for size in sizes if height(told, size) <= room), sizes[-1])
    some, left = list(told), ""
    while some and height([*some, ("", "另有", False)], size) > room and height(told, size) > room:
        some.pop()
    if len(some) < len(told):
        left = f'<p class="canvas-note">另有{len(told) - len(some)}段，见正文。</p>'
    lines = "".join(
        f"<p>{f'<b>{escape(head)}</b>　' if head else ''}{escape(text)}{_EDITED if own else ''}</p>"
        for head, text, own in some
    )
    return f'<div class="canvas-words" style="font-size:{size:.4g}px">{lines}{left}</div>'


def _picture(chart: Chart, form: Form, width: float, room: float) -> str:
    note = _note(chart.note, chart.period)
    high = room - 1.9 * form.body - _lines(note, 0.85 * form.body, width) * 1.25 * form.body
    size = 0.85 * form.body
    drawn = chart_svg(chart, round(width), max(120, round(high)), size, described(chart))
    return (
        f'<div class="canvas-picture"><h2>{escape(chart.title)}</h2>'
        f'<div class="canvas-drawn">{drawn}</div><p class="canvas-note">{escape(note)}</p></div>'
    )


def _note(*parts: str) -> str:
    return "；".join(part for part in parts if part)


# --- Tables ---------------------------------------------------------------------------------------


def _text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell.text


def _table(table: Table, form: Form, width: float, room: float) -> str:
    """Return a table in the largest type that holds it; else its first rows, and that is said."""
    heads = [f"{each.title}（{each.note}）" if each.note else each.title for each in table.columns]
    rows = [[_text(cell) for cell in row] for row in table.rows]
    total = [[_text(cell) for cell in table.total]] if table.total is not None else []
    note = _note(table.note, table.period)
    cut = f"此处列前{len(rows)}行，共{len(rows)}行，全部见正文附表和附件；"
    high = room - 1.9 * form.body - _lines(cut + note, 0.85 * form.body, width) * 1.25 * form.body
    for size in _sizes(form.body, form.smallest):
        widths = _widths(table, [heads, *rows, *total], width, size)
        heights = [_row_height(row, widths, size) for row in [heads, *total, *rows]]
        cells = (
            (text, each) for row in [*total, *rows] for text, each in zip(row, widths, strict=True)
        )
        whole = all(
            text_width(text, 1) > _WORD or text_width(text, size) <= each - 0.75 * size
            for text, each in cells
        )
        if whole and sum(heights) <= high:
            break
    fixed = sum(heights[: 1 + len(total)])
    shown = len(rows)
    while shown and fixed + sum(heights[1 + len(total) :][:shown]) > high:
        shown -= 1
    if shown < len(rows):
        note = f"此处列前{shown}行，共{len(rows)}行，全部见正文附表和附件；{note}"
    columns = "".join(f'<col style="width:{each:.1f}px">' for each in widths)
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    body = "".join(_rows(table, rows[:shown], "")) + "".join(_rows(table, total, "canvas-total"))
    return (
        f'<div class="canvas-picture"><h2>{escape(table.title)}</h2>'
        f'<table style="font-size:{size:.4g}px"><colgroup>{columns}</colgroup>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f'<p class="canvas-note">{escape(note)}</p></div>'
    )


def _rows(table: Table, rows: Sequence[Sequence[str]], name: str) -> Iterator[str]:
    for row in rows:
        cells = (
            f'<td class="canvas-number">{escape(text)}</td>' if column.kind != "text"
            else f"<td>{escape(text)}</td>"
            for text, column in zip(row, table.columns, strict=True)
        )  # fmt: skip
        yield f'<tr class="{name}">{"".join(cells)}</tr>' if name else f"<tr>{''.join(cells)}</tr>"


def _widths(table: Table, rows: Sequence[Sequence[str]], width: float, size: float) -> list[float]:
    """Return widths of the columns, as their texts need them."""
    natural = []
    for place in range(len(table.columns)):
        # A heading may stand in two lines.
        needed = [0.55 * text_width(rows[0][place], size)]
        needed += [text_width(row[place], size) for row in rows[1:]]
        natural.append(max(needed) + 0.95 * size)
    # Where they want more than there is, the widest give way first.
    left, widths = width, dict.fromkeys(range(len(natural)), 0.0)
    for number, place in enumerate(sorted(widths, key=natural.__getitem__)):
        widths[place] = min(natural[place], left / (len(natural) - number))
        left -= widths[place]
    whole = sum(widths.values())
    return [widths[place] * width / whole for place in range(len(natural))]


def _row_height(row: Sequence[str], widths: Sequence[float], size: float) -> float:
    lines = max(
        math.ceil(text_width(text, size) / max(size, width - 0.75 * size) - 1e-9)
        for text, width in zip(row, widths, strict=True)
    )
    return max(1, lines) * 1.3 * size + 0.44 * size + 1.2
