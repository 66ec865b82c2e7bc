"""What is planted in the demo so that the product can be seen to find it.

Dates are fixed, not relative to the cut-off: a later cut-off shows how each story went on.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from data_access.demo.arrays import (
    DAY,
    STREAM_PLANTED,
    Bools,
    Days,
    Floats,
    Ints,
    epoch_seconds,
    generator,
)
from data_access.demo.catalogue import Catalogue

# 群诉: one shop, many callers.
SHOP_STREET = "110102020"
SHOP_NAME = "丽影轩美容美发（示例）"
SHOP_COMMUNITY = "椿华里社区"
SHOP_CATEGORY = "健身美容预付费"
SHOP_DAYS = (dt.date(2021, 3, 3), dt.date(2021, 3, 30))
SHOP_CASES = 66

# One estate's certificates, more every month.
ESTATE_STREET = "110112121"
ESTATE_NAME = "云汐家园"
ESTATE_CATEGORY = "房产证办理"
ESTATE_UNITS = 2_412
ESTATE_CASES = {
    "2020-09": 3,
    "2020-10": 4,
    "2020-11": 6,
    "2020-12": 8,
    "2021-01": 12,
    "2021-02": 15,
    "2021-03": 31,
    "2021-04": 46,
    "2021-05": 52,
    "2021-06": 24,
    "2021-07": 9,
}

# A street that stopped closing: all of these are open and overdue at the default cut-off.
BURST_STREET = "110106004"
BURST_CATEGORY = "下水管道堵塞"
BURST_DAYS = (dt.date(2021, 3, 22), dt.date(2021, 4, 2))
BURST_CLOSED_FROM = dt.date(2021, 5, 20)
BURST_CASES = 140

# A district that shrinks its denominator, and one whose 解决率 falls in one 考核期.
SHRINKING_DISTRICT = "110111"
SHRINKING_FROM = "2021-02-19"
FALLING_DISTRICT = "110114"
FALLING_FROM, FALLING_UNTIL = "2021-02-19", "2021-03-18"
# Log-odds; near 87 % this is about five points.
FALL = -0.40
FALL_LATER = -0.20

# No certificate in the six weeks before the default cut-off, and few before.
ZERO_DISTRICT = "110113"
ZERO_DAYS = (dt.date(2021, 2, 22), dt.date(2021, 4, 25))
ZERO_PACE = 0.3

# Progress ahead of its plan, complaints rising: season "charging" of the category.
RISING_TOPIC = "2021-16"


@dataclass(frozen=True)
class PlantedCases:
    """Cases that are written rather than drawn, in order of time."""

    created: Ints  # seconds
    category: Ints
    street: Ints
    community: Ints
    kind: Ints
    text: Ints  # position in ``texts``
    closed: Ints  # seconds; 0: as drawn for any case of the category
    texts: list[str]

    def count(self, first: dt.date, last: dt.date) -> int:
        """Return how many were created in a range of days, both ends included."""
        moments = (epoch_seconds(dt.datetime.combine(day, dt.time())) for day in (first, last))
        start, end = moments
        return int(((self.created >= start) & (self.created < end + DAY)).sum())


def planted_communities(catalogue: Catalogue) -> dict[str, int]:
    """Return the communities that only planted cases come from → position of their street."""
    return {
        SHOP_COMMUNITY: catalogue.subdistrict(SHOP_STREET),
        ESTATE_NAME: catalogue.subdistrict(ESTATE_STREET),
    }


def make_planted_cases(
    catalogue: Catalogue, communities: list[str], community_first: Ints, seed: int
) -> PlantedCases:
    """Return the planted cases of a seed; ``communities`` and ``community_first`` of its places."""
    random = generator(seed, STREAM_PLANTED)
    texts: list[str] = []
    parts: list[tuple[Ints, int, int, int, Ints, Ints]] = []

    street = catalogue.subdistrict(SHOP_STREET)
    # Most call in the first days after the shop shut.
    days = SHOP_DAYS[0].toordinal() + np.minimum(
        random.exponential(7.5, SHOP_CASES), (SHOP_DAYS[1] - SHOP_DAYS[0]).days
    ).astype(np.int64)
    shop = f"{catalogue.subdistricts[street].name}“{SHOP_NAME}”"
    text = _texts(
        texts,
        [
            f"市民反映{shop}突然停业，会员卡余额无法退还，要求退款。",
            f"市民反映在{shop}办理的会员卡，店铺突然停业，余额无法退还，要求退款。",
            f"来电人反映{shop}突然停业闭店，会员卡余额无法退还，希望协调退款。",
            f"市民投诉{shop}已停业，办理的会员卡余额无法退还，负责人失联，要求退款。",
            f"市民反映{shop}突然停业，会员卡内余额无法退还且电话无人接听，要求退款。",
        ],
        SHOP_CASES,
        random,
    )
    parts.append(
        (
            _times(days, random),
            catalogue.category(SHOP_CATEGORY),
            street,
            communities.index(SHOP_COMMUNITY),
            text,
            np.zeros(SHOP_CASES, dtype=np.int64),
        )
    )

    street = catalogue.subdistrict(ESTATE_STREET)
    place = f"{catalogue.subdistricts[street].name}{ESTATE_NAME}"
    days = np.concatenate(
        [
            dt.date.fromisoformat(f"{month}-01").toordinal()
            # April's are before the default cut-off, so that the growth can be seen there.
            + random.integers(0, 12 if month == "2021-04" else 28, number)
            for month, number in ESTATE_CASES.items()
        ]
    )
    text = _texts(
        texts,
        [
            f"{place}业主反映入住多年仍未办理不动产权证书，开发企业称土地手续未完善，要求明确办证时间。",
            f"市民反映{place}房产证一直无法办理，开发企业多次承诺未兑现，要求明确办证时间。",
            f"市民反映购买的{place}住房至今没有房产证，影响子女入学，希望尽快办理。",
            f"{place}多名业主反映项目工程核验未完成，房产证无法办理，希望相关部门督促。",
        ],
        len(days),
        random,
    )
    parts.append(
        (
            _times(days, random),
            catalogue.category(ESTATE_CATEGORY),
            street,
            communities.index(ESTATE_NAME),
            text,
            np.zeros(len(days), dtype=np.int64),
        )
    )

    street = catalogue.subdistrict(BURST_STREET)
    community = int(community_first[street])
    place = f"{catalogue.subdistricts[street].name}{communities[community]}"
    days = BURST_DAYS[0].toordinal() + random.integers(
        0, (BURST_DAYS[1] - BURST_DAYS[0]).days + 1, BURST_CASES
    )
    text = _texts(
        texts,
        [
            f"市民反映{place}下水管道堵塞污水外溢，报修后一直无人疏通，希望尽快处理。",
            f"居民反映{place}楼前化粪池满溢，异味严重，多次反映未处理。",
            f"市民反映{place}地下排水管道堵塞，一层住户家中返水，要求尽快疏通。",
            f"来电人反映{place}下水不畅，维修人员到场后未解决，要求明确完成时间。",
            f"市民反映{place}污水井冒溢，路面湿滑，希望安排清掏。",
        ],
        BURST_CASES,
        random,
    )
    closing = epoch_seconds(dt.datetime.combine(BURST_CLOSED_FROM, dt.time(9)))
    parts.append(
        (
            _times(days, random),
            catalogue.category(BURST_CATEGORY),
            street,
            community,
            text,
            closing + random.integers(0, 10 * DAY, BURST_CASES),
        )
    )

    created = np.concatenate([part[0] for part in parts])
    order = np.argsort(created, kind="stable")

    def column(position: int) -> Ints:
        values = [np.broadcast_to(np.asarray(part[position]), part[0].shape) for part in parts]
        return np.concatenate(values)[order]

    return PlantedCases(
        created=created[order],
        category=column(1),
        street=column(2),
        community=column(3),
        kind=np.zeros(len(created), dtype=np.int64),
        text=column(4),
        closed=column(5),
        texts=texts,
    )


def resolution_shift(catalogue: Catalogue, district: Ints, days: Days) -> Floats:
    """Return the planted change of the log-odds of being resolved of each case."""
    falling = district == catalogue.district(FALLING_DISTRICT)
    during = (days >= np.datetime64(FALLING_FROM)) & (days <= np.datetime64(FALLING_UNTIL))
    later = days > np.datetime64(FALLING_UNTIL)
    return np.asarray(FALL * (falling & during) + FALL_LATER * (falling & later))


def shrinking(catalogue: Catalogue, district: Ints, days: Days) -> Bools:
    """Return which cases are of the district and time of the shrinking denominator."""
    return np.asarray(
        (district == catalogue.district(SHRINKING_DISTRICT))
        & (days >= np.datetime64(SHRINKING_FROM))
    )


def _texts(texts: list[str], variants: list[str], count: int, random: np.random.Generator) -> Ints:
    first = len(texts)
    texts += variants
    return first + random.integers(0, len(variants), count)


def _times(days: Ints, random: np.random.Generator) -> Ints:
    """Return seconds since 1970 between 08:00 and 20:00 of each day (a proleptic ordinal)."""
    since_1970 = days - dt.date(1970, 1, 1).toordinal()
    return since_1970 * DAY + random.integers(8 * 3_600, 20 * 3_600, len(days))
