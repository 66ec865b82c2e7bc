"""Charts of a packet as SVG: one picture for the screen, for paper and for a canvas.

Nothing has to run for it, so that a printed page, a picture for a wall and a server without a
browser show the same lines. Colours follow the style sheet where it has them. Everything is told
by words and shapes too; what a mark stands for shows below the pointer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import NamedTuple

from components.figures.template import ACCENT, INK, PALE, RULE, SOFT
from components.formatting import PERCENT, count, share
from domain.brief import Chart, Series

_INK, _SOFT, _RULE = f"var(--ink,{INK})", f"var(--soft,{SOFT})", f"var(--rule,{RULE})"
_ACCENT = f"var(--accent,{ACCENT})"
_COLOURS = (_ACCENT, "var(--bad,#93400a)", "var(--good,#0a5c56)", _SOFT)
# Of its size, the width of a Chinese character and of any other.
_WIDE, _NARROW = 1.0, 0.58
_SMALLEST = 8.0


class _Box(NamedTuple):
    """The field in which the marks stand, in pixels of the picture."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top


def chart_svg(chart: Chart, width: int, height: int, size: float, words: str) -> str:
    """Return a chart as SVG markup that fills the room it is given and keeps its proportions.

    Args:
        chart: what is drawn.
        width: of the picture, in pixels at its own size.
        height: likewise.
        size: of its type, in pixels at its own size.
        words: as ``described`` gives them.
    """
    parts = (_lying if chart.kind == "bars" else _standing)(chart, width, height, size)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="brief-picture" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="{escape(words)}" '
        f'font-size="{size:g}">{"".join(parts)}</svg>'
    )


def described(chart: Chart) -> str:
    """Return the numbers of a chart in words, for those who cannot see it."""
    told = []
    for series in chart.series:
        known = [
            f"{name} {_told(value, chart)}"
            for name, value in zip(chart.categories, series.values, strict=True)
            if not math.isnan(value)
        ]
        told.append(f"{series.name}：{'，'.join(known)}")
    return f"{chart.title}。{'；'.join(told)}"[:2_000]


def text_width(text: str, size: float) -> float:
    """Return about how wide a text is; a Latin character is half as wide as a Chinese one."""
    return size * sum(_WIDE if ord(letter) > 0x2E80 else _NARROW for letter in text)


def least_width(chart: Chart, size: float) -> int:
    """Return how wide a picture must be for its categories to be read."""
    if chart.kind == "bars":
        return 0
    return math.ceil(size * (1.2 * len(chart.categories) + 6))


# --- Bars that lie --------------------------------------------------------------------------------


def _lying(chart: Chart, width: int, height: int, size: float) -> Iterator[str]:
    values = [value for series in chart.series for value in series.values if value == value]
    most = max(values, default=0) or 1
    label = max((text_width(name, size) for name in chart.categories), default=0)
    left = min(label, 0.4 * width) + 0.7 * size
    top = 1.6 * size if len(chart.series) > 1 else 0.2 * size
    longest = max((text_width(_told(value, chart), size) for value in values), default=0)
    box = _Box(left, top, width - longest - 0.8 * size, height - 0.2 * size)
    if len(chart.series) > 1:
        yield from _key(chart, left, size)
    step = box.height / max(1, len(chart.categories))
    thick = min(0.76 * step / len(chart.series), 2.2 * size)
    small = min(size, 0.98 * thick) if len(chart.series) > 1 else size
    for place, name in enumerate(chart.categories):
        middle = box.top + (place + 0.5) * step
        yield from _wrapped(name, left - 0.5 * size, middle, size, left - 0.6 * size, step)
        for number, series in enumerate(chart.series):
            value = series.values[place]
            if math.isnan(value):
                continue
            y = middle + (number - len(chart.series) / 2) * thick
            long = box.width * max(0.0, value) / most
            yield (
                f'<rect x="{left:.1f}" y="{y + 0.04 * thick:.1f}" width="{max(long, 1):.1f}" '
                f'height="{0.92 * thick:.1f}" fill="{_ACCENT if not number else PALE}">'
                f"{_tip(series, name, value, chart)}</rect>"
            )
            yield _text(
                left + long + 0.3 * size, y + 0.5 * thick, _told(value, chart), small, middle=True
            )
    yield f'<path d="M{left:.1f} {box.top:.1f}V{box.bottom:.1f}" stroke="{_SOFT}" fill="none"/>'


