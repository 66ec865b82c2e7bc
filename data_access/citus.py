"""Citus: which tables of a version are spread over the machines of a cluster, and which lie on all.

``cases`` are spread by their number, so that a load joins, machine by machine, what it brings with
what is there. The index of words is spread by letters: a search asks for one letter at a time.
Everything else is small and lies on every machine, to be joined with cases where they are.
``docs/citus.md`` lists what the pages ask.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

# Name of a table → the column by which its rows are spread.
SPREAD = {"cases": "case_id", "incoming": "case_id", "word_index": "letter"}


def spread(connection: Connection, tables: Sequence[sa.Table]) -> None:
    """Spread empty tables, or lay them on every machine.

    Raises:
        sqlalchemy.exc.ProgrammingError: the database has no Citus.
    """
    names = connection.get_execution_options()["schema_translate_map"]
    for table in tables:
        named = f"{names[table.schema]}.{table.name}"
        column = SPREAD.get(table.name)
        if column is None:
            asked = sa.func.create_reference_table(named)
        else:
            asked = sa.func.create_distributed_table(named, column)
        connection.execute(sa.select(asked))
