"""抓零、抓大户 as pictures: what is left against how late it is, and who holds most of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from components.figures.template import ACCENT, INK, PALE, RULE, SOFT, Figure, new_figure
from components.formatting import MINUS, amount, share

Side = Literal["right", "left", "top", "bottom"]

_ALERT = "#9c211c"
# Shape first: a fax is black and white.
SYMBOLS = {"both": "star", "zero": "diamond", "large": "square", "": "circle"}
COLOURS = {"both": _ALERT, "zero": "#93400a", "large": ACCENT, "": PALE}
# The plot a label is placed for, in pixels of ordinary type, and the size of a character.
_PLOT = (520.0, 300.0)
_CHARACTER, _LINE = 12.5, 15.0
_LEAST, _MOST = 9.0, 34.0
# Beyond these names are written of those on a list only.
MOST_NAMES = 24
_ROW = 21


@dataclass(frozen=True)
class Spot:
    """A holder in the pictures. Amounts in the target's unit, ``gap`` in fractions.

    ``kind``: "both", "zero", "large" or "". ``recent`` and ``gap`` may be NaN.
    """

    code: str
    name: str
    remaining: float
    gap: float
    recent: float
    part: float
    cumulative: float
    kind: str
    words: str
    chosen: bool = False


def quadrant_figure(spots: Sequence[Spot], unit: str, floor: float, cut: float) -> Figure:
    """Return remaining stock (log) against 完成率 − 序时, bubbles as large as what was done lately.

    Args:
        spots: the holders; those with nothing left or without a gap are left out.
        unit: of the target.
        floor: least remaining for 抓零.
        cut: least remaining among the large; NaN for none.
    """
    figure = new_figure()
    drawn = [spot for spot in spots if spot.remaining > 0 and not math.isnan(spot.gap)]
    low, high = _log_range([spot.remaining for spot in drawn] + ([floor] if floor > 0 else []))
    bottom, top = _gap_range([100 * spot.gap for spot in drawn])
    largest = max((spot.recent for spot in drawn if spot.recent > 0), default=1.0)
    sides = _label_sides(drawn, (low, high), (bottom, top))
    for kind in ("", "large", "zero", "both"):
        own = [place for place, spot in enumerate(drawn) if spot.kind == kind]
        if not own:
            continue
        figure["data"].append(
            {
                "type": "scatter",
                "mode": "markers+text",
                "x": [drawn[place].remaining for place in own],
                "y": [100 * drawn[place].gap for place in own],
                "text": [drawn[place].name if place in sides else "" for place in own],
                "textposition": [_POSITIONS[sides.get(place, "right")] for place in own],
                "textfont": {"size": 12, "color": INK},
                "marker": {
                    "symbol": SYMBOLS[kind],
                    "color": COLOURS[kind],
                    "size": [_size(drawn[place].recent, largest) for place in own],
                    "opacity": 0.85 if kind else 0.6,
                    "line": {
                        "width": [3 if drawn[place].chosen else 1 for place in own],
                        "color": [INK if drawn[place].chosen else "#ffffff" for place in own],
                    },
                },
                "hovertext": [drawn[place].words for place in own],
                "hoverinfo": "text",
                "cliponaxis": False,
            }
        )
    ticks = _log_ticks(low, high)
    points = _gap_ticks(bottom, top)
    shapes = [_line("x", [10**low, 10**high], "y", [0, 0], SOFT, "solid")]
    if floor > 0 and math.log10(floor) > low:
        shapes.append(_line("x", [floor, floor], "y", [bottom, top], PALE, "dot"))
    if not math.isnan(cut):
        shapes.append(_line("x", [cut, cut], "y", [bottom, top], ACCENT, "dash"))
    figure["layout"] |= {
        "margin": {"l": 52, "r": 24, "t": 26, "b": 44},
        "shapes": shapes,
        "xaxis": {
            "type": "log",
            "range": [low, high],
            "tickvals": ticks,
            "ticktext": [amount(tick, "", tick) for tick in ticks],
            "title": {"text": f"剩余存量（{unit}，对数）", "font": {"size": 12, "color": SOFT}},
        },
        "yaxis": {
            "range": [bottom, top],
            "tickvals": points,
            "ticktext": [
                f"{'+' if point > 0 else MINUS if point < 0 else ''}{abs(point):g}"
                for point in points
            ],
        },
    }
    notes = [_note("完成率−序时（百分点）", 0.0, 1.0, "left", "bottom", y_shift=4)]
    notes.append(_note("大而慢 ↘", 1.0, 0.0, "right", "bottom", y_shift=3))
    if bottom < 0:
        notes.append(_note("序时", 1.0, 0.0, "right", "bottom", y_ref="y", y_shift=1) | {"y": 0.0})
    figure["layout"]["annotations"] = notes
    return figure


_POSITIONS: dict[Side, str] = {
    "right": "middle right",
    "left": "middle left",
    "top": "top center",
    "bottom": "bottom center",
}


def _note(
    text: str,
    x: float,
    y: float,
    xanchor: str,
    yanchor: str,
    y_ref: str = "paper",
    y_shift: int = 0,
) -> dict[str, Any]:
    return {
        "text": text, "x": x, "y": y, "xref": "paper", "yref": y_ref, "xanchor": xanchor,
        "yanchor": yanchor, "yshift": y_shift, "showarrow": False,
        "font": {"size": 12, "color": SOFT},
    }  # fmt: skip


def _line(
    x_ref: str, x: list[float], y_ref: str, y: list[float], colour: str, dash: str
) -> dict[str, Any]:
    return {
        "type": "line", "xref": x_ref, "yref": y_ref, "x0": x[0], "x1": x[1], "y0": y[0],
        "y1": y[1], "line": {"color": colour, "width": 1, "dash": dash}, "layer": "below",
    }  # fmt: skip


def _size(recent: float, largest: float) -> float:
    """Return the diameter of a bubble: its area is what was done; nothing keeps the least."""
    if not recent > 0:
        return _LEAST
    return max(_LEAST, _MOST * math.sqrt(recent / largest))


def _log_range(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of the log axis with room for a bubble and a name."""
    known = [math.log10(value) for value in values if value > 0] or [0.0, 1.0]
    low, high = min(known), max(known)
    room = max(high - low, 0.5) * 0.12
    return low - room, high + room * 1.2


