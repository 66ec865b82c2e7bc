"""Everything that differs between two installations; every setting has a default."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
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
    # Whether that database is the coordinator of a Citus cluster: cases are spread over it.
    citus: bool = False
    keep_versions: int = Field(3, ge=1)

    # Readers: per serving process and version.
    duckdb_threads: int = Field(2, ge=1)
    duckdb_memory_limit: str = Field("300MB", pattern=_MEMORY)
    # Connections a serving process keeps to a version; with the overflow, as many as its threads.
    pool_size: int = Field(8, ge=1)
    query_timeout_seconds: float = Field(30, gt=0)
    # Results of queries kept per version and process.
    cache_entries: int = Field(512, ge=1)

    # The loader.
    loader_threads: int = Field(2, ge=1)
    loader_memory_limit: str = Field("2GB", pattern=_MEMORY)

    # The browser with which the web server prints packets; empty: it starts none.
    chromium: str = ""

    # The bearer token of whoever reads /metrics; empty: only this machine may.
    metrics_token: SecretStr = SecretStr("")

    log_level: str = Field("INFO", pattern=r"^(DEBUG|INFO|WARNING|ERROR|CRITICAL)$")
    # Signs what the server hands to browsers; empty: one that the office book keeps.
    secret_key: SecretStr = SecretStr("")

    # What people write. Empty: SQLite below data_dir. Else postgresql+psycopg://… or sqlite:///….
    office_url: str = ""
    # A session ends after so long without a request, and after so long whatever happens.
    session_idle_minutes: int = Field(60, ge=1)
    session_hours: int = Field(12, ge=1)
    # Failures in a row before a pause, which then doubles with every further one.
    failures_per_account: int = Field(5, ge=1)
    failures_per_address: int = Field(20, ge=1)

    # Reverse proxies whose forwarded headers are believed: addresses or networks with commas.
    proxy_addresses: str = ""
    # The header in which such a proxy names the account it has signed in; empty: none.
    proxy_account_header: str = Field("", pattern=r"^[A-Za-z0-9-]*$")

    # Single sign-on; empty issuer: none. The claim holds the name of an account in the office book.
    oidc_issuer: str = Field("", pattern=r"^(https?://\S+)?$")
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr = SecretStr("")
    oidc_account_claim: str = "preferred_username"

    @field_validator("data_dir")
    @classmethod
    def _below_the_checkout(cls, path: Path) -> Path:
        return _CHECKOUT / path

    @field_validator("database_url", "office_url")
    @classmethod
    def _known_database(cls, url: str, info: ValidationInfo) -> str:
        for prefix in ("postgres://", "postgresql://"):
            if url.startswith(prefix):
                url = "postgresql+psycopg://" + url.removeprefix(prefix)
        known = ["postgresql+psycopg://"]
        if info.field_name == "office_url":
            known.append("sqlite:///")
        if url and not url.startswith(tuple(known)):
            raise ValueError("must be empty or postgresql+psycopg://user:password@host/database")
        return url

    @field_validator("proxy_addresses")
    @classmethod
    def _networks(cls, text: str) -> str:
        _networks_of(text)
        return text

    @model_validator(mode="after")
    def _complete(self) -> Settings:
        if self.citus and not self.database_url:
            raise ValueError("citus needs database_url")
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError("oidc_issuer needs oidc_client_id")
        if self.proxy_account_header and not self.proxy_addresses:
            # Without, anybody could name himself in a header.
            raise ValueError("proxy_account_header needs proxy_addresses")
        return self

    @property
    def office_address(self) -> str:
        """The URL of the office book."""
        return self.office_url or f"sqlite:///{self.data_dir / 'office.sqlite'}"

    @property
    def signs_in_elsewhere(self) -> bool:
        """Whether OIDC or a proxy signs people in."""
        return bool(self.oidc_issuer or self.proxy_account_header)

    def trusts(self, address: str) -> bool:
        """Return whether a request from an address comes through one of our proxies."""
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in _networks_of(self.proxy_addresses))


def _networks_of(
    text: str,
) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [
        ipaddress.ip_network(each.strip(), strict=False) for each in text.split(",") if each.strip()
    ]
