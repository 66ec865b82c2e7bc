"""The plan of the fewest projects, against all subsets tried one by one.

The times that docs/definitions.md states come from ``city`` below:
``python -c "from tests.unit.test_plan import times; times()"``.
"""

import dataclasses
import datetime as dt
import itertools
import math
import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.plan import REASON_WORDS, Candidate, Choice, Limits, Load, plan

NAN = float("nan")
DUE = dt.date(2021, 12, 31)
LATER = dt.date(2022, 3, 31)


def candidate(code, remaining, district="A", weeks=4.0, deadline=None):
    return Candidate(code, district, remaining, weeks, deadline)


def limits_of(missing, capacity=None, weeks_left=20, fixed=(), barred=(), due_on=None):
    return Limits(missing, weeks_left, capacity or {}, frozenset(fixed), frozenset(barred), due_on)


def codes_of(candidates):
    return {each.code for each in candidates}


# --- All subsets --------------------------------------------------------------------------------


def available(candidates, limits):
    """Return the candidates that no limit of their own keeps out, the fixed ones not among them."""
    found = []
    for each in candidates:
        late = each.weeks > limits.weeks_left
        postponed = each.deadline is not None and limits.due_on and each.deadline > limits.due_on
        if each.code not in limits.fixed | limits.barred and not late and not postponed:
            found.append(each)
    return found


def subsets(candidates, limits):
    """Return every plan the limits allow as (units, projects, weeks), the fixed ones in each."""
    fixed = [each for each in candidates if each.code in limits.fixed]
    free = available(candidates, limits)
    found = []
    for number in range(len(free) + 1):
        for chosen in itertools.combinations(free, number):
            fits = all(
                sum(other.remaining for other in [*fixed, *chosen] if other.district == district)
                <= limits.capacity.get(district, math.inf)
                for district in {each.district for each in chosen}
            )
            if fits:
                weeks = sum(limits.weeks_left if math.isnan(p.weeks) else p.weeks for p in chosen)
                units = sum(each.remaining for each in [*fixed, *chosen])
                found.append((units, len(fixed) + number, weeks))
    return found


def best_by_trying(candidates, limits):
    """Return (reachable, units asked for, least projects, their least weeks, most units)."""
    every = subsets(candidates, limits)
    most = max(units for units, _, _ in every)
    asked = min(limits.missing, most)
    count, weeks = min((count, weeks) for units, count, weeks in every if units >= asked)
    return most >= limits.missing, asked, count, weeks, most


def weeks_of(result, limits):
    return sum(
        limits.weeks_left if math.isnan(choice.weeks) else choice.weeks
        for choice in result.choices
        if not choice.fixed
    )


def assert_allowed(result, candidates, limits):
    """Assert what holds of every plan, proven or not."""
    by_code = {each.code: each for each in candidates}
    chosen = [by_code[code] for code in result.chosen]
    fixed = codes_of(candidates) & limits.fixed
    assert fixed <= set(result.chosen)
    assert set(result.chosen) - fixed <= codes_of(available(candidates, limits))
    assert len(set(result.chosen)) == len(result.chosen) == result.count
    assert result.units == sum(each.remaining for each in chosen)
    for district, capacity in limits.capacity.items():
        there = [each for each in chosen if each.district == district]
        if any(each.code not in fixed for each in there):
            assert sum(each.remaining for each in there) <= capacity + 1e-6
    assert result.reachable == (result.units >= limits.missing - 1e-6)
    assert result.short == (0 if result.reachable else limits.missing - result.units)
    assert result.units <= result.most
    assert 0 <= result.bound <= result.count
    assert result.gap == result.count - result.bound
    assert not set(result.excluded) & set(result.chosen)


