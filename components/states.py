"""What stands where a figure cannot: empty, failed, too small, loading, nothing published yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from components.formatting import count
from domain.metrics import Metric


def _state(kind: str, title: str, words: Sequence[Any], role: str = "status") -> html.Div:
    return html.Div(
        [html.P(title, className="state-title"), *words], className=f"state state-{kind}", role=role
    )


def empty_state(
    hint: str = "请放宽时段或筛选条件",
    clear_href: str | None = None,
    title: str = "没有符合条件的诉求",
) -> html.Div:
    """Return what stands for an empty answer, with the way out.

    Args:
        hint: what the user can do.
        clear_href: the same page without filters; None for no link.
        title: what is empty.
    """
    words: list[Any] = [html.P(hint)]
    if clear_href:
        words.append(html.P(dcc.Link("清除全部筛选", href=clear_href)))
    return _state("empty", title, words)


def error_state(reference: str, title: str = "这一部分没有算出来") -> html.Div:
    """Return what stands for a failure: nothing is shown rather than something wrong."""
    return _state(
        "error",
        title,
        [
            html.P("其余部分不受影响。请稍后重试；仍不行时，把下面的编号告诉管理员。"),
            html.P(["编号 ", html.Code(reference)]),
        ],
        role="alert",
    )


def insufficient_state(metric: Metric, n: float, minimum: int) -> html.Div:
    """Return what stands for a sample too small to speak of: 数据不足 is an answer."""
    return _state(
        "insufficient",
        "□ 数据不足",
        [html.P(f"{metric.n_words}{count(n)}件，少于最小样本{count(minimum)}件，不作判断。")],
    )


def loading_skeleton(height: str = "12rem") -> html.Div:
    """Return grey bars in the place of what is loading; unseen for the first half second."""
    return html.Div(
        [html.Span(className="skeleton-bar") for _ in range(4)]
        + [html.Span("正在载入", className="visually-hidden")],
        className="skeleton",
        style={"minHeight": height},
        role="status",
    )


def loading(children: Any, height: str = "12rem") -> dcc.Loading:
    """Return content that is replaced by the skeleton when it takes long to come.

    Fast updates show nothing: the old content stays, dimmed, until the new one is there.
    """
    return dcc.Loading(
        children,
        custom_spinner=loading_skeleton(height),
        delay_show=500,
        overlay_style={"visibility": "visible", "opacity": 0.5},
    )


def first_start_state() -> html.Div:
    """Return what stands before any data has been published, with the commands that publish."""
    return _state(
        "first",
        "还没有发布数据",
        [
            html.P("请由管理员在服务器上运行下列命令之一，完成后刷新本页。"),
            html.Dl(
                [
                    html.Div([html.Dt("生成演示数据"), html.Dd(html.Code("flask data demo"))]),
                    html.Div([html.Dt("导入工单文件"), html.Dd(html.Code("flask data load 文件"))]),
                ]
            ),
        ],
    )


def notice(
    problems: Sequence[str], title: str = "链接中有条件未采用，下列数据不含这些条件"
) -> Component | None:
    """Return a banner that names what could not be used; None when all was used."""
    if not problems:
        return None
    return html.Div(
        [html.Strong(title), html.Ul([html.Li(problem) for problem in problems])],
        className="notice",
        role="alert",
    )


def forbidden_state(hint: str = "不在本账号的范围内。需要查看时，请联系管理员。") -> html.Div:
    """Return what stands for what the reader may not see; it tells nothing of what there is."""
    return _state("forbidden", "无权查看", [html.P(hint)])
