"""The presets that come with the program: what each is called, in two languages, and its text."""

import re
from dataclasses import dataclass

from simulator.errors import UserError
from simulator.scenario.amounts import suggestion
from simulator.scenario.loader import preset_folder, preset_names

CHINESE = re.compile(r"(?:,?\s*)([A-Za-z]*[\u4e00-\u9fff][A-Za-z\u4e00-\u9fff·]*)")
"""A Chinese name, with what parts it from the English one."""


@dataclass(frozen=True)
class Preset:
    """One preset, as the first line of its file tells of it."""

    kind: str
    """Its folder, which is the part of a scenario that it is for."""
    name: str
    about: str
    """The first line of its file, its title first."""

    @property
    def chinese(self) -> str:
        """Chinese names in its title, empty if it has none."""
        return "、".join(CHINESE.findall(self.about.partition(":")[0]))

    @property
    def english(self) -> str:
        """The first line without the Chinese names of its title."""
        title, colon, rest = self.about.partition(":")
        return CHINESE.sub("", title) + colon + rest


def all_presets() -> list[Preset]:
    """Every preset, by kind and name."""
    return [_read(path) for path in preset_names()]


def preset_text(name: str) -> str:
    """The YAML of a preset, by its name or by kind/name where kinds share one."""
    known = preset_names()
    found = [path for path in known if name in (path, path.rpartition("/")[2])]
    if len(found) > 1:
        raise UserError(f"several presets are called {name}: choose one of {', '.join(found)}")
    if not found:
        words = [*known, *(path.rpartition("/")[2] for path in known)]
        raise UserError(f"no preset is called {name!r}{suggestion(name, words)}")
    return _text(found[0])


def _text(path: str) -> str:
    return preset_folder().joinpath(f"{path}.yaml").read_text(encoding="utf-8")


def _read(path: str) -> Preset:
    kind, _, name = path.rpartition("/")
    first = _text(path).partition("\n")[0]
    return Preset(kind, name, first.removeprefix("#").strip())
