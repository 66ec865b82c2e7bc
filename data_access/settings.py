"""Everything that differs between two installations; every setting has a default."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_CHECKOUT = Path(__file__).resolve().parent.parent
_MEMORY = r"^\d+(\.\d+)?\s?(KB|MB|GB|TB|KiB|MiB|GiB|TiB)$"


class Settings(BaseSettings):
    """The settings, read from environment variables ``BOARD_<NAME>`` and a file ``.env``.

    The file lies beside ``app.py``; a variable wins over it. A relative ``data_dir`` is below the
    directory of ``app.py``, so that the command line and the server find the same data whatever
    directory they were started in.
    """

    model_config = SettingsConfigDict(
        env_prefix="BOARD_", env_file=_CHECKOUT / ".env", extra="ignore", frozen=True
    )

    data_dir: Path = Path("var")
    # Empty: DuckDB files below data_dir. Else postgresql+psycopg://user:password@host/database.
    database_url: str = ""
    keep_versions: int = Field(3, ge=1)

    # Readers: per serving process and version.
    duckdb_threads: int = Field(2, ge=1)
    duckdb_memory_limit: str = Field("400MB", pattern=_MEMORY)
    # Connections a serving process keeps to a version; with the overflow, as many as its threads.
    pool_size: int = Field(8, ge=1)
    query_timeout_seconds: float = Field(30, gt=0)
    # Results of queries kept per version and process.
    cache_entries: int = Field(512, ge=1)

    # The loader.
    loader_threads: int = Field(2, ge=1)
    loader_memory_limit: str = Field("2GB", pattern=_MEMORY)

    log_level: str = Field("INFO", pattern=r"^(DEBUG|INFO|WARNING|ERROR|CRITICAL)$")
    # Signs what the server hands to browsers; empty: a new one at every start.
    secret_key: SecretStr = SecretStr("")

    @field_validator("data_dir")
    @classmethod
    def _below_the_checkout(cls, path: Path) -> Path:
        return _CHECKOUT / path

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        for prefix in ("postgres://", "postgresql://"):
            if url.startswith(prefix):
                url = "postgresql+psycopg://" + url.removeprefix(prefix)
        if url and not url.startswith("postgresql+psycopg://"):
            raise ValueError("must be empty or postgresql+psycopg://user:password@host/database")
        return url
