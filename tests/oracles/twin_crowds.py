"""Layers of segments, for the scalar twin (docs/model.md section 3)."""

from simulator.scenario.schema import Scenario


def layered(scenario: Scenario) -> Scenario:
    """The same world, written down with every layer as a segment of its own."""
    world = scenario.model_dump()
    groups, world["segments"], layers = world["segments"], {}, {}
    scenes, messages = world["scenes"].values(), world["pushes"].values()
    for g, facts in groups.items():
        addressing = [i for i in scenes if not i["segments"] or g in i["segments"]]
        cuts = sorted({i["selection"]["pool"] for i in addressing} | {0.0, 1.0})
        layers[g] = []
        for k in range(1, len(cuts)):
            name = g if len(cuts) == 2 else f"{g}_{k}"
            people = facts["people"] * (cuts[k] - cuts[k - 1])
            world["segments"][name] = facts | {"people": people}
            layers[g].append((name, cuts[k]))
    for i in scenes:
        named, pool = i["segments"] or list(groups), i["selection"]["pool"]
        i["segments"] = [name for g in named for name, cut in layers[g] if cut <= pool]
        i["selection"]["pool"] = 1.0
    for part in [*messages, *world["shocks"].values()]:
        part["segments"] = [name for g in part["segments"] for name, _ in layers[g]]
    return Scenario.model_validate(world)
