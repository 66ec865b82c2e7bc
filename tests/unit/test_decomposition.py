"""Why a unit is behind: the parts add up to the gap, and mix and performance are told apart."""

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.decomposition import COLUMNS, OTHER, decomposed, folded
from domain.metrics import METRICS, estimate, total
from domain.outcomes import COUNT_COLUMNS
from domain.rules import Rules

RULES = Rules()
COMPOSITE, RESOLUTION = METRICS["composite"], METRICS["resolution"]
CREDITS = Rules(
    weight_response=0.3,
    weight_resolution=0.35,
    weight_satisfaction=0.35,
    partly_resolved_credit=0.5,
)


def by_category(**rows):
    """Return counts by category: code=(revisits, contacted, resolved, satisfied[, others])."""
    names = ("revisits", "contacted", "resolved", "satisfied")
    more = ("basically_satisfied", "partly_resolved")
    return pd.DataFrame(
        [
            {"code": code}
            | dict.fromkeys(COUNT_COLUMNS, 0)
            | dict(zip(names + more, counts, strict=False))
            for code, counts in rows.items()
        ],
        columns=["code", *COUNT_COLUMNS],
    )


def gap(unit, city, metric, rules=RULES):
    values = [estimate(total(each), metric, rules)["value"].iloc[0] for each in (unit, city)]
    return values[0] - values[1]


def as_rows(frame):
    return {(row.component, row.code): row for row in frame.itertuples(index=False)}


@st.composite
def categories(draw):
    """Return counts by category of some codes of five; answers never exceed revisits."""
    rows = {}
    for code in draw(st.lists(st.sampled_from("abcde"), unique=True, max_size=5)):
        revisits = draw(st.integers(0, 3_000))
        contacted, resolved, satisfied = (draw(st.integers(0, revisits)) for _ in range(3))
        basically = draw(st.integers(0, revisits - satisfied))
        partly = draw(st.integers(0, revisits - resolved))
        rows[code] = (revisits, contacted, resolved, satisfied, basically, partly)
    return by_category(**rows)


@given(
    categories(),
    categories(),
    st.sampled_from(["composite", "resolution", "satisfaction", "response"]),
    st.sampled_from([RULES, CREDITS]),
)
def test_the_parts_are_the_gap_whatever_either_lacks(unit, city, key, rules):
    parts = decomposed(unit, city, METRICS[key], rules)
    if unit["revisits"].sum() == 0 or city["revisits"].sum() == 0:
        assert parts.empty
        assert list(parts) == list(COLUMNS)
        return
    difference = gap(unit, city, METRICS[key], rules)
    assert math.fsum(parts["total"]) == pytest.approx(difference, rel=0, abs=1e-12)
    assert (parts["mix"] + parts["performance"]).tolist() == parts["total"].tolist()
    for keep in range(len(parts) + 1):
        fold = folded(parts, keep)
        assert math.fsum(fold["total"]) == pytest.approx(difference, rel=0, abs=1e-12)
        assert len(fold) <= keep + 1


@given(categories().filter(lambda rows: rows["revisits"].sum() > 0))
def test_the_city_against_itself_has_no_parts(city):
    parts = decomposed(city, city, COMPOSITE, RULES)
    assert parts["total"].abs().max() == 0


def looped(unit, city, weights, rules):
    """Return (component, code) → (mix, performance) by plain loops over dictionaries."""
    credit = {
        "response": {"contacted": 1},
        "resolution": {"resolved": 1, "partly_resolved": rules.partly_resolved_credit},
        "satisfaction": {"satisfied": 1, "basically_satisfied": rules.basic_satisfied_credit},
    }
    ours = {row["code"]: row for row in unit.to_dict("records") if row["revisits"]}
    theirs = {row["code"]: row for row in city.to_dict("records") if row["revisits"]}
    our_n = sum(row["revisits"] for row in ours.values())
    their_n = sum(row["revisits"] for row in theirs.values())

    def rate(rows, key):
        good = sum(row[name] * part for row in rows for name, part in credit[key].items())
        return good / sum(row["revisits"] for row in rows)

    result = {}
    for key, weight in weights.items():
        everywhere = rate(theirs.values(), key)
        for code in {*ours, *theirs}:
            share = ours[code]["revisits"] / our_n if code in ours else 0
            usual = theirs[code]["revisits"] / their_n if code in theirs else 0
            there = rate([theirs[code]], key) if code in theirs else everywhere
            here = rate([ours[code]], key) if code in ours else 0
            result[key, code] = (
                weight * (share - usual) * (there - everywhere),
                weight * share * (here - there),
            )
    return result


@given(
    categories().filter(lambda rows: rows["revisits"].sum() > 0),
    categories().filter(lambda rows: rows["revisits"].sum() > 0),
)
def test_every_part_equals_plain_loops(unit, city):
    weights = {"response": 30, "resolution": 35, "satisfaction": 35}
    expected = looped(unit, city, weights, CREDITS)
    found = as_rows(decomposed(unit, city, COMPOSITE, CREDITS))
    assert found.keys() == expected.keys()
    for part, (mix, performance) in expected.items():
        assert found[part].mix == pytest.approx(mix, rel=0, abs=1e-12)
        assert found[part].performance == pytest.approx(performance, rel=0, abs=1e-12)


