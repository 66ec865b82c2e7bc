"""Dates and times as text → a naive moment in Asia/Shanghai, as SQL over a text column."""

from __future__ import annotations

from collections.abc import Sequence

from .mapping import EXCEL


def literal(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return a name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


# Tried in order on text whose separators have become - and : already.
_FORMATS = "['%Y-%m-%d %H:%M:%S', '%Y-%m-%d %H:%M', '%Y-%m-%d', '%Y-%m-%d %H',"
_FORMATS += " '%Y-%m-%d %p %I:%M:%S', '%Y-%m-%d %p %I:%M']"
# What Excel writes: 2019/6/2 9:05.
_UNPADDED = "[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}( [0-9]{1,2}:[0-9]{2}(:[0-9]{2})?)?"
# A zone behind a time of day; "-01" at the end of a date is none.
_ZONE = r"(:[0-9]{2}(?:\.[0-9]+)?) ?(Z|[+-][0-9]{2}(?::?[0-9]{2})?)$"


def _local(text: str) -> str:
    """Return the SQL for a year-first time without a zone; NULL for anything else."""
    plain = rf"regexp_replace({text}, '([0-9])T([0-9])', '\1 \2')"
    plain = rf"regexp_replace({plain}, '(:[0-9]{{1,2}})\.[0-9]+$', '\1')"
    plain = rf"regexp_replace({plain}, '[日号] *', ' ')"
    for written, by in (
        ("上午", "AM "),
        ("下午", "PM "),
        ("年", "-"),
        ("月", "-"),
        ("/", "-"),
        (".", "-"),
        ("时", ":"),
        ("点", ":"),
        ("分", ":"),
        ("秒", ""),
        ("：", ":"),
    ):
        plain = f"replace({plain}, '{written}', '{by}')"
    plain = rf"regexp_replace(rtrim({plain}, ': '), ' +', ' ', 'g')"
    return (
        f"CASE WHEN regexp_full_match({text}, '[0-9]{{8}}') THEN try_strptime({text}, '%Y%m%d')"
        f" WHEN regexp_full_match({text}, '[0-9]{{14}}') THEN try_strptime({text}, '%Y%m%d%H%M%S')"
        f" WHEN regexp_full_match({text}, '[0-9]{{12}}') THEN try_strptime({text}, '%Y%m%d%H%M')"
        f" ELSE try_strptime({plain}, {_FORMATS}) END"
    )


def time_sql(text: str, formats: Sequence[str] = ()) -> str:
    """Return the SQL for the moment that a text column says; NULL where it cannot be read.

    Year-first notations only, in any mixture: 2021-04-01 09:05:00, 2019/6/2 9:05, 2021年4月1日,
    20210401, 20210401103000, ISO with T, with fractions (cut off) and with a zone (converted).
    ``formats`` are tried before them; the word ``excel`` allows Excel's serial numbers.
    """
    moved = rf"regexp_extract({text}, '{_ZONE}', 2)"
    minutes = (
        f"CASE WHEN {moved} = 'Z' THEN 0 ELSE (CASE WHEN {moved}[1] = '-' THEN -1 ELSE 1 END)"
        f" * (try_cast({moved}[2:3] AS INTEGER) * 60"
        f" + coalesce(try_cast(replace({moved}[4:], ':', '') AS INTEGER), 0)) END"
    )
    without_zone = rf"regexp_replace({text}, '{_ZONE}', '\1')"
    branches = []
    explicit = [pattern for pattern in formats if pattern != EXCEL]
    if explicit:
        parsed = f"try_strptime({text}, [{', '.join(literal(p) for p in explicit)}])"
        branches.append(f"WHEN {parsed} IS NOT NULL THEN {parsed}")
    if EXCEL in formats:
        branches.append(
            rf"WHEN regexp_full_match({text}, '[0-9]{{5}}(\.[0-9]+)?')"
            f" THEN TIMESTAMP '1899-12-30' + to_seconds(round(CAST({text} AS DOUBLE) * 86400))"
        )
    # The two notations that nearly every export uses, without a regular expression.
    branches.append(
        f"WHEN {text} LIKE '____-__-__ __:__:__' OR {text} LIKE '____/__/__ __:__:__'"
        f" OR {text} LIKE '____-__-__' THEN try_cast({text} AS TIMESTAMP)"
    )
    branches.append(
        f"WHEN regexp_full_match({text}, '{_UNPADDED}') THEN try_cast({text} AS TIMESTAMP)"
    )
    branches.append(
        f"WHEN regexp_matches({text}, '{_ZONE}')"
        f" THEN {_local(without_zone)} + to_minutes(480 - ({minutes}))"
    )
    return f"CASE WHEN {text} IS NULL THEN NULL {' '.join(branches)} ELSE {_local(text)} END"


def day_only_sql(text: str) -> str:
    """Return the SQL for whether a readable time gives the day only."""
    return rf"NOT regexp_matches({text}, ':|：|时|点|^[0-9]{{12}}|^[0-9]{{5}}\.')"
