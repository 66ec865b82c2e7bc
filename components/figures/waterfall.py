"""From the value of the whole to the value of a place: one bar per part of the gap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.figures.template import ACCENT, INK, PALE, SOFT, Figure, new_figure
from components.figures.trend import scatter
from components.formatting import MINUS

# A part that lowers the value is filled, one that raises it is hollow: a fax keeps them apart.
_DOWN, _UP = "#9a4a12", "#ffffff"
_ROW = 1.75  # rem
_LETTER = 14  # pixels
_SPACE = "\u2002"  # the browser drops ordinary spaces at the ends


@dataclass(frozen=True)
class Step:
    """One part: what it is called, how much it moves the value, the same as text, the details."""

    label: str
    amount: float
    text: str
    details: str = ""
    rest: bool = False  # all that has no bar of its own


@dataclass(frozen=True)
class End:
    """Where the bars begin or end: the whole, the place."""

    label: str
    value: float
    text: str


def hundredths(amounts: Sequence[float], total: int | None = None) -> list[int]:
    """Return amounts in hundredths that add up to their sum in hundredths, each within one.

    Rounded one by one they would not: the largest remainders are rounded up. ``total``: what they
    add up to instead, where the ends are printed rounded and their difference is not the sum's.
    """
    exact = 100 * np.asarray(amounts, dtype="float64")
    if not len(exact):
        return []
    whole = np.floor(exact + 1e-9)
    wanted = round(float(exact.sum())) if total is None else total
    each, left = divmod(wanted - int(whole.sum()), len(exact))
    whole += each
    order = np.argsort(-(exact - whole), kind="stable")
    whole[order[:left]] += 1
    return [int(each) for each in whole]


def signed(number: int) -> str:
    """Return hundredths with their sign: "+0.12", "−0.30", "0.00"."""
    sign = "+" if number > 0 else MINUS if number < 0 else ""
    return f"{sign}{abs(number) / 100:.2f}"


def waterfall_figure(start: End, steps: Sequence[Step], end: End) -> Figure:
    """Return the parts below each other, each from where the one before it ended.

    The axis begins near the values, not at zero, and has no figures: lengths are what counts, and
    every bar carries its own. Scatter and bar only; values are in the unit of the indicator.
    """
    figure = new_figure()
    running = start.value + np.concatenate([[0.0], np.cumsum([step.amount for step in steps])])
    rows = range(1, len(steps) + 1)
    last = len(steps) + 1
    # From the end of each part down to the next one: the eye follows one line.
    x: list[float | None] = []
    y: list[float | None] = []
    for row, value in enumerate(running):
        x += [float(value), float(value), None]
        y += [row, row + 1, None]
    figure["data"].append(scatter(
        x=x, y=y, mode="lines", line={"color": PALE, "width": 1}, hoverinfo="skip",
    ))  # fmt: skip
    figure["data"].append(scatter(
        x=[start.value, start.value], y=[0, last], mode="lines", hoverinfo="skip",
        line={"color": SOFT, "width": 1.2, "dash": "dash"},
    ))  # fmt: skip
    figure["data"].append({
        "type": "bar", "orientation": "h", "y": list(rows), "width": 0.62,
        "base": [float(each) for each in running[:-1]],
        "x": [step.amount for step in steps],
        "marker": {
            "color": [_DOWN if step.amount < 0 else _UP for step in steps],
            "line": {
                "color": [_DOWN if step.amount < 0 else ACCENT for step in steps], "width": 1.6,
            },
            "pattern": {
                "shape": ["/" if step.rest else "" for step in steps],
                "fgcolor": ["#ffffff" if step.amount < 0 else ACCENT for step in steps],
                "bgcolor": [_DOWN if step.amount < 0 else _UP for step in steps],
                "size": 6, "solidity": 0.25,
            },
        },
        "hovertext": [f"{step.label} {step.text}<br>{step.details}" for step in steps],
        "hoverinfo": "text",
    })  # fmt: skip
    # Beside the end to which the value moves, where nothing else stands.
    figure["data"].append(scatter(
        x=[float(each) for each in running[1:]], y=list(rows), mode="text",
        text=[f"{_SPACE}{step.text}{_SPACE}" for step in steps],
        textposition=["middle left" if step.amount < 0 else "middle right" for step in steps],
        textfont={"color": INK}, hoverinfo="skip", cliponaxis=False,
    ))  # fmt: skip
    figure["data"].append(scatter(
        x=[start.value, end.value], y=[0, last], mode="markers", cliponaxis=False,
        marker={"size": 10, "color": [SOFT, ACCENT], "symbol": ["diamond", "circle"]},
        hovertext=[f"{each.label} {each.text}" for each in (start, end)], hoverinfo="text",
    ))  # fmt: skip
    labels = [
        f"<b>{start.label} {start.text}</b>",
        *(step.label for step in steps),
        f"<b>{end.label} {end.text}</b>",
    ]
    # Room for the larger type of the wall; Plotly measures the labels before the style sheet does.
    left = 12 + _LETTER * max(_letters(label) for label in labels)
    low, high = float(running.min()), float(running.max())
    room = 0.3 * ((high - low) or 1.0)
    figure["layout"].update({
        "margin": {"l": left, "r": 8, "t": 6, "b": 6, "pad": 4},
        "bargap": 0.3,
        "xaxis": {
            "range": [low - room, high + room], "showticklabels": False, "ticks": "",
            "showline": False, "showgrid": False,
        },
        "yaxis": {
            "range": [last + 0.6, -0.6], "tickmode": "array", "tickvals": [0, *rows, last],
            "ticktext": labels,
            "ticks": "", "showline": False, "showgrid": False,
            "tickfont": {"color": INK},
        },
    })  # fmt: skip
    return figure


def _letters(label: str) -> float:
    """Return about how wide a label is, in Chinese letters."""
    text = label.removeprefix("<b>").removesuffix("</b>")
    return sum(1.0 if ord(letter) > 0x2E7F else 0.55 for letter in text)


def waterfall_height(steps: int) -> str:
    """Return the height of the figure as a css length."""
    return f"{math.ceil(_ROW * (steps + 2) + 1)}rem"
