"""The plan (清零方案): the fewest projects whose clearance reaches what a target still lacks.

A project counts when it is cleared as a whole. Districts share nothing but the sum, so the fewest
are found exactly: how many units so and so many projects of one district can clear within its
capacity, counted in whole units, then put together over districts. Where the units are too many
for such a table, an integer programme (HiGHS) and its relaxation give a plan and a proven bound.
Among plans of as few projects a second programme looks for the fewest weeks.
"""

from __future__ import annotations

import datetime as dt
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.sparse import csr_array

if TYPE_CHECKING:
    from scipy.optimize import LinearConstraint, OptimizeResult

# Why a project cannot be chosen, the first that holds.
Reason = Literal["barred", "late", "deadline", "too_large", "no_room"]
REASON_WORDS: dict[Reason, str] = {
    "barred": "指定不列入",
    "late": "时间不够",
    "deadline": "时限晚于目标日",
    "too_large": "超过本区办理能力",
    "no_room": "本区能力已被必选项目占用",
}
# Units are whole: what is computed from shares and paces may be off by less than this.
_WHOLE = 1e-6
# The solver's tolerances; a bound is lowered by it before it is rounded up.
_SLACK = 1e-4
# Most bits of tables that are kept at once (125 MB), and that are gone through (a second or two).
_KEPT_BITS, _ALL_BITS = 10**9, 2 * 10**10
# Larger units are scaled down for the solver.
_LARGEST = 10**6
# Above it a float64 does not know every whole number.
_MOST_UNITS = 2**53
# For a number of projects that does not fit: below 0 whatever is added to it.
_NEVER = -(2**56)


@dataclass(frozen=True)
class Candidate:
    """A project that is not finished. ``district`` is a code, "" when not known.

    ``remaining``: units left, a whole number above 0. ``weeks``: from now until it is cleared;
    NaN when not known. ``deadline``: the day it has to be finished, if agreed.
    """

    code: str
    district: str
    remaining: float
    weeks: float
    deadline: dt.date | None = None


@dataclass(frozen=True)
class Limits:
    """What a plan has to reach, and within what.

    ``missing``: units to be cleared. ``weeks_left``: until the due day. ``capacity``: district →
    units it can clear by then; absent: no limit. ``fixed``, ``barred``: codes that have to be, that
    must not be in the plan; a code of no candidate is ignored. ``due_on``: the due day; None: the
    deadlines of projects are not looked at.
    """

    missing: float
    weeks_left: float
    capacity: Mapping[str, float]
    fixed: frozenset[str] = frozenset()
    barred: frozenset[str] = frozenset()
    due_on: dt.date | None = None


@dataclass(frozen=True)
class Choice:
    """Why a project is in the plan.

    ``fixed``: it had to be. ``place``: of its remaining units among all candidates of its district,
    1 the largest, ties share a place. ``passed_over``: larger projects of its district that could
    have been chosen and are not: it is there because it is quicker or fits. ``weeks`` as given.
    """

    code: str
    district: str
    remaining: float
    weeks: float
    fixed: bool
    place: int
    passed_over: int


@dataclass(frozen=True)
class Load:
    """Units of a plan in a district, and its capacity; ``used`` is above it by fixed projects."""

    district: str
    used: float
    capacity: float


