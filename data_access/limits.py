"""What a scope means in SQL for rows of the programme: progress, parts of targets, projects."""

from __future__ import annotations

import sqlalchemy as sa

from data_access import schema
from domain.scope import Scope


def programme_conditions(scope: Scope) -> list[sa.ColumnElement[bool]]:
    """Return the WHERE conditions for rows of a district on a join with districts and targets.

    A district sees its own rows; a unit the rows of the targets of topics it takes part in, 主责 or
    配合, of every district: that is what it answers for.
    """
    where: list[sa.ColumnElement[bool]] = []
    if scope.districts is not None:
        where.append(schema.districts.c.code.in_(sorted(scope.districts)))
    if scope.units is not None:
        own = (
            sa.select(schema.topic_units.c.topic_id)
            .join_from(
                schema.topic_units, schema.units, schema.units.c.id == schema.topic_units.c.unit_id
            )
            .where(schema.units.c.code.in_(sorted(scope.units)))
        )
        where.append(schema.targets.c.topic_id.in_(own))
    return where
