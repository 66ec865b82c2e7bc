"""The tile map: every district an equal tile in its geographic place.

Shape and word say how a district stands, colour comes last; inside the noise band a tile is
neutral. Without known places (another city) the same tiles flow in an ordinary grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from dash import dcc, html

from components.formatting import (
    INTERVAL_WORDS,
    count,
    joint_decimals,
    missing_reason,
    value_parts,
)
from components.sparkline import sparkline
from components.tables import records
from domain.metrics import Metric, Standing

MARKS: dict[Standing, tuple[str, str]] = {
    "above": ("▲", "高于"),
    "level": ("●", "持平"),
    "below": ("▼", "低于"),
    "insufficient": ("□", "样本不足"),
    "immature": ("□", "未成熟"),
    "neutral": ("", ""),
}


def standing_tone(metric: Metric, standing: Standing) -> str:
    """Return how a standing is coloured: "good", "bad", or "" for what is not a difference."""
    if standing not in ("above", "below") or metric.better == "neutral":
        return ""
    wanted = "above" if metric.better == "higher" else "below"
    return "good" if standing == wanted else "bad"


def standing_mark(metric: Metric, standing: Standing) -> html.Span:
    """Return shape and word of a standing, for tiles and tables."""
    shape, word = MARKS[standing]
    tone = standing_tone(metric, standing)
    return html.Span(
        [html.Span(shape, **{"aria-hidden": "true"}), f" {word}"] if word else "",
        className=f"standing standing-{standing} {f'is-{tone}' if tone else ''}".strip(),
    )


def tile_map(rows: pd.DataFrame, metric: Metric, against: str = "与其余各区合并相比") -> html.Div:
    """Return the districts as a grid of links, with a legend that counts the standings.

    Args:
        rows: one row per district: ``name`` (str), ``value``, ``n`` (float), ``standing``
            (Standing), ``href`` (str), optionally ``spark`` (weeks as ``sparkline`` takes them,
            or None), ``flag`` (str: a sign and what it warns of, or ""), and ``tile_row`` and
            ``tile_column`` (int or NA; a district without them goes below).
        metric: the indicator shown.
        against: what the standing compares with, for the legend.
    """
    places = _places(rows)
    decimals = joint_decimals(metric, list(rows["value"]))
    tiles = [
        _tile(row, metric, decimals, place)
        for row, place in zip(records(rows), places, strict=True)
    ]
    columns = max((column for place in places if place for column in [place[1]]), default=0)
    legend, corner = _legend(rows, metric, against), _free_corner(places, columns)
    if corner:
        legend.style = {"gridRow": "1 / span 2", "gridColumn": str(corner)}
    return html.Div(
        [
            *([] if corner else [html.Ul([legend], className="tile-legend-row")]),
            html.Ul(
                [*([legend] if corner else []), *tiles],
                className="tiles" if columns else "tiles tiles-flow",
                style={"--tile-columns": str(columns)} if columns else None,
            ),
        ],
        className="tile-map",
    )


def _places(rows: pd.DataFrame) -> list[tuple[int, int] | None]:
    """Return row and column of each tile from 1; all None when no tile has a place."""
    if "tile_row" not in rows:
        return [None] * len(rows)
    return in_frame(
        [
            None if pd.isna(row) or pd.isna(column) else (int(row), int(column))
            for row, column in zip(rows["tile_row"], rows["tile_column"], strict=True)
        ]
    )


def in_frame(places: Sequence[tuple[int, int] | None]) -> list[tuple[int, int] | None]:
    """Return the places from 1; tiles without one fill the rows below; all None without any."""
    known = [place for place in places if place]
    if not known:
        return [None] * len(places)
    top, left = min(row for row, _ in known), min(column for _, column in known)
    bottom = max(row for row, _ in known) - top + 1
    columns = max(column for _, column in known) - left + 1
    framed: list[tuple[int, int] | None] = []
    extra = 0
    for place in places:
        if place:
            framed.append((place[0] - top + 1, place[1] - left + 1))
        else:
            framed.append((bottom + 1 + extra // columns, extra % columns + 1))
            extra += 1
    return framed


def _free_corner(places: Sequence[tuple[int, int] | None], columns: int) -> int:
    """Return an outer column free in the two upper rows, where the legend fits; 0 for none."""
    taken = {place for place in places if place}
    for column in (columns, 1):
        if columns > 2 and not taken & {(1, column), (2, column)}:
            return column
    return 0


def _tile(
    row: Mapping[str, Any], metric: Metric, decimals: int, place: tuple[int, int] | None
) -> html.Li:
    number, unit = value_parts(metric, float(row["value"]), decimals)
    standing: Standing = row["standing"]
    tone = standing_tone(metric, standing)
    spark = row.get("spark")
    missing = pd.isna(row["value"])
    # The course of a handful of answers is noise.
    drawn = spark is not None and len(spark["value"]) > 0 and standing != "insufficient"
    beside = missing_reason(metric) if missing else unit
    n_text = "" if missing or metric.kind == "count" else f"n {count(row['n'])}"
    return html.Li(
        dcc.Link(
            [
                html.Span(
                    [
                        html.Span([row["name"], *_flag(row)], className="tile-name"),
                        standing_mark(metric, standing),
                    ],
                    className="tile-head",
                ),
                html.Span(
                    [number, html.Span(f" {beside}", className="tile-unit")],
                    className="tile-value",
                ),
                html.Span(
                    [
                        *(
                            [sparkline(spark, metric, width=60, height=18, fit="xMinYMax")]
                            if drawn
                            else []
                        ),
                        html.Span(n_text, className="tile-n"),
                    ],
                    className="tile-foot",
                ),
            ],
            href=row["href"],
            className="tile-link",
        ),
        className=f"tile tile-{standing} {f'is-{tone}' if tone else ''}".strip(),
        style={"gridRow": str(place[0]), "gridColumn": str(place[1])} if place else None,
    )


def _flag(row: Mapping[str, Any]) -> list[html.Abbr]:
    words = row.get("flag", "")
    return [html.Abbr(words[0], title=words[1:])] if isinstance(words, str) and words else []


def _legend(rows: pd.DataFrame, metric: Metric, against: str) -> html.Li:
    if metric.kind == "count":
        return html.Li(
            [html.P(metric.name), html.P("数量多少不作高低判断")], className="tile-legend"
        )
    standings = rows["standing"].value_counts()
    lines = [
        html.P(
            [standing_mark(metric, standing), html.Span(f"{standings.get(standing, 0)}个")],
            className="tile-legend-line",
        )
        for standing in ("above", "level", "below", "insufficient", "immature")
        if standing != "immature" or standings.get(standing)
    ]
    flags = [html.P(words) for words in sorted(set(rows.get("flag", ()))) if words]
    return html.Li(
        [html.P(f"{against}（{INTERVAL_WORDS}）"), *lines, *flags],
        className="tile-legend",
    )