@dataclass(frozen=True)
class Plan:
    """The plan; codes with the largest remaining first, then by code.

    ``chosen``: codes; ``choices``: the same with the reasons. ``units``: what they clear;
    ``missing``: as asked; ``short``: what then still lacks.

    ``reachable``: whether the plan clears what is missing; else it clears as much as can be.
    ``most``: proven that no plan clears more. (Not reachable with ``most`` at or above ``missing``:
    none that reaches was found in time.)

    ``count``: projects; ``bound``: proven least number that clears ``missing`` (or, where it is
    not reachable, as much as this plan); ``gap``: count − bound. ``optimal``: nothing better is
    possible, proven. ``quickest``: among plans of as many projects that clear as much as is asked
    none needs fewer weeks in total, proven; a project of unknown weeks counts as ``weeks_left``.

    ``excluded``: code → why it could not be chosen. ``conflicts``: fixed code → limits it breaks;
    "no_room" when only the fixed projects of its district together do. ``binding``: districts whose
    capacity is used up, or leaves no room for a project that is not chosen though at least as
    large as the smallest chosen (however small, where the target is not reachable); in order of
    code.
    """

    chosen: tuple[str, ...]
    choices: tuple[Choice, ...]
    units: float
    missing: float
    short: float
    most: float
    reachable: bool
    count: int
    bound: int
    optimal: bool
    quickest: bool
    excluded: Mapping[str, Reason]
    conflicts: Mapping[str, tuple[Reason, ...]]
    binding: tuple[Load, ...]

    @property
    def gap(self) -> int:
        """Projects that a better plan could save at most."""
        return self.count - self.bound


def plan(candidates: Sequence[Candidate], limits: Limits, seconds: float = 5.0) -> Plan:
    """Return the plan with the fewest projects, and among these with the fewest weeks in total.

    Independent of the order of the candidates. The same input gives the same plan, unless the time
    runs out before it is proven the best (``optimal``, ``quickest``).

    Args:
        candidates: unfinished projects.
        limits: what to reach. Fixed projects are in the plan whatever limit they break; they count
            towards the target and use the capacity of their district.
        seconds: for the integer programmes, all together.

    Raises:
        ValueError: a project both fixed and barred, a code given twice, units that are not whole
            and above 0, negative weeks, or a limit that is not a number.
    """
    until = time.monotonic() + seconds
    _check(candidates, limits)
    # Quick ones first: where the table has a choice it takes them.
    ordered = sorted(candidates, key=lambda each: (_weeks(each, limits), each.code))
    capacity = {
        district: max(math.floor(units + _WHOLE), 0)
        for district, units in limits.capacity.items()
        if units < math.inf
    }
    fixed = [each for each in ordered if each.code in limits.fixed]
    used: Counter[str] = Counter()
    for each in fixed:
        used[each.district] += int(each.remaining)
    excluded: dict[str, Reason] = {}
    free = []
    for each in ordered:
        if each.code in limits.fixed:
            continue
        reasons = _reasons(each, limits, capacity, used[each.district])
        if reasons:
            excluded[each.code] = reasons[0]
        else:
            free.append(each)
    model = _model(free, limits, {code: most - used[code] for code, most in capacity.items()})
    need = max(math.ceil(limits.missing - _WHOLE) - used.total(), 0)
    found = _fewest(model, need, until)
    chosen, quickest = _quickest(model, found, until)
    taken = [*fixed, *(free[place] for place in chosen)]
    units = sum(int(each.remaining) for each in taken)
    reachable = units - used.total() >= need
    bound = len(fixed) + found.bound
    return Plan(
        chosen=tuple(each.code for each in sorted(taken, key=_presented)),
        choices=_choices(ordered, taken, excluded, limits),
        units=float(units),
        missing=limits.missing,
        short=0.0 if reachable else limits.missing - units,
        most=float(found.most + used.total()),
        reachable=reachable,
        count=len(taken),
        bound=bound,
        optimal=bound == len(taken) and (reachable or found.most == units - used.total()),
        quickest=quickest,
        excluded=dict(sorted(excluded.items())),
        conflicts={
            each.code: reasons
            for each in sorted(fixed, key=_presented)
            if (reasons := _reasons(each, limits, capacity, used[each.district] - each.remaining))
        },
        binding=_binding(ordered, taken, excluded, capacity, reachable),
    )