@st.composite
def cases(draw, most_units=12, scale=1):
    """Draw candidates and limits of every kind, small enough to try all subsets."""
    number = draw(st.integers(0, 9))
    weeks = st.one_of(st.integers(0, 12).map(float), st.just(NAN), st.sampled_from([6.5, 7.25]))
    candidates = [
        candidate(
            f"p{place}",
            draw(st.integers(1, most_units)) * scale,
            draw(st.sampled_from(["A", "B", ""])),
            draw(weeks),
            draw(st.sampled_from([None, None, DUE, LATER])),
        )
        for place in range(number)
    ]
    codes = sorted(codes_of(candidates))
    roles = {code: draw(st.sampled_from(["", "", "", "", "fixed", "barred"])) for code in codes}
    capacity = draw(
        st.dictionaries(st.sampled_from(["A", "B", ""]), st.integers(0, 3 * most_units))
    )
    return candidates, limits_of(
        draw(st.integers(-2, 6 * most_units)) * scale,
        {district: units * scale for district, units in capacity.items()},
        draw(st.sampled_from([5, 10, 20])),
        [code for code in codes if roles[code] == "fixed"],
        [code for code in codes if roles[code] == "barred"],
        draw(st.sampled_from([None, DUE])),
    )


@st.composite
def tight_cases(draw, scale=1):
    """Draw cases in which the largest first do not fill the capacities, or not with the fewest."""
    number = draw(st.integers(4, 10))
    candidates = [
        candidate(
            f"p{place}",
            draw(st.integers(3, 14)) * scale,
            draw(st.sampled_from(["A", "A", "B"])),
            float(draw(st.integers(0, 9))),
        )
        for place in range(number)
    ]
    capacity = {district: draw(st.integers(8, 24)) * scale for district in ("A", "B")}
    missing = sum(capacity.values()) - draw(st.integers(0, 12)) * scale
    return candidates, limits_of(missing, capacity)


@settings(max_examples=400, deadline=None)
@given(st.one_of(cases(), tight_cases()))
def test_no_subset_is_better(case):
    candidates, limits = case
    reachable, asked, count, weeks, most = best_by_trying(candidates, limits)
    result = plan(candidates, limits)
    assert_allowed(result, candidates, limits)
    assert result.reachable == reachable
    assert result.units >= asked
    assert (result.count, result.bound, result.optimal) == (count, count, True)
    assert weeks_of(result, limits) == pytest.approx(weeks)
    assert result.quickest
    assert result.most >= most
    if not reachable:
        assert result.most == result.units == most


# So many units that no table of sums can be kept: by integer programme.
LARGE = 10**9


@settings(max_examples=300, deadline=None)
@given(st.one_of(cases(scale=LARGE), tight_cases(scale=LARGE)))
def test_by_programme_no_subset_is_better_than_what_is_claimed(case):
    candidates, limits = case
    reachable, asked, count, weeks, most = best_by_trying(candidates, limits)
    result = plan(candidates, limits)
    assert_allowed(result, candidates, limits)
    assert result.reachable == reachable
    assert result.most >= most
    # Where the target is not reached the plan clears the most; the fewest for it may be open.
    assert result.units >= asked
    assert result.bound <= count <= result.count
    if reachable:
        assert result.optimal
        assert weeks_of(result, limits) == pytest.approx(weeks)
    if result.optimal:
        assert result.count == count
        if not reachable:
            assert result.units == most


@settings(max_examples=100, deadline=None)
@given(st.one_of(cases(), tight_cases()), st.sampled_from([1, LARGE]))
def test_without_any_time_the_plan_is_allowed_and_its_bound_honest(case, scale):
    candidates, limits = case
    candidates = [
        dataclasses.replace(each, remaining=each.remaining * scale) for each in candidates
    ]
    limits = dataclasses.replace(
        limits,
        missing=limits.missing * scale,
        capacity={district: units * scale for district, units in limits.capacity.items()},
    )
    reachable, _, count, weeks, most = best_by_trying(candidates, limits)
    result = plan(candidates, limits, seconds=0)
    assert_allowed(result, candidates, limits)
    assert result.most >= most
    if result.reachable or result.units == most:
        assert result.bound <= count
    if result.optimal:
        assert result.reachable == reachable
        assert result.count == count
        if result.quickest:
            assert weeks_of(result, limits) == pytest.approx(weeks)


