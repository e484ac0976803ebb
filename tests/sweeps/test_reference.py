"""The JSON Schema of a study file is that of the model, whole, and true of files good and bad."""

import pytest

from simulator.scenario.nodes import Source, compose
from simulator.scenario.reference import schema_text
from simulator.sweeps.design import Range
from simulator.sweeps.reference import make_study_schema
from simulator.sweeps.study import StudyFile
from tests.sweeps.studies import ROOT, STUDY

SCHEMA = make_study_schema()
SHIPPED = sorted((ROOT / "scenarios/studies").glob("*.yaml"))


def faults(text):
    jsonschema = pytest.importorskip("jsonschema")
    root = compose(text, Source("study.yaml"))
    assert root is not None
    return [e.message for e in jsonschema.Draft202012Validator(SCHEMA).iter_errors(root.plain())]


def test_the_json_schema_is_that_of_the_model():
    path = ROOT / "simulator/sweeps/study.schema.json"
    stale = f"stale: adsim schema --of study -o {path.relative_to(ROOT)}"
    assert path.read_text(encoding="utf-8") == schema_text(SCHEMA), stale


def test_every_field_has_its_sentence():
    for part, kind in ((SCHEMA, StudyFile), (SCHEMA["$defs"]["Range"], Range)):
        names = {field.alias or name for name, field in kind.model_fields.items()}
        assert part["properties"].keys() == names
        assert all(field["description"] for field in part["properties"].values())
        assert part["additionalProperties"] is False


def test_it_is_a_json_schema():
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_study_fits(path):
    assert faults(path.read_text(encoding="utf-8")) == []


FITTING = [STUDY, "scenarios: [a]", "{scenarios: [a], over: {x: [gsp, 1], y: {from: 1万, to: 2%}}}"]
WRONG = [
    "{}", "scenarios: []", "{scenarios: [a], ovr: {}}", "{scenarios: [a], over: {x: []}}",
    "{scenarios: [a], over: {x: {from: 1}}}", "{scenarios: [a], over: {x: {from: 1, to: 2, step: 3}}}",
    "{scenarios: [a], over: {x: {from: 1, to: 2, spacing: cubic}}}", "{scenarios: [a], design: soboll}",
    "{scenarios: [a], points: 0}", "{scenarios: [a], replications: many}", "{scenarios: [a], metrics: [rio]}",
    "{scenarios: [a], format: 2}", "{scenarios: [a], mode: sample}", "{scenarios: a}",
]  # fmt: skip


@pytest.mark.parametrize("text", FITTING)
def test_what_an_editor_accepts(text):
    assert faults(text) == []


@pytest.mark.parametrize("text", WRONG)
def test_what_an_editor_underlines(text):
    assert faults(text) != []
