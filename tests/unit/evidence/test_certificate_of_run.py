"""The certificate of a retention run: by which rules what went, and that the bytes are gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from streams.evidence.certificate import verify
from tests.support.index import memory_index
from tests.support.issuing import Desk
from tests.support.office import Office
from tests.support.suppressing import KARI
from tests.unit.rights.test_expiry_run import LONG_AGO, through, view


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with ExitStack() as stack:
        yield Desk(Office(tmp_path, memory_index(), stack))


def test_a_run_is_certified(desk: Desk) -> None:
    view(desk.office, KARI, LONG_AGO, LONG_AGO)
    run = through(desk.office)
    assert desk.issuer.turn() == [run.request_id]
    said = desk.certificate(run.request_id)
    (record,) = said["run"]["records"]
    assert (record["system"], record["rule"], record["expected"]) == ("tv_middleware", "T31", 2)
    assert said["index"]["rows"] == {"events_narrowed": 0, "events_removed": 2}
    assert [item["state"] for item in said["systems"]] == ["done"]
    shown = verify(said, [desk.key().public])
    assert shown.startswith(f"the deletion of what had run out {run.request_id} was completed at")
    assert KARI not in json.dumps(said)
