"""The points of a study: which values its parameters take together.

word      meaning                                                        shape
over      a parameter's dotted path and the values that it may take      one entry per parameter
cell      one value of every parameter                                   a row of the study
grid      every combination; the last parameter changes first            product of the levels
u         a point of a space-filling design in [0, 1)                    [point, parameter]
where     rules that a cell must meet, such as "a + b <= 9m"; others are left out

Every cell is played with the same seed and the same replications, so that cells are compared under
the same luck. A rule is read by the small grammar below; nothing in it is ever executed.
"""

import json
import math
import operator
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from simulator.scenario.amounts import (
    Number,
    Part,
    Whole,
    read_amount,
    read_moment,
    read_seconds,
    shown,
    suggestion,
)

MOST_CELLS = 100_000
MOST_LEVELS = 10_000
LEVELS = 5
"""Levels of a range in a grid that names none."""

Kind = Literal["grid", "latin_hypercube", "sobol"]


class Range(Part):
    """Numbers from one to another."""

    start: Annotated[Number, Field(alias="from")]
    """The first value."""
    to: Number
    """The last value."""
    steps: Annotated[Whole, Field(ge=2, le=MOST_LEVELS)] | None = None
    """How many values, both ends included; only in a grid, where the default is 5."""
    spacing: Literal["linear", "log"] = "linear"
    """Equal differences, or equal ratios."""
    whole: bool = False
    """Whether values are rounded to whole numbers."""

    def at(self, share: np.ndarray) -> list[float | int]:
        """The values at these shares of the way."""
        if self.spacing == "log":
            values = self.start * (self.to / self.start) ** share
        else:
            values = self.start + (self.to - self.start) * share
        values = np.where(share == 1.0, self.to, values)
        return [round(x) if self.whole else x for x in values.tolist()]

    def levels(self) -> list[float | int]:
        """The values of a grid, each once."""
        return list(dict.fromkeys(self.at(np.linspace(0.0, 1.0, self.steps or LEVELS))))


Levels = list[Any] | Range


def check_levels(levels: Levels, kind: Kind) -> str:
    """What is wrong with the values of one parameter; nothing if all is well."""
    if isinstance(levels, list):
        return _check_list(levels)
    if not levels.start < levels.to:
        return f"is an empty range: from {levels.start:g} must lie below to {levels.to:g}"
    if not math.isfinite(levels.to - levels.start):
        return f"is wider than any number: from {levels.start:g} to {levels.to:g}"
    if levels.spacing == "log" and levels.start <= 0:
        return f"must start above 0 for log spacing (got {levels.start:g})"
    if kind != "grid" and levels.steps is not None:
        return (
            f"has steps, which only a grid has: leave them out, or choose design: grid, not {kind}"
        )
    return ""


def _check_list(levels: list[Any]) -> str:
    if not levels:
        return "is an empty list: name at least one value"
    if len(levels) > MOST_LEVELS:
        return f"has {len(levels):,} values, more than {MOST_LEVELS:,}"
    seen: dict[Hashable, Any] = {}
    for level in levels:
        meant = _meant(level)
        if meant in seen:
            return f"names {_twice(seen[meant], level)}"
        seen[meant] = level
    return ""


def _meant(level: Any) -> Hashable:
    """What a level says, however it is written."""
    for read in (as_number, read_moment, read_seconds):
        with suppress(ValueError):
            if (value := read(level)) is not None:
                return read.__name__, value
    return json.dumps(level, sort_keys=True, default=str)


def _twice(first: Any, second: Any) -> str:
    words = shown(first), shown(second)
    return (
        f"{words[0]} twice" if words[0] == words[1] else f"one value twice: {' and '.join(words)}"
    )


# --------------------------------------------------------------------------- rules
_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_TOKEN = re.compile(r"\s*(<=|>=|==|!=|[<>+*]|[^\s<>=!+*]+)")
_LONGEST = 500  # characters of a rule

Term = tuple[float, tuple[str, ...]]
"""A number and the names that it is multiplied with."""


@dataclass(frozen=True)
class Rule:
    """`left sign right`, both sums of terms."""

    text: str
    left: tuple[Term, ...]
    sign: str
    right: tuple[Term, ...]

    @classmethod
    def read(cls, text: str, names: Sequence[str]) -> "Rule":
        """A rule from text; a ValueError says what cannot be read.

        >>> Rule.read("2 * a - b <= 9m", ["a", "b"]).left
        ((2.0, ('a',)), (-1.0, ('b',)))
        """
        words = _words(text)
        signs = [n for n, word in enumerate(words) if word in _SIGNS]
        if len(signs) != 1:
            raise ValueError(f"must compare once, as in 'a < b' (got {shown(text)})")
        at = signs[0]
        return cls(text, _sum(words[:at], names), words[at], _sum(words[at + 1 :], names))

    def names(self) -> set[str]:
        """The parameters it speaks of."""
        return {name for _, parts in (*self.left, *self.right) for name in parts}

    def holds(self, numbers: Mapping[str, float]) -> bool:
        """Whether a cell meets it."""
        return _SIGNS[self.sign](_total(self.left, numbers), _total(self.right, numbers))


