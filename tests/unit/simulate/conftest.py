"""The small company for all tests that only look at it."""

from __future__ import annotations

import pytest

from streams.simulate.plan import SimEvent
from streams.simulate.simulate import events
from streams.simulate.world import World, build_world
from tests.support.simulated import SMALL


@pytest.fixture(scope="session")
def world() -> World:
    return build_world(SMALL)


@pytest.fixture(scope="session")
def small(world: World) -> list[SimEvent]:
    return list(events(SMALL, world=world))
