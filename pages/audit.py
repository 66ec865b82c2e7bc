"""审计: who signed in, took something along, loaded or changed something, and when."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import dash
from dash import Input, Output, callback, dcc, html
from dash.development.base_component import Component

from components.formatting import count
from components.panel import panel
from components.states import empty_state, forbidden_state, loading
from components.tables import Column, Row, data_table
from data_access.office.audit import (
    ACTION_LABELS,
    AuditFilter,
    accounts_in_audit,
    action_label,
    page_of_lines,
)
from pages._accounts import audit_filter, audit_words
from pages._answers import book, who

PATH = "/audit"
ROWS = 50
_COLUMNS = [
    Column("number", "序号"),
    Column("at", "时间"),
    Column("account", "账号"),
    Column("action", "动作"),
    Column("what", "对象"),
    Column("filters", "筛选", phone=False),
]

dash.register_page(__name__, path=PATH, title="审计 · 接诉即办督办看板", name="审计", order=95)


def layout(**_query: str) -> html.Div:
    """Return the controls and the empty list; it fills itself."""
    return html.Div(
        [
            html.H1("审计记录：只增不改，逐条校验"),
            html.Div(
                [
                    _labelled("账号", dcc.Dropdown([], id="audit-account", placeholder="全部")),
                    _labelled(
                        "动作",
                        dcc.Dropdown(
                            [
                                {"label": words, "value": action}
                                for action, words in ACTION_LABELS.items()
                            ],
                            id="audit-action",
                            placeholder="全部",
                            clearable=True,
                        ),
                    ),
                    _labelled("日期", dcc.Input(id="audit-day", type="text", debounce=True,
                                              placeholder="2021-04-12", maxLength=10)),
                    _labelled("页", dcc.Input(id="audit-page", type="number", min=1, step=1,
                                             value=1, debounce=True)),
                ],
                className="audit-controls",
            ),
            loading(html.Div(id="audit-lines")),
        ],
        className="page page-audit",
    )  # fmt: skip


def _labelled(label: str, control: Component) -> html.Label:
    return html.Label([html.Span(label), control])


@callback(
    Output("audit-lines", "children"),
    Output("audit-account", "options"),
    Input("audit-account", "value"),
    Input("audit-action", "value"),
    Input("audit-day", "value"),
    Input("audit-page", "value"),
)
def show_lines(
    account: object, action: object, day: object, page: object
) -> tuple[Component, list[str]]:
    """Return a page of lines, the newest first, and the accounts to choose from."""
    if not who().may("audit"):
        return forbidden_state(), []
    chosen = audit_filter(account, action, day)
    wanted = page if isinstance(page, int) and 0 < page < 10**6 else 1
    lines, total = page_of_lines(book(), chosen, wanted, ROWS)
    pages = max(1, -(-total // ROWS))
    if wanted > pages:
        wanted = pages
        lines, total = page_of_lines(book(), chosen, wanted, ROWS)
    if not lines:
        return empty_state("请放宽条件", title="没有符合条件的记录"), accounts_in_audit(book())
    rows = [
        Row(
            {
                "number": count(line.number),
                "at": f"{line.at:%Y-%m-%d %H:%M:%S}",
                "account": line.account,
                "action": action_label(line.action),
                "what": line.what,
                "filters": line.filters,
            }
        )
        for line in lines
    ]
    words = f"{audit_words(chosen)} · 共{count(total)}条 · 第{wanted}页，共{pages}页，新的在前"
    shown = panel(
        "记录",
        data_table(_COLUMNS, rows, words, caption_hidden=True),
        note=words,
        actions=[html.A("CSV", href=_export_href(chosen), className="action", download="")],
        wide=True,
    )
    return shown, accounts_in_audit(book())


def _export_href(chosen: AuditFilter) -> str:
    asked: dict[str, Any] = {
        "account": chosen.account,
        "action": chosen.action,
        "day": chosen.day or "",
    }
    return "/audit/export.csv?" + urlencode({key: value for key, value in asked.items() if value})
