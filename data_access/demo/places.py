"""Where cases come from, and how well each place does: volumes, communities, lasting effects."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from data_access.demo.arrays import STREAM_PLACES, Floats, Ints, cumulative, generator
from data_access.demo.catalogue import Catalogue
from data_access.demo.planted import FALLING_DISTRICT, SHRINKING_DISTRICT
from data_access.demo.rhythm import CASES_2020

CENTRAL_ZONES = ("核心区", "中心城区")
CENTRAL_SHARE = 0.60
MEDIAN_A_MONTH = 400.0
# Cases per head against the average (invented); the central six are scaled to their 60 % after.
_PER_HEAD = {
    "110101": 1.35,
    "110102": 1.30,
    "110105": 1.15,
    "110106": 1.05,
    "110107": 1.00,
    "110108": 0.90,
    "110109": 0.95,
    "110111": 0.95,
    "110112": 1.20,
    "110113": 0.85,
    "110114": 0.95,
    "110115": 0.85,
    "110116": 0.90,
    "110117": 0.80,
    "110118": 0.85,
    "110119": 0.80,
}
# An assessed unit that counts no people of its own gets this share of the cases.
_SHARE_WITHOUT_PEOPLE = 0.016
_KIND_LEVEL = {"街道": 0.25, "地区": 0.45, "镇": 0.0, "乡": -0.7}

# 万套 without a certificate by district (invented; the sum is the published 57万套).
CERTIFICATE_STOCK = {
    "110101": 9_800,
    "110102": 12_600,
    "110105": 81_500,
    "110106": 88_400,
    "110107": 14_300,
    "110108": 52_700,
    "110109": 11_200,
    "110111": 47_900,
    "110112": 96_300,
    "110113": 28_600,
    "110114": 55_400,
    "110115": 41_800,
    "110116": 7_100,
    "110117": 5_600,
    "110118": 6_900,
    "110119": 3_300,
    "BDA": 6_600,
}

# Invented; most are of the kind that many cities have.
_FIRST_WORDS = (
    "永安 和顺 安和 福佑 瑞景 明德 清和 永兴 长安 新安 同心 玉河 惠民 康宁 宏福 松榆 柳芳 育新 "
    "望春 晨光 翠林 金桥 广泰 嘉和 景泰 兴华 红莲 花园 建设 团结 胜利 光明 前进 富强 吉祥 如意 "
    "春晖 文慧 学院 向阳 东风 西苑 南湖 北辰 槐柏 枣林 杏园 桃园 芳草 丽景 星河 云岭 云川 远山 "
    "双桥 三里 五福 九龙 百合 千禧"
)
_FIRST = _FIRST_WORDS.split()
_TOWN = ("里社区", "北里社区", "南里社区", "东区社区", "西区社区", "苑社区", "家园社区")
_VILLAGE = ("村", "庄村", "营村", "店村", "家园社区", "新村")


@dataclass(frozen=True)
class Places:
    """Streets in the order of the reference, and what hangs on them."""

    districts: int
    district: Ints  # position of the district of each street
    monthly: Floats  # expected cases a month at true scale in 2020
    district_by_category: Floats  # cumulative, for ``draw``: one row per category
    street_by_district: Floats  # cumulative, for ``draw``: one row per district
    joint: Floats  # streets × categories: share of a category's cases in a street
    community_first: Ints  # position of a street's first community
    community_count: Ints
    communities: list[str]
    community_street: list[int]
    # Log-odds of being resolved: lasting, plus a slow wave of its own for each place.
    district_effect: Floats
    street_effect: Floats
    street_wave: Floats  # columns: amplitude, months of a round, phase
    satisfaction_effect: Floats  # by street, beside its share of the resolution effect
    response: Floats  # by district: share contacted
    basic: Floats  # by district: share of 基本满意
    excluded: Floats  # by district: 剔除
    valid: Floats  # by district: valid revisits
    late: Floats  # by district: share closed late

    def resolution_effect(self, month: int) -> Floats:
        """Return each street's log-odds in a month (year × 12 + month − 1)."""
        amplitude, length, phase = self.street_wave.T
        wave = amplitude * np.sin(2 * np.pi * (month / length + phase))
        return np.asarray(self.district_effect[self.district] + self.street_effect + wave)


