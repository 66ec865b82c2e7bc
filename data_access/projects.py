"""The project ledger as published, its complaints, and the parts of a target by district."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import NamedTuple

import pandas as pd
import sqlalchemy as sa

from data_access import schema
from data_access.case_counts import conditions
from data_access.limits import programme_conditions
from data_access.store import Snapshot
from domain.filters import Basis, Filters
from domain.projects import Durations, LogEntry, Project
from domain.scope import Scope

NAN = float("nan")


class Part(NamedTuple):
    """A district's part of a target: its own goal (NaN: none set) and its stock (NaN: unknown)."""

    goal: float
    stock: float


def parts_by_district(snapshot: Snapshot, scope: Scope, target: str) -> dict[str, Part]:
    """Return district code → its part of a target.

    The stock is what the districts were given with the target, else the units of their projects.
    Empty when neither is known.
    """
    # All targets at once: 27 questions would cost thirty times one.
    everything = snapshot.cached(("parts", scope), lambda: _parts(snapshot, scope))
    return everything.get(target, {})


def _parts(snapshot: Snapshot, scope: Scope) -> dict[str, dict[str, Part]]:
    given, targets = schema.district_targets.c, schema.targets.c
    districts, projects = schema.districts.c, schema.projects.c
    statement = (
        sa.select(targets.code, districts.code, given.value, given.stock)
        .select_from(
            schema.district_targets.join(schema.targets, targets.id == given.target_id).join(
                schema.districts, districts.id == given.district_id
            )
        )
        .where(*programme_conditions(scope))
    )
    of_projects = (
        sa.select(targets.code, districts.code, sa.cast(sa.func.sum(projects.units), sa.BigInteger))
        .select_from(
            schema.projects.join(schema.targets, targets.id == projects.target_id).join(
                schema.districts, districts.id == projects.district_id
            )
        )
        .where(*programme_conditions(scope))
        .group_by(targets.code, districts.code)
    )
    result: dict[str, dict[str, Part]] = {}
    with snapshot.engine.connect() as connection:
        for target, code, units in connection.execute(of_projects):
            result.setdefault(str(target), {})[str(code)] = Part(NAN, float(units))
        for target, code, value, stock in connection.execute(statement):
            parts = result.setdefault(str(target), {})
            known = parts.get(str(code), Part(NAN, NAN)).stock if stock is None else float(stock)
            parts[str(code)] = Part(NAN if value is None else float(value), known)
    return {target: dict(sorted(parts.items())) for target, parts in result.items()}


def projects_of(snapshot: Snapshot, scope: Scope) -> tuple[Project, ...]:
    """Return the whole ledger in order of code, with the log of each project up to the cut-off."""
    return snapshot.cached(("projects", scope), lambda: _projects(snapshot, scope))


def project_of_code(snapshot: Snapshot, scope: Scope, code: str) -> Project | None:
    """Return the project that a code names; None when the reader's ledger has none."""
    by_code = snapshot.cached(
        ("project codes", scope),
        lambda: {project.code: project for project in projects_of(snapshot, scope)},
    )
    return by_code.get(code)


def _projects(snapshot: Snapshot, scope: Scope) -> tuple[Project, ...]:
    projects, targets = schema.projects.c, schema.targets.c
    districts, streets = schema.districts.c, schema.subdistricts.c
    statement = (
        sa.select(
            projects.id,
            projects.code,
            projects.name,
            targets.code,
            districts.code,
            districts.short_name,
            streets.code,
            streets.name,
            *(
                projects[name]
                for name in (
                    "community", "units", "done", "stage", "stage_since", "developer", "owner",
                    "blocker", "next_step", "deadline",
                )
            ),
        )
        .select_from(
            schema.projects.join(schema.targets, targets.id == projects.target_id)
            .outerjoin(schema.districts, districts.id == projects.district_id)
            .outerjoin(schema.subdistricts, streets.id == projects.subdistrict_id)
        )
        .where(*programme_conditions(scope))
        .order_by(projects.code)
    )  # fmt: skip
    log, causes = schema.project_log.c, schema.project_causes.c
    entries = (
        sa.select(log.project_id, log.on_date, log.stage, log.done, log.note)
        .where(log.on_date <= snapshot.cutoff.date())
        .order_by(log.project_id, log.on_date)
    )
    with snapshot.engine.connect() as connection:
        rows = connection.execute(statement).all()
        logs: dict[int, list[LogEntry]] = defaultdict(list)
        for project_id, *entry in connection.execute(entries):
            logs[project_id].append(LogEntry(*entry))
        causes_of: dict[int, list[str]] = defaultdict(list)
        for project_id, cause in connection.execute(
            sa.select(causes.project_id, causes.cause).order_by(causes.project_id, causes.cause)
        ):
            causes_of[project_id].append(cause)
    return tuple(
        Project(
            code=row[1],
            name=row[2],
            target=row[3],
            district=_text(row[4]),
            district_name=_text(row[5]),
            subdistrict=_text(row[6]),
            subdistrict_name=_text(row[7]),
            community=_text(row[8]),
            units=int(row[9]),
            done=int(row[10]),
            stage=row[11],
            stage_since=row[12],
            developer=_text(row[13]),
            owner=_text(row[14]),
            blocker=_text(row[15]),
            next_step=_text(row[16]),
            deadline=row[17],
            causes=tuple(dict.fromkeys(causes_of[row[0]])),
            log=tuple(logs[row[0]]),
        )
        for row in rows
    )


