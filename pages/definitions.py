"""口径与数据: what every figure means, by which rules, from which data."""

from __future__ import annotations

import dash
from dash import Input, Output, callback, html

from components.definitions import definition_card, load_table, rule_table
from components.page_strip import strip
from components.panel import panel
from components.states import loading
from data_access import schema
from data_access.loads import loads
from data_access.question import Question
from domain.metrics import METRICS
from domain.rules import rules_in_force
from pages._answers import answers

PATH = "/definitions"
dash.register_page(
    __name__, path=PATH, title="口径与数据 · 接诉即办督办看板", name="口径与数据", order=90
)


def layout(**_query: str) -> html.Div:
    """Return the empty page; its panel fills itself."""
    return html.Div(loading(html.Div(id="definitions"), "30rem"), className="page page-definitions")


@callback(Output("definitions", "children"), Input("question", "data"))
@answers
def show_definitions(question: Question) -> html.Div:
    """Return definition cards, rule versions and the account of every load."""
    snapshot = question.snapshot
    in_force = rules_in_force(snapshot.rule_sets, snapshot.cutoff.date())
    history = loads(snapshot)
    table_names = {name: table.comment or name for name, table in schema.metadata.tables.items()}
    title = f"{len(METRICS)}项指标按口径版本“{in_force.version}”计算，数据来自{len(history)}次导入"
    return html.Div(
        [
            strip(
                title,
                f"数据自 {snapshot.first_day} 起" if snapshot.first_day else "",
                snapshot.cutoff,
                in_force.version,
                snapshot.key,
                snapshot.is_demo,
                link=PATH + question.canonical,
            ),
            panel(
                "指标口径",
                html.Div(
                    [definition_card(metric, in_force) for metric in METRICS.values()],
                    className="definition-cards",
                ),
                note="各页、各图、各导出文件的同一指标都按这里的算法计算",
                wide=True,
            ),
            panel(
                "规则与口径版本",
                rule_table(snapshot.rule_sets, in_force),
                note="规则是可修订的数据，自生效日起用于其后的时段",
                wide=True,
            ),
            panel(
                "导入记录与数据质量",
                load_table(history, table_names),
                note="读取 = 采用 + 合并 + 拒收；发现逐条列明",
                wide=True,
            ),
        ]
    )
