"""One scenario and one made frontier for the tests of what is said of them."""

from pathlib import Path

import pytest

from simulator.scenario import read_scenario
from tests.outcomes.synthetic import make_frontier

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def scenario():
    return read_scenario(ROOT / "scenarios/minimal.yaml")


@pytest.fixture(scope="module")
def frontier(scenario):
    return make_frontier(scenario)