def test_mix_alone():
    # The same rate in each category, more of the hard one.
    city = by_category(easy=(500, 500, 450, 450), hard=(500, 500, 250, 250))
    unit = by_category(easy=(20, 20, 18, 18), hard=(80, 80, 40, 40))
    parts = decomposed(unit, city, RESOLUTION, RULES)
    assert parts["performance"].abs().max() == pytest.approx(0, abs=1e-15)
    # 0.58 against 0.70: −0.3 × (0.9 − 0.7) and +0.3 × (0.5 − 0.7).
    assert as_rows(parts)["resolution", "easy"].mix == pytest.approx(-0.06)
    assert as_rows(parts)["resolution", "hard"].mix == pytest.approx(-0.06)


def test_performance_alone():
    # The same mix, worse in one category by 10 points.
    city = by_category(easy=(500, 500, 450, 450), hard=(500, 500, 250, 250))
    unit = by_category(easy=(50, 50, 45, 45), hard=(50, 50, 20, 20))
    parts = decomposed(unit, city, RESOLUTION, RULES)
    assert parts["mix"].tolist() == [0, 0]
    assert parts["code"].tolist() == ["hard", "easy"]
    assert parts["performance"].tolist() == pytest.approx([-0.05, 0])
    assert parts["value"].tolist() == [0.4, 0.9]
    assert parts["city_value"].tolist() == [0.5, 0.9]


def test_a_category_as_good_as_the_city_moves_nothing_however_large():
    city = by_category(a=(100, 100, 90, 90), b=(100, 100, 50, 50), usual=(100, 100, 70, 70))
    unit = by_category(a=(1, 1, 1, 1), b=(1, 1, 0, 0), usual=(998, 998, 698, 698))
    row = as_rows(decomposed(unit, city, RESOLUTION, RULES))["resolution", "usual"]
    assert row.mix == pytest.approx(0, abs=1e-15)


def test_category_that_one_of_the_two_lacks():
    city = by_category(a=(100, 100, 90, 90), b=(100, 100, 50, 50))
    unit = by_category(a=(10, 10, 9, 9), new=(10, 10, 4, 4))
    parts = as_rows(decomposed(unit, city, RESOLUTION, RULES))
    # Lacking: half a share less of what is 0.2 below the city's 0.7.
    lacking, new = parts["resolution", "b"], parts["resolution", "new"]
    assert (lacking.mix, lacking.performance) == pytest.approx((0.1, 0.0))
    assert math.isnan(lacking.value)
    # New: half the cases at 0.4 against 0.7; nothing to say about its kind.
    assert (new.mix, new.performance) == pytest.approx((0.0, -0.15))
    assert math.isnan(new.city_value)


def test_composite_is_weighted_as_the_rule_says():
    city = by_category(a=(1_000, 950, 900, 800))
    unit = by_category(a=(100, 90, 80, 70))
    parts = decomposed(unit, city, COMPOSITE, RULES)
    # 5 points of 10 %, 10 of 50 %, 10 of 40 %.
    assert parts["component"].tolist() == ["resolution", "satisfaction", "response"]
    assert parts["total"].tolist() == pytest.approx([-5, -4, -0.5])


def test_denominator_is_valid_revisits_not_cases():
    city = by_category(a=(100, 100, 90, 90), b=(100, 100, 50, 50))
    unit = by_category(a=(10, 10, 9, 9), b=(10, 10, 5, 5))
    many_unanswered = unit.assign(cases=[10, 5_000])
    pd.testing.assert_frame_equal(
        decomposed(unit, city, RESOLUTION, RULES),
        decomposed(many_unanswered, city, RESOLUTION, RULES),
    )


def test_small_parts_fold_into_one():
    city = by_category(**dict.fromkeys("abcd", (100, 100, 80, 80)))
    unit = by_category(
        a=(100, 100, 40, 80), b=(100, 100, 70, 80), c=(100, 100, 77, 80), d=(100, 100, 81, 80)
    )
    parts = decomposed(unit, city, RESOLUTION, RULES)
    fold = folded(parts, 2)
    assert fold["code"].tolist() == ["a", "b", OTHER]
    assert fold["total"].tolist() == pytest.approx([-0.1, -0.025, -0.005])
    assert fold["component"].iloc[-1] == ""
    # One left over is told by its name; enough room folds nothing.
    assert folded(parts, 3)["code"].tolist() == ["a", "b", "c", "d"]
    assert folded(parts, 9) is parts


def test_no_gap_to_explain_without_revisits():
    city = by_category(a=(100, 100, 90, 90))
    for unit in (by_category(), by_category(a=(0, 0, 0, 0))):
        assert decomposed(unit, city, COMPOSITE, RULES).empty
        assert decomposed(city, unit, COMPOSITE, RULES).empty


def test_what_would_not_add_up_is_refused():
    city = by_category(a=(100, 100, 90, 90))
    with pytest.raises(ValueError, match="twice"):
        decomposed(pd.concat([city, city]), city, COMPOSITE, RULES)
    with pytest.raises(ValueError, match="without a code"):
        decomposed(city.assign(code=None), city, COMPOSITE, RULES)
    with pytest.raises(ValueError, match="volume"):
        decomposed(city, city, METRICS["volume"], RULES)