def _check(candidates: Sequence[Candidate], limits: Limits) -> None:
    both = sorted(limits.fixed & limits.barred)
    if both:
        raise ValueError(f"both fixed and barred: {', '.join(both)}")
    if len({each.code for each in candidates}) < len(candidates):
        raise ValueError("a code is given twice")
    for each in candidates:
        if not (each.remaining > 0 and float(each.remaining).is_integer()):
            raise ValueError(
                f"{each.code}: {each.remaining} units left, not a whole number above 0"
            )
        if each.weeks < 0 or math.isinf(each.weeks):
            raise ValueError(f"{each.code}: {each.weeks} weeks")
    if math.fsum(each.remaining for each in candidates) > _MOST_UNITS:
        raise ValueError("more units than can be counted one by one")
    if not (math.isfinite(limits.missing) and math.isfinite(limits.weeks_left)):
        raise ValueError(f"missing {limits.missing}, weeks left {limits.weeks_left}")
    if any(math.isnan(units) for units in limits.capacity.values()):
        raise ValueError("a capacity is not a number")


def _weeks(candidate: Candidate, limits: Limits) -> float:
    """Return the weeks to reckon with: not known counts as the longest there is time for."""
    return max(limits.weeks_left, 0.0) if math.isnan(candidate.weeks) else candidate.weeks


def _reasons(
    candidate: Candidate, limits: Limits, capacity: Mapping[str, int], used: float
) -> tuple[Reason, ...]:
    """Return the limits that a project breaks, where ``used`` units are taken by others."""
    room = capacity.get(candidate.district, math.inf)
    needed = 0.0 if math.isnan(candidate.weeks) else candidate.weeks
    too_large = candidate.remaining > room
    deadline, due_on = candidate.deadline, limits.due_on
    broken: dict[Reason, bool] = {
        "barred": candidate.code in limits.barred,
        "late": needed > limits.weeks_left,
        "deadline": deadline is not None and due_on is not None and deadline > due_on,
        "too_large": too_large,
        "no_room": not too_large and candidate.remaining > room - used,
    }
    return tuple(reason for reason, holds in broken.items() if holds)


def _presented(candidate: Candidate) -> tuple[float, str]:
    return -candidate.remaining, candidate.code


def _choices(
    ordered: Sequence[Candidate],
    taken: Sequence[Candidate],
    excluded: Mapping[str, Reason],
    limits: Limits,
) -> tuple[Choice, ...]:
    codes = {each.code for each in taken}
    found = []
    for each in sorted(taken, key=_presented):
        larger = [
            other
            for other in ordered
            if other.district == each.district and other.remaining > each.remaining
        ]
        passed_over = sum(
            other.code not in codes and other.code not in excluded for other in larger
        )
        found.append(
            Choice(
                each.code,
                each.district,
                float(each.remaining),
                each.weeks,
                each.code in limits.fixed,
                len(larger) + 1,
                passed_over,
            )
        )
    return tuple(found)


def _binding(
    ordered: Sequence[Candidate],
    taken: Sequence[Candidate],
    excluded: Mapping[str, Reason],
    capacity: Mapping[str, int],
    reachable: bool,
) -> tuple[Load, ...]:
    codes = {each.code for each in taken}
    used: Counter[str] = Counter()
    for each in taken:
        used[each.district] += int(each.remaining)
    smallest = min((each.remaining for each in taken), default=0.0) if reachable else 0.0
    bound = set()
    for each in ordered:
        room = capacity.get(each.district, math.inf) - used[each.district]
        out = each.code not in codes and excluded.get(each.code, "no_room") == "no_room"
        if room <= 0 or (out and each.remaining > room and each.remaining >= smallest):
            bound.add(each.district)
    return tuple(Load(code, float(used[code]), float(capacity[code])) for code in sorted(bound))


# --- The fewest ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Model:
    """The projects that may be chosen: units, weeks, and the place of its limit in ``room``.

    ``group`` is -1 where there is no limit, or one that all projects of the district keep.
    """

    units: np.ndarray
    weeks: np.ndarray
    group: np.ndarray
    room: tuple[int, ...]

    def of(self, members: np.ndarray) -> _Model:
        """Return some of the projects, under the same limits."""
        return _Model(self.units[members], self.weeks[members], self.group[members], self.room)

    def members(self) -> list[np.ndarray]:
        """Return the places of the projects of each limit in order, then of those without."""
        return [np.flatnonzero(self.group == group) for group in (*range(len(self.room)), -1)]

    def keeps(self, chosen: np.ndarray, need: int) -> bool:
        """Return whether projects are enough and within the limits, in whole numbers."""
        units, group = self.units[chosen], self.group[chosen]
        return int(units.sum()) >= need and all(
            int(units[group == place].sum()) <= room for place, room in enumerate(self.room)
        )


