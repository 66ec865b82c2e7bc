"""The versioned rule set (口径版本): every weight, threshold and limit that policy may change.

A rule set is data (table ``rules``, one row per version and rule); the defaults below are what a
new line of versions starts with. They follow a Beijing district's published practice of 2025 and
are editable policy, never "official".
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class RuleError(ValueError):
    """A rule set that cannot be used; the message says which rule and why, in Chinese."""


@dataclass(frozen=True)
class Rule:
    """What one rule means, for the definitions page."""

    name: str
    label: str
    unit: str
    low: float
    high: float
    note: str


# Order is the order on the definitions page.
RULES: tuple[Rule, ...] = (
    Rule("weight_response", "综合成绩权重：响应率", "", 0, 1, "三项权重之和须为 1"),
    Rule("weight_resolution", "综合成绩权重：解决率", "", 0, 1, "三项权重之和须为 1"),
    Rule("weight_satisfaction", "综合成绩权重：满意率", "", 0, 1, "三项权重之和须为 1"),
    Rule("basic_satisfied_credit", "基本满意折算", "", 0, 1, "满意率分子 = 满意 + 折算×基本满意"),
    Rule("partly_resolved_credit", "部分解决折算", "", 0, 1, "解决率分子 = 解决 + 折算×部分解决"),
    Rule("period_first_day", "考核期起始日", "日", 1, 28, "自上月该日至本月该日前一天；1 即自然月"),
    Rule("minimum_revisits", "最小样本", "件", 1, 10_000, "有效回访少于此数，不参与排名与比较"),
    Rule("mature_share", "成熟度门槛", "", 0, 1, "成熟诉求占比低于此值的时段，不作比较"),
    Rule("revisit_window_days", "回访窗口", "天", 0, 90, "办理时限过后经此天数，视为成熟"),
    Rule("default_limit_days", "默认办理时限", "天", 1, 365, "未给出期限的诉求，成熟度按此推算"),
    Rule("stale_hours", "数据陈旧门槛", "小时", 1, 8_760, "数据截至距今超过此时长，列为例外"),
    Rule("false_discovery_rate", "例外误报率", "", 0.0001, 0.2, "同一批检验的错误发现率上限"),
    Rule("smallest_rate_drop", "率的最小降幅", "个百分点", 0, 20, "降幅小于此值不列例外"),
    Rule("smallest_revisit_drop", "有效回访率最小降幅", "个百分点", 0, 50, "低于此值不算分母收缩"),
    Rule("overdue_floor", "逾期起报数", "件", 1, 100_000, "逾期少于此数的区不单列例外"),
    Rule("volume_dispersion", "诉求量离散系数", "", 1, 100, "诉求量波动按泊松方差的倍数估计"),
    Rule("behind_points", "滞后容差", "个百分点", 0, 20, "完成率低于序时超过此值为滞后"),
    Rule("ahead_points", "超前门槛", "个百分点", 0, 50, "完成率高于序时达到此值为超前"),
    Rule("memory_weeks", "滞后记忆期", "周", 0, 26, "滞后追平后经此周数才转为达序时"),
    Rule("stale_progress_days", "进度久未更新门槛", "天", 1, 366, "最近一次进度距今超过此天数"),
    Rule("forecast_points", "预测最少期数", "期", 3, 52, "进度少于此期数不作预测"),
    Rule("launch_weeks", "启动期", "周", 0, 26, "启动后此周数内为启动阶段，其后为攻坚"),
    Rule("minimum_tasks", "任务最小样本", "项", 1, 100, "到期任务少于此数不算按时完成率"),
    Rule("rise_weeks", "诉求升的观察期", "周", 2, 13, "最近此周数的诉求量与预期相比"),
    Rule("smallest_rise", "诉求升的最小升幅", "", 0, 2, "高于预期不到此比例不算上升"),
    Rule("zero_weeks", "抓零：观察周数", "周", 1, 26, "近此周数没有进展，列入抓零"),
    Rule("zero_schedule_share", "抓零：完成率与序时之比", "", 0, 1, "完成率不到序时的此比例即列入"),
    Rule("zero_floor_share", "抓零：剩余下限", "", 0, 1, "剩余少于平均存量的此比例，不列入抓零"),
    Rule("large_share", "抓大户：占剩余存量", "", 0.1, 1, "剩余最多的若干个，合计达到此比例"),
    Rule("faster_share", "抓大户：试算提速", "", 0, 5, "测算大户提速此比例的效果"),
    Rule("plan_stretch", "清零方案：能力上限", "倍", 0.1, 10, "区的办理能力按历史最快周速的此倍数"),
    Rule("rank_error", "名次区间误差", "", 0.001, 0.5, "名次区间不含真实名次的概率上限"),
    Rule("list_size", "四类名单长度", "个", 1, 100, "先进、进步、整改、治理每类的个数"),
    Rule("volume_bands", "街道乡镇分档数", "档", 1, 10, "按诉求量分档，同档比较"),
    Rule("smallest_exclusion_jump", "剔除率最小升幅", "个百分点", 0, 50, "升幅小于此值不列异常"),
    Rule("long_open_days", "久拖不决", "天", 1, 3_650, "受理超过此天数仍未办结"),
    Rule("return_days", "办结后又诉", "天", 1, 365, "原工单办结后此天数内就同一事项再次反映"),
    Rule("group_cases", "群诉件数", "件", 2, 10_000, "同一社区、同一分类一个自然月内达到此数"),
    Rule("export_rows", "台账导出上限", "件", 1, 1_000_000, "一次导出至多此数，文件写明共有多少"),
    Rule("reject_share", "导入拒收上限", "", 0, 1, "拒收或任一发现的占比超过此值，导入须人工确认"),
)
_RULE_BY_NAME = {rule.name: rule for rule in RULES}


@dataclass(frozen=True)
class Rules:
    """One rule set. Shares and weights are fractions 0–1; drops are in percentage points."""

    version: str = "默认-2025"
    effective_on: dt.date = dt.date(1900, 1, 1)
    weight_response: float = 0.1
    weight_resolution: float = 0.5
    weight_satisfaction: float = 0.4
    basic_satisfied_credit: float = 0.9
    partly_resolved_credit: float = 0.0
    period_first_day: int = 19
    minimum_revisits: int = 30
    mature_share: float = 0.9
    revisit_window_days: int = 7
    default_limit_days: int = 15
    stale_hours: int = 36
    false_discovery_rate: float = 0.01
    smallest_rate_drop: float = 1.0
    smallest_revisit_drop: float = 5.0
    overdue_floor: int = 30
    volume_dispersion: float = 10.0
    behind_points: float = 0.5
    ahead_points: float = 5.0
    memory_weeks: int = 4
    stale_progress_days: int = 35
    forecast_points: int = 8
    launch_weeks: int = 4
    minimum_tasks: int = 5
    rise_weeks: int = 4
    smallest_rise: float = 0.2
    zero_weeks: int = 4
    zero_schedule_share: float = 0.5
    zero_floor_share: float = 0.05
    large_share: float = 0.6
    faster_share: float = 0.1
    plan_stretch: float = 1.5
    rank_error: float = 0.05
    list_size: int = 10
    volume_bands: int = 3
    smallest_exclusion_jump: float = 1.0
    long_open_days: int = 60
    return_days: int = 30
    group_cases: int = 50
    export_rows: int = 50_000
    reject_share: float = 0.05

    def __post_init__(self) -> None:
        for rule in RULES:
            value = getattr(self, rule.name)
            if not rule.low <= value <= rule.high:
                raise RuleError(
                    f"规则“{rule.label}”（{rule.name}）= {value} 超出 {rule.low:g}–{rule.high:g}"
                )
        weights = self.weight_response + self.weight_resolution + self.weight_satisfaction
        if abs(weights - 1) > 1e-9:
            raise RuleError(f"三项权重之和为 {weights:g}，须为 1")

    def values(self) -> dict[str, float | int]:
        """Return rule name → value, in the order of ``RULES``."""
        return {rule.name: getattr(self, rule.name) for rule in RULES}


def rules_from_rows(rows: Iterable[Mapping[str, Any]]) -> tuple[Rules, ...]:
    """Return the rule sets of table ``rules``, oldest first; the default set when there is none.

    A row has ``version`` (str), ``effective_on`` (date), ``name`` (str) and ``value`` (JSON text).
    A rule that a version does not name keeps the default.

    Raises:
        RuleError: an unknown rule, an unreadable value, or one out of bounds.
    """
    versions: dict[str, dict[str, Any]] = {}
    for row in rows:
        chosen = versions.setdefault(row["version"], {"effective_on": row["effective_on"]})
        if chosen["effective_on"] != row["effective_on"]:
            raise RuleError(f"规则版本“{row['version']}”有两个生效日期")
        rule = _RULE_BY_NAME.get(row["name"])
        if rule is None:
            raise RuleError(f"没有名为“{row['name']}”的规则")
        try:
            value = float(json.loads(row["value"]))
        except (ValueError, TypeError):
            raise RuleError(f"规则“{rule.name}”的值“{row['value']}”不是数字") from None
        default = next(f for f in dataclasses.fields(Rules) if f.name == rule.name).default
        if isinstance(default, int):
            if value != int(value):
                raise RuleError(f"规则“{rule.name}”须为整数，现为 {value:g}")
            value = int(value)
        chosen[rule.name] = value
    sets = [Rules(version=version, **values) for version, values in versions.items()]
    return tuple(sorted(sets, key=lambda rules: rules.effective_on)) or (Rules(),)


def least_group(rule_sets: Sequence[Rules]) -> int:
    """Return from how many cases on they are a group (群诉) by any of some rule sets."""
    return min(rules.group_cases for rules in rule_sets)


def rules_in_force(rule_sets: tuple[Rules, ...], on: dt.date) -> Rules:
    """Return the rule set in force on a day: the newest in effect by then, else the first."""
    in_force = [rules for rules in rule_sets if rules.effective_on <= on]
    return in_force[-1] if in_force else rule_sets[0]
