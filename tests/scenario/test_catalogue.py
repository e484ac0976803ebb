"""The catalogue of scenes: every preset loads, says what it is in two languages, and spends its money."""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml

from simulator.scenario.goods import PRODUCT_STAGES
from tests.worlds import brief, expected, plan, sampled

FOLDER = Path(__file__).parents[2] / "simulator/scenario/presets/scenes"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
GROUPS = {
    "people": "new_customer new_customer_gift sampling new_members member_recall followers leads "
    "industry_crowd crowd_ark interest_flow first_purchase repurchase",
    "goods": "product_test even_exposure new_launch new_launch_assured launch_gift little_black_box "
    "new_item_express cold_start potential_boost hit_boost hit_boost_assured hit_boost_burst "
    "item_operation clearance",
    "events": "warm_up harvest whole_period",
    "content": "live short_video video_to_live focus_scene full_screen_detail consult",
    "whole shop": "care_free shop_operation multi_aim whole_site",
    "base": "keyword crowd enterprise_purchase many_creatives personal_pages",
}
"""The scenes of the console, by what they are for (two of them stand in a row of their own)."""


def text(name: str) -> str:
    return (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


@cache
def world():
    """All scenes of the catalogue on two slots, with a product of each stage."""
    goods = [
        f"products.{stage}={{price: 120, margin: 55%, product_stage: {stage}}}"
        for stage in PRODUCT_STAGES
    ]
    scenes = [f"scenes.{name}={{preset: {name}, slots: [feed, search_words]}}" for name in NAMES]
    return brief(
        *goods, *scenes, "segments.shoppers.start={enthuse: 2%, numerous: 1%, lapsed: 2%}",
        "slots.feed.opportunities=2m", "slots.search_words.opportunities=500k",
        "plans.half_half=null", "plans.mostly_new=null", "scenes.new_customer.budget=null",
        "scenes.harvest.budget=null", "budget=100k",
    )  # fmt: skip


def test_every_scene_of_the_console_is_there():
    asked = [name for names in GROUPS.values() for name in names.split()]
    assert len(asked) == len({*asked}) >= 42
    assert {*asked} <= {*NAMES}


def test_titles_are_unique_and_in_two_languages():
    titles = [yaml.safe_load(text(name))["title"] for name in NAMES]
    assert len(titles) == len({*titles})
    for title in titles:
        assert re.search(r"[A-Za-z]", title) and re.search(r"[\u4e00-\u9fff]", title)


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_says_what_it_is_for_and_where_it_comes_from(name: str):
    scene = world().scenes[name]
    written = yaml.safe_load(text(name))
    assert {"objective", "audience", "bid", "pacing", "prediction"} <= written.keys()
    assert written["objective"] == scene.objective
    assert text(name).startswith(f"# {written['title'].split()[0]}")
    assert "published" in text(name) and "our estimate" in text(name).replace("\n# ", " ")


@pytest.mark.parametrize("mode", ["expected", "sampled"])
def test_every_scene_spends_and_shows(mode: str):
    chosen = plan(world(), "all", **{name: 1000 for name in NAMES})
    options = {"replications": 2} if mode == "sampled" else {}
    outcomes = {"expected": expected, "sampled": sampled}[mode](world(), [chosen], **options)
    found = outcomes.scenes("all")
    idle = [name for name in NAMES if not found[name]["impressions"]["mean"] > 0]
    assert idle == []
    spend = np.array([found[name]["spend"]["mean"] for name in NAMES])
    assert (spend > 250).all() and (spend <= 1000 * (1 + 1e-9)).all()