def _text(value: str | None) -> str:
    return value or ""


def durations(snapshot: Snapshot) -> Durations:
    """Return how long stages and causes usually take, as the data says; empty when it does not."""

    def read() -> Durations:
        stages, causes = schema.project_stages.c, schema.causes.c
        with snapshot.engine.connect() as connection:
            of_stages = connection.execute(
                sa.select(stages.name, stages.weeks).order_by(stages.position, stages.name)
            ).all()
            of_causes = connection.execute(sa.select(causes.name, causes.weeks)).all()
        return Durations(
            {name: float(weeks) for name, weeks in of_stages if weeks is not None},
            {name: float(weeks) for name, weeks in of_causes if weeks is not None},
            tuple(name for name, _ in of_stages),
        )

    return snapshot.cached(("durations",), read)


# --- Complaints around a project ----------------------------------------------------------------


def _around(
    snapshot: Snapshot, scope: Scope, basis: Basis, topic: str, project: Project
) -> list[sa.ColumnElement[bool]] | None:
    """Return the conditions for the cases of a topic in a project's community up to the cut-off.

    A community is told apart by its street, or by its district where the street is not known.
    None when the community is not known, or its place is not.
    """
    if not project.community or not (project.subdistrict or project.district):
        return None
    place = (
        Filters(subdistrict=(project.subdistrict,))
        if project.subdistrict
        else Filters(district=(project.district,))
    )
    cases = schema.cases
    return [
        *conditions(snapshot, scope, place.narrowed(topic=(topic,), basis=basis), cases),
        cases.c.community == project.community,
        cases.c.created_at <= snapshot.cutoff,
    ]


def _open(snapshot: Snapshot) -> sa.ColumnElement[bool]:
    """Return whether a case is open at the cut-off: what was closed later was so then."""
    later = sa.func.coalesce(schema.cases.c.closed_at > snapshot.cutoff, sa.false())
    return sa.or_(~schema.cases.c.closed, later)


def cases_around_by_month(
    snapshot: Snapshot, scope: Scope, basis: Basis, topic: str, project: Project
) -> pd.DataFrame:
    """Return the complaints of a topic in a project's community, one row per month of the data.

    Columns: ``month`` (date, its first day; from that of the oldest case to that of the cut-off,
    months without any too), ``cases``, ``open`` (int64, open at the cut-off). Nothing counted
    where the community is not known.
    """
    key = ("project months", scope, basis, topic, project.code)
    return snapshot.cached(key, lambda: _by_month(snapshot, scope, basis, topic, project))


def _by_month(
    snapshot: Snapshot, scope: Scope, basis: Basis, topic: str, project: Project
) -> pd.DataFrame:
    where = _around(snapshot, scope, basis, topic, project)
    counted: dict[dt.date, tuple[int, int]] = {}
    if where is not None:
        month = sa.cast(sa.func.date_trunc("month", schema.cases.c.created_on), sa.Date)
        still = sa.func.sum(sa.case((_open(snapshot), 1), else_=0))
        statement = (
            sa.select(month, sa.cast(sa.func.count(), sa.BigInteger), sa.cast(still, sa.BigInteger))
            .where(*where)
            .group_by(month)
        )
        with snapshot.engine.connect() as connection:
            for on, cases, left in connection.execute(statement):
                day = on.date() if isinstance(on, dt.datetime) else on
                counted[day] = (int(cases), int(left))
    months = []
    month_of = (snapshot.first_day or snapshot.cutoff.date()).replace(day=1)
    while month_of <= snapshot.cutoff.date():
        months.append(month_of)
        month_of = (month_of + dt.timedelta(days=32)).replace(day=1)
    rows = [(month, *counted.get(month, (0, 0))) for month in months]
    frame = pd.DataFrame(rows, columns=["month", "cases", "open"], dtype="object")
    return frame.astype({"cases": "int64", "open": "int64"})


def newest_cases_around(
    snapshot: Snapshot, scope: Scope, basis: Basis, topic: str, project: Project, limit: int
) -> pd.DataFrame:
    """Return the newest complaints of a topic in a project's community.

    Columns as of ``programme.cases_of_topic``, ``place`` the community; ``repeats`` is 0.
    """
    key = ("project cases", scope, basis, topic, project.code, limit)
    return snapshot.cached(key, lambda: _newest(snapshot, scope, basis, topic, project, limit))


def _newest(
    snapshot: Snapshot, scope: Scope, basis: Basis, topic: str, project: Project, limit: int
) -> pd.DataFrame:
    columns = [
        "case_id",
        "created_at",
        "due_at",
        "place",
        "category",
        "summary",
        "closed",
        "repeats",
    ]
    where = _around(snapshot, scope, basis, topic, project)
    if where is None:
        return pd.DataFrame(columns=columns)
    cases = schema.cases.c
    statement = (
        sa.select(
            cases.case_id,
            cases.created_at,
            cases.due_at,
            cases.category_id,
            cases.summary,
            _open(snapshot).label("open"),
        )
        .where(*where)
        .order_by(cases.created_at.desc(), cases.case_id)
        .limit(limit)
    )
    with snapshot.engine.connect() as connection:
        rows = connection.execute(statement).all()
    name_of = snapshot.reference.lookup("categories", "id", "name")
    records = [
        (
            row.case_id,
            row.created_at,
            row.due_at,
            project.community,
            name_of.get(row.category_id, ""),
            row.summary or "",
            not row.open,
            0,
        )
        for row in rows
    ]
    return pd.DataFrame(records, columns=columns)