def make_places(catalogue: Catalogue, seed: int, extra_communities: dict[str, int]) -> Places:
    """Return the places of a seed.

    ``extra_communities`` (name → position of its street) belong to planted groups: they have no
    cases but those.
    """
    random = generator(seed, STREAM_PLACES)
    districts = catalogue.districts
    codes = [place.code for place in districts]
    district = np.array([codes.index(place.district) for place in catalogue.subdistricts])
    shares = _district_shares(catalogue)
    in_district = _street_shares(catalogue, district, shares, random)
    monthly = in_district * shares[district] * CASES_2020 / 12

    by_category = _district_by_category(catalogue, shares, random)
    by_district = np.zeros((len(districts), len(district)))
    by_district[district, np.arange(len(district))] = in_district
    joint = by_category[:, district].T * in_district[:, None]

    count = 5 + random.integers(0, 8, len(district))
    names, streets = _communities(catalogue, count, random)
    names += list(extra_communities)
    streets += list(extra_communities.values())

    street_effect = np.clip(0.21 * random.normal(size=len(district)), -0.48, 0.48)
    # What the streets of a district have in common is the district's effect alone.
    street_effect -= np.bincount(district, in_district * street_effect)[district]
    normal = NormalDist()
    n, m = len(districts), len(district)
    spread = np.array([normal.inv_cdf((i + 0.5) / n) for i in range(n)])
    return Places(
        districts=n,
        district=district,
        monthly=monthly,
        district_by_category=cumulative(by_category),
        street_by_district=cumulative(by_district),
        joint=joint,
        community_first=np.cumsum(count) - count,
        community_count=count,
        communities=names,
        community_street=streets,
        district_effect=0.17 * _with_planted(catalogue, random.permutation(spread)),
        street_effect=street_effect,
        street_wave=np.column_stack(
            [0.10 * random.random(m), 8 + 8 * random.random(m), random.random(m)]
        ),
        satisfaction_effect=0.07 * random.permutation(spread)[district]
        + 0.08 * random.normal(size=m),
        response=0.991 + 0.0035 * random.permutation(spread),
        basic=0.045 + 0.006 * random.permutation(spread),
        excluded=0.040 + 0.0045 * random.permutation(spread),
        valid=0.565 + 0.008 * random.permutation(spread),
        late=0.045 * np.exp(0.2 * random.permutation(spread)),
    )


def _with_planted(catalogue: Catalogue, effects: Floats) -> Floats:
    """Return the effects with an average one for the district that falls, a low one for the other.

    The planted stories are then the same whatever the seed.
    """
    ordered = np.sort(effects)
    for code, wanted in ((FALLING_DISTRICT, len(effects) // 2), (SHRINKING_DISTRICT, 4)):
        here, there = catalogue.district(code), int(np.flatnonzero(effects == ordered[wanted])[0])
        effects[[here, there]] = effects[[there, here]]
    return effects


def _district_shares(catalogue: Catalogue) -> Floats:
    """Return each district's share of all cases; the central six have ``CENTRAL_SHARE``."""
    people = np.array([float(place.row["population"] or 0) for place in catalogue.districts])
    without = np.array([bool(place.row["counted_in"]) for place in catalogue.districts])
    central = np.array([place.row["zone"] in CENTRAL_ZONES for place in catalogue.districts])
    weight = people * np.array([_PER_HEAD.get(place.code, 1.0) for place in catalogue.districts])
    shares = np.zeros(len(people))
    shares[central] = weight[central] / weight[central].sum() * CENTRAL_SHARE
    shares[without] = _SHARE_WITHOUT_PEOPLE
    others = ~central & ~without
    left = 1 - CENTRAL_SHARE - shares[without].sum()
    shares[others] = weight[others] / weight[others].sum() * left
    return shares


def _street_shares(
    catalogue: Catalogue, district: Ints, shares: Floats, random: np.random.Generator
) -> Floats:
    """Return each street's share of its district: log-normal, the city's median as published."""
    kind = np.array([_KIND_LEVEL.get(place.row["kind"], 0.0) for place in catalogue.subdistricts])
    normal = random.normal(size=len(district))

    def of_district(sigma: float) -> Floats:
        weight = np.exp(kind + sigma * np.clip(normal, -2.4, 2.4))
        return np.asarray(weight / np.bincount(district, weight)[district])

    low, high = 0.05, 2.0
    for _ in range(30):
        sigma = (low + high) / 2
        median = np.median(of_district(sigma) * shares[district]) * CASES_2020 / 12
        low, high = (sigma, high) if median > MEDIAN_A_MONTH else (low, sigma)
    return of_district((low + high) / 2)


def _district_by_category(
    catalogue: Catalogue, shares: Floats, random: np.random.Generator
) -> Floats:
    """Return categories × districts: shares of each category; districts keep their totals."""
    weight = shares * np.exp(0.18 * random.normal(size=(len(catalogue.categories), len(shares))))
    stock = np.array([CERTIFICATE_STOCK.get(place.code, 0) for place in catalogue.districts])
    weight[catalogue.category("房产证办理")] = np.maximum(stock, 1_000)
    rural = [row["level1"] == "农村农业" for row in catalogue.categories]
    central = [place.row["zone"] in CENTRAL_ZONES for place in catalogue.districts]
    weight[np.ix_(rural, central)] *= 0.08
    for _ in range(20):
        weight /= weight.sum(axis=1, keepdims=True)
        weight *= shares / (catalogue.volume @ weight)
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def _communities(
    catalogue: Catalogue, count: Ints, random: np.random.Generator
) -> tuple[list[str], list[int]]:
    """Return the invented names, no name twice in a street, and the street of each."""
    names: list[str] = []
    streets: list[int] = []
    for street, place in enumerate(catalogue.subdistricts):
        endings = _VILLAGE if place.row["kind"] in ("镇", "乡") else _TOWN
        first = random.permutation(len(_FIRST))[: count[street]]
        last = random.integers(0, len(endings), count[street])
        names += [_FIRST[a] + endings[b] for a, b in zip(first, last, strict=True)]
        streets += [street] * int(count[street])
    return names, streets
