"""The fields a case may bring, the headers known hotline exports use, and the words of answers."""

from __future__ import annotations

from dataclasses import dataclass

from domain.outcomes import (
    BASICALLY_SATISFIED,
    DISSATISFIED,
    NOT_RATED,
    RESOLVED_NO,
    RESOLVED_PARTLY,
    RESOLVED_YES,
    SATISFIED,
)

from .privacy import normal_header

YES, NO = 1, 0
# What a status says: codes of the choice field ``status``.
STATUS_OPEN, STATUS_CLOSED, STATUS_ON_TIME, STATUS_LATE = 0, 1, 2, 3


@dataclass(frozen=True)
class Field:
    """One field. ``kind``: text, time (a moment), date (a day) or choice (one of a few words)."""

    name: str
    label: str
    kind: str
    headers: str  # known headers, separated by blanks
    parts: bool = False  # may come from several columns (date + time, title + body)


FIELDS: tuple[Field, ...] = (
    Field(
        "case_id",
        "工单编号",
        "text",
        "工单编号 工单号 工单id 诉求编号 诉求单号 受理编号 受理单号 案件编号 任务编号 任务号"
        " 事件编号 留言编号 编号",
    ),
    Field(
        "created_at",
        "受理时间",
        "time",
        "受理时间 受理日期 来电时间 来电日期 创建时间 创建日期 诉求时间 诉求日期 登记时间 登记日期"
        " 上报时间 留言时间 留言日期 工单创建时间",
        parts=True,
    ),
    Field(
        "dispatched_at",
        "派单时间",
        "time",
        "派单时间 派单日期 派发时间 交办时间 转办时间 派遣时间",
        parts=True,
    ),
    Field(
        "responded_at",
        "响应时间",
        "time",
        "响应时间 首次响应时间 首次联系时间 联系时间",
        parts=True,
    ),
    Field(
        "due_at",
        "办理时限",
        "time",
        "办理时限 办理期限 办理截止时间 截止时间 截止日期 办结时限 办结期限 应办结时间 到期时间"
        " 限办时间 要求办结时间 处置时限",
        parts=True,
    ),
    Field(
        "closed_at",
        "办结时间",
        "time",
        "办结时间 办结日期 结案时间 结案日期 实际办结时间 完成时间",
        parts=True,
    ),
    Field("status", "办理状态", "choice", "办理状态 工单状态 处理状态 办结状态 结办状态 状态"),
    Field(
        "on_time",
        "是否按时办结",
        "choice",
        "是否按时办结 是否按期办结 按时办结 按期办结 是否按时 是否逾期 是否超期 是否超时",
    ),
    Field(
        "district",
        "区",
        "text",
        "区 所属区 区县 所属区县 行政区 所属行政区 所属区域 被诉区 诉求区 考核区 区名称",
    ),
    Field(
        "subdistrict",
        "街道乡镇",
        "text",
        "街道 街乡镇 所属街道 所属街乡镇 街道乡镇 街道(乡镇) 乡镇街道 所属街道乡镇 所属街镇 街镇"
        " 街道名称",
    ),
    Field("community", "社区、点位", "text", "社区 社区村 社区(村) 所属社区 点位 小区", parts=True),
    Field(
        "category",
        "问题分类",
        "text",
        "问题分类 诉求分类 问题类型 事项分类 诉求类别 问题类别 分类",
    ),
    Field("category1", "一级分类", "text", "一级分类 一级类别 问题一级分类 一级问题分类 大类"),
    Field("category2", "二级分类", "text", "二级分类 二级类别 问题二级分类 二级问题分类"),
    Field("category3", "三级分类", "text", "三级分类 三级类别 问题三级分类 三级问题分类"),
    Field("topic", "每月一题", "text", "每月一题 所属专题 专题 专题名称"),
    Field("kind", "诉求性质", "text", "诉求性质 诉求类型 工单类型 问题性质 工单性质 性质"),
    Field(
        "channel",
        "诉求渠道",
        "text",
        "诉求渠道 诉求来源 受理渠道 问题来源 工单来源 来电渠道 来源渠道 渠道 来源",
    ),
    Field(
        "unit",
        "承办单位",
        "text",
        "承办单位 主办单位 办理单位 责任单位 处理单位 承办部门 处置部门 主责单位 主办部门",
    ),
    Field("direct_dispatch", "是否直派", "choice", "是否直派 直派 是否直接派单"),
    Field("valid_revisit", "有效回访", "choice", "是否有效回访 有效回访 回访结果 回访状态"),
    Field("contacted", "是否联系", "choice", "是否联系 是否响应 联系情况 响应情况"),
    Field("resolved", "是否解决", "choice", "是否解决 解决情况 问题是否解决"),
    Field("satisfaction", "满意度", "choice", "是否满意 满意度 满意情况 满意度评价 满意程度"),
    Field("excluded", "是否剔除", "choice", "是否剔除 剔除"),
    Field("shelved_until", "挂账至", "date", "挂账至 挂账期限 挂账截止日期 挂账到期 挂账到期日期"),
    Field("repeat_of", "重复诉求原单", "text", "重复工单编号 原工单编号 重复诉求原单 关联工单编号"),
    Field(
        "summary",
        "诉求内容",
        "text",
        "诉求内容 诉求描述 内容摘要 内容 摘要 问题描述 主要内容 工单内容 标题 诉求标题 工单标题"
        " 留言主题 留言详情",
        parts=True,
    ),
)
FIELD_BY_NAME = {field.name: field for field in FIELDS}
REQUIRED = ("case_id", "created_at")