@dataclass(frozen=True)
class _Found:
    """A plan by places in the model.

    ``parts``: projects that can be exchanged among each other without a change of number and of
    reach, with the units they have to clear.
    """

    chosen: np.ndarray
    most: int
    bound: int
    parts: tuple[tuple[np.ndarray, int], ...]


def _model(free: Sequence[Candidate], limits: Limits, room: Mapping[str, int]) -> _Model:
    held: Counter[str] = Counter()
    for each in free:
        held[each.district] += int(each.remaining)
    limited = sorted(district for district in held if held[district] > room.get(district, math.inf))
    places = {district: place for place, district in enumerate(limited)}
    return _Model(
        np.array([int(each.remaining) for each in free], dtype="int64"),
        np.array([_weeks(each, limits) for each in free], dtype="float64"),
        np.array([places.get(each.district, -1) for each in free], dtype="int64"),
        tuple(room[district] for district in limited),
    )


def _fewest(model: _Model, need: int, until: float) -> _Found:
    """Return a plan of the fewest projects; the one that clears most when none clears the need."""
    greedy = _largest_first(model, need)
    reaches = int(model.units[greedy].sum()) >= need
    at_most = len(greedy) if reaches else len(model.units)
    if _bits(model, at_most) <= _ALL_BITS:
        return _by_table(model, need, at_most)
    return _by_programme(model, need, greedy, until)


def _largest_first(model: _Model, need: int) -> np.ndarray:
    """Return projects that fit, the largest first, until the need is reached."""
    room = [*model.room, int(model.units.sum())]
    chosen: list[int] = []
    for place in np.argsort(-model.units, kind="stable").tolist():
        if need <= 0:
            break
        units, group = int(model.units[place]), int(model.group[place])
        if units <= room[group]:
            room[group] -= units
            need -= units
            chosen.append(place)
    return np.array(chosen, dtype="int64")


def _levels(units: Sequence[int], room: int, at_most: int) -> int:
    """Return the most projects of a district that can be in a plan."""
    sums = np.cumsum(np.sort(np.asarray(units, dtype="int64")))
    return min(int(np.searchsorted(sums, room, side="right")), at_most)


def _bits(model: _Model, at_most: int) -> float:
    """Return the size of all tables, in bits; infinite where too much would have to be kept."""
    total = 0
    for members, room in zip(model.members(), model.room, strict=False):
        row = (_levels(model.units[members].tolist(), room, at_most) + 1) * room
        if row * 2 * (math.isqrt(len(members)) + 1) > _KEPT_BITS:
            return math.inf
        total += row * len(members)
    return total


# For each number of projects the sums that can be made of it: a set of sums is an integer, with
# bit s for the sum s.
_Sums = list[int]


def _with(sums: _Sums, units: int, room: int) -> _Sums:
    """Return the sums with one more project to choose from."""
    within = (1 << (room + 1)) - 1
    more = (fewer << units & within for fewer in sums[:-1])
    return [sums[0], *(same | other for same, other in zip(sums[1:], more, strict=True))]


