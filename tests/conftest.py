"""The demo at a small scale, published once for all tests of the app and of the browser."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator

import pytest

from data_access.demo import generate
from data_access.publishing import publish
from data_access.settings import Settings
from data_access.versions import staging_dir

DEMO_CASES = 20_000
DEMO_CUTOFF = dt.date(2021, 4, 12)


@pytest.fixture(scope="session", autouse=True)
def own_temporary_directory() -> Iterator[None]:
    """Keep apart what one machine does once at a time: tests run beside each other."""
    # Not pytest's own: the path of a socket may be no longer than 107 bytes.
    with (
        tempfile.TemporaryDirectory(prefix="board-", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.fixture(scope="session", autouse=True)
def own_priority() -> Iterator[None]:
    """Keep the tests from becoming slow for the sake of a load among them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.setpriority", lambda *_: None)
        yield


@pytest.fixture(scope="session")
def demo_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return settings of a store that holds version demo.1; nobody may publish to it."""
    settings = Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("demo") / "var")
    folder = staging_dir(settings)
    folder.mkdir(parents=True)
    staged = generate(folder / "demo.duckdb", cases=DEMO_CASES, cutoff=DEMO_CUTOFF)
    publish(settings, staged, lambda *_: None)
    return settings