def _key(chart: Chart, left: float, size: float) -> Iterator[str]:
    x = left
    for number, series in enumerate(chart.series):
        fill = _ACCENT if not number else PALE
        yield (
            f'<rect x="{x:.1f}" y="{0.25 * size:.1f}" width="{0.8 * size:.1f}" '
            f'height="{0.8 * size:.1f}" fill="{fill}"/>'
        )
        yield _text(x + size, 0.65 * size, series.name, size, middle=True)
        x += 2.2 * size + text_width(series.name, size)


def _wrapped(
    text: str, right: float, middle: float, size: float, room: float, step: float
) -> Iterator[str]:
    """Yield a text that ends at ``right``: in lines, and smaller, as its room asks for."""
    lines = max(1, math.ceil(text_width(text, size) / room))
    each = math.ceil(len(text) / lines)
    size = min(size, step / (1.1 * lines))
    for number in range(lines):
        y = middle + (number - (lines - 1) / 2) * 1.1 * size
        part = text[number * each : (number + 1) * each]
        yield _text(right, y, part, size, anchor="end", middle=True)


# --- What stands on an axis -----------------------------------------------------------------------


def _standing(chart: Chart, width: int, height: int, size: float) -> Iterator[str]:
    low, high, ticks = _axis(chart)
    labels = [_tick(tick, chart) for tick in ticks]
    left = max(text_width(each, size) for each in labels) + 0.9 * size
    right, ends = 0.8 * size, chart.kind in ("lines", "ranks")
    if ends:
        right += max((text_width(_end(each, chart), size) for each in chart.series), default=0)
    elif chart.kind == "dots" and len(chart.series) > 1:
        right += text_width(chart.series[1].name, size)
    step = (width - left - right) / max(1, len(chart.categories))
    below, shown = _foot(chart.categories, step, size)
    if shown:
        # The last name stands below the middle of its column, and reaches beyond it.
        last = "".join(chart.categories[-1:])
        right = max(right, right + (text_width(last, size) - step) / 2)
    # Numbers wider than their columns stand on end, above the highest too.
    upright = chart.kind == "columns" and _widest(chart, size) > step
    above = _widest(chart, size) if upright else 0
    box = _Box(left, 1.9 * size + above, width - right, height - below)

    def x(place: int) -> float:
        return box.left + (place + 0.5) * box.width / max(1, len(chart.categories))

    def y(value: float) -> float:
        part = (value - low) / (high - low)
        if chart.kind == "ranks":
            part = 1 - part
        return box.bottom - min(1.0, max(0.0, part)) * box.height

    yield _text(0, 0.6 * size, chart.unit, size, fill=_SOFT, middle=True)
    for tick, told in zip(ticks, labels, strict=True):
        yield (
            f'<path d="M{box.left:.1f} {y(tick):.1f}H{box.right:.1f}" stroke="{_RULE}" '
            'fill="none"/>'
        )
        yield _text(box.left - 0.4 * size, y(tick), told, size, "end", fill=_SOFT, middle=True)
    yield from _names(chart.categories, shown, x, box.bottom, step, size)
    if chart.kind == "columns":
        yield from _columns(chart, x, y, box, size, upright)
    elif chart.kind == "dots":
        yield from _dots(chart, x, y, box, step, size)
    else:
        yield from _lines(chart, x, y, box, size)


def _axis(chart: Chart) -> tuple[float, float, list[float]]:
    """Return the bounds of the axis and where its ticks are."""
    values = [value for each in chart.series for value in (*each.values, *each.low, *each.high)]
    known = [value for value in values if not math.isnan(value)]
    low, high = chart.axis or (0.0, max(known, default=0.0))
    if chart.axis is None or chart.kind == "dots":
        # Whole intervals, whatever bounds were asked for.
        low, high = min([low, *known]), max([high, *known])
    if high <= low:
        high = low + 1
    raw = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * each for each in (1, 2, 2.5, 5, 10) if raw <= power * each * (1 + 1e-9))
    if chart.kind in ("columns", "ranks"):
        step = max(1.0, math.ceil(step))
    if chart.kind == "ranks":
        ticks = [low, *(step * n for n in range(1, 99) if low + step / 2 < step * n < high)]
        return low, high, [*(each for each in ticks if high - each > step / 2), high]
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return first * step, last * step, [step * n for n in range(first, last + 1)]