def _by_table(model: _Model, need: int, at_most: int) -> _Found:
    """Return a plan of the fewest projects, exactly."""
    # Most units by number of projects: of one district, and of all up to it.
    tables: list[np.ndarray] = []
    together = [np.zeros(1, dtype="int64")]
    groups = model.members()
    for group, members in enumerate(groups):
        units = model.units[members]
        if group < len(model.room):
            room = model.room[group]
            sums = [1] + [0] * _levels(units.tolist(), room, at_most)
            for size in units.tolist():
                sums = _with(sums, size, room)
            table = np.array([each.bit_length() - 1 if each else _NEVER for each in sums])
        else:
            table = np.append(0, np.cumsum(np.sort(units)[::-1])[:at_most])
        tables.append(table.astype("int64"))
        together.append(_joined(together[-1], tables[-1], at_most))
    most = int(together[-1].max())
    reach = min(need, most)
    count = int(np.argmax(together[-1] >= reach))
    chosen: list[int] = []
    parts = []
    left, total = count, int(together[-1][count])
    for group in reversed(range(len(groups))):
        before, table = together[group], tables[group]
        number = next(
            number
            for number in range(min(left, len(table) - 1) + 1)
            if left - number < len(before) and before[left - number] + table[number] == total
        )
        members = groups[group]
        if group < len(model.room):
            picked = _picked(model.units[members].tolist(), model.room[group], number, table)
        else:
            picked = np.argsort(-model.units[members], kind="stable")[:number].tolist()
        chosen.extend(members[picked].tolist())
        parts.append((members, int(table[number])))
        left, total = left - number, int(before[left - number])
    # Below the need every district is at its most, and its number the least for it: each can be
    # looked at alone. Otherwise they trade with each other.
    whole = ((np.arange(len(model.units)), reach),)
    return _Found(
        np.array(sorted(chosen), dtype="int64"),
        # A table that ends with the need says nothing about more than it.
        most if most < need else _upper(model),
        count,
        tuple(parts) if most < need else whole,
    )


def _joined(first: np.ndarray, second: np.ndarray, at_most: int) -> np.ndarray:
    """Return the most units by number of projects, however the number is split between two."""
    joined = np.full(min(len(first) + len(second) - 1, at_most + 1), _NEVER, dtype="int64")
    for number, most in enumerate(second[: len(joined)].tolist()):
        end = min(number + len(first), len(joined))
        joined[number:end] = np.maximum(joined[number:end], first[: end - number] + most)
    return joined


