"""The worlds and plans that are measured."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from simulator.engine.simulate import make_grid
from simulator.market.build import build_world
from simulator.market.world import World
from simulator.scenario import read_scenario
from simulator.scenario.plan import Plan, plans_of
from simulator.scenario.schema import Scenario

ROOT = Path(__file__).parents[2]
measured = [ROOT / "tests/bench/twelve_scenes.yaml"]
"""The file whose world is measured; `measure` changes it."""
SMALL = 0.01  # "1% scale"

# What counts people, things or money; everything else is a rate, a price or a time.
SIZES = (
    "budget", "segments.*.people", "products.*.stock", "products.*.restocks.*.units",
    "life_cycle.category_orders", "sources.*.organic_visits", "slots.*.opportunities",
    "slots.*.packages.*.impressions", "slots.*.minimum_booking", "scenes.*.budget", "scenes.*.fixed_cost",
    "scenes.*.creatives.cost",
)  # fmt: skip
WHOLE = ("stock", "units", "impressions")


def measure(path: Path) -> None:
    """Measure the world of another file; before anything else is asked."""
    measured[0] = path


@cache
def bench_scenario(scale: float = 1.0) -> Scenario:
    """90 days, 12 scenes, 10 slots, unless another file is measured."""
    return scaled(read_scenario(measured[0]), scale)


def scaled(scenario: Scenario, scale: float) -> Scenario:
    """The same world with `scale` times the people, goods, visits, supply and money."""
    if scale == 1.0:
        return scenario
    data = scenario.model_dump(mode="json")
    for path in SIZES:
        _change(data, path.split("."), lambda value, name: _times(value, scale, name in WHOLE))
    for name, entry in scenario.plans.items():
        if not entry.in_shares:
            _change(
                data["plans"][name], ["scenes", "*"], lambda value, _: _times(value, scale, False)
            )
    return Scenario.model_validate(data)


def _change(tree: Any, path: list[str], change: Callable[[Any, str], Any]) -> None:
    """Change what stands at the path; * is every key or place."""
    head, *rest = path
    keys = list(tree) if isinstance(tree, dict) else range(len(tree))
    for key in keys if head == "*" else [key for key in keys if key == head]:
        if not rest:
            tree[key] = change(tree[key], str(key))
        elif tree[key] is not None:
            _change(tree[key], rest, change)


def _times(value: Any, scale: float, whole: bool) -> Any:
    """A number, an uncertain number or money by phase, times the scale."""
    if isinstance(value, dict):
        return {k: v if k == "sd" else _times(v, scale, whole) for k, v in value.items()}
    if value is None:
        return None
    return max(1, round(value * scale)) if whole else value * scale


@cache
def bench_world(scale: float = 1.0) -> World:
    scenario = bench_scenario(scale)
    return build_world(scenario, make_grid(scenario))


def bench_plans(scenario: Scenario, count: int) -> tuple[Plan, ...]:
    """So many plans: the first of the file, others that move its money about, and the one without."""
    rng = np.random.default_rng(2024)
    current = plans_of(scenario)[0]
    others = [_shaken(current, f"plan {n}", rng) for n in range(1, count - 1)]
    return (current, *others, Plan.none(scenario))[-count:]


def _shaken(plan: Plan, name: str, rng: np.random.Generator) -> Plan:
    """Scenes' money times log-normal factors of 30%, the sum kept."""
    money = {s: sum(cells.values()) for s, cells in plan.money.items()}
    factors = dict(zip(money, rng.lognormal(0.0, 0.3, len(money)), strict=True))
    kept = plan.auction_money / sum(money[s] * factors[s] for s in money)
    return scene_factors(plan, name, {s: f * kept for s, f in factors.items()})


def moved(plan: Plan, share: float) -> Plan:
    """The plan after moving a share of its auction money from the first half of the scenes."""
    money = {s: sum(cells.values()) for s, cells in plan.money.items()}
    first = list(money)[: len(money) // 2]
    given = sum(money[s] for s in first)
    taken = plan.auction_money - given
    amount = share * plan.auction_money
    factors = {s: 1 - amount / given if s in first else 1 + amount / taken for s in money}
    return scene_factors(plan, f"{share:.0%} moved", factors)


def scene_factors(plan: Plan, name: str, factors: dict[str, float]) -> Plan:
    """The plan with each scene's money times its factor."""
    money = {s: {f: x * factors[s] for f, x in cells.items()} for s, cells in plan.money.items()}
    return Plan(name, money, plan.packages)


# --- worlds in which a budget is split ----------------------------------------------------------

BEFORE = ("presale", "preheat", "lull", "preheat_2")
SALE = ("wave_1", "wave_2")
SPLIT_WORLDS: dict[int, tuple[str, dict[str, tuple[str, ...]]]] = {
    6: ("new_coffee_100m", {
        "new_customer": ("presale", *SALE), "harvest": SALE, "live": ("wave_2",),
    }),
    12: ("new_coffee_100m", {
        "new_customer": ("presale", "lull", *SALE), "warm_up": BEFORE, "harvest": SALE, "member_recall": SALE,
    }),
    30: ("beauty_multi_scene", {
        "new_customer": ("presale", "lull", *SALE), "product_test": ("presale", "lull"),
        "new_launch": ("presale", *SALE), "hit_boost": ("presale", *SALE),
        "member_recall": ("presale", *SALE), "clearance": ("wave_2", "after"), "warm_up": BEFORE,
        "harvest": SALE, "live": ("presale", *SALE), "short_video": ("presale", "wave_1"),
        "crowd_ark": ("wave_2",), "keyword": ("wave_2",),
    }),
}  # fmt: skip
"""By the number of cells: a shipped scenario, and the phases in which its scenes may have money."""


@cache
def split_scenario(cells: int) -> Scenario:
    """A shipped scenario with fewer cells, whole days as steps and no shared shocks: one lane a plan."""
    name, scenes = SPLIT_WORLDS[cells]
    data = read_scenario(ROOT / f"scenarios/{name}.yaml").model_dump(mode="json")
    data["plans"] = {}
    data["chance"]["demand_sd"] = 0.0
    for product in data["products"].values():
        product["luck_sd"] = 0.0
    for phase in data["calendar"]["phases"].values():
        phase.update(clock="1d", burst=None)
    for slot in data["slots"].values():
        if "packages" in slot:
            own = slot["packages"].items()
            slot["packages"] = {p: v for p, v in own if v["scene"] in scenes}
    data["scenes"] = {s: data["scenes"][s] | {"phases": list(f)} for s, f in scenes.items()}
    return Scenario.model_validate(data)