def _tick(value: float, chart: Chart) -> str:
    scaled = 100 * value if chart.unit == PERCENT else value
    return f"{round(scaled, 6):,g}" if abs(scaled) < 1e5 else count(scaled)


def _foot(names: Sequence[str], step: float, size: float) -> tuple[float, int]:
    """Return the room below the axis, and that every so many categories is named, the last too.

    0: every one is, its characters one below the other.
    """
    widest = max((text_width(name, size) for name in names), default=0)
    if widest + 0.3 * size <= step:
        return 1.7 * size, 1
    if any(letter > "\u2e80" for name in names for letter in name) and not any(
        letter.isdigit() for name in names for letter in name
    ):
        small = _upright(step, size)
        return small * 1.08 * max(map(len, names)) + 0.8 * size, 0
    return 1.7 * size, math.ceil((widest + 0.4 * size) / step)


def _upright(step: float, size: float) -> float:
    return max(_SMALLEST, min(size, 0.95 * step))


def _names(
    names: Sequence[str], shown: int, x: Callable[[int], float], bottom: float, step: float,
    size: float,
) -> Iterator[str]:  # fmt: skip
    for place, name in enumerate(names):
        if shown:
            if (len(names) - 1 - place) % shown == 0:
                yield _text(x(place), bottom + 1.2 * size, name, size, "middle", fill=_SOFT)
            continue
        small = _upright(step, size)
        for number, letter in enumerate(name):
            y = bottom + 0.4 * size + (number + 0.9) * 1.08 * small
            yield _text(x(place), y, letter, small, "middle", fill=_SOFT)


Along = Callable[[int], float]
Up = Callable[[float], float]


def _widest(chart: Chart, size: float) -> float:
    return max(
        (text_width(_told(value, chart), size) for value in chart.series[0].values), default=0
    )


def _columns(chart: Chart, x: Along, y: Up, box: _Box, size: float, upright: bool) -> Iterator[str]:
    series = chart.series[0]
    step = box.width / max(1, len(chart.categories))
    for place, (name, value) in enumerate(zip(chart.categories, series.values, strict=True)):
        if math.isnan(value):
            continue
        top = y(value)
        yield (
            f'<rect x="{x(place) - 0.36 * step:.1f}" y="{top:.1f}" width="{0.72 * step:.1f}" '
            f'height="{max(box.bottom - top, 0.5):.1f}" fill="{_ACCENT}">'
            f"{_tip(series, name, value, chart)}</rect>"
        )
        if upright:
            told = _text(0, 0, _told(value, chart), min(size, step), middle=True)
            yield f'<g transform="translate({x(place):.1f} {top - 4:.1f}) rotate(-90)">{told}</g>'
        else:
            yield _text(x(place), top - 0.35 * size, _told(value, chart), size, "middle")


def _dots(
    chart: Chart, x: Along, y: Up, box: _Box, step: float, size: float
) -> Iterator[str]:  # fmt: skip
    series = chart.series[0]
    for other in chart.series[1:]:
        level = next((value for value in other.values if value == value), None)
        if level is None:
            continue
        yield (
            f'<path d="M{box.left:.1f} {y(level):.1f}H{box.right:.1f}" stroke="{_SOFT}" '
            'stroke-width="1.5" stroke-dasharray="6 4" fill="none"/>'
        )
        yield _text(box.right + 0.3 * size, y(level), other.name, size, fill=_SOFT, middle=True)
    told = [_told(value, chart) for value in series.values]
    fits = max((text_width(each, size) for each in told), default=0) + 0.2 * size <= step
    for place, (name, value) in enumerate(zip(chart.categories, series.values, strict=True)):
        if math.isnan(value):
            continue
        top = y(value)
        if series.low and not math.isnan(series.low[place]):
            top = y(series.high[place])
            yield (
                f'<path d="M{x(place):.1f} {y(series.low[place]):.1f}V{top:.1f}" '
                f'stroke="{_ACCENT}" stroke-width="{0.14 * size:.1f}" fill="none"/>'
            )
        radius = min(0.34 * size, 0.4 * step)
        yield (
            f'<circle cx="{x(place):.1f}" cy="{y(value):.1f}" r="{radius:.1f}" '
            f'fill="{_ACCENT}">{_tip(series, name, value, chart)}</circle>'
        )  # fmt: skip
        if fits:
            yield _text(x(place), top - 0.4 * size, told[place], size, "middle")


