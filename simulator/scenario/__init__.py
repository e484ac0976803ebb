"""THE QUESTION: what a scenario file and a plan say, read and checked."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.errors import Problem
    from simulator.scenario.nodes import Tree
    from simulator.scenario.schema import Scenario


def read_scenario(
    path: str | os.PathLike[str], sets: Iterable[str] = (), trusted: bool = True
) -> "Scenario":
    """The scenario file at `path` with every KEY=VALUE of `sets` on top; it may extend presets.

    A ScenarioError holds everything that is wrong with it. A file that is not `trusted` may not
    extend other files.
    """
    from simulator.scenario.loader import read_tree

    return _checked(read_tree(path, sets, trusted))


def read_doubted(
    path: str | os.PathLike[str], sets: Iterable[str] = ()
) -> "tuple[Scenario, list[Problem]]":
    """The same scenario, and what it is warned of."""
    from simulator.scenario.checks import doubts_of
    from simulator.scenario.loader import read_tree

    tree = read_tree(path, sets, True)
    scenario = _checked(tree)
    return scenario, doubts_of(scenario, tree)


def parse_scenario(
    data: bytes, name: str = "scenario.yaml", sets: Iterable[str] = (), trusted: bool = False
) -> "Scenario":
    """The same for the content of a file, such as an uploaded one."""
    from simulator.scenario.loader import parse_tree

    return _checked(parse_tree(data, name, sets, trusted))


def _checked(tree: "Tree") -> "Scenario":
    from simulator.errors import ScenarioError
    from simulator.scenario.checks import check_scenario
    from simulator.scenario.loader import validate
    from simulator.scenario.schema import Scenario

    if tree.root.child("scenarios") and not tree.root.child("scenes"):
        words = "make this a study, not a scenario: adsim sweep plays it"
        raise ScenarioError([tree.key_problem("scenarios", words)])
    scenario = validate(Scenario, tree)
    problems = check_scenario(scenario, tree)
    if problems:
        raise ScenarioError(problems)
    return scenario
