"""Ranks that say how sure they are: bands, tiers, lists and funnel, against loops and simulation.

The figures that docs/definitions.md states come from ``same_quality``, ``different_quality`` and
``two_periods`` below.
"""

import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from domain.metrics import METRICS, estimate, total
from domain.outcomes import COUNT_COLUMNS
from domain.ranking import (
    LIST_NAMES,
    Listed,
    RankChange,
    four_lists,
    funnel_limits,
    last_by_value,
    leagues,
    overdispersion,
    rank_changes,
    ranking,
    standings_together,
    unranked_words,
    volume_bands,
)
from domain.rules import Rules

RULES = Rules()
RESOLUTION, COMPOSITE, VOLUME = METRICS["resolution"], METRICS["composite"], METRICS["volume"]
STREETS = 343


def counts_of(*rows):
    """Return mature counts; a unit is (revisits, resolved) or a dictionary."""
    full = []
    for row in rows:
        if not isinstance(row, dict):
            n, resolved = row
            # Contacted and satisfied go with resolved, so that the composite is 100 × its rate.
            row = {"cases": n, "revisits": n, "resolved": resolved, "contacted": resolved}
            row |= {"satisfied": resolved, "contacted_resolved": resolved}
            row |= {"contacted_satisfied": resolved, "resolved_satisfied": resolved}
        full.append(dict.fromkeys(COUNT_COLUMNS, 0) | {"mature": row.get("cases", 0)} | row)
    return pd.DataFrame(full, columns=list(COUNT_COLUMNS))


# --- Simulated cities ---------------------------------------------------------------------------

# Answers of a case: contacted, resolved, satisfaction (0 no, 1 satisfied, 2 basically).
ANSWERS = [(c, r, s) for c in (0, 1) for r in (0, 1) for s in (0, 1, 2)]


def answers_of(contacted, resolved, if_resolved, if_not):
    """Return the probability of each of ANSWERS."""
    return np.array(
        [
            (contacted if c else 1 - contacted)
            * (resolved if r else 1 - resolved)
            * (if_resolved if r else if_not)[s]
            for c, r, s in ANSWERS
        ]
    )


GOOD = answers_of(0.98, 0.92, (0.03, 0.85, 0.12), (0.60, 0.25, 0.15))
BAD = answers_of(0.90, 0.65, (0.15, 0.65, 0.20), (0.80, 0.10, 0.10))


def counted(answers):
    """Return what one case with each of ANSWERS adds to every count."""
    rows = []
    for contacted, resolved, satisfaction in ANSWERS:
        said = {
            "contacted": contacted,
            "resolved": resolved,
            "satisfied": int(satisfaction == 1),
            "basically_satisfied": int(satisfaction == 2),
        }
        row = dict.fromkeys(COUNT_COLUMNS, 0) | said
        row |= {"cases": 1, "mature": 1, "revisits": 1}
        for first in said:
            for second in said:
                if f"{first}_{second}" in row:
                    row[f"{first}_{second}"] = said[first] * said[second]
        rows.append([row[name] for name in COUNT_COLUMNS])
    return pd.DataFrame(answers @ np.array(rows), columns=list(COUNT_COLUMNS))


def volumes(random, units=STREETS, median=220):
    return np.maximum(np.round(median * np.exp(random.normal(0, 0.9, units))), 1).astype(int)


def city(seed, spread=0.0, units=STREETS, median=220):
    """Return counts of a city and its true counts per million cases; spread 0: all the same."""
    random = np.random.default_rng(seed)
    worse = np.clip(0.4 + spread * random.normal(size=(units, 1)), 0, 1)
    chances = (1 - worse) * GOOD + worse * BAD
    n = volumes(random, units, median)
    return counted(random.multinomial(n, chances)), counted(1e6 * chances)


def share_of_small(places, n):
    """Return the share of some units that belong to the smallest quarter."""
    small = n[n <= n.quantile(0.25)].index
    return float(np.mean([unit in small for unit in places]))