def _lines(chart: Chart, x: Along, y: Up, box: _Box, size: float) -> Iterator[str]:
    ends: list[tuple[float, int]] = []
    for number, series in enumerate(chart.series):
        colour = _COLOURS[number % len(_COLOURS)]
        path, pen = "", "M"
        for place, value in enumerate(series.values):
            if math.isnan(value):
                pen = "M"
                continue
            path += f"{pen}{x(place):.1f} {y(value):.1f}"
            pen = "L"
        if not path:
            continue
        yield (
            f'<path d="{path}" stroke="{colour}" stroke-width="{0.15 * size:.1f}" fill="none" '
            'stroke-linejoin="round"/>'
        )
        for place, (name, value) in enumerate(zip(chart.categories, series.values, strict=True)):
            if not math.isnan(value):
                yield _mark(number, x(place), y(value), 0.34 * size, colour,
                            _tip(series, name, value, chart))  # fmt: skip
        ends.append((y(_last(series)), number))
    for level, number in _apart(ends, 1.25 * size, box):
        series, colour = chart.series[number], _COLOURS[number % len(_COLOURS)]
        last = max(at for at, value in enumerate(series.values) if value == value)
        yield _text(
            x(last) + 0.6 * size, level, _end(series, chart), size, fill=colour, middle=True
        )


def _mark(number: int, x: float, y: float, r: float, colour: str, tip: str) -> str:
    """Return a mark that tells the lines apart without colour: disc, square, triangle, ring."""
    kind = number % 4
    if kind == 1:
        box = f'x="{x - 0.9 * r:.1f}" y="{y - 0.9 * r:.1f}"'
        side = f'width="{1.8 * r:.1f}" height="{1.8 * r:.1f}"'
        return f'<rect {box} {side} fill="{colour}">{tip}</rect>'
    if kind == 2:
        path = f"M{x:.1f} {y - 1.15 * r:.1f}l{1.1 * r:.1f} {2 * r:.1f}h{-2.2 * r:.1f}z"
        return f'<path d="{path}" fill="{colour}">{tip}</path>'
    fill = colour if kind == 0 else f'none" stroke="{colour}'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" fill="{fill}">{tip}</circle>'


def _apart(ends: Sequence[tuple[float, int]], gap: float, box: _Box) -> list[tuple[float, int]]:
    """Return the labels of lines moved so far that none lies on another."""
    placed: list[tuple[float, int]] = []
    for y, number in sorted(ends):
        placed.append((max(y, placed[-1][0] + gap) if placed else y, number))
    over = placed[-1][0] - (box.bottom - 0.6 * gap) if placed else 0
    if over > 0:
        placed = [(y - over, number) for y, number in placed]
    return placed


def _last(series: Series) -> float:
    return [value for value in series.values if not math.isnan(value)][-1]


def _end(series: Series, chart: Chart) -> str:
    known = [value for value in series.values if not math.isnan(value)]
    return f"{series.name} {_told(known[-1], chart)}" if known else ""


# --- Parts ----------------------------------------------------------------------------------------


def _text(
    x: float, y: float, words: str, size: float, anchor: str = "start", *, fill: str = _INK,
    middle: bool = False,
) -> str:  # fmt: skip
    # Where the middle of a line of Chinese type is; browsers differ about dominant-baseline.
    base = y + 0.36 * size if middle else y
    return (
        f'<text x="{x:.1f}" y="{base:.1f}" font-size="{size:.4g}" text-anchor="{anchor}" '
        f'fill="{fill}">{escape(words)}</text>'
    )


def _tip(series: Series, name: str, value: float, chart: Chart) -> str:
    told = _told(value, chart)
    if series.low:
        place = chart.categories.index(name)
        low, high = series.low[place], series.high[place]
        told += "" if math.isnan(low) else f"（{_told(low, chart)}–{_told(high, chart)}）"
    return f"<title>{escape(f'{series.name}，{name}：{told}')}</title>"


def _told(value: float, chart: Chart) -> str:
    if chart.unit == PERCENT:
        return share(value)
    if chart.kind == "ranks":
        return f"第{count(value)}名"
    return count(value) if float(value).is_integer() else f"{value:,.1f}"
