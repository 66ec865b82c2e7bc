"""Numbers, changes and dates as the screen prints them: the only place that writes a percent sign.

Values come in as the domain computes them (rates are fractions 0–1, NaN means 0/0) and leave as
text. Rounding never crosses a bound: 99.96 % is not printed as 100.0 %.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence

from domain.metrics import DIRECTION_WORDS, Change, Metric

NO_VALUE = "—"
MINUS = "−"
PERCENT = "%"
INTERVAL_WORDS = "95 %区间"
RANGE_WORDS = "80 %区间"  # of a forecast
# d3 formats, for axes whose ticks the browser chooses.
DAY_TICKS = "%-m.%-d"
_DIGITS = "〇一二三四五六七八九"
_WEEKDAYS = "一二三四五六日"
_MOST_DECIMALS = 2


def count(number: float) -> str:
    """Return a number of things, exact: "12,345"; "—" for NaN."""
    return NO_VALUE if math.isnan(number) else f"{round(number):,}".replace("-", MINUS)


def count_in_words(number: float, unit: str = "") -> str:
    """Return a number of things for prose, in 万 from 10,000 and 亿 from 100 million: "2.4万套"."""
    if math.isnan(number):
        return NO_VALUE
    if abs(number) < 10_000:
        return count(number) + (f" {unit}" if unit else "")
    myriads = round(number / 10_000, 1)
    large, word = (number / 1e8, "亿") if abs(myriads) >= 10_000 else (myriads, "万")
    return f"{large:,.1f}".removesuffix(".0").replace("-", MINUS) + word + unit


def amount(value: float, unit: str, scale: float) -> str:
    """Return an amount of a target in its unit: "2.4万套", "0.27万套", "558个", "2.14亿元".

    Amounts that are read together have one scale: from 10,000 on they are all told in 万 (of 万元
    in 亿元), with two decimals at most, more only where they keep a value below the scale from
    reading as if it were the scale. What is below 1,000 would keep one digit in 万: it is told as
    counted. Nothing but nothing reads 0: "0.4项".

    Args:
        value: in the target's unit; NaN gives "—".
        unit: the target's unit.
        scale: the size that decides, usually the target's value; NaN takes the value's own.
    """
    if math.isnan(value):
        return NO_VALUE
    size = abs(value) if math.isnan(scale) else abs(scale)
    divisor, large = 1.0, unit
    # Ratios and minutes need the digits that whole flats do not have.
    decimals = 3 if size < 2 else 2 if size < 20 else 1 if unit == PERCENT else 0
    if size >= 10_000 and (not value or abs(value) >= 1_000):
        divisor, decimals = 10_000.0, 2
        large = "亿" + unit.removeprefix("万") if unit.startswith("万") else "万" + unit
    text = _trimmed(value / divisor, decimals)
    while value and text == "0" and decimals < _MOST_DECIMALS:
        decimals += 1
        text = _trimmed(value / divisor, decimals)
    # What is not reached must not read as if it were.
    while decimals < 6 and abs(value) < size and text == _trimmed(scale / divisor, decimals):
        decimals += 1
        text = _trimmed(value / divisor, decimals)
    return text + large


def _trimmed(value: float, decimals: int) -> str:
    """Return a number without closing zeros, its sign a minus; "0" for what rounds to it."""
    text = f"{abs(value):,.{decimals}f}"
    if decimals:
        text = text.rstrip("0").rstrip(".")
    return MINUS + text if value < 0 and text != "0" else text


def share(fraction: float, decimals: int = 1) -> str:
    """Return a fraction as percent: "87.3 %"; "—" for NaN."""
    return NO_VALUE if math.isnan(fraction) else f"{_fixed(100 * fraction, decimals, 100)} %"


def points(amount: float) -> str:
    """Return the size of a change in percentage points, without sign: "0.7个百分点"."""
    return f"{_fixed(abs(amount), 1)}个百分点"


def _fixed(value: float, decimals: int, ceiling: float = math.inf) -> str:
    """Return a number with some decimals; one more where rounding would make it 0 or the ceiling.

    What is still too close then is cut, not rounded: 99.99, <0.01.
    """
    size = abs(value)
    sign = MINUS if value < 0 else ""
    bounds = (0, ceiling)
    while decimals < _MOST_DECIMALS and round(size, decimals) in bounds and size not in bounds:
        decimals += 1
    step = 10**-decimals
    if 0 < size < step / 2:
        return f"{sign}<{step:.{decimals}f}"
    if size < ceiling <= round(size, decimals):
        size = ceiling - step
    text = f"{size:,.{decimals}f}"
    return text if float(text.replace(",", "")) == 0 else sign + text


def value_parts(metric: Metric, value: float, decimals: int = 1) -> tuple[str, str]:
    """Return the number and its unit apart, for large type; ("—", "") for NaN."""
    if math.isnan(value):
        return NO_VALUE, ""
    if metric.kind == "count":
        return count(value), metric.unit
    scale = 100 if metric.kind == "rate" else 1
    ceiling = math.inf if metric.kind == "ratio" else 100
    return _fixed(scale * value, decimals, ceiling), metric.unit


def value_text(metric: Metric, value: float, reason: str = "", decimals: int = 1) -> str:
    """Return a value with its unit: "87.3 %", "90.1 分", "12,345 件"; "—(reason)" for NaN.

    Args:
        metric: the indicator.
        value: as the domain gives it.
        reason: why there is no value; empty means that the denominator is empty.
        decimals: of a rate or score.
    """
    if math.isnan(value):
        return f"{NO_VALUE}（{reason or missing_reason(metric)}）"
    return " ".join(part for part in value_parts(metric, value, decimals) if part)


def missing_reason(metric: Metric) -> str:
    """Return why an indicator has no value: its denominator is empty."""
    return f"无{metric.n_words}"


def joint_decimals(metric: Metric, values: Sequence[float]) -> int:
    """Return the decimals for values read together: two when one would hide a gap between any."""
    if metric.kind == "count":
        return 0
    known = sorted({value for value in values if not math.isnan(value)})
    printed = {value_parts(metric, value, 1)[0] for value in known}
    return 1 if len(printed) == len(known) else _MOST_DECIMALS


def sample_text(metric: Metric, n: float) -> str:
    """Return what a value rests on: "n=1,234 件有效回访"; "" for a count, which is its own n."""
    return "" if metric.kind == "count" else f"n={count(n)} 件{metric.n_words}"


def interval_text(metric: Metric, low: float, high: float, decimals: int = 1) -> str:
    """Return a 95 % interval: "86.9–87.7 %"; "—" for NaN or a count."""
    if metric.kind == "count" or math.isnan(low) or math.isnan(high):
        return NO_VALUE
    lower, upper = (value_parts(metric, bound, decimals)[0] for bound in (low, high))
    return f"{lower}–{upper} {metric.unit}"


def change_text(metric: Metric, change: Change) -> str:
    """Return a change in words: "上升0.7个百分点", "下降3.2 %(日均)", "持平", "不作比较:reason"."""
    word = DIRECTION_WORDS[change.direction]
    if change.direction == "withheld":
        return f"{word}：{change.reason}" if change.reason else word
    if change.direction == "flat":
        return word
    if metric.kind == "count":
        return f"{word}{_fixed(abs(change.amount), 1)} %（日均）"
    if metric.kind == "rate":
        return word + points(change.amount)
    return f"{word}{_fixed(abs(change.amount), 1)}{metric.unit}"


def axis_ticks(
    metric: Metric, axis: tuple[float, float], most: int = 5
) -> tuple[list[float], list[str]]:
    """Return positions and texts of at most so many ticks on an axis, both ends among them."""
    low, high = axis
    scale = 100 if metric.kind == "rate" else 1
    unit = " %" if metric.kind == "rate" else ""
    # The most steps that are whole or half units.
    halves = round(2 * scale * (high - low))
    steps = max(steps for steps in range(1, most) if steps == 1 or halves % steps == 0)
    places = [low + (high - low) * tick / steps for tick in range(steps + 1)]
    return places, [f"{round(scale * place, 1):g}{unit}" for place in places]


def axis_text(metric: Metric, axis: tuple[float, float]) -> str:
    """Return the bounds of an axis, for the head of a column: "80–100 %"."""
    scale = 100 if metric.kind == "rate" else 1
    low, high = (f"{round(scale * bound, 1):g}" for bound in axis)
    return f"{low}–{high} {metric.unit}"


def numeral(number: int) -> str:
    """Return a number below 100 as it stands before a heading: 一, 十二, 二十."""
    tens, ones = divmod(number, 10)
    head = ("" if tens == 1 else _DIGITS[tens]) + "十" if tens else ""
    return head + (_DIGITS[ones] if ones or not tens else "")


def day(date: dt.date) -> str:
    """Return a date: "2025-06-30"."""
    return f"{date:%Y-%m-%d}"


def short_day(date: dt.date) -> str:
    """Return a date within the year: "06-30"."""
    return f"{date:%m-%d}"


def moment(time: dt.datetime) -> str:
    """Return a point of time: "2025-06-30 08:15"."""
    return f"{time:%Y-%m-%d %H:%M}"


def cutoff_text(cutoff: dt.datetime) -> str:
    """Return the data cut-off: "数据截至 2025-06-30 23:59(周一)"."""
    return f"数据截至 {moment(cutoff)}（周{_WEEKDAYS[cutoff.weekday()]}）"


def week_text(start: dt.date, end: dt.date) -> str:
    """Return a week by its days: "6.16–6.22"."""
    return f"{start.month}.{start.day}–{end.month}.{end.day}"
