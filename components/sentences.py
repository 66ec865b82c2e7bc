"""Sentences that say what a figure shows, composed by rule from the same values."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from components.formatting import change_text, missing_reason, value_text, week_text
from domain.comparison import Measured
from domain.metrics import METRICS, Metric


def answer_sentence(place: str, measured: Measured, compare_word: str) -> str:
    """Return the title of a page: place, indicator, value, change against the comparison.

    Args:
        place: the chosen places, or the name of the whole.
        measured: the chosen indicator there.
        compare_word: 环比, 同比, or anything else for no comparison.
    """
    metric = measured.metric
    if math.isnan(measured.value):
        return f"{place}{missing_reason(metric)}，{metric.name}不可算"
    sentence = f"{place}{metric.name} {value_text(metric, measured.value)}"
    change = measured.changes.get(compare_word)
    if change is None:
        return sentence
    words = change_text(metric, change)
    if change.direction == "flat":
        words = f"{words}（正常波动）"
    return f"{sentence}，{compare_word}{words}"


def places_sentence(metric: Metric, rows: pd.DataFrame, place_word: str) -> str:
    """Return which places stand out: ``rows`` has ``name``, ``value`` and ``standing``."""
    if metric.kind == "count":
        largest = rows.sort_values("value", ascending=False).head(3)
        return f"{metric.name}最多的是{'、'.join(largest['name'])}。"
    if rows["value"].isna().all():
        return f"各{place_word}{missing_reason(metric)}，{metric.name}不可算。"
    parts = []
    for standing, word, ascending in (("below", "明显低于", True), ("above", "明显高于", False)):
        chosen = rows[rows["standing"] == standing].sort_values("value", ascending=ascending)
        if len(chosen):
            listed = "、".join(chosen["name"].head(4)) + ("等" if len(chosen) > 4 else "")
            parts.append(f"{listed}{len(chosen)}个{place_word}{word}其余")
    level = int((rows["standing"] == "level").sum())
    if level:
        parts.append(
            f"{level}个持平（差别在波动之内）" if parts else f"{level}个{place_word}彼此持平"
        )
    for standing, word in (("insufficient", "样本不足"), ("immature", "尚未成熟，不作比较")):
        apart = int((rows["standing"] == standing).sum())
        if apart:
            parts.append(f"{apart}个{word}")
    return "；".join(parts) + "。"


def trend_sentence(weekly: Mapping[str, pd.DataFrame]) -> str:
    """Return the newest mature week of each indicator and where the unfinished tail begins.

    Args:
        weekly: key of an indicator → one row per week, as ``domain.comparison`` gives it.
    """
    parts = []
    tail = 0
    week = ""
    for key, frame in weekly.items():
        ripe = frame[frame["mature"] & frame["value"].notna()]
        tail = max(tail, len(frame) - 1 - (ripe.index[-1] if len(ripe) else -1))
        if len(ripe):
            last = ripe.iloc[-1]
            week = week_text(last["week_start"], last["week_end"])
            parts.append(f"{METRICS[key].name} {value_text(METRICS[key], float(last['value']))}")
    if not parts:
        return "各周均未成熟，暂不评价。"
    unfinished = f"；其后{tail}周尚未成熟，不作比较" if tail else ""
    return f"最近成熟的一周（{week}）{'、'.join(parts)}{unfinished}。"
