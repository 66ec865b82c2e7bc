"""What a load says to a Citus coordinator, and that it says nothing of it to PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import dialect

from data_access import schema
from data_access.citus import SPREAD, spread
from data_access.publishing import PublishError, publish
from data_access.settings import Settings
from data_access.store import open_store
from tests.data.conftest import empty_store
from tests.data.staging import stage

# A database that has the two functions without being a cluster: they write down what was asked.
PRETEND = """
CREATE TABLE told (said text);
CREATE FUNCTION create_distributed_table(name regclass, by text) RETURNS void
    LANGUAGE sql AS 'INSERT INTO public.told VALUES (name::text || '' by '' || by)';
CREATE FUNCTION create_reference_table(name regclass) RETURNS void
    LANGUAGE sql AS 'INSERT INTO public.told VALUES (name::text)';
"""


def quiet(_label: str, _share: float) -> None:
    """Ignore progress."""


def run(settings: Settings, command: str) -> list[Any]:
    engine = sa.create_engine(
        settings.database_url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        result = connection.exec_driver_sql(command)
        return list(result) if result.returns_rows else []


@pytest.fixture
def postgresql(tmp_path: Path) -> Iterator[Settings]:
    with empty_store("postgresql", tmp_path, may_spread=False) as settings:
        yield settings


def test_tables_are_spread_before_they_have_a_row(postgresql: Settings) -> None:
    run(postgresql, PRETEND)
    on_citus = postgresql.model_copy(update={"citus": True})
    publish(on_citus, stage(on_citus, cases=200), quiet)
    told = [row[0] for row in run(postgresql, "SELECT said FROM told")]
    own = [each for each in told if each.startswith("board_real_1_1.")]
    assert len(own) == len(schema.metadata.tables)
    assert "board_real_1_1.cases by case_id" in own
    assert "board_real_1_1.word_index by letter" in own
    assert "board_real_1_1.daily_place" in own
    assert "board_staging.incoming by case_id" in told
    assert "board_staging.units" in told
    # As a load joins them: by the number of a case, of both versions and of what comes in.
    publish(on_citus, stage(on_citus, cases=100, shift=150), quiet)
    told = [row[0] for row in run(postgresql, "SELECT said FROM told")]
    assert "board_real_1_2.cases by case_id" in told
    store = open_store(on_citus)
    snapshot = store.current()
    assert snapshot is not None
    with snapshot.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.cases)) == 250
    store.close()


def test_without_citus_nothing_is_published(postgresql: Settings) -> None:
    on_citus = postgresql.model_copy(update={"citus": True})
    with pytest.raises(PublishError, match="create_"):
        publish(on_citus, stage(on_citus, cases=50), quiet)
    publish(postgresql, stage(postgresql, cases=50), quiet)


def test_plain_postgresql_is_told_nothing_of_it(postgresql: Settings) -> None:
    run(postgresql, PRETEND)
    publish(postgresql, stage(postgresql, cases=50), quiet)
    assert run(postgresql, "SELECT said FROM told") == []


def test_the_statements() -> None:
    said: list[str] = []

    class Listener:
        """What ``spread`` needs of a connection."""

        def get_execution_options(self) -> dict[str, Any]:
            return {"schema_translate_map": {None: "board_demo_7"}}

        def execute(self, statement: sa.Select[Any]) -> None:
            compiled = statement.compile(dialect=dialect(), compile_kwargs={"literal_binds": True})
            said.append(str(compiled))

    spread(Listener(), [schema.cases, schema.word_index, schema.units])  # type: ignore[arg-type]
    assert [each.split(" AS ")[0] for each in said] == [
        "SELECT create_distributed_table('board_demo_7.cases', 'case_id')",
        "SELECT create_distributed_table('board_demo_7.word_index', 'letter')",
        "SELECT create_reference_table('board_demo_7.units')",
    ]


def test_what_is_spread_has_the_column() -> None:
    for name, column in SPREAD.items():
        if name != "incoming":  # has the columns of cases
            assert not schema.metadata.tables[name].c[column].nullable


def test_citus_is_a_database(tmp_path: Path) -> None:
    with pytest.raises(pydantic.ValidationError, match="database_url"):
        Settings(_env_file=None, data_dir=tmp_path, citus=True)