FIELD_BY_HEADER: dict[str, Field] = {
    normal_header(header): field
    for field in FIELDS
    for header in (field.name, *field.headers.split())
}
# Headers whose 是 means what the field calls 否.
OPPOSITE_HEADERS = frozenset({"是否逾期", "是否超期", "是否超时"})

_YES_NO = {"是": YES, "否": NO}
# The words a mapping may name for each choice.
CHOICES: dict[str, dict[str, int]] = {
    "status": {
        "办理中": STATUS_OPEN,
        "已办结": STATUS_CLOSED,
        "按时办结": STATUS_ON_TIME,
        "逾期办结": STATUS_LATE,
    },
    "on_time": _YES_NO,
    "direct_dispatch": _YES_NO,
    "valid_revisit": _YES_NO,
    "contacted": _YES_NO,
    "resolved": {"解决": RESOLVED_YES, "未解决": RESOLVED_NO, "部分解决": RESOLVED_PARTLY},
    "satisfaction": {
        "满意": SATISFIED,
        "基本满意": BASICALLY_SATISFIED,
        "不满意": DISSATISFIED,
        "未评价": NOT_RATED,
    },
    "excluded": _YES_NO,
}

_YES_WORDS = "是 y yes true t 1 有 √"
_NO_WORDS = "否 n no false f 0 不 ×"
_KNOWN_WORDS: dict[str, dict[str, str]] = {
    "status": {
        "办理中": "办理中 在办 未办结 处理中 待办 待处理 待派单 已派单 处置中 逾期未办结 待回访",
        "已办结": "已办结 办结 已结案 结案 已完成 完成 已归档 归档 已办理 已处理",
        "按时办结": "按时办结 按期办结 正常办结 intime",
        "逾期办结": "逾期办结 超期办结 超时办结 overtime",
    },
    "on_time": {
        "是": f"{_YES_WORDS} 按时 按期 按时办结 按期办结 intime",
        "否": f"{_NO_WORDS} 逾期 超期 超时 逾期办结 超期办结 超时办结 overtime",
    },
    "direct_dispatch": {"是": f"{_YES_WORDS} 直派", "否": f"{_NO_WORDS} 非直派"},
    "valid_revisit": {
        "是": f"{_YES_WORDS} 有效 有效回访 回访成功 成功",
        "否": f"{_NO_WORDS} 无效 无效回访 回访失败 失败 未接通 无法接通 无人接听 拒答 拒绝 拒访"
        " 无法回访 空号 停机 关机",
        "": "未回访 待回访",
    },
    "contacted": {"是": f"{_YES_WORDS} 已联系 联系 已响应", "否": f"{_NO_WORDS} 未联系 未响应"},
    "resolved": {
        "解决": f"{_YES_WORDS} 解决 已解决 完全解决",
        "未解决": f"{_NO_WORDS} 未解决 没有解决",
        "部分解决": "部分 部分解决 2",
    },
    "satisfaction": {
        "满意": "满意 非常满意 很满意 是 y yes true 1",
        "基本满意": "基本满意 较满意 比较满意 2",
        "不满意": "不满意 很不满意 非常不满意 否 n no false 0",
        "未评价": "未评价 未表态 拒绝评价 不评价 3",
    },
    "excluded": {"是": f"{_YES_WORDS} 剔除 已剔除", "否": f"{_NO_WORDS} 未剔除 不剔除"},
}


def known_words(field: str, opposite: bool = False) -> dict[str, int | None]:
    """Return their word (lower case) → our code for a choice; None means no answer.

    ``opposite`` reads 是 as 否, for a column such as 是否逾期.
    """
    codes: dict[str, int | None] = {}
    for ours, words in _KNOWN_WORDS[field].items():
        for word in words.split():
            code = CHOICES[field].get(ours)
            codes[word] = 1 - code if opposite and code is not None else code
    if opposite:
        # Words that name the outcome mean the same under any header.
        codes |= dict.fromkeys(("逾期", "超期", "超时", "overtime"), NO)
        codes |= dict.fromkeys(("按时", "按期", "intime"), YES)
    return codes
