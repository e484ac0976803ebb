"""Crowds chosen on a data platform, as segments of their own.

A platform ranks the people of a segment by how well they suit, and a crowd is the first `selection.pool` of them: the
same people in every step, and a smaller crowd is a part of a larger one. So crowds cut a segment into layers that are
segments themselves, with all of its habits; each scene addresses those within its pool (docs/model.md section 3).
"""

from itertools import pairwise

from simulator.scenario.people import Segment
from simulator.scenario.scenes import Scene
from simulator.scenario.schema import Scenario

Layers = dict[str, dict[str, float]]
"""Of each segment, the names of its layers, innermost first, and the part of its people in each and those before."""


def with_crowds(scenario: Scenario) -> Scenario:
    """The scenario without any pool: its segments are the layers into which pools cut those of the file."""
    layers = layers_of(scenario)
    if all(len(parts) == 1 for parts in layers.values()):
        return scenario

    def within(names: list[str]) -> list[str]:
        return [layer for name in names for layer in layers[name]]

    return scenario.model_copy(
        update={
            "segments": {
                layer: segment
                for name, whole in scenario.segments.items()
                for layer, segment in _cut(whole, layers[name]).items()
            },
            "scenes": {name: _aimed(scene, layers) for name, scene in scenario.scenes.items()},
            "pushes": {
                name: push.model_copy(update={"segments": within(push.segments)})
                for name, push in scenario.pushes.items()
            },
            "shocks": {
                name: shock.model_copy(update={"segments": within(shock.segments)})
                for name, shock in scenario.shocks.items()
            },
        }
    )


def layers_of(scenario: Scenario) -> Layers:
    """Into what pools cut each segment; one that none cuts keeps its name."""
    return {name: _layers(name, _pools(scenario, name)) for name in scenario.segments}


def _pools(scenario: Scenario, name: str) -> list[float]:
    scenes = scenario.scenes.values()
    pools = {float(i.selection.pool) for i in scenes if name in (i.segments or [name])}
    return sorted(pools | {1.0})


def _layers(name: str, ends: list[float]) -> dict[str, float]:
    if len(ends) == 1:
        return {name: 1.0}
    return {
        f"{name} {100 * low:.12g}% to {100 * high:.12g}%": high
        for low, high in pairwise([0.0, *ends])
    }


def _cut(whole: Segment, layers: dict[str, float]) -> dict[str, Segment]:
    parts = zip(layers, pairwise([0.0, *layers.values()]), strict=True)
    return {
        layer: whole.model_copy(update={"people": whole.people * (high - low)})
        for layer, (low, high) in parts
    }


def _aimed(scene: Scene, layers: Layers) -> Scene:
    """The scene with every layer within its pool as a segment of its own."""
    pool = float(scene.selection.pool)
    inside = [
        layer
        for name in scene.segments or layers
        for layer, end in layers[name].items()
        if end <= pool
    ]
    everybody = scene.selection.model_copy(update={"pool": 1.0})
    return scene.model_copy(update={"segments": inside, "selection": everybody})