def _gap_range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min([*values, 0.0]), max([*values, 0.0])
    room = max(high - low, 4.0) * 0.14
    return low - room, high + room


def _log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2, 5 of every power of ten on the axis; the powers alone where that is many."""
    steps = (1, 2, 5) if high - low < 2.2 else (1, 3) if high - low < 3.5 else (1,)
    powers = range(math.floor(low), math.ceil(high) + 1)
    ticks = [float(step * 10**power) for power in powers for step in steps if power >= 0]
    return [tick for tick in ticks if low <= math.log10(tick) <= high]


def _gap_ticks(bottom: float, top: float) -> list[float]:
    rough = (top - bottom) / 6
    size = 10 ** math.floor(math.log10(rough))
    step = next(part * size for part in (1, 2, 5, 10) if part * size >= rough)
    first = math.ceil(bottom / step)
    return [round(step * each, 10) for each in range(first, math.floor(top / step) + 1)]


def _label_sides(
    spots: Sequence[Spot], x_range: tuple[float, float], y_range: tuple[float, float]
) -> dict[int, Side]:
    """Return where the name of each spot is written; spots whose name has no room are absent."""
    return {place: side for (place, side), _ in label_boxes(spots, x_range, y_range).items()}


def label_boxes(
    spots: Sequence[Spot], x_range: tuple[float, float], y_range: tuple[float, float]
) -> dict[tuple[int, Side], tuple[float, float, float, float]]:
    """Return (place of a spot, side) → left, top, right, bottom of its name in pixels.

    Names must not cover each other nor a bubble: each takes the first free side, the chosen and
    the listed before the others, larger before smaller.
    """
    few = len(spots) <= MOST_NAMES
    order = sorted(
        (place for place, spot in enumerate(spots) if few or spot.kind or spot.chosen),
        key=lambda place: (
            not spots[place].chosen, not spots[place].kind, -spots[place].remaining
        ),
    )  # fmt: skip
    largest = max((spot.recent for spot in spots if spot.recent > 0), default=1.0)

    def at(spot: Spot) -> tuple[float, float]:
        x = (math.log10(spot.remaining) - x_range[0]) / (x_range[1] - x_range[0])
        y = (100 * spot.gap - y_range[0]) / (y_range[1] - y_range[0])
        return x * _PLOT[0], (1 - y) * _PLOT[1]

    taken: list[tuple[float, float, float, float]] = []
    if few:
        for spot in spots:
            (x, y), half = at(spot), _size(spot.recent, largest) / 2 * 0.8
            taken.append((x - half, y - half, x + half, y + half))
    found: dict[tuple[int, Side], tuple[float, float, float, float]] = {}
    for place in order[:MOST_NAMES]:
        spot = spots[place]
        (x, y), half = at(spot), _size(spot.recent, largest) / 2 + 3
        width = _CHARACTER * len(spot.name)
        boxes: dict[Side, tuple[float, float, float, float]] = {
            "right": (x + half, y - _LINE / 2, x + half + width, y + _LINE / 2),
            "left": (x - half - width, y - _LINE / 2, x - half, y + _LINE / 2),
            "top": (x - width / 2, y - half - _LINE, x + width / 2, y - half),
            "bottom": (x - width / 2, y + half, x + width / 2, y + half + _LINE),
        }
        for side, box in boxes.items():
            inside = box[0] >= 0 and box[2] <= _PLOT[0] and box[1] >= 0 and box[3] <= _PLOT[1]
            if inside and not any(_overlap(box, other) for other in taken):
                found[place, side] = box
                taken.append(box)
                break
    return found


def _overlap(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> bool:
    apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    return not apart


def pareto_figure(spots: Sequence[Spot], unit: str, rest: int, rest_share: float) -> Figure:
    """Return what is left as bars, the largest first, with the share they hold together.

    The bars up to the cut are dark.

    Args:
        spots: the largest holders, in order.
        unit: of the target.
        rest: how many more there are.
        rest_share: what these hold of all that is left.
    """
    figure = new_figure()
    names = [spot.name for spot in spots] + ([f"其余{rest}个"] if rest else [])
    total = sum(spot.remaining for spot in spots)
    whole = total / (1 - rest_share) if rest and rest_share < 1 else total
    values = [spot.remaining for spot in spots] + ([whole * rest_share] if rest else [])
    scale = max(values, default=0.0)
    texts = [
        f"{amount(spot.remaining, unit, scale)} · 累计{share(spot.cumulative)}" for spot in spots
    ] + ([amount(values[-1], unit, scale)] if rest else [])
    places = list(range(len(names)))
    figure["data"].append(
        {
            "type": "bar",
            "orientation": "h",
            "x": values,
            "y": places,
            "width": 0.66,
            "marker": {
                "color": [ACCENT if spot.kind in ("large", "both") else "#c3ccd6" for spot in spots]
                + (["#e1e5ea"] if rest else []),
                "line": {
                    "color": [INK if spot.chosen else "#ffffff" for spot in spots] + ["#ffffff"],
                    "width": [2 if spot.chosen else 0 for spot in spots] + [0],
                },
            },
            "hovertext": [spot.words for spot in spots] + ([""] if rest else []),
            "hoverinfo": "text",
        }
    )
    # Texts of their own, not of the bars: those move when paper enlarges them.
    figure["data"].append(
        {
            "type": "scatter",
            "mode": "text",
            "x": values,
            "y": places,
            "text": [f" {text}" for text in texts],
            "textposition": "middle right",
            "textfont": {"size": 12, "color": INK},
            "cliponaxis": False,
            "hoverinfo": "skip",
        }
    )
    large = sum(spot.kind in ("large", "both") for spot in spots)
    shapes = []
    if 0 < large < len(names):
        shapes = [
            {
                "type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": "y",
                "y0": large - 0.5, "y1": large - 0.5,
                "line": {"color": ACCENT, "width": 1.2, "dash": "dash"},
            }
        ]  # fmt: skip
    figure["layout"] |= {
        "margin": {"l": 84, "r": 12, "t": 4, "b": 4},
        "shapes": shapes,
        "bargap": 0.2,
        "xaxis": {
            # Room for the texts at the right of the longest bar.
            "range": [0, scale * 1.85 if scale else 1],
            "showticklabels": False, "showgrid": False, "showline": False, "ticks": "",
        },
        "yaxis": {
            "range": [len(names) - 0.4, -0.6],
            "tickvals": places,
            "ticktext": [_marked(name, spots, place) for place, name in enumerate(names)],
            "showline": False, "ticks": "", "gridcolor": RULE, "showgrid": False,
            "tickfont": {"color": INK, "size": 12},
        },
    }  # fmt: skip
    return figure


def _marked(name: str, spots: Sequence[Spot], place: int) -> str:
    short = name if len(name) <= 6 else f"{name[:5]}…"
    if place < len(spots) and spots[place].chosen:
        return f"<b>{short}</b>"
    return short


def pareto_height(bars: int) -> str:
    """Return the height of the Pareto figure as css length; in rem it grows with the wall."""
    return f"{(bars * _ROW + 10) / 16:.2f}rem"