# --- What more limits change --------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(cases(), st.data())
def test_barring_a_project_never_makes_a_plan_better(case, data):
    candidates, limits = case
    open_ones = sorted(codes_of(candidates) - limits.fixed)
    barred = data.draw(st.sampled_from(open_ones)) if open_ones else "nobody"
    before = plan(candidates, limits)
    after = plan(candidates, dataclasses.replace(limits, barred=limits.barred | {barred}))
    assert after.units <= before.units or after.reachable
    if after.reachable:
        assert before.reachable
        assert after.count >= before.count
    if barred not in before.chosen:
        assert (after.count, after.reachable) == (before.count, before.reachable)


@settings(max_examples=100, deadline=None)
@given(cases(), st.data())
def test_fixing_a_project_that_could_be_chosen_never_makes_a_plan_better(case, data):
    candidates, limits = case
    before = plan(candidates, limits)
    open_ones = sorted(codes_of(candidates) - limits.fixed - set(before.excluded))
    if not open_ones:
        return
    fixed = data.draw(st.sampled_from(open_ones))
    after = plan(candidates, dataclasses.replace(limits, fixed=limits.fixed | {fixed}))
    assert fixed in after.chosen
    if after.reachable:
        assert before.reachable
        assert after.count >= before.count
    if fixed in before.chosen:
        assert (after.count, after.units >= limits.missing) == (before.count, before.reachable)


