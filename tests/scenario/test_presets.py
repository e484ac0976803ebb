"""The list of presets, and the text of one of them."""

import re

import pytest
import yaml

from simulator.errors import UserError
from simulator.scenario.catalogue import Preset, all_presets, preset_text
from simulator.scenario.loader import preset_folder, preset_names


def test_every_preset_says_in_its_first_line_what_it_is():
    found = all_presets()
    assert [f"{preset.kind}/{preset.name}" for preset in found] == preset_names()
    for preset in found:
        assert len(preset.about) > 10 and not preset.about.startswith("#"), preset
        assert not re.search(r" ,|,,|,:| :|  ", preset.english), preset
    scenes = [preset for preset in found if preset.kind == "scenes"]
    assert [preset.name for preset in scenes if not preset.chinese] == []


@pytest.mark.parametrize(
    ("about", "chinese", "english"),
    [
        ("Live 超级直播: rooms.", "超级直播", "Live: rooms."),
        ("Channel 聚划算, 百亿补贴: a place.", "聚划算、百亿补贴", "Channel: a place."),
        ("UC splash UC开屏: 开屏 of UC.", "UC开屏", "UC splash: 开屏 of UC."),
        ("Gift 拉新·新享: orders.", "拉新·新享", "Gift: orders."),
        ("Kuaishou feed 快手, bought: small.", "快手", "Kuaishou feed, bought: small."),
        ("88VIP, the members.", "", "88VIP, the members."),
    ],
)
def test_names_of_both_languages_are_told_apart(about: str, chinese: str, english: str):
    preset = Preset("slots", "x", about)
    assert (preset.chinese, preset.english) == (chinese, english)


def test_a_preset_is_found_by_its_name_alone_where_no_other_has_it():
    whole = preset_folder().joinpath("scenes/harvest.yaml").read_text(encoding="utf-8")
    assert preset_text("harvest") == preset_text("scenes/harvest") == whole
    assert yaml.safe_load(preset_text("sources/live"))["organic_cvr"] == "4%"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("live", "several presets are called live: choose one of scenes/live, sources/live"),
        ("harvst", "no preset is called 'harvst', did you mean 'harvest'"),
        ("scenes/harvst", "did you mean 'scenes/harvest'"),
        ("../../schema", "no preset is called"),
    ],
)
def test_a_name_that_is_none_or_several_is_told(name: str, words: str):
    with pytest.raises(UserError, match=words):
        preset_text(name)