def _picked(units: Sequence[int], room: int, number: int, table: np.ndarray) -> list[int]:
    """Return the places of so many projects of a district that clear the most within its room."""
    total = int(table[number])
    picked = []
    # Of the tables before each project one in so many is kept, and those between made again.
    step = math.isqrt(len(units)) + 1
    sums = [1] + [0] * number
    kept = []
    for place, size in enumerate(units):
        if place % step == 0:
            kept.append(sums)
        sums = _with(sums, size, room)
    for start in reversed(range(0, len(units), step)):
        before = [kept[start // step]]
        for size in units[start : start + step - 1]:
            before.append(_with(before[-1], size, room))
        for place in reversed(range(start, min(start + step, len(units)))):
            # As few of the later ones as possible: they take longer.
            if not before[place - start][number] >> total & 1:
                picked.append(place)
                number, total = number - 1, total - units[place]
    return picked


def _upper(model: _Model) -> int:
    """Return what districts hold or can clear, whichever is less, together."""
    *limited, free = (int(model.units[members].sum()) for members in model.members())
    return sum(min(pair) for pair in zip(limited, model.room, strict=True)) + free


def _by_programme(model: _Model, need: int, greedy: np.ndarray, until: float) -> _Found:
    """Return a plan by integer programme: never worse than ``greedy``, with a proven bound."""
    ones = np.ones(len(model.units))
    most, best, proven = _upper(model), greedy, 0
    if need <= most:
        answer = _solved(model, ones, need, None, until)
        proven = answer.bound
        if answer.infeasible and int(model.units[best].sum()) < need:
            most = need - 1
        elif answer.chosen is not None and (
            int(model.units[best].sum()) < need or len(answer.chosen) < len(best)
        ):
            best = answer.chosen
    if int(model.units[best].sum()) < need:
        proven = 0
        answer = _solved(model, -model.units / model.units.max(), 0, None, until)
        if answer.chosen is not None and model.units[answer.chosen].sum() > model.units[best].sum():
            best = answer.chosen
    reach = min(need, int(model.units[best].sum()))
    proven = max(proven, _relaxed(model, ones, reach))
    return _Found(best, most, min(proven, len(best)), ((np.arange(len(model.units)), reach),))


# --- The quickest of them -----------------------------------------------------------------------


def _quickest(model: _Model, found: _Found, until: float) -> tuple[list[int], bool]:
    """Return a plan of as many projects with the fewest weeks found, and whether it is proven."""
    chosen: list[int] = []
    proven = True
    for members, need in found.parts:
        part = model.of(members)
        known = np.flatnonzero(np.isin(members, found.chosen))
        best, best_proven = _quickest_of(part, known, need, until)
        chosen.extend(members[best].tolist())
        proven = proven and best_proven
    return chosen, proven


def _quickest_of(
    part: _Model, known: np.ndarray, need: int, until: float
) -> tuple[np.ndarray, bool]:
    count, weeks = len(known), part.weeks[known].sum()
    if weeks <= np.sort(part.weeks)[:count].sum() + _WHOLE:
        return known, True
    answer = _solved(part, part.weeks, need, count, until)
    if answer.chosen is None or part.weeks[answer.chosen].sum() > weeks + _WHOLE:
        return known, False
    return answer.chosen, answer.proven


# --- HiGHS --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Answer:
    """What the solver found: ``chosen`` None for nothing, ``bound`` of the objective, rounded up.

    ``chosen`` keeps the limits in whole numbers, whatever the solver's tolerances.
    """

    chosen: np.ndarray | None = None
    proven: bool = False
    infeasible: bool = False
    bound: int = 0


def _milp(costs: np.ndarray, **how: Any) -> OptimizeResult:
    # The solver takes 23 MB of a process, and most never plan.
    from scipy.optimize import Bounds, milp

    return milp(costs, bounds=Bounds(0, 1), **how)


def _constraints(model: _Model, need: int, count: int | None) -> list[LinearConstraint]:
    from scipy.optimize import LinearConstraint

    projects = len(model.units)
    # With coefficients of thousands of millions the solver calls optimal what is not.
    scale = max(1.0, float(model.units.max()) / _LARGEST)
    units = model.units / scale
    found = [LinearConstraint(units[None], need / scale, np.inf)]
    if model.room:
        limited = np.flatnonzero(model.group >= 0)
        rooms = csr_array(
            (units[limited], (model.group[limited], limited)), shape=(len(model.room), projects)
        )
        found.append(LinearConstraint(rooms, -np.inf, np.array(model.room) / scale))
    if count is not None:
        found.append(LinearConstraint(np.ones((1, projects)), count, count))
    return found


def _solved(
    model: _Model, costs: np.ndarray, need: int, count: int | None, until: float
) -> _Answer:
    """Return the projects of the least costs that clear the need, ``count`` of them if given."""
    seconds = until - time.monotonic()
    if seconds <= 0 or not len(costs):
        return _Answer()
    result = _milp(
        costs,
        integrality=np.ones(len(costs)),
        constraints=_constraints(model, need, count),
        options={"time_limit": seconds, "mip_rel_gap": 0.0},
    )
    # Without a plan in time the solver gives no bound either.
    bound = 0 if result.mip_dual_bound is None else _rounded_up(result.mip_dual_bound)
    if result.x is None:
        return _Answer(infeasible=result.status == 2, bound=bound)
    chosen = np.flatnonzero(result.x > 0.5)
    if not model.keeps(chosen, need) or count not in (None, len(chosen)):
        return _Answer(bound=bound)
    # "Optimal" alone is not believed: what was found has to meet the bound.
    proven = result.status == 0 and costs[chosen].sum() <= result.mip_dual_bound + _SLACK
    return _Answer(chosen, proven=bool(proven), bound=bound)


def _relaxed(model: _Model, costs: np.ndarray, need: int) -> int:
    """Return the least costs where parts of a project count too: no plan costs less."""
    if not len(costs):
        return 0
    result = _milp(costs, constraints=_constraints(model, need, None))
    return _rounded_up(result.fun) if result.status == 0 else 0


def _rounded_up(bound: float) -> int:
    return math.ceil(bound - _SLACK) if math.isfinite(bound) else 0
