"""One short Chinese sentence per case, put together from pieces; no person, number or address."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_access.demo.arrays import Bools, Ints
from data_access.demo.catalogue import KINDS, Catalogue
from data_access.demo.places import Places

# Words in place of a district that the reference does not know, and of a category.
UNKNOWN_PLACES = (
    "河北燕郊",
    "京藏高速沿线",
    "市内多个区",
    "地铁环线车厢内",
    "首都机场航站楼",
    "不详",
    "外埠来京途中",
    "线上平台",
)
UNKNOWN_CATEGORIES = (
    "电子烟销售管理",
    "剧本娱乐场所管理",
    "网约房管理",
    "宠物殡葬服务",
    "无人机飞行管理",
)

_BEFORE_ON_SITE = (
    ("市民反映", "来电人反映", "居民投诉", "市民来电称"),
    ("市民求助，", "居民来电求助，", "市民反映", "来电人请求协调，"),
    ("市民举报", "来电人举报", "群众举报", "市民反映"),
    ("市民建议关注", "居民建议改进", "市民来电建议，", "来电人建议关注"),
    ("市民咨询，", "居民咨询，", "来电人咨询，", "市民来电询问，"),
)
_AFTER_ON_SITE = (
    "",
    "",
    "东门附近",
    "西门附近",
    "南侧",
    "北侧",
    "中心花园旁",
    "地下车库旁",
    "主路旁",
    "路口处",
    "后街",
    "东区",
    "西区",
    "底商旁",
    "活动广场旁",
    "围墙外",
)
_BEFORE_PERSONAL = ("家住", "住在", "居住在", "来自")
_AFTER_PERSONAL = (
    ("的市民反映，", "的居民投诉，", "的来电人反映，", "的市民来电称，"),
    ("的市民求助，", "的居民来电求助，", "的来电人反映，", "的市民请求协调，"),
    ("的市民举报，", "的居民举报，", "的来电人举报，", "的市民反映，"),
    ("的市民建议，", "的居民来电建议，", "的来电人建议，", "的市民反映，"),
    ("的市民咨询，", "的居民咨询，", "的来电人询问，", "的市民来电询问，"),
)
_SINCE = (
    "",
    "",
    "，已持续一周",
    "，已持续近一个月",
    "，多次反映未果",
    "，影响日常生活",
    "，近期更加频繁",
    "，此前曾反映过",
    "，多位邻居有同样情况",
    "，长期没有得到答复",
)
_ASK = (
    ("希望尽快处理", "请相关部门核实", "要求给予答复", "希望明确整改时限", "希望加强监管"),
    (
        "希望帮助协调解决",
        "请相关部门核实",
        "希望尽快解决",
        "希望安排人员上门查看",
        "希望告知办理进度",
    ),
    ("请依法查处", "请执法部门核查", "要求依法处理", "希望严肃处理", "请现场核查"),
    ("希望统筹研究", "希望纳入计划", "建议优化措施", "希望相关部门考虑", "建议完善管理"),
    (
        "想了解处理办法",
        "想了解相关政策",
        "想了解由哪个部门负责",
        "想了解办理流程",
        "想了解何时解决",
    ),
)


@dataclass(frozen=True)
class Wording:
    """The pieces, ready to be taken by number."""

    before: pa.Array  # kind × on site × 4
    places: pa.Array  # one per community, then the unknown places
    after: pa.Array  # 16 for on site, then kind × 4
    clauses: pa.Array  # three per category, then one per unknown category
    endings: pa.Array  # kind × since × ask
    communities: int
    categories: int

    def sentences(
        self,
        random: np.random.Generator,
        *,
        kind: Ints,
        on_site: Ints,
        place: Ints,
        category: Ints,
    ) -> pa.Array:
        """Return a sentence per case.

        ``place`` counts communities and then ``UNKNOWN_PLACES``; ``category`` counts categories
        and then ``UNKNOWN_CATEGORIES``.
        """
        rows = len(kind)
        known = category < self.categories
        four = random.integers(0, 4, rows)
        before = np.where(on_site == 1, kind * 4 + four, len(KINDS) * 4 + four)
        after = np.where(
            on_site == 1,
            random.integers(0, len(_AFTER_ON_SITE), rows),
            len(_AFTER_ON_SITE) + kind * 4 + random.integers(0, 4, rows),
        )
        clause = np.where(
            known,
            category * 3 + random.integers(0, 3, rows),
            self.categories * 3 + category - self.categories,
        )
        ending = kind * (len(_SINCE) * 5) + random.integers(0, len(_SINCE) * 5, rows)
        return pc.binary_join_element_wise(
            self.before.take(pa.array(before)),
            self.places.take(pa.array(place)),
            self.after.take(pa.array(after)),
            self.clauses.take(pa.array(clause)),
            self.endings.take(pa.array(ending)),
            "",
        )


def make_wording(catalogue: Catalogue, places: Places) -> Wording:
    """Return the pieces for the places and categories of a demo."""
    streets = catalogue.subdistricts
    clauses = [clause for row in catalogue.categories for clause in row["clauses"].split("|")]
    if len(clauses) != 3 * len(catalogue.categories):
        raise ValueError("categories.csv: three clauses per category")
    return Wording(
        before=pa.array(
            [word for words in _BEFORE_ON_SITE for word in words] + [*_BEFORE_PERSONAL]
        ),
        places=pa.array(
            [
                streets[street].name + name
                for street, name in zip(places.community_street, places.communities, strict=True)
            ]
            + [*UNKNOWN_PLACES]
        ),
        after=pa.array([*_AFTER_ON_SITE] + [word for words in _AFTER_PERSONAL for word in words]),
        clauses=pa.array(clauses + [f"{name}问题无人负责" for name in UNKNOWN_CATEGORIES]),
        endings=pa.array(
            [
                f"{since}，{ask}。"
                for kind in range(len(KINDS))
                for since in _SINCE
                for ask in _ASK[kind]
            ]
        ),
        communities=len(places.communities),
        categories=len(catalogue.categories),
    )


def with_texts(sentences: pa.Array, texts: list[str], text: Ints, planted: Bools) -> pa.Array:
    """Return the sentences with those of planted cases replaced by their own texts."""
    return pc.replace_with_mask(sentences, pa.array(planted), pa.array(texts).take(pa.array(text)))
