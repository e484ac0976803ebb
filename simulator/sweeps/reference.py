"""The JSON Schema of a study file, with which an editor completes and checks one."""

from typing import Any

from simulator.outcomes.metrics import BY_NAME
from simulator.scenario.reference import headed, tidied
from simulator.sweeps.study import NOT_PLAYED, StudyFile


def make_study_schema() -> dict[str, Any]:
    """The schema as it stands in simulator/sweeps/study.schema.json.

    Which parameters there are depends on the scenarios; `adsim sweep` itself checks their names.
    """
    root, parts, numbers = tidied(StudyFile)
    root["properties"]["metrics"]["items"] = {"enum": [n for n in BY_NAME if n not in NOT_PLAYED]}
    levels, _ = root["properties"]["over"]["additionalProperties"]["anyOf"]
    levels["minItems"] = 1
    return headed("Study", root) | {"$defs": parts | numbers}
