"""One typed settings object, read once from `INNSYN_*` variables or a TOML file, then passed down.

Order, first wins: environment, the TOML file named by `INNSYN_CONFIG` (default `<home>/innsyn.toml`), defaults.
Nothing reads the environment after this.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from schemas.errors import SettingsError
from schemas.user_names import own_realms


def _listed(value: object) -> object:
    """Values with commas between them; a TOML file may have a list."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


Realms = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], NoDecode, BeforeValidator(_listed)]


class Settings(BaseSettings):
    """What innsyn needs to know of its surroundings. Every field is `INNSYN_<FIELD IN CAPITALS>`."""

    model_config = SettingsConfigDict(
        env_prefix="INNSYN_", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    home: Path = Field(
        Path(".innsyn"), description="Folder of everything a machine keeps: broker, index, keys, logs."
    )
    keys_dir: Path | None = Field(None, description="Folder of the keys; default <home>/keys.")
    company: Path | None = Field(
        None, description="Folder of the company (`innsyn init` writes one); unset: the model company."
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    kafka_bootstrap: str | None = Field(
        None, description="host:port[,host:port]; unset: the broker of `innsyn up`."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = None
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_ssl_ca_location: Path | None = None
    kafka_ssl_certificate_location: Path | None = None
    kafka_ssl_key_location: Path | None = None
    kafka_replication_factor: int = Field(1, ge=1, description="Of topics that innsyn creates.")

    registry_url: str | None = Field(
        None, description="Confluent-compatible schema registry; unset: schemas/ only."
    )
    registry_username: str | None = None
    registry_password: SecretStr | None = None

    clickhouse_url: str | None = Field(
        None, description="http(s)://host:port/database or chdb:///folder; unset: chdb in <home>/index."
    )
    clickhouse_user: str = "default"
    clickhouse_password: SecretStr | None = None
    clickhouse_cluster: str | None = Field(
        None, description="Name of the cluster: ON CLUSTER, Replicated engines."
    )

    tag_batch_events: int = Field(65_536, ge=1, le=1_000_000, description="Most messages in one batch.")
    tag_batch_seconds: float = Field(0.5, gt=0, description="Longest wait for a batch to fill, seconds.")
    tag_worker: str | None = Field(
        None, description="Name this tagger keeps over restarts, so that it gets its partitions back at once."
    )
    tag_group: str = Field("innsyn-tagger", description="Consumer group of the taggers.")
    dead_letter_ratio: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Share of unreadable messages, over the last 10,000 of a topic, beyond which it is told.",
    )
    dead_letter_floor: int = Field(
        1_000, ge=1, description="Unreadable messages within those that are never told."
    )
    unknown_schema_wait_seconds: float = Field(
        30.0,
        ge=0,
        description="How long unknown schema ids are retried before their messages are parked: all of them together, "
        "and again as 1 second in 20 goes by.",
    )

    realms: Realms = Field(
        (),
        description="Our own realms, such as isp.example, with commas between them: taken off user names wherever "
        "they are read or asked about. Any other realm stays part of the name (RFC 7542).",
    )
    realm: Realms = Field((), description="The same; what is set in both counts.")

    disk_reserve_mb: int = Field(
        512,
        ge=0,
        description="Free space (MiB) below which /readyz and `innsyn doctor` warn, and an embedded index waits.",
    )

    metrics_port: int = Field(0, ge=0, le=65_535, description="Port of /metrics of `innsyn tag`; 0: none.")

    late_check_seconds: float = Field(
        60.0, gt=0, description="How often answered requests are compared with what came to light since."
    )

    suppression_days: int = Field(
        1_826,
        ge=0,
        le=36_500,
        description="Days after an erasure for which its keyed hashes are kept, so that what comes back is recognised "
        "and erased again.",
    )

    request_key_days: int = Field(
        90,
        ge=0,
        le=3_650,
        description="Days after a request's end for which what the person gave and wrote can be read; then its key "
        "is destroyed.",
    )

    retention_hour: int | None = Field(
        None,
        ge=0,
        le=23,
        description="Hour of the day, in the company's time, from which what has run out by its retention rule is "
        "deleted; unset: only by `innsyn retention run`.",
    )

    retention_batch: int = Field(
        5_000_000,
        ge=1,
        description="Events that one retention run takes at most, or those of the oldest day; the next run of the day "
        "takes the rest.",
    )

    retention_people: int = Field(
        200,
        ge=1,
        description="People whose data run out by clocks of their own, such as the end of a contract, of whom so "
        "many are under way at once.",
    )

    controls_seconds: float = Field(
        3_600.0,
        ge=0,
        description="How often the checks of duties run by themselves, each; 0: only by `innsyn controls run`.",
    )

    copy_days: int = Field(
        30,
        ge=0,
        le=3_650,
        description="Days after a request's end for which the copies that systems delivered for it are kept, sealed.",
    )

    question_seconds: float = Field(
        30.0, gt=0, description="How long a question about a person may take before it is ended."
    )
    question_workers: int = Field(
        2, ge=1, le=64, description="Questions about people that are answered at the same time."
    )
    question_queue: int = Field(16, ge=0, description="Questions that may wait for that; others are refused.")
    lookups_per_second: float = Field(
        20.0, gt=0, description="Identifiers that one token may ask about in the long run, per second."
    )
    lookups_burst: int = Field(
        200, ge=100, description="Identifiers that it may ask about at once; a question has up to 100."
    )

    api_host: str = "127.0.0.1"
    api_port: int = Field(8480, ge=0, le=65_535)
    api_token: SecretStr | None = Field(
        None,
        description="Bearer token, 32 random characters or more; unset: made at start, kept in <home>/token.",
    )

    approver_token: SecretStr | None = Field(
        None,
        description="Another bearer token, of whoever approves what was asked under the first one (rights.yaml).",
    )

    sql: bool = Field(True, description="Whether `innsyn up` and `innsyn serve` answer queries in SQL.")
    sql_port: int | None = Field(
        None, ge=0, le=65_535, description="Port of the SQL endpoint; unset: the one after INNSYN_API_PORT."
    )
    sql_user: str = Field("analyst", min_length=1, description="Name that SQL clients log in with.")
    sql_token: SecretStr | None = Field(
        None,
        description="Their password, 32 random characters or more; unset: made at start, kept in <home>/sql-token.",
    )
    sql_seconds: float = Field(30.0, gt=0, description="How long a query in SQL may take before it is ended.")
    sql_rows: int = Field(1_000_000, ge=1, description="Rows that its answer may have.")
    sql_memory_mb: int = Field(1_024, ge=64, description="Memory (MiB) that it may take.")
    sql_workers: int = Field(2, ge=1, le=64, description="Queries in SQL that run at the same time.")
    sql_queue: int = Field(16, ge=0, description="Queries in SQL that may wait for that; others are refused.")

    @property
    def sql_port_in_force(self) -> int:
        """The one given, else the one after the API's; where that is any free one, so is this."""
        if self.sql_port is not None:
            return self.sql_port
        return (self.api_port + 1) % 65_536 if self.api_port else 0

    @property
    def own_realms(self) -> frozenset[str]:
        """The realms that are no part of a user name."""
        return own_realms((*self.realms, *self.realm))

    @property
    def keys_folder(self) -> Path:
        return self.keys_dir or self.home / "keys"

    @property
    def index_url(self) -> str:
        """ClickHouse address in force: the given one, or the embedded engine under `home`."""
        return self.clickhouse_url or f"chdb://{(self.home / 'index').absolute()}"

    def kafka_options(self) -> dict[str, str]:
        """Security options as librdkafka names them. Holds the password: never log it."""
        given = {
            "security.protocol": self.kafka_security_protocol,
            "sasl.mechanism": self.kafka_sasl_mechanism,
            "sasl.username": self.kafka_sasl_username,
            "sasl.password": self.kafka_sasl_password.get_secret_value()
            if self.kafka_sasl_password
            else None,
            "ssl.ca.location": self.kafka_ssl_ca_location,
            "ssl.certificate.location": self.kafka_ssl_certificate_location,
            "ssl.key.location": self.kafka_ssl_key_location,
        }
        return {key: str(value) for key, value in given.items() if value is not None}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        home = Path(os.environ.get("INNSYN_HOME", ".innsyn"))
        file = Path(os.environ.get("INNSYN_CONFIG", home / "innsyn.toml"))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)


def load_settings(**given: Any) -> Settings:
    """Settings in force. `given` (from the command line) beats everything.

    Raises SettingsError with the variable's name and what is wrong with it, one line, no value shown.
    """
    unknown = [
        name
        for name in os.environ
        if name.startswith("INNSYN_")
        and name.removeprefix("INNSYN_").lower() not in Settings.model_fields
        and name != "INNSYN_CONFIG"
        and not name.startswith(("INNSYN_TEST_", "INNSYN_REQUIRE_"))
    ]
    if unknown:
        raise SettingsError(f"{unknown[0]} is not a setting; `innsyn doctor` lists those that are")
    if (config := os.environ.get("INNSYN_CONFIG")) and not Path(config).is_file():
        raise SettingsError("INNSYN_CONFIG names a file that is not there")
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "INNSYN_" + ".".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(f"{name}: {first['msg']}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(
            f"settings file: it cannot be read ({type(error).__name__}); correct it"
        ) from None