@settings(max_examples=50, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_the_candidates_does_not_matter(case, shuffler):
    candidates, limits = case
    shuffled = list(candidates)
    shuffler.shuffle(shuffled)
    # NaN weeks are not equal to themselves, their text is.
    assert repr(plan(shuffled, limits)) == repr(plan(candidates, limits))


# --- Single cases -------------------------------------------------------------------------------


def test_the_fewest_come_before_the_quickest():
    candidates = [
        candidate("one", 100, weeks=19.0),
        candidate("half", 50, weeks=1.0),
        candidate("rest", 50, weeks=1.0),
    ]
    assert plan(candidates, limits_of(100)).chosen == ("one",)


def test_among_as_few_the_quickest_are_chosen_and_unknown_weeks_count_as_the_longest():
    candidates = [
        candidate("slow", 60, weeks=20.0),
        candidate("unknown", 60, weeks=NAN),
        candidate("quick", 55, weeks=3.0),
        candidate("ready", 55, weeks=0.0),
    ]
    result = plan(candidates, limits_of(110, weeks_left=21))
    assert result.chosen == ("quick", "ready")
    assert [choice.passed_over for choice in result.choices] == [2, 2]
    assert set(plan(candidates, limits_of(170, weeks_left=21)).chosen) == {"slow", "quick", "ready"}


def test_a_capacity_met_exactly_is_kept_however_it_was_computed():
    candidates = [candidate("a", 1), candidate("b", 2), candidate("c", 4)]
    # 0.1 + 0.2 is a little more than 0.3, 3 × 0.1 too; 0.7 × 10 … a little less than 7.
    result = plan(candidates, limits_of((0.1 + 0.2) * 10, {"A": (0.8 - 0.1) * 10}))
    assert result.reachable
    assert result.count == 1
    every = plan(candidates, limits_of(7 + 4e-15, {"A": 7 - 4e-15}))
    assert every.reachable
    assert every.count == 3
    assert every.binding == (Load("A", 7.0, 7.0),)


def test_a_part_of_a_unit_takes_a_whole_one():
    candidates = [candidate("a", 10), candidate("b", 1)]
    assert plan(candidates, limits_of(10.01)).count == 2
    short = plan(candidates, limits_of(11, {"A": 10.99}))
    assert not short.reachable
    assert short.chosen == ("a",)


def test_capacities_that_the_largest_do_not_fill_best():
    # Largest first ends with 7 of 10; 6 and 4 reach it.
    candidates = [candidate("seven", 7), candidate("six", 6), candidate("four", 4)]
    assert plan(candidates, limits_of(10, {"A": 10})).chosen == ("six", "four")


def test_what_cannot_be_reached_is_reached_as_far_as_possible():
    candidates = [
        candidate("a", 6), candidate("b", 5), candidate("c", 5),
        candidate("d", 9, "B"), candidate("e", 3, ""),
    ]  # fmt: skip
    result = plan(candidates, limits_of(30, {"A": 10, "B": 8}))
    assert not result.reachable
    assert result.chosen == ("b", "c", "e")
    assert (result.units, result.short, result.most) == (13, 17, 13)
    assert result.optimal
    assert (result.count, result.bound) == (3, 3)
    assert result.excluded == {"d": "too_large"}
    assert result.binding == (Load("A", 10.0, 10.0),)


@pytest.mark.parametrize("missing", [0, -5, 1e-9])
def test_nothing_is_missing(missing):
    result = plan([candidate("a", 6)], limits_of(missing))
    assert (result.chosen, result.count, result.bound, result.short) == ((), 0, 0, 0)
    assert result.reachable
    assert result.optimal
    assert plan([candidate("a", 6)], limits_of(missing, fixed=["a"])).chosen == ("a",)


def test_no_candidates():
    result = plan([], limits_of(5, {"A": 3}))
    assert (result.chosen, result.short, result.most, result.count) == ((), 5, 0, 0)
    assert not result.reachable
    assert result.optimal
    assert plan([], limits_of(0)).reachable


def test_why_candidates_are_left_out():
    candidates = [
        candidate("barred", 5),
        candidate("late", 5, weeks=20.5),
        candidate("postponed", 5, deadline=LATER),
        candidate("large", 13),
        candidate("must", 8),
        candidate("beside", 5),
        candidate("fits", 4),
        candidate("due", 5, "B", weeks=20.0, deadline=DUE),
        candidate("unknown", 5, "B", weeks=NAN),
    ]
    result = plan(
        candidates, limits_of(17, {"A": 12}, fixed=["must"], barred=["barred"], due_on=DUE)
    )
    assert result.excluded == {
        "barred": "barred",
        "late": "late",
        "postponed": "deadline",
        "large": "too_large",
        "beside": "no_room",
    }
    assert set(result.excluded.values()) == set(REASON_WORDS)
    assert set(result.chosen) == {"must", "fits", "due"} or set(result.chosen) == {
        "must", "fits", "unknown",
    }  # fmt: skip
    assert not result.conflicts
    # Without a due day deadlines are not looked at.
    assert "postponed" not in plan(candidates, limits_of(17)).excluded


def test_after_the_due_day_nothing_can_be_cleared():
    candidates = [candidate("a", 5, weeks=0.0), candidate("b", 5, weeks=NAN)]
    assert plan(candidates, limits_of(5, weeks_left=0)).chosen == ("a",)
    result = plan(candidates, limits_of(5, {"A": -20}, weeks_left=-2))
    assert result.excluded == {"a": "late", "b": "late"}


def test_fixed_projects_break_limits_and_it_is_told():
    candidates = [
        candidate("late", 5, weeks=30.0, deadline=LATER),
        candidate("large", 13, "B"),
        candidate("third", 3, "C"),
        candidate("fourth", 4, "C"),
        candidate("fifth", 1, "C"),
    ]
    result = plan(
        candidates,
        limits_of(
            20, {"B": 12, "C": 6}, fixed=["late", "large", "third", "fourth", "gone"], due_on=DUE
        ),
    )
    assert result.chosen == ("large", "late", "fourth", "third")
    assert dict(result.conflicts) == {
        "large": ("too_large",),
        "late": ("late", "deadline"),
        "fourth": ("no_room",),
        "third": ("no_room",),
    }
    assert result.excluded == {"fifth": "no_room"}
    assert result.binding == (Load("B", 13.0, 12.0), Load("C", 7.0, 6.0))
    assert (result.units, result.count, result.bound) == (25, 4, 4)


def test_each_choice_says_where_it_stands_in_its_district():
    candidates = [
        candidate("a", 9, weeks=5.0),
        candidate("b", 9, weeks=6.0),
        candidate("c", 2),
        candidate("d", 20, "B", weeks=NAN),
    ]
    result = plan(candidates, limits_of(31, fixed=["c"]))
    assert result.choices[:2] == (
        Choice("d", "B", 20.0, result.choices[0].weeks, False, 1, 0),
        Choice("a", "A", 9.0, 5.0, False, 1, 0),
    )
    assert result.choices[2] == Choice("c", "A", 2.0, 4.0, True, 3, 1)
    assert tuple(choice.code for choice in result.choices) == result.chosen


def test_a_capacity_binds_when_it_keeps_out_a_project_of_use():
    candidates = [
        candidate("a", 10), candidate("b", 9), candidate("c", 6, "B"), candidate("d", 5, "B"),
        candidate("e", 1, "B"),
    ]  # fmt: skip
    result = plan(candidates, limits_of(16, {"A": 12, "B": 10}))
    assert result.chosen == ("a", "c")
    # d would not fit, but is smaller than all that were chosen: nothing is lost by it.
    assert result.binding == (Load("A", 10.0, 12.0),)


def test_a_capacity_binds_however_small_the_project_when_the_target_is_not_reached():
    candidates = [candidate("a", 10), candidate("b", 5), candidate("c", 7, "B")]
    result = plan(candidates, limits_of(30, {"A": 12, "B": 9}))
    assert result.chosen == ("a", "c")
    assert result.binding == (Load("A", 10.0, 12.0),)


def test_a_capacity_that_fixed_projects_have_taken_binds():
    candidates = [candidate("must", 8), candidate("beside", 9), candidate("c", 7, "B")]
    result = plan(candidates, limits_of(15, {"A": 12}, fixed=["must"]))
    assert result.chosen == ("must", "c")
    assert result.binding == (Load("A", 8.0, 12.0),)


def test_units_by_the_thousand_million_are_planned_like_others():
    # Unscaled, the solver calls 11 + 7 in district A optimal; 12 + 7 fit.
    sizes = [7, 13, 11, 7, 11, 7, 12]
    for scale in (1, LARGE):
        candidates = [candidate(f"a{i}", size * scale) for i, size in enumerate(sizes)]
        candidates += [candidate(f"b{i}", 3 * scale, "B") for i in range(2)]
        result = plan(candidates, limits_of(27 * scale, {"A": 19 * scale, "B": 8 * scale}))
        assert (result.units, result.reachable, result.count) == (25 * scale, False, 4)


@pytest.mark.parametrize(
    ("candidates", "limits", "message"),
    [
        ([candidate("a", 5)], limits_of(5, fixed=["a"], barred=["a"]), "both fixed and barred: a"),
        ([candidate("a", 5), candidate("a", 6)], limits_of(5), "twice"),
        ([candidate("a", 0)], limits_of(5), "whole number"),
        ([candidate("a", 2.5)], limits_of(5), "whole number"),
        ([candidate("a", NAN)], limits_of(5), "whole number"),
        ([candidate("a", 2.0**53), candidate("b", 2)], limits_of(5), "one by one"),
        ([candidate("a", 5, weeks=-1.0)], limits_of(5), "weeks"),
        ([candidate("a", 5, weeks=math.inf)], limits_of(5), "weeks"),
        ([candidate("a", 5)], limits_of(NAN), "missing nan"),
        ([candidate("a", 5)], limits_of(5, weeks_left=NAN), "weeks left nan"),
        ([candidate("a", 5)], limits_of(5, {"A": NAN}), "capacity"),
    ],
)
def test_what_cannot_be_planned(candidates, limits, message):
    with pytest.raises(ValueError, match=message):
        plan(candidates, limits)


# --- A whole city -------------------------------------------------------------------------------

DISTRICTS = 17


def city(seed, kind="usual"):
    """Return 911 projects of 570,000 units in 17 districts, of which 76,000 are missing."""
    draw = np.random.default_rng(seed)
    sizes = draw.lognormal(0, 0.9, 911)
    units = np.maximum(1, np.round(sizes * 570_000 / sizes.sum())).astype(int)
    if kind == "equal":
        units[:] = 626
    elif kind == "almost equal":
        units = 626 + draw.integers(-1, 2, 911)
    district = draw.choice(DISTRICTS, 911, p=draw.dirichlet(np.full(DISTRICTS, 2.0)))
    weeks = draw.choice([4.0, 8, 13, 20, 26, 39], 911) + draw.choice([0.0, 0, 4, 6, 12], 911)
    weeks[draw.random(911) < 0.05] = NAN
    shares = np.bincount(district, units, DISTRICTS) / units.sum()
    shares = (shares + draw.dirichlet(np.full(DISTRICTS, 3.0))) / 2
    wider = {"nearly": 1.0, "tight": 1.03}.get(kind, 1.15)
    candidates = [
        candidate(f"p{place:03}", int(units[place]), f"d{district[place]:02}", float(weeks[place]))
        for place in range(911)
    ]
    capacity = {f"d{place:02}": 76_000 * wider * float(shares[place]) for place in range(DISTRICTS)}
    return candidates, limits_of(76_000, capacity, weeks_left=39)


@pytest.mark.parametrize("kind", ["usual", "tight", "nearly", "equal", "almost equal"])
def test_the_fewest_of_a_city_are_proven_without_any_time_for_the_solver(kind):
    candidates, limits = city(1, kind)
    result = plan(candidates, limits, seconds=0)
    assert_allowed(result, candidates, limits)
    assert result.optimal
    assert result.bound == result.count
    # Within a few units of what the districts can clear at all.
    if not result.reachable:
        assert result.units > 0.9 * limits.missing


def test_a_city_that_just_reaches_needs_every_unit_of_its_capacity():
    candidates, limits = city(2, "nearly")
    most = plan(candidates, dataclasses.replace(limits, missing=1e6), seconds=0)
    assert not most.reachable
    just = plan(candidates, dataclasses.replace(limits, missing=most.units), seconds=0)
    assert just.reachable
    assert just.units == most.units
    assert just.count == most.count
    missed = plan(candidates, dataclasses.replace(limits, missing=most.units + 1), seconds=0)
    assert not missed.reachable
    assert missed.short == 1


def test_a_city_has_the_same_plan_in_any_order():
    candidates, limits = city(3)
    shuffled = random.Random(1).sample(candidates, len(candidates))
    first, second = plan(candidates, limits, seconds=0), plan(shuffled, limits, seconds=0)
    assert repr(first) == repr(second)


def test_more_time_only_saves_weeks():
    candidates, limits = city(4)
    hasty, patient = plan(candidates, limits, seconds=0), plan(candidates, limits, seconds=20)
    assert_allowed(patient, candidates, limits)
    assert hasty.count == patient.count
    assert weeks_of(patient, limits) <= weeks_of(hasty, limits)


def times(seeds=5, seconds=5.0):
    """Print how long plans of a city take."""
    for kind in ("usual", "tight", "nearly", "equal", "almost equal"):
        for seed in range(seeds):
            candidates, limits = city(seed, kind)
            start = time.perf_counter()
            plan(candidates, limits, seconds=0)
            fewest = time.perf_counter() - start
            start = time.perf_counter()
            result = plan(candidates, limits, seconds)
            whole = time.perf_counter() - start
            print(  # noqa: T201
                f"{kind:12} {result.reachable=} {result.count} {result.bound} {result.quickest=}"
                f" fewest {fewest:.2f} s, with weeks {whole:.2f} s"
            )
