"""Runs what marketers expect: every YAML file of tests/stories (see its README.md)."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from simulator.engine.simulate import simulate
from simulator.outcomes.ledger import Ledger
from simulator.outcomes.metrics import NO_ADS
from simulator.outcomes.outcomes import Outcomes
from simulator.scenario import read_scenario
from simulator.scenario.amounts import read_amount
from simulator.scenario.availability import available
from simulator.scenario.plan import Plan, plans_of
from simulator.scenario.scenes import PlanEntry
from simulator.scenario.schema import Scenario
from tests.worlds import SCENARIOS, Figures, figures, lanes_of

STORIES = Path(__file__).parent / "stories"
NAMES = sorted(path.stem for path in STORIES.glob("*.yaml"))
FIELDS = {"story", "because", "given", "expect"}
GIVEN = {"scenario", "set", "variants"}

NUMBER = r"[0-9][0-9_.]*(?:[kKmM%]|bn)?"
FIGURE = rf"(?:(?P<factor>{NUMBER}) x )?(?P<name>[a-z][\w ]*)"
TERM = re.compile(rf"(?:{FIGURE}|(?P<number>{NUMBER}))")
LINE = re.compile(r"(?P<left>.+?) (?P<sign>[<>=]) (?P<right>.+?)(?: within (?P<slack>.+))?")


@dataclass(frozen=True)
class Story:
    """What is given and what is expected."""

    sentence: str
    scenario: str
    sets: tuple[str, ...]
    variants: Mapping[str, Mapping[str, Any]]
    expect: tuple[str, ...]

    @classmethod
    def read(cls, name: str) -> "Story":
        data = yaml.safe_load((STORIES / f"{name}.yaml").read_text(encoding="utf-8"))
        assert data.keys() == FIELDS, f"{name}: a story has {', '.join(sorted(FIELDS))}"
        given = data["given"]
        assert given.keys() <= GIVEN, f"{name}: `given` may hold {', '.join(sorted(GIVEN))}"
        sets, variants = tuple(given.get("set", ())), given["variants"]
        return cls(data["story"], given["scenario"], sets, variants, tuple(data["expect"]))

    def run(self) -> dict[str, Figures]:
        """Figures of every variant, and of no ads."""
        found: dict[str, Figures] = {}
        for name, variant in self.variants.items():
            assert variant.keys() <= {"plan", "set"}, f"{name} may hold plan and set"
            sets = (*self.sets, *variant.get("set", ()))
            scenario = read_scenario(SCENARIOS / f"{self.scenario}.yaml", sets)
            plan = plans_of(scenario)[0]
            if "plan" in variant:
                plan = Plan.from_entry(scenario, name, PlanEntry.model_validate(variant["plan"]))
            outcomes = simulate(scenario, [plan], mode="expected", daily=self.by_phase)
            found[name] = told_of(outcomes, scenario, plan.name) | promised(scenario, plan)
            found.setdefault(NO_ADS, told_of(outcomes, scenario, NO_ADS))
        return found

    @property
    def by_phase(self) -> bool:
        """Whether a line asks for what single phases bring."""
        return any(" in " in line for line in self.expect)


def told_of(outcomes: Outcomes, scenario: Scenario, plan: str) -> Figures:
    """Figures of the whole run and, where days were written down, of every phase."""
    return figures(outcomes, plan) | phase_figures(outcomes, scenario, plan)


def phase_figures(outcomes: Outcomes, scenario: Scenario, plan: str) -> Figures:
    """Sums over the days of a phase: "gmv in preheat"."""
    book, found = lanes_of(outcomes, plan).days, Counter[str]()
    for number, day in enumerate(outcomes.axes.days):
        for metric in Ledger.DAY:
            found[f"{metric} in {phase_at_end(scenario, day)}"] += book[metric][number].mean()
    return dict(found)


def phase_at_end(scenario: Scenario, day: str) -> str:
    """The phase in which a day ends, so that an opening at 20:00 is in its own phase."""
    night = datetime.combine(date.fromisoformat(day), time()) + timedelta(days=1)
    if night > scenario.calendar.end:
        return "runoff"
    return [name for name, phase in scenario.calendar.phases.items() if phase.start < night][-1]


def promised(scenario: Scenario, plan: Plan) -> Figures:
    """What is said before the run: the part of the booked impressions that there is to be had."""
    told = available(scenario, plan.packages)
    booked = sum(x.booked for x in told)
    return {"available_rate": sum(x.impressions for x in told) / booked} if booked else {}


# --- expectations -------------------------------------------------------------------------------


def holds(line: str, found: Mapping[str, Figures]) -> tuple[bool, str]:
    """Whether a line is true, and what its sides come to."""
    match = LINE.fullmatch(line)
    assert match, f"cannot read {line!r}: write `variant metric > variant metric`"
    left, right = value(match["left"], found), value(match["right"], found)
    words = f"{line}: {left:,.6g} {match['sign']} {right:,.6g}"
    if match["sign"] == "=":
        assert match["slack"], f"{line!r} needs `within`"
        return abs(left - right) <= read_amount(match["slack"]) * abs(right), words
    assert not match["slack"], f"{line!r}: only = has a tolerance"
    return (left > right) if match["sign"] == ">" else (left < right), words


def value(side: str, found: Mapping[str, Figures]) -> float:
    """A side of a comparison: terms with + or - between them."""
    parts = re.split(r" ([+-]) ", side.strip())
    total = term(parts[0], found)
    for sign, part in zip(parts[1::2], parts[2::2], strict=True):
        total += term(part, found) if sign == "+" else -term(part, found)
    return total


def term(text: str, found: Mapping[str, Figures]) -> float:
    """A number, or a figure of a variant, with a factor before it or not."""
    match = TERM.fullmatch(text.strip())
    assert match, f"cannot read {text!r}"
    if match["number"]:
        return read_amount(match["number"])
    variant = next((v for v in found if match["name"].startswith(f"{v} ")), None)
    assert variant, f"{text!r} names no variant: known are {', '.join(found)}"
    figure = match["name"].removeprefix(f"{variant} ")
    assert figure in found[variant], f"{text!r} names no figure of {variant!r}"
    return read_amount(match["factor"] or 1) * found[variant][figure]


# --- the tests ----------------------------------------------------------------------------------


@cache
def told(name: str) -> tuple[Story, dict[str, Figures]]:
    story = Story.read(name)
    return story, story.run()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_story_is_true(name: str):
    story, found = told(name)
    lines = [holds(line, found) for line in story.expect]
    wrong = [words for true, words in lines if not true]
    assert not wrong, f"{story.sentence}\n" + "\n".join(wrong)


def test_there_are_stories():
    assert len(NAMES) >= 10


@pytest.mark.parametrize(
    ("line", "true"),
    [
        ("a gmv > b gmv", True),
        ("a gmv < b gmv", False),
        ("a gmv > 2 x b gmv", False),
        ("a gmv = 2 x b gmv within 1%", True),
        ("a gmv = 160 within 10%", False),
        ("a gmv - b gmv = 100 within 0%", True),
        ("a harvest cpm > 0.5k", True),
        ("50% x a gmv = b gmv within 1%", True),
        ("a gmv in sale - b gmv > 0", True),
    ],
)
def test_lines_are_read_as_they_are_meant(line: str, true: bool):
    found = {"a": {"gmv": 200.0, "harvest cpm": 501.0, "gmv in sale": 150.0}, "b": {"gmv": 100.0}}
    assert holds(line, found)[0] is true


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a gmv is large", "cannot read"),
        ("a gmv = b gmv", "needs `within`"),
        ("a gmv > b gmv within 1%", "only = has a tolerance"),
        ("c gmv > 1", "names no variant"),
        ("a money > 1", "names no figure"),
    ],
)
def test_a_line_that_cannot_be_read_is_told(line: str, message: str):
    with pytest.raises(AssertionError, match=message):
        holds(line, {"a": {"gmv": 2.0}, "b": {"gmv": 1.0}})


def test_what_phases_bring_adds_up_to_the_whole():
    scenario = read_scenario(SCENARIOS / "factory_white_label.yaml")
    plan = plans_of(scenario)[0]
    outcomes = simulate(scenario, [plan], mode="expected", attribution=False)
    found = told_of(outcomes, scenario, plan.name)
    phases = [*scenario.calendar.phases, "runoff"]
    parts = [found[f"gmv in {phase}"] for phase in phases]
    assert min(parts) > 0
    assert sum(parts) == pytest.approx(found["gmv"])
    assert sum(parts[:-1]) == pytest.approx(found["gmv_campaign"])