def same_quality(runs, key="composite"):
    """Return what the docs state of streets that differ by nothing but chance."""
    naive, shown, told = [], [], 0
    for seed in range(runs):
        ranked = ranking(city(seed)[0], METRICS[key], RULES).ranked
        by_value = ranked.sort_values("value").index
        naive.append(share_of_small([*by_value[:10], *by_value[-10:]], ranked["n"]))
        shown.append(share_of_small([*ranked.index[:10], *ranked.index[-10:]], ranked["n"]))
        told += bool((ranked["tier"] != "level").any())
    small = {"small by value": naive, "small as shown": shown}
    return {name: round(float(np.mean(each)), 3) for name, each in small.items()} | {
        "told": told / runs
    }


def different_quality(runs, spread, key="composite", units=STREETS, median=220):
    """Return what the docs state of streets that do differ: bands, tiers, the first ten."""
    sums = dict.fromkeys(("held", "width", "told", "wrong", "top by value", "top as shown"), 0.0)
    for seed in range(runs):
        counts, truth = city(seed, spread, units, median)
        ranked = ranking(counts, METRICS[key], RULES).ranked
        true = estimate(truth, METRICS[key], RULES)["value"][ranked.index]
        true_rank = stats.rankdata(-np.round(true, 9), method="min")
        common = (true * ranked["n"]).sum() / ranked["n"].sum()
        best = set(true.sort_values().index[-(len(true) // 10) :])
        by_value = ranked.sort_values("value", ascending=False).index
        told = ranked["tier"] != "level"
        wrong = told & ((ranked["tier"] == "above") != (true > common))
        held = (ranked["band_low"] <= true_rank) & (true_rank <= ranked["band_high"])
        sums["held"] += held.mean()
        sums["width"] += (ranked["band_high"] - ranked["band_low"] + 1).mean()
        sums["told"] += told.sum()
        sums["wrong"] += wrong.sum()
        sums["top by value"] += np.mean([unit in best for unit in by_value[:10]])
        sums["top as shown"] += np.mean([unit in best for unit in ranked.index[:10]])
    return {name: round(float(value) / runs, 3) for name, value in sums.items()}


def two_periods(runs, spread):
    """Return how many changes of rank are told where nothing changed, and who rises by value."""
    told, naive = 0, []
    for seed in range(runs):
        random = np.random.default_rng(seed)
        worse = np.clip(0.4 + spread * random.normal(size=(STREETS, 1)), 0, 1)
        chances = (1 - worse) * GOOD + worse * BAD
        before, now = (counted(random.multinomial(volumes(random), chances)) for _ in range(2))
        moves = rank_changes(now, before, COMPOSITE, RULES)
        told += any(move.direction in ("up", "down") for move in moves)
        ranks = [ranking(each, COMPOSITE, RULES).ranked for each in (before, now)]
        rise = (ranks[0]["rank"] - ranks[1]["rank"]).dropna().sort_values()
        naive.append(share_of_small(rise.index[-10:], ranks[1]["n"][rise.index]))
    return {"told": told / runs, "small among largest rises": round(float(np.mean(naive)), 3)}


def test_small_units_fill_both_ends_by_value_but_not_as_shown():
    measured = same_quality(12)
    assert measured["small by value"] > 0.6  # what sorting by value does
    assert measured["small as shown"] <= 0.27  # a quarter, give or take
    assert measured["told"] <= 1 / 12


@pytest.mark.parametrize("key", ["resolution", "response", "satisfaction"])
def test_small_units_do_not_fill_the_ends_for_any_rate(key):
    measured = same_quality(8, key)
    assert measured["small by value"] > 0.6
    assert measured["small as shown"] <= 0.27
    assert measured["told"] <= 1 / 8


@pytest.mark.parametrize("spread", [0.15, 0.3])
def test_bands_hold_the_true_rank_and_tiers_are_right(spread):
    measured = different_quality(6, spread)
    assert measured["held"] >= 1 - RULES.rank_error
    assert measured["told"] >= 30
    assert measured["wrong"] <= RULES.false_discovery_rate * measured["told"]
    # The first ten of the table as shown are more often truly among the best tenth.
    assert measured["top as shown"] > measured["top by value"]


def test_bands_of_districts_are_narrow_enough_to_use():
    measured = different_quality(20, 0.15, units=17, median=6_000)
    assert measured["held"] >= 1 - RULES.rank_error
    assert measured["width"] < 17 / 2


def test_lists_stay_empty_when_only_chance_differs():
    for seed in range(6):
        history = [city(seed)[0], city(seed + 100)[0]]
        lists = four_lists(history, RULES)
        assert (lists["advanced"], lists["improved"], lists["rectify"]) == ((), (), ())
        assert len(lists["govern"]) == RULES.list_size


def test_no_change_of_rank_is_told_when_nothing_changed():
    measured = two_periods(10, 0.15)
    assert measured["told"] <= 0.1
    assert measured["small among largest rises"] > 0.4


# --- Ranks and bands ----------------------------------------------------------------------------


def test_ties_share_a_rank():
    counts = counts_of((100, 90), (200, 160), (50, 40), (1_000, 700))
    counts.index = ["a", "b", "c", "d"]
    ranked = ranking(counts, RESOLUTION, RULES).ranked
    assert ranked["rank"].to_dict() == {"a": 1, "b": 2, "c": 2, "d": 4}


def test_the_same_score_reached_in_another_way_is_a_tie():
    # 3 × 0.1 is not 0.3: the same composite, summed in another order of floats.
    rules = Rules(minimum_revisits=1)
    rows = [{"cases": n, "revisits": n, "contacted": n, "basically_satisfied": n} for n in (3, 7)]
    values = estimate(counts_of(*rows), COMPOSITE, rules)["value"]
    assert values[0] != values[1]
    assert ranking(counts_of(*rows), COMPOSITE, rules).ranked["rank"].tolist() == [1, 1]


def holm_band(unit, units, error):
    """Return the rank band of a unit by loops: Holm's step-down over its comparisons."""
    tests = []
    for other in range(len(units)):
        if other == unit:
            continue
        (n, yes), (m, more) = units[unit], units[other]
        p, q, both = yes / n, more / m, (yes + more) / (n + m)
        alike = both * (1 - both) * (1 / n + 1 / m)
        own = p * (1 - p) / n + q * (1 - q) / m
        z = 0.0 if p == q else (p - q) / math.sqrt(max(alike, own))
        tests.append((math.erfc(abs(z) / math.sqrt(2)), z))
    better = worse = 0
    for done, (p_value, z) in enumerate(sorted(tests)):
        if p_value > error / (len(tests) - done):
            break
        better, worse = better + (z < 0), worse + (z > 0)
    return 1 + better, len(units) - worse


units = st.integers(30, 3_000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@given(st.lists(units, min_size=1, max_size=9), st.sampled_from([0.01, 0.05, 0.4]))
def test_bands_equal_plain_loops_and_hold_the_rank(drawn, error):
    ranked = ranking(counts_of(*drawn), RESOLUTION, Rules(rank_error=error)).ranked.sort_index()
    assert [*zip(ranked["band_low"], ranked["band_high"], strict=True)] == [
        holm_band(unit, drawn, error) for unit in range(len(drawn))
    ]
    rates = [yes / n for n, yes in drawn]
    assert ranked["rank"].tolist() == [1 + sum(each > rate for each in rates) for rate in rates]
    assert (ranked["band_low"] <= ranked["rank"]).all()
    assert (ranked["rank"] <= ranked["band_high"]).all()


def test_thirty_of_thirty_is_not_certain():
    # 30 of 30 happens to one street in 130 of 85 %: its band must stay wide.
    counts = counts_of((30, 30), *[(1_000, 850 + place) for place in range(20)])
    first = ranking(counts, RESOLUTION, RULES).ranked.loc[0]
    assert first["value"] == 1
    assert (first["rank"], first["band_low"], first["band_high"]) == (1, 1, 21)
    assert first["low"] < 0.9
    assert first["tier"] == "level"


def test_all_or_nothing_everywhere():
    ranked = ranking(counts_of((40, 40), (90, 90), (60, 0)), RESOLUTION, RULES).ranked
    assert ranked["rank"].sort_index().tolist() == [1, 1, 3]
    assert ranked["band_low"].sort_index().tolist() == [1, 1, 3]
    assert ranked["band_high"].sort_index().tolist() == [2, 2, 3]
    assert ranked["tier"].sort_index().tolist() == ["above", "above", "below"]


def test_tier_is_against_the_others_not_a_whole_that_it_is_part_of():
    # Four fifths of all cases: hardly different from the whole, clearly from the other.
    ranked = ranking(counts_of((8_000, 6_800), (2_000, 1_600)), RESOLUTION, RULES).ranked
    assert ranked["tier"].tolist() == ["above", "below"]
    counts = counts_of((8_000, 6_800), *[(1_000, 800)] * 2)
    assert ranking(counts, RESOLUTION, RULES).ranked["tier"].loc[0] == "above"


def test_one_unit_alone_and_none_at_all():
    alone = ranking(counts_of((100, 90)), RESOLUTION, RULES)
    row = alone.ranked.iloc[0]
    assert (row["rank"], row["band_low"], row["band_high"], row["tier"]) == (1, 1, 1, "level")
    nobody = ranking(counts_of(), RESOLUTION, RULES)
    assert nobody.ranked.empty
    assert nobody.unranked.empty
    assert math.isnan(nobody.whole)
    assert {"rank", "band_low", "tier", "position"} <= {*nobody.ranked}


def test_whole_is_the_sum_of_all_units_not_the_mean_of_rates():
    # The third is too small for a rank, but part of the city.
    result = ranking(counts_of((10_000, 5_000), (100, 100), (20, 0)), RESOLUTION, RULES)
    assert result.whole == pytest.approx(5_100 / 10_120)
    assert len(result.ranked) == 2


def test_same_input_same_output():
    counts = city(3, 0.2)[0]
    first, second = (ranking(counts, COMPOSITE, RULES).ranked for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


# --- Who is ranked ------------------------------------------------------------------------------


def test_minimum_sample_on_both_sides():
    result = ranking(counts_of((29, 29), (30, 20), (31, 3), {"cases": 9}), RESOLUTION, RULES)
    assert sorted(result.ranked.index) == [1, 2]
    assert result.unranked["reason"].to_dict() == {0: "small", 3: "none"}
    assert result.unranked["value"].loc[0] == 1
    assert math.isnan(result.unranked["value"].loc[3])
    assert unranked_words("small", RESOLUTION) == "样本不足"
    assert unranked_words("none", RESOLUTION) == "无有效回访"
    assert unranked_words("none", METRICS["on_time"]) == "无到期应办"


def test_maturity_on_both_sides():
    base = {"cases": 1_000, "revisits": 500, "resolved": 400}
    counts = counts_of(base | {"mature": 900}, base | {"mature": 899})
    result = ranking(counts, RESOLUTION, RULES)
    assert result.ranked.index.tolist() == [0]
    assert result.unranked["reason"].to_dict() == {1: "immature"}
    # Whether it is overdue is known of every case.
    assert len(ranking(counts, METRICS["overdue_rate"], RULES).ranked) == 2


def test_lower_is_better():
    rows = [{"cases": 1_000, "overdue": overdue} for overdue in (200, 50, 120)]
    ranked = ranking(counts_of(*rows), METRICS["overdue_rate"], RULES).ranked
    assert ranked.index.tolist() == [1, 2, 0]
    assert ranked["rank"].tolist() == [1, 2, 3]
    assert ranked["band_low"].tolist() == [1, 2, 3]
    # The tier says where the value is, not whether that is good.
    assert ranked["tier"].tolist() == ["below", "level", "above"]


def test_neutral_indicators_go_by_size_without_a_tier():
    counts = counts_of({"cases": 5}, {"cases": 900}, {"cases": 900}, {"cases": 0})
    ranked = ranking(counts, VOLUME, RULES).ranked
    assert ranked.index.tolist() == [1, 2, 0, 3]
    assert ranked["rank"].tolist() == [1, 1, 3, 4]
    assert ranked["band_high"].tolist() == [1, 1, 3, 4]
    assert ranked["tier"].isna().all()
    rows = [{"cases": 1_000, "revisits": revisits} for revisits in (300, 700)]
    shares = ranking(counts_of(*rows), METRICS["revisit_rate"], RULES).ranked
    assert shares.index.tolist() == [1, 0]
    assert shares["tier"].isna().all()


def test_order_to_show():
    counts = counts_of(
        (30, 29),  # level: the best value, but the difference is chance
        (5_000, 4_600),  # above: little, but for sure
        (400, 380),  # above: reaches more at the least
        (5_000, 4_000),
        (5_000, 3_700),  # below
        (300, 150),  # below: worse at the most
    )
    ranked = ranking(counts, RESOLUTION, RULES).ranked
    assert ranked.index.tolist() == [2, 1, 0, 3, 4, 5]
    assert ranked["position"].tolist() == [1, 2, 3, 4, 5, 6]
    assert ranked["tier"].tolist() == ["above", "above", "level", "below", "below", "below"]
    assert ranked["rank"].tolist() == [2, 3, 1, 4, 5, 6]


# --- Leagues ------------------------------------------------------------------------------------


def test_leagues_rank_within_themselves():
    counts = counts_of((100, 90), (100, 80), (100, 70), (100, 60), (100, 50))
    found = leagues(counts, ["山", "城", "山", None, "城"], RESOLUTION, RULES)
    assert list(found) == ["山", "城"]
    assert found["山"].ranked["rank"].to_dict() == {0: 1, 2: 2}
    assert found["城"].ranked["rank"].to_dict() == {1: 1, 4: 2}
    assert found["城"].whole == pytest.approx(0.65)
    column = pd.Series(["山", "城", "山", None, "城"])  # None is NaN here
    assert list(leagues(counts, column.tolist(), RESOLUTION, RULES)) == ["山", "城"]


def test_volume_bands_are_even_and_keep_ties_together():
    def bands(*cases, of=3):
        rows = counts_of(*[{"cases": each} for each in cases])
        return volume_bands(rows, Rules(volume_bands=of)).tolist()

    assert bands(10, 60, 20, 50, 30, 40) == [3, 1, 3, 1, 2, 2]
    assert bands(50, 50, 50, 50) == [2, 2, 2, 2]
    assert bands(9, 5, 5, 5, 5, 1) == [1, 2, 2, 2, 2, 3]
    assert bands(9, 8, 8, 1, of=2) == [1, 2, 2, 2]
    assert bands(7, 3, of=1) == [1, 1]
    assert bands() == []


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.integers(1, 6))
def test_volume_bands_follow_the_volume(cases, number):
    counts = counts_of(*[{"cases": each} for each in cases])
    bands = volume_bands(counts, Rules(volume_bands=number))
    assert bands.between(1, number).all()
    for one, band in zip(cases, bands, strict=True):
        for other, other_band in zip(cases, bands, strict=True):
            assert (one <= other) or band <= other_band
            assert one != other or band == other_band


# --- Change of rank -----------------------------------------------------------------------------

STEADY = [(2_000, 1_700 - 10 * place) for place in range(5)]


def test_change_of_rank_is_told_only_beyond_chance():
    before = counts_of(*STEADY, (400, 280), (40, 26))
    now = counts_of(*STEADY, (400, 360), (40, 36))
    moves = rank_changes(now, before, RESOLUTION, RULES)
    assert moves[5] == RankChange(5, "up", "", 6)
    # From 65 % to 90 % of 40 is five places as well, and still chance.
    assert moves[6] == RankChange(0, "flat", "", 7)
    # Overtaken without having changed.
    assert moves[0] == RankChange(0, "flat", "", 1)
    assert rank_changes(before, now, RESOLUTION, RULES)[5].direction == "down"


def test_a_change_of_everybody_is_nobodys():
    before = counts_of(*[(1_000, 700 + place) for place in range(6)])
    now = counts_of(*[(1_000, 900 - place) for place in range(6)])
    assert {move.direction for move in rank_changes(now, before, RESOLUTION, RULES)} == {"flat"}


def test_a_fall_of_a_bad_rate_is_a_rise():
    rows = [{"cases": 2_000, "overdue": overdue} for overdue in (100, 110, 120, 400)]
    later = [*rows[:3], {"cases": 2_000, "overdue": 20}]
    moves = rank_changes(counts_of(*later), counts_of(*rows), METRICS["overdue_rate"], RULES)
    assert moves[3] == RankChange(3, "up", "", 4)


def test_change_is_withheld_with_its_reason():
    before = counts_of(*STEADY, (29, 20), (100, 80), (0, 0))
    now = counts_of(*STEADY, (100, 80), (29, 20), (100, 80))
    moves = rank_changes(now, before, RESOLUTION, RULES)
    assert [move.reason for move in moves[5:]] == ["上期样本不足", "本期样本不足", "上期无有效回访"]
    assert {move.direction for move in moves[5:]} == {"withheld"}
    volume = rank_changes(now, before, VOLUME, RULES)
    assert volume[0].direction == "withheld"
    assert volume[0].reason
    with pytest.raises(ValueError, match="different units"):
        rank_changes(now, before.iloc[1:], RESOLUTION, RULES)


# --- The four lists -----------------------------------------------------------------------------


def streets(*rows):
    counts = counts_of(*rows)
    counts.index = [f"s{place}" for place in range(len(counts))]
    return counts


def names(listed):
    return [each.unit for each in listed]


MIDDLE = [(3_000, 2_400)] * 6


def test_lists_take_those_who_differ_for_sure():
    rules = Rules(list_size=2)
    counts = streets(
        *MIDDLE,
        (30, 29),  # s6: nearly all, of few
        (1_000, 950),
        (900, 850),
        (800, 790),
        (1_000, 600),
        (2_000, 1_150),
        (30, 19),  # s12
    )
    lists = four_lists([counts], rules)
    assert names(lists["advanced"]) == ["s9", "s7"]
    assert names(lists["rectify"]) == ["s11", "s10"]
    assert names(lists["govern"]) == ["s0", "s1"]
    assert lists["improved"] == ()
    # Longer lists end where the difference does.
    longer = four_lists([counts], RULES)
    assert names(longer["advanced"]) == ["s9", "s7", "s8"]
    assert names(longer["rectify"]) == ["s11", "s10"]


def test_lists_take_at_most_half_of_few_units():
    counts = streets((9_000, 8_900), (9_000, 8_000), (9_000, 5_000), (29, 29))
    lists = four_lists([counts], RULES)
    assert names(lists["advanced"]) == ["s0"]
    assert names(lists["rectify"]) == ["s2"]
    # Volume needs the minimum sample too.
    assert names(lists["govern"]) == ["s0", "s1", "s2"]


def test_govern_goes_by_cases_not_by_revisits():
    rows = [
        {"cases": 900, "revisits": 100},
        {"cases": 500, "revisits": 400},
        {"cases": 2_000, "revisits": 29},
        {"cases": 500, "revisits": 450},
    ]
    assert names(four_lists([streets(*rows)], RULES)["govern"]) == ["s0", "s3", "s1"]


def test_improved_are_the_largest_rises_that_are_no_chance():
    rules = Rules(list_size=2)
    before = streets(*MIDDLE, (900, 550), (900, 600), (900, 650), (40, 20), (900, 850))
    now = streets(*MIDDLE, (900, 810), (900, 860), (900, 800), (40, 31), (900, 500))
    lists = four_lists([before, now], rules)
    moves = dict(zip(now.index, rank_changes(now, before, COMPOSITE, rules), strict=True))
    assert [moves[name].direction for name in ("s6", "s7", "s8", "s9", "s10")] == [
        "up",
        "up",
        "up",
        "flat",
        "down",
    ]
    assert names(lists["improved"]) == ["s6", "s7"]
    assert moves["s6"].places >= moves["s7"].places >= moves["s8"].places


def test_periods_on_a_list_in_a_row():
    good, bad, usual = (1_000, 950), (1_000, 600), (1_000, 790)
    # s6: good, usual, good, good. s7: always bad.
    history = [streets(*MIDDLE, row, bad) for row in (good, usual, good, good)]
    lists = four_lists(history, RULES)
    assert lists["advanced"] == (Listed("s6", 2),)
    assert lists["rectify"] == (Listed("s7", 4),)
    assert lists["govern"][0] == Listed("s0", 4)
    assert lists["improved"] == ()
    assert four_lists(history[:3], RULES)["improved"] == (Listed("s6", 1),)
    assert four_lists(history[:2], RULES)["advanced"] == ()


def test_lists_of_nothing_and_of_other_units():
    assert four_lists([], RULES) == dict.fromkeys(LIST_NAMES, ())
    with pytest.raises(ValueError, match="different units"):
        four_lists([streets(*MIDDLE), counts_of(*MIDDLE)], RULES)


@given(st.lists(units, min_size=2, max_size=12), st.integers(1, 12))
def test_nobody_is_praised_and_blamed(drawn, size):
    lists = four_lists([streets(*drawn)], Rules(list_size=size))
    advanced, rectify = names(lists["advanced"]), names(lists["rectify"])
    assert not {*advanced} & {*rectify}
    assert max(len(advanced), len(rectify)) <= min(size, len(drawn) // 2)
    rate = {f"s{place}": yes / n for place, (n, yes) in enumerate(drawn)}
    everyone = sum(yes for _, yes in drawn) / sum(n for n, _ in drawn)
    assert all(rate[name] > everyone for name in advanced)
    assert all(rate[name] < everyone for name in rectify)


# --- Funnel -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 30, 57, 400])
@pytest.mark.parametrize("resolved", [970, 800])
def test_funnel_of_yes_and_no_is_the_exact_binomial(n, resolved):
    row = funnel_limits(counts_of((1_000, resolved)), [n], RESOLUTION, RULES).iloc[0]
    share = resolved / 1_000
    chances = [math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1)]
    for name, tail in (("95", 0.025), ("998", 0.001)):
        # Sum from the rarer end: the limit is the last count that is not rarer than the tail.
        low = next(k for k in range(n + 1) if math.fsum(chances[: k + 1]) >= tail)
        high = next(k for k in range(n, -1, -1) if math.fsum(chances[k:]) > tail)
        assert row[f"low_{name}"] == low / n
        assert row[f"high_{name}"] == high / n
    assert row["whole"] == share


def test_all_of_few_is_inside_the_funnel():
    row = funnel_limits(counts_of((1_000, 970)), [30], RESOLUTION, RULES).iloc[0]
    assert row["high_95"] == 1  # 40 % of such streets have 30 of 30


def test_funnel_of_scores_is_normal_with_the_variance_of_all_cases():
    counts = city(1)[0]
    limits = funnel_limits(counts, [100, 0], COMPOSITE, RULES)
    whole = estimate(total(counts), COMPOSITE, RULES).iloc[0]
    # The interval of the whole reaches up by 1.96 σ / √N; from it σ.
    sigma = (whole["high"] - whole["value"]) / 1.959963984540054 * math.sqrt(whole["n"])
    row = limits.iloc[0]
    assert row["whole"] == pytest.approx(whole["value"])
    assert row["high_95"] - row["whole"] == pytest.approx(1.959963984540054 * sigma / 10)
    assert row["whole"] - row["low_998"] == pytest.approx(3.090232306167813 * sigma / 10)
    assert limits.iloc[1][["low_95", "high_998"]].isna().all()
    assert limits.iloc[1]["n"] == 0


def test_spread_widens_the_funnel_by_its_root():
    counts = counts_of((1_000, 800))
    narrow, wide = (funnel_limits(counts, [200], RESOLUTION, RULES, spread) for spread in (1, 4))
    for name in ("low_95", "high_95", "low_998", "high_998"):
        distance = narrow[name][0] - 0.8
        assert wide[name][0] == pytest.approx(min(1, 0.8 + 2 * distance))


def test_funnel_without_cases_and_of_a_count():
    assert funnel_limits(counts_of((0, 0)), [50], RESOLUTION, RULES)["low_95"].isna().all()
    with pytest.raises(ValueError, match="volume"):
        funnel_limits(counts_of((5, 5)), [50], VOLUME, RULES)


def test_few_of_the_same_quality_are_outside():
    outside = []
    for seed in range(5):
        counts = city(seed)[0]
        values = estimate(counts, RESOLUTION, RULES)
        limits = funnel_limits(counts, values["n"], RESOLUTION, RULES)
        outside.append(
            [
                (
                    (values["value"] < limits[f"low_{name}"])
                    | (values["value"] > limits[f"high_{name}"])
                ).mean()
                for name in ("95", "998")
            ]
        )
    assert np.mean(outside, axis=0)[0] <= 0.06
    assert np.mean(outside, axis=0)[1] <= 0.005


def test_spread_is_one_for_chance_and_grows_with_real_differences():
    alike = [overdispersion(city(seed)[0], COMPOSITE, RULES) for seed in range(10)]
    assert min(alike) >= 1
    assert max(alike) < 1.4
    # Units of 200 whose true rates scatter by twice the error of chance: 1 + 4.
    random = np.random.default_rng(5)
    error = math.sqrt(0.7 * 0.3 / 200)
    rates = random.normal(0.7, 2 * error, 2_000)
    counts = counts_of(*[(200, int(each)) for each in random.binomial(200, rates)])
    assert overdispersion(counts, RESOLUTION, RULES) == pytest.approx(5, rel=0.1)
    # One far outlier does not widen it.
    outlier = pd.concat([counts, counts_of((20_000, 0))], ignore_index=True)
    assert overdispersion(outlier.iloc[:-1], RESOLUTION, RULES) == pytest.approx(5, rel=0.1)
    assert overdispersion(counts_of((29, 20)), RESOLUTION, RULES) == 1


# --- The last by value --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ranks", "last"),
    [
        ([1, 2, 3, 4, 5, 6], ["5", "4", "3"]),
        # In the order to show the 16th may stand behind the 17th.
        ([1, 2, 3, 6, 5, 4], ["3", "4", "5"]),
        ([1, 2, 3, 4, 4, 6, 7], ["6", "5", "4", "3"]),
        ([1, 2, 2, 2, 2, 2, 7, 8], ["7", "6", "5"]),
        ([1] * 8, ["7", "6", "5"]),
        ([1, 2], ["1"]), ([1, 1], ["1", "0"]), ([1], []), ([], []),
    ],
)  # fmt: skip
def test_the_last_go_by_value_and_equals_stay_together(ranks, last):
    frame = pd.DataFrame({"rank": np.array(ranks, dtype="int64")},
                         index=[str(place) for place in range(len(ranks))])  # fmt: skip
    assert last_by_value(frame, 3) == last


# --- Many rows at once ----------------------------------------------------------------------------


def cells_of(n: np.ndarray, resolved: np.ndarray, mature: np.ndarray | None = None):
    """Return columns of counts, rows × units, as arrays."""
    given = {"cases": n, "revisits": n, "resolved": resolved, "mature": n}
    if mature is not None:
        given["mature"] = mature
    return {name: given.get(name, np.zeros(n.shape)).astype("float64") for name in COUNT_COLUMNS}


def test_without_any_difference_hardly_a_rug_has_a_coloured_cell():
    """27 topics × 17 districts, 30 to 400 answers each, the same quality within a topic."""
    random = np.random.default_rng(12)
    rate = RULES.false_discovery_rate
    coloured, cells, rugs = 0, 0, 400
    for _ in range(rugs):
        n = np.round(30 * (400 / 30) ** random.random((27, 17)))
        hits = random.binomial(n.astype(int), random.uniform(0.5, 0.97, (27, 1)))
        found = standings_together(cells_of(n, hits), RESOLUTION, RULES)
        told = Counter(mark for row in found for mark in row)
        assert set(told) <= {"level", "above", "below"}
        coloured += told["level"] < 459
        cells += told.total()
    assert coloured / rugs <= rate + 2 * math.sqrt(rate * (1 - rate) / rugs)
    assert cells == rugs * 459


def test_a_row_is_judged_against_itself_and_what_cannot_be_tested_stands_apart():
    n = np.array([[300, 1000, 1000, 1000, 30, 29, 0], [0, 0, 0, 0, 0, 300, 0]])
    resolved = np.array([[180, 900, 901, 899, 30, 0, 0], [0, 0, 0, 0, 0, 150, 0]])
    found = standings_together(cells_of(n, resolved), RESOLUTION, RULES)
    # 30 of 30 is no certainty; who is alone in a row differs from nobody.
    few = "insufficient"
    assert found[0][0] == "below"
    assert found[0][4:] == ["level", few, few]
    assert found[1] == [few, few, few, few, few, "level", few]
    unripe = standings_together(cells_of(n, resolved, n * 0.5), RESOLUTION, RULES)
    assert unripe[0] == ["immature"] * 5 + [few] * 2
    # Without a single failure there is no error to measure by, and no difference.
    assert standings_together(cells_of(*2 * [np.array([[30, 400]])]), RESOLUTION, RULES) == [
        ["level", "level"]
    ]
    none = np.zeros((0, 3))
    assert standings_together(cells_of(none, none), RESOLUTION, RULES) == []
