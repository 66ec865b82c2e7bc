"""Definitions (口径), rule versions and the account of the loads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from dash import html
from dash.development.base_component import Component

from components.formatting import NO_VALUE, count, day, moment, share
from components.tables import Column, Row, data_table
from domain.metrics import Better, Metric
from domain.rules import RULES, Rule, Rules

_BETTER: dict[Better, str] = {"higher": "越高越好", "lower": "越低越好", "neutral": "不论高低"}


def _times(weight: float) -> str:
    return f"{weight:g}"


def formula(metric: Metric, rules: Rules) -> str:
    """Return how an indicator is computed, in words, with the credits and weights in force."""
    if metric.key == "composite":
        return (
            f"100 ×（{_times(rules.weight_response)} × 响应率 + "
            f"{_times(rules.weight_resolution)} × 解决率 + "
            f"{_times(rules.weight_satisfaction)} × 满意率）"
        )
    if metric.kind == "count":
        return metric.numerator
    numerator = metric.numerator
    if metric.key == "satisfaction":
        numerator = f"（满意 + {_times(rules.basic_satisfied_credit)} × 基本满意）"
    if metric.key == "resolution" and rules.partly_resolved_credit:
        numerator = f"（解决 + {_times(rules.partly_resolved_credit)} × 部分解决）"
    return f"{numerator} ÷ {metric.denominator}"


def definition_card(metric: Metric, rules: Rules) -> html.Article:
    """Return everything that defines an indicator; its id is the indicator's key."""
    smallest = (
        f"{metric.n_words}少于{rules.minimum_revisits}件的，不参与排名与比较"
        if metric.kind != "count"
        else "不适用"
    )
    pairs = [
        ("算法", formula(metric, rules)),
        ("分子", metric.numerator),
        ("分母", metric.denominator),
        ("单位", metric.unit),
        ("样本量 n", metric.n_words if metric.kind != "count" else "即诉求量本身"),
        ("最小样本", smallest),
        ("归期", "按诉求创建时间"),
        (
            "成熟度",
            f"成熟诉求不足{share(rules.mature_share, 0)}的时段不作比较"
            if metric.needs_maturity
            else "不受回访进度影响",
        ),
        ("口径", "考核口径不含剔除件；全口径含剔除件"),
        ("方向", _BETTER[metric.better]),
        ("说明", metric.note),
        ("口径版本", rules.version),
    ]
    return html.Article(
        [
            html.H3(metric.name),
            html.Dl(
                [
                    html.Div([html.Dt(term), html.Dd(words)])
                    for term, words in pairs
                    if words and words != "—"
                ]
            ),
        ],
        id=metric.key,
        className="definition-card",
    )


def _rule_value(rule: Rule, value: float) -> str:
    return f"{value:,g}{f' {rule.unit}' if rule.unit else ''}"


def rule_table(rule_sets: Sequence[Rules], in_force: Rules) -> html.Div:
    """Return every rule with its value in each version, newest first."""
    newest_first = sorted(rule_sets, key=lambda rules: rules.effective_on, reverse=True)
    columns = [Column("label", "规则")]
    columns += [
        Column(
            f"version-{place}",
            rules.version + (" · 现行" if rules.version == in_force.version else ""),
            "end",
            note="自始" if rules.effective_on.year == 1900 else f"{day(rules.effective_on)}起",
        )
        for place, rules in enumerate(newest_first)
    ]
    columns += [Column("range", "可设范围", "end", phone=False), Column("note", "说明")]
    rows = []
    for rule in RULES:
        cells: dict[str, Any] = {
            "label": rule.label,
            "range": f"{rule.low:,g}–{rule.high:,g}",
            "note": rule.note,
        }
        values = [rules.values()[rule.name] for rules in newest_first]
        for place, value in enumerate(values):
            text = _rule_value(rule, value)
            before = values[place + 1] if place + 1 < len(values) else value
            cells[f"version-{place}"] = text if value == before else html.Strong(text)
        rows.append(Row(cells))
    return data_table(columns, rows, "规则与各口径版本的取值，加粗为该版本的改动")


def load_table(loads: pd.DataFrame, table_names: Mapping[str, str]) -> html.Div:
    """Return the history of loads, newest first, each with its account.

    Args:
        loads: one row per loaded file: ``version``, ``table_name``, ``source``, ``loaded_at``,
            ``rows_read``, ``rows_kept``, ``rows_merged``, ``rows_rejected``, ``sha256``,
            ``account`` (JSON text, see ``account_list``).
        table_names: table → its name on screen.
    """
    columns = [
        Column("loaded_at", "导入时间"),
        Column("version", "数据版本", "end"),
        Column("table", "表"),
        Column("source", "来源文件"),
        Column("rows_read", "读取", "end", "行"),
        Column("rows_kept", "采用", "end", "行"),
        Column("rows_merged", "合并", "end", "行"),
        Column("rows_rejected", "拒收", "end", "行"),
        Column("account", "说明", phone=False),
        Column("sha256", "校验和", note="SHA-256 前12位", phone=False),
    ]
    ordered = loads.sort_values(["loaded_at", "version"], ascending=False)
    rows = [
        Row(
            {
                "loaded_at": moment(load["loaded_at"]),
                "version": count(load["version"]),
                "table": table_names.get(load["table_name"], load["table_name"]),
                "source": load["source"],
                **{
                    name: count(load[name])
                    for name in ("rows_read", "rows_kept", "rows_merged", "rows_rejected")
                },
                "account": account_list(load["account"]),
                "sha256": html.Code(str(load["sha256"])[:12]),
            }
        )
        for load in ordered.to_dict("records")
    ]
    return data_table(columns, rows, "导入记录，新的在前", empty="没有导入记录")


def account_list(account: str) -> Component | str:
    """Return the account of a load as lines; "—" for one that has nothing to tell.

    Args:
        account: JSON text: word → count, text, list of texts, or an object of these.
    """
    try:
        parts = json.loads(account)
    except ValueError:
        return account
    if not isinstance(parts, Mapping):
        return account
    if parts.get("invented"):
        return f"演示数据，全部虚构（种子{parts.get('seed', NO_VALUE)}）"
    lines = [line for word, part in parts.items() for line in _lines(word, part)]
    return html.Ul([html.Li(line) for line in lines], className="account") if lines else NO_VALUE


def _lines(word: str, part: Any) -> list[Component | str]:
    """Return the lines of one word of an account; examples of a kind open on demand."""
    if not part:
        return []
    if isinstance(part, Mapping):
        lines: list[Component | str] = []
        for kind, inner in part.items():
            if isinstance(inner, list) and inner:
                examples = [html.Div(str(each)) for each in inner]
                lines.append(html.Details([html.Summary(f"{word}：{kind}"), *examples]))
            else:
                lines += _lines(f"{word}：{kind}", inner)
        return lines
    if isinstance(part, list):
        return [f"{word}：{'、'.join(str(each) for each in part)}"]
    return [f"{word}，{count(part)}行" if isinstance(part, int) else f"{word}：{part}"]
