"""Rule sets: versions, dates, bounds."""

import datetime as dt

import pytest

from domain.rules import RULES, RuleError, Rules, rules_from_rows, rules_in_force


def row(name, value, version="2022", effective_on=dt.date(2022, 1, 1)):
    return {"version": version, "effective_on": effective_on, "name": name, "value": value}


def test_every_rule_is_described_and_has_a_default():
    assert set(Rules().values()) == {rule.name for rule in RULES}
    assert all(rule.label and rule.note for rule in RULES)


def test_the_set_in_force_depends_on_the_day():
    old = Rules(version="旧", effective_on=dt.date(2020, 1, 1))
    new = Rules(version="新", effective_on=dt.date(2021, 1, 1))
    assert rules_in_force((old, new), dt.date(2020, 12, 31)) is old
    assert rules_in_force((old, new), dt.date(2021, 1, 1)) is new
    assert rules_in_force((old, new), dt.date(2019, 1, 1)) is old


def test_rows_become_sets_and_missing_rules_keep_the_default():
    sets = rules_from_rows([row("period_first_day", "1"), row("minimum_revisits", "50")])
    assert len(sets) == 1
    assert (sets[0].period_first_day, sets[0].minimum_revisits) == (1, 50)
    assert sets[0].weight_resolution == Rules().weight_resolution
    assert rules_from_rows([]) == (Rules(),)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("no_such_rule", "1"),
        ("minimum_revisits", '"many"'),
        ("minimum_revisits", "2.5"),
        ("minimum_revisits", "[1]"),
        ("period_first_day", "29"),
        ("weight_response", "0.5"),
        ("mature_share", "NaN"),
    ],
)
def test_bad_rules_are_refused(name, value):
    with pytest.raises(RuleError):
        rules_from_rows([row(name, value)])


def test_one_version_has_one_date():
    with pytest.raises(RuleError):
        rules_from_rows(
            [
                row("minimum_revisits", "50"),
                row("mature_share", "0.8", effective_on=dt.date(2023, 1, 1)),
            ]
        )
