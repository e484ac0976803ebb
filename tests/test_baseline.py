"""What the shipped scenarios answer today, so that no answer changes by accident.

A change that means to alter results rewrites the file by `python -m tests.test_baseline` and says why.
"""

from pathlib import Path

import pytest
import yaml

from simulator.engine.simulate import simulate
from simulator.scenario import read_scenario
from tests.worlds import SCENARIOS, figures

BASELINE = Path(__file__).with_name("baseline.yaml")
FIGURES = ("spend", "gmv", "profit", "roi", "new_customers", "asset_value")
HEAD = "# Expected mode, by scenario and plan: `python -m tests.test_baseline` writes it.\n"


def answers(name: str) -> dict[str, dict[str, float]]:
    """Figures of every plan, to eight digits."""
    scenario = read_scenario(SCENARIOS / f"{name}.yaml")
    outcomes = simulate(scenario, mode="expected", daily=False, attribution=False)
    return {
        plan: {metric: float(f"{figures(outcomes, plan)[metric]:.8g}") for metric in FIGURES}
        for plan in outcomes.plans
    }


def names() -> list[str]:
    return sorted(path.stem for path in SCENARIOS.glob("*.yaml"))


@pytest.mark.parametrize("name", names())
def test_the_answers_are_those_of_the_baseline(name: str):
    known = yaml.safe_load(BASELINE.read_text(encoding="utf-8"))[name]
    found = answers(name)
    assert found.keys() == known.keys()
    for plan, values in found.items():
        assert values == pytest.approx(known[plan], rel=1e-6), plan


def test_every_scenario_has_its_baseline():
    assert sorted(yaml.safe_load(BASELINE.read_text(encoding="utf-8"))) == names()


if __name__ == "__main__":
    text = yaml.safe_dump({name: answers(name) for name in names()}, sort_keys=False)
    BASELINE.write_text(HEAD + text, encoding="utf-8")
