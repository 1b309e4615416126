"""Indexes for the contract suite. Module scope: the embedded engine is released before another test opens one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sinks.clickhouse.client import ClickHouse
from tests.support.clickhouse_http import ClickHouseHttpServer
from tests.support.index import SQL_KINDS, Index, empty, memory_index, running, sql_index


@pytest.fixture(scope="module", params=SQL_KINDS)
def sql_engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClickHouse]:
    """ClickHouse of each kind there is."""
    with running(request.param, tmp_path_factory.mktemp(request.param)) as (database, _):
        yield database


@pytest.fixture(scope="module", params=("memory", *SQL_KINDS))
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClickHouse | None]:
    """As `sql_engine`, and None for the index in memory."""
    if request.param == "memory":
        yield None
    else:
        with running(request.param, tmp_path_factory.mktemp(request.param)) as (database, _):
            yield database


@pytest.fixture
def index(engine: ClickHouse | None) -> Index:
    """An empty index of each kind there is."""
    return sql_index(empty(engine)) if engine else memory_index()


@pytest.fixture
def database(sql_engine: ClickHouse) -> ClickHouse:
    """An empty index that can be asked in SQL."""
    return empty(sql_engine)


@pytest.fixture(scope="module")
def http_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseHttpServer]:
    """ClickHouse's HTTP interface, for faults of the connection."""
    with ClickHouseHttpServer(tmp_path_factory.mktemp("faults")) as server:
        yield server
