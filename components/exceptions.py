"""The list of exceptions: what a leader hears first, at most five lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from dash import dcc, html
from dash.development.base_component import Component

from components.formatting import amount, count, points, share, value_text
from domain.metrics import METRICS
from domain.schedule import STATUS_WORDS, Status
from domain.signals import Signal

MOST = 5
_TONES = {"alert": ("◆", "须处理"), "watch": ("■", "须关注")}


def signal_sentence(signal: Signal, city: str) -> str:
    """Return an exception as a sentence with its figure and what the figure rests on.

    ``city``: what the whole is called.
    """
    place = signal.place or city
    if signal.kind == "rate_fall":
        metric = METRICS[signal.metric]
        return (
            f"{place}{metric.name}下降{points(signal.amount)}，"
            f"现为{value_text(metric, signal.value)}（n={count(signal.n)}）"
        )
    if signal.kind == "overdue":
        stock = f"{place}逾期未办{count(signal.count)}件，占受理的{share(signal.value)}"
        return f"{stock}，明显高于其余"
    if signal.kind == "shrinking":
        return (
            f"{place}有效回访率下降{points(signal.amount)}至{share(signal.value)}，"
            "分母收缩会抬高三率"
        )
    if signal.kind == "excluding":
        return (
            f"{place}剔除率上升{points(signal.amount)}至{share(signal.value)}"
            f"（剔除{count(signal.count)}件）"
        )
    if signal.kind == "topic_rising":
        return f"{place}进度绿、诉求升：近期诉求{count(signal.n)}件，比预期多{share(signal.value)}"
    if signal.kind == "topic_unanswered":
        if signal.metric == "stale":
            return f"{place}进度{count(signal.count)}天未更新"
        return f"{place}{STATUS_WORDS[cast(Status, signal.metric)]}"
    if signal.kind == "topic_overdue" and not signal.count:
        return f"{place}当日到期，尚未完成，慢于序时{points(signal.amount)}"
    if signal.kind == "topic_behind" and signal.metric == "missed":
        return f"{place}未达到目标值"
    if signal.kind == "topic_overdue":
        return f"{place}到期未完成，已逾期{count(signal.count)}天"
    if signal.kind == "topic_behind":
        return f"{place}慢于序时{points(signal.amount)}，按期完成难"
    if signal.kind in ("target_zero", "target_both"):
        word = "双抓" if signal.kind == "target_both" else "抓零"
        left = amount(signal.amount, signal.unit, signal.amount)
        return f"{place}{word}（{signal.metric}）：连续第{count(signal.count)}周，剩余{left}"
    if signal.kind == "promise_broken":
        newest = (
            f"{place}{signal.metric}到期"
            if signal.count == 1
            else (f"最近一项为{place}，{signal.metric}到期")
        )
        return f"{count(signal.count)}项承诺未兑现：{newest}"
    if signal.kind == "promise_due":
        return f"{count(signal.count)}项承诺已到期，待认定或待数据"
    if signal.kind == "stale":
        return f"数据已{count(signal.count)}天未更新，以下各数只到数据截至时为止"
    if signal.kind == "gap":
        return f"本期有{count(signal.count)}天没有一件诉求，疑有漏报"
    return f"{count(signal.count)}件诉求未定位到区，占{share(signal.value)}，只计入{city}"


def exception_list(
    signals: Sequence[Signal],
    hrefs: Sequence[str | None],
    normal_count: int,
    city: str,
    others: str = "",
) -> html.Section:
    """Return the exceptions, most important first, and how many checks found nothing.

    Args:
        signals: in the order of importance; beyond five they are only counted.
        hrefs: one per signal, where it can be looked into; None for no link.
        normal_count: checks that found nothing.
        city: what the whole is called.
        others: what the checks are and found, where not all of them that are no exception are
            normal: "其余14题：9题达序时或更好、5题滞后（未列为例外）".
    """
    lines = [
        _line(signal, href, city) for signal, href in list(zip(signals, hrefs, strict=True))[:MOST]
    ]
    number = f"{count(normal_count)}项" if normal_count else ""
    rest = [others or (number and f"其余{number}正常")]
    if not signals:
        rest = ["没有例外", others or (number and f"{number}检查均正常")]
    elif len(signals) > MOST:
        rest = [f"另有{len(signals) - MOST}项例外未列出", *rest]
    told = "，".join(filter(None, rest))
    if told:
        lines.append(html.Li(["● ", told], className="exception exception-normal"))
    return html.Section(
        [
            html.H2(["例外", html.Span(f" {len(signals)}项")]),
            html.Ol(lines),
        ],
        className="exceptions",
    )


def _line(signal: Signal, href: str | None, city: str) -> html.Li:
    shape, word = _TONES[signal.tone]
    sentence = signal_sentence(signal, city)
    content: Component | str = dcc.Link(sentence, href=href) if href else sentence
    return html.Li(
        [
            html.Span(
                [html.Span(shape, **{"aria-hidden": "true"}), f" {word}"],
                className="exception-tone",
            ),
            html.Span(content, className="exception-words"),
        ],
        className=f"exception exception-{signal.tone}",
    )