def _words(text: str) -> list[str]:
    words, place, text = [], 0, text.strip()
    if len(text) > _LONGEST:
        raise ValueError(f"is longer than {_LONGEST} characters")
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise ValueError(f"cannot be read at {shown(text[place:])}")
        words.append(match[1])
        place = match.end()
    return words


def _sum(words: Sequence[str], names: Sequence[str]) -> tuple[Term, ...]:
    """Terms joined by + and -; a minus stands between spaces, for names may hold one."""
    terms: list[list[str]] = [[]]
    signs = [1.0]
    for word in words:
        if word in {"+", "-"}:
            signs.append(-1.0 if word == "-" else 1.0)
            terms.append([])
        else:
            terms[-1].append(word)
    if terms[0] == [] and len(terms) > 1:  # a leading sign
        signs, terms = signs[1:], terms[1:]
    return tuple(_term(sign, term, names) for sign, term in zip(signs, terms, strict=True))


def _term(sign: float, words: Sequence[str], names: Sequence[str]) -> Term:
    factors, stars = words[::2], words[1::2]
    if len(words) % 2 == 0 or any(star != "*" for star in stars) or "*" in factors:
        raise ValueError(
            f"needs numbers or parameters joined by + - * (got {shown(' '.join(words))})"
        )
    number, known = sign, []
    for word in factors:
        if word in names:
            known.append(word)
        else:
            number *= _number(word, names)
    return number, tuple(known)


def _number(word: str, names: Sequence[str]) -> float:
    try:
        return read_amount(word, percent=True)
    except ValueError:
        near = suggestion(word, list(names)) or f"; known are {', '.join(names) or 'none'}"
        raise ValueError(f"speaks of {shown(word)}, which is no parameter of over{near}") from None


def _total(terms: Sequence[Term], numbers: Mapping[str, float]) -> float:
    return sum(number * math.prod(numbers[name] for name in parts) for number, parts in terms)


def as_number(value: object) -> float | None:
    """A level as a number, or None if it is none.

    >>> as_number("5m"), as_number("20%"), as_number("gsp"), as_number(True)
    (5000000.0, 0.2, None, None)
    """
    try:
        return None if isinstance(value, bool) else read_amount(value, percent=True)
    except (ValueError, TypeError):
        return None


# --------------------------------------------------------------------------- cells
@dataclass(frozen=True)
class Cell:
    """One value of every parameter."""

    number: int
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Design:
    """What is varied, and how the values are put together."""

    over: Mapping[str, Levels]
    kind: Kind = "grid"
    points: int | None = None
    rules: tuple[Rule, ...] = ()
    seed: int = 11

    def size(self) -> int:
        """Cells before any rule, without making one."""
        if self.kind != "grid":
            return self.points or 0
        counts = [
            len(levels) if isinstance(levels, list) else levels.steps or LEVELS
            for levels in self.over.values()
        ]
        return math.prod(counts)

    def cells(self) -> list[Cell]:
        """Every cell that meets the rules, numbered in order."""
        rows = self._grid() if self.kind == "grid" else self._points()
        cells = [dict(zip(self.over, row, strict=True)) for row in rows]
        kept = [values for values in cells if self._holds(values)]
        return [Cell(number, values) for number, values in enumerate(kept)]

    def are_numbers(self, name: str) -> bool:
        """Whether every value of a parameter is a number."""
        levels = self.over[name]
        return isinstance(levels, Range) or all(as_number(x) is not None for x in levels)

    def _grid(self) -> list[tuple[Any, ...]]:
        levels = [x if isinstance(x, list) else x.levels() for x in self.over.values()]
        return list(product(*levels))

    def _points(self) -> list[tuple[Any, ...]]:
        from scipy.stats import qmc

        maker = qmc.LatinHypercube if self.kind == "latin_hypercube" else qmc.Sobol
        u = maker(len(self.over), seed=self.seed).random(self.points or 0)
        columns = [_spread(levels, u[:, n]) for n, levels in enumerate(self.over.values())]
        return list(zip(*columns, strict=True))

    def _holds(self, values: Mapping[str, Any]) -> bool:
        if not self.rules:
            return True
        numbers = {name: as_number(value) or 0.0 for name, value in values.items()}
        return all(rule.holds(numbers) for rule in self.rules)


def _spread(levels: Levels, u: np.ndarray) -> list[Any]:
    """Points of one axis as values; a list is cut into equal parts."""
    if isinstance(levels, Range):
        return levels.at(u)
    return [levels[n] for n in np.floor(u * len(levels)).astype(int)]
